"""Runs side by side: each in a process of its own, with its share of the threads.

Ctrl-C is passed on to every process: each saves after its step and ends; the same command goes on there.
"""

import json
import os
import signal
import subprocess
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
from tunesmith.recipe import Recipe
from tunesmith.run import Run, write_text
from tunesmith.sweep import INTERRUPTED
from tunesmith.training.learning import taking_signals

POLL = 0.2  # seconds between two looks at the processes


@dataclass(frozen=True)
class Job:
    """A run to make, or to bring further."""

    recipe: Recipe
    run: Run


class Process(Protocol):
    """`subprocess.Popen` fits."""

    def poll(self) -> int | None: ...
    def send_signal(self, number: int) -> None: ...


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
        stop = False
        with forwarding(self.running) as stopped, watching(self.running) as shown:
            try:
                while True:
                    while not stop and len(self.running) < self.parallel and (job := next(jobs, None)) is not None:
                        self.running[begin(job, self.parallel, self.logs)] = job
                    if not self.running:
                        break
                    shown()
                    time.sleep(POLL)
                    stop = stop or stopped()
                    for process, status in [(one, one.poll()) for one in self.running]:
                        if status is None:
                            continue
                        job = self.running.pop(process)
                        stop = stop or status == INTERRUPTED
                        if status == 0 or not stop:  # what was told to stop has not failed
                            ended(job, status)
            finally:
                for process in self.running:  # only where an error of ours ends the loop
                    process.send_signal(signal.SIGTERM)
        if stop:
            raise KeyboardInterrupt


def begin(job: Job, parallel: int, logs: Path) -> Process:
    """Start a run's process, in a group of its own, so that a signal comes once. Alone it talks to our terminal; beside others,
    into a file."""
    path = logs / f"{job.recipe.name}.yaml"
    write_text(path, yaml.safe_dump(settings.dump(job.recipe), sort_keys=False, allow_unicode=True))
    command = [sys.executable, "-m", "tunesmith", "train", str(path), "--into", str(job.run.folder), "--brief"]
    if parallel == 1:
        return subprocess.Popen(command, process_group=0)
    with (logs / f"{job.recipe.name}.log").open("wb") as output:
        environment = {**os.environ, **share(parallel)}
        return subprocess.Popen(command, stdout=output, stderr=output, env=environment, process_group=0)


def share(parallel: int) -> dict[str, str]:
    """Threads for each of several processes: together no more than there are cores, or than were asked for."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    most = min(cores, int(asked)) if asked.isdigit() and int(asked) else cores
    return {"OMP_NUM_THREADS": str(max(1, min(most, cores // parallel)))}


@contextmanager
def forwarding(running: Mapping[Process, Job]) -> Iterator[Callable[[], bool]]:
    """Pass signals to stop on to the processes, which save and end; the function that is given tells whether one came."""
    came: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        came.append(number)
        for process in list(running):
            process.send_signal(number)

    with taking_signals(pass_on):
        yield lambda: bool(came)


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
