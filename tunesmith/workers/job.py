"""A run that is to be made by somebody else, and what is seen of it from outside: its folder, its log, the command it is."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

from tunesmith import settings
from tunesmith.recipe import Recipe
from tunesmith.run import Run

TAIL = 6  # lines of a log that are told where nothing in it says what was wrong
Say = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """A run to make, or to bring further."""

    recipe: Recipe
    run: Run

    @property
    def name(self) -> str:
        return self.recipe.name

    def text(self) -> str:
        """The recipe as YAML."""
        return yaml.safe_dump(settings.dump(self.recipe), sort_keys=False, allow_unicode=True)


class Worker(Protocol):
    """Whoever makes a run."""

    @property
    def where(self) -> str:
        """In a few words, for a table."""
        ...

    @property
    def told(self) -> int:
        """How often it was told to stop."""
        ...

    def poll(self) -> int | None:
        """None while it works, then the exit status; below nought where it did not end by itself: it was killed, or is lost."""
        ...

    def pass_on(self, number: int) -> None:
        """Tell it what we were told."""
        ...


class Place(Protocol):
    """Where runs are made.

    parallel: runs at a time.
    apart:    whether what runs say goes into files, not to our terminal.
    """

    parallel: int

    @property
    def apart(self) -> bool: ...

    def begin(self, job: Job, slot: int) -> Worker:
        """Start making a run; `slot` is one of the numbers below `parallel` that nobody else has at this moment."""
        ...


def command(recipe: Path, folder: Path) -> list[str]:
    """What makes a run in a process of its own."""
    return [sys.executable, "-m", "tunesmith", "train", str(recipe), "--into", str(folder), "--brief"]


def last_step(run: Run) -> dict[str, Any]:
    """The last step that a running run has made, by the end of its file; empty before the first."""
    try:
        with (run.folder / "steps.jsonl").open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 20_000))
            lines = file.read().splitlines()
    except OSError:
        return {}
    for line in reversed(lines):
        try:
            found: dict[str, Any] = json.loads(line)
        except ValueError:
            continue
        return found
    return {}


def timed_beside(run: Run) -> bool:
    """Whether the latency of a run that has ended was measured while others were made on its machine."""
    world = run.world()
    return bool(world.get("ended") and world.get("latency") and world.get("latency_beside", 1) > 1)


def why(log: Path) -> str:
    """What a process said was wrong; empty where it spoke to the terminal."""
    lines = said(log)
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (errors or lines or [""])[-1]


def end_of(log: Path) -> list[str]:
    """The last lines of a log, from its error on where it names one."""
    lines = said(log)
    errors = [number for number, line in enumerate(lines) if line.startswith("error: ")]
    return lines[errors[-1] :][:TAIL] if errors else lines[-TAIL:]


def said(log: Path) -> list[str]:
    """Lines of a log that are not empty."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    return [line for line in lines if line.strip()]
