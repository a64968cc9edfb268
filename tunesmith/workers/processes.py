"""Runs on this machine: each in a process of its own, so that its peak memory is its own, with its share of the threads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tunesmith.interruption import Child
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
            return Process("here", command(path, job.run.folder), {BESIDE: "1"})
        self.shares = self.shares or environments(self.parallel)
        share = self.shares[slot]
        gpu = share.get("CUDA_VISIBLE_DEVICES")
        with (self.logs / f"{job.name}.log").open("ab") as output:
            return Process(f"GPU {gpu}" if gpu is not None else "here", command(path, job.run.folder), share, output)


class Process(Child):
    """A run's process on this machine."""

    def __init__(
        self, where: str, command: Sequence[str], environment: Mapping[str, str], output: IO[bytes] | None = None
    ) -> None:
        super().__init__(command, environment, output, output)
        self.where = where
