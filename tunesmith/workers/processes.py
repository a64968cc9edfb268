"""Runs on this machine: each in a process of its own, so that its peak memory is its own, with its share of the threads."""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tunesmith.run import write_text
from tunesmith.workers.job import Job, command
from tunesmith.workers.share import BESIDE, environments


@dataclass
class Processes:
    """Makes runs on this machine.

    logs: folder for recipes and, where several runs are made at once, for what they say. Alone a run talks to our terminal.
    """

    parallel: int
    logs: Path
    shares: list[dict[str, str]] = field(default_factory=list)

    @property
    def apart(self) -> bool:
        return self.parallel > 1

    def begin(self, job: Job, slot: int) -> "Process":
        path = self.logs / f"{job.name}.yaml"
        write_text(path, job.text())
        if not self.apart:
            environment = {name: value for name, value in os.environ.items() if name != BESIDE}
            return Process(subprocess.Popen(command(path, job.run.folder), env=environment, process_group=0), "here")
        self.shares = self.shares or environments(self.parallel)
        share = self.shares[slot]
        with (self.logs / f"{job.name}.log").open("ab") as output:
            process = subprocess.Popen(
                command(path, job.run.folder), stdout=output, stderr=output, env={**os.environ, **share}, process_group=0
            )
        gpu = share.get("CUDA_VISIBLE_DEVICES")
        return Process(process, f"GPU {gpu}" if gpu is not None else "here")


@dataclass(frozen=True, eq=False)
class Process:
    """A run's process, in a group of its own, so that a signal comes once."""

    own: "subprocess.Popen[bytes]"
    where: str

    def poll(self) -> int | None:
        return self.own.poll()

    def send_signal(self, number: int) -> None:
        self.own.send_signal(number)
