"""The part of a run on a cluster that lives on the machine that makes it: an actor of Ray, which begins the run's process.

No Ray is imported here: `cluster.py` makes an actor of the class.
"""

import os
import platform
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import tunesmith
from tunesmith.interruption import Child
from tunesmith.run import Run, write_text
from tunesmith.workers import carrying
from tunesmith.workers.job import command, said

PATIENCE = 60.0  # seconds in which a run's last process, which is being stopped, may still save
LINES = 40  # of a log, that are told


@dataclass(frozen=True)
class Greeting:
    """What a machine says of itself. shared: whether the driver's folder is seen there."""

    host: str
    version: str
    shared: bool


@dataclass(frozen=True)
class Look:
    """How a run is: its exit status once it has ended, the end of what it said, and its files where they are to be carried."""

    status: int | None
    lines: tuple[str, ...] = ()
    files: carrying.Listing = field(default_factory=dict)


class Remote:
    """Makes one run."""

    def __init__(self) -> None:
        self.process: Child | None = None
        self.folder = self.home = Path()
        self.log = Path()
        self.own = False  # the folder is ours, and its files are to be carried
        self.stopping = 0

    def greet(self, mark: str, word: str) -> Greeting:
        """mark: a file of the driver's; word: what stands in it, where the disk is the same."""
        path = Path(mark)
        shared = path.is_file() and path.read_text(encoding="utf-8") == word
        return Greeting(platform.node(), tunesmith.__version__, shared)

    def take(self) -> None:
        """A folder of our own, for files to come into."""
        self.home, self.own = Path(tempfile.mkdtemp(prefix="tunesmith-")), True

    def write(self, path: str, offset: int, data: bytes) -> None:
        carrying.write(self.home / "run", path, offset, data)

    def read(self, path: str, offset: int, size: int) -> bytes:
        return carrying.read(self.home / "run", path, offset, size)

    def begin(self, name: str, recipe: str, folder: str, logs: str, where: str, environment: dict[str, str]) -> None:
        """Start the run. `folder`, `logs` and `where`, the working directory, are the driver's, absolute."""
        self.folder = self.home / "run" if self.own else Path(folder)
        place = self.home if self.own else Path(logs)
        self.log = place / f"{name}.log"
        write_text(place / f"{name}.yaml", recipe)
        self.folder.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        while Run(self.folder).writer() is not None and time.monotonic() - began < PATIENCE:
            time.sleep(0.2)  # the process of a worker that died is still saving
        roots = [str(Path(tunesmith.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
        if Path(where).is_dir():
            os.chdir(where)
        with self.log.open("ab") as output:
            own = environment | {"PYTHONPATH": os.pathsep.join(roots)}
            self.process = Child(command(place / f"{name}.yaml", self.folder), own, output, output)
        if self.stopping:
            self.process.pass_on(self.stopping)

    def look(self) -> Look:
        status = self.process.poll() if self.process is not None else None
        lines = tuple(said(self.log)[-LINES:]) if self.own or status else ()
        return Look(status, lines, carrying.listing(self.folder) if self.own else {})

    def pass_on(self) -> None:
        """Stop the run after its step. By SIGTERM whatever the driver heard: processes below Ray's have SIGINT blocked."""
        self.stopping = signal.SIGTERM
        if self.process is not None and self.process.poll() is None:
            self.process.pass_on(signal.SIGTERM)

    def end(self) -> None:
        """Leave nothing behind."""
        if self.own:
            shutil.rmtree(self.home, ignore_errors=True)
