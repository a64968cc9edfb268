"""Runs side by side: each in a process of its own, with its share of the threads.

Ctrl-C is passed on to every process: each saves after its step and ends; the same command goes on there.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Protocol

import yaml
from rich.console import Console
from rich.status import Status

from tunesmith import settings
from tunesmith.interruption import STATUSES, Child, Heard, error_of, taking_signals
from tunesmith.recipe import Recipe
from tunesmith.run import Run, write_text

POLL = 0.2  # seconds between two looks at the processes


@dataclass(frozen=True)
class Job:
    """A run to make, or to bring further."""

    recipe: Recipe
    run: Run


class Process(Protocol):
    """`interruption.Child` fits."""

    told: int

    def poll(self) -> int | None: ...
    def pass_on(self, number: int) -> None: ...


@dataclass
class Pool:
    """Makes runs, `parallel` at a time.

    logs: folder for what the processes say, where several run at once.
    """

    parallel: int
    logs: Path
    running: dict[Process, Job] = field(default_factory=dict)

    def make(self, jobs: Iterator[Job], ended: Callable[[Job, int], None]) -> None:
        """Make all runs; `ended` is told each with its exit status. A job is asked for when there is room for it.

        Raises:
            KeyboardInterrupt: after Ctrl-C or SIGTERM, when every process has saved and ended.
        """
        why: KeyboardInterrupt | None = None
        with forwarding(self.running) as heard, watching(self.running) as shown:
            try:
                while True:
                    while not (why or heard()) and len(self.running) < self.parallel and (job := next(jobs, None)) is not None:
                        process = begin(job, self.parallel, self.logs)
                        self.running[process] = job
                        if heard() and not process.told:  # while it began
                            process.pass_on(heard.numbers[0])
                    if not self.running:
                        break
                    shown()
                    time.sleep(POLL)
                    why = why or (heard.error if heard() else None)
                    for process, status in [(one, one.poll()) for one in self.running]:
                        if status is None:
                            continue
                        job = self.running.pop(process)
                        why = why or (error_of(status) if status in STATUSES.values() else None)
                        if status == 0 or not why:  # what was told to stop has not failed
                            ended(job, status)
            finally:
                for process in self.running:  # only where an error of ours ends the loop
                    process.pass_on(signal.SIGTERM)
        if why or heard():
            raise why or heard.error


def begin(job: Job, parallel: int, logs: Path) -> Process:
    """Start a run's process, in a group of its own, so that a signal comes once. Alone it talks to our terminal; beside others,
    into a file."""
    path = logs / f"{job.recipe.name}.yaml"
    write_text(path, yaml.safe_dump(settings.dump(job.recipe), sort_keys=False, allow_unicode=True))
    command = [sys.executable, "-m", "tunesmith", "train", str(path), "--into", str(job.run.folder), "--brief"]
    if parallel == 1:
        return Child(command)
    with (logs / f"{job.recipe.name}.log").open("wb") as output:
        return Child(command, share(parallel), output, output)


def share(parallel: int) -> dict[str, str]:
    """Threads for each of several processes: together no more than there are cores, or than were asked for."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    most = min(cores, int(asked)) if asked.isdigit() and int(asked) else cores
    return {"OMP_NUM_THREADS": str(max(1, min(most, cores // parallel)))}


@contextmanager
def forwarding(running: Mapping[Process, Job]) -> Iterator[Heard]:
    """Pass signals to stop on to the processes, which save and end; what is given tells which ones came."""
    heard = Heard()

    def pass_on(number: int, frame: FrameType | None) -> None:
        heard.numbers.append(number)
        for process in list(running):
            process.pass_on(number)

    with taking_signals(pass_on):
        yield heard


@contextmanager
def watching(running: Mapping[Process, Job]) -> Iterator[Callable[[], None]]:
    """A line at the terminal that says how far the running ones are, where several run at once."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield lambda: None
        return
    with Status("", console=console) as status:

        def shown() -> None:
            if len(running) > 1:
                far = (f"{job.recipe.name} step {last_step(job.run)}" for job in running.values())
                status.update("running: " + ", ".join(far))

        yield shown


def last_step(run: Run) -> int:
    """Steps that a running run has made, by the end of its file."""
    try:
        with (run.folder / "steps.jsonl").open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 2000))
            lines = file.read().splitlines()
        return int(json.loads(lines[-1])["step"])
    except (OSError, ValueError, IndexError, KeyError):
        return 0
