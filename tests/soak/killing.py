"""Real processes of the command line, killed at random moments, and what of them is still there afterwards."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KILLED = b"K"  # what the hook counts a kill by
HOOK = Path(__file__).resolve().parent / "hook"
LONGEST = 600.0  # seconds of one life
BEHIND = 60.0  # seconds that others may need to end, once the one that began them was killed


@dataclass(frozen=True)
class Kill:
    """When a command is killed.

    at:      the moment of writing, counted from 1 (`hook/sitecustomize.py`); 0: never by that.
    cut:     share of the last write that is left; None: all of it.
    seconds: after its beginning, instead.
    """

    at: int = 0
    cut: float | None = None
    seconds: float | None = None

    def __str__(self) -> str:
        if self.seconds is not None:
            return f"after {self.seconds:.2f} s"
        return f"at moment {self.at}" + ("" if self.cut is None else f" with {self.cut:.0%} of the last write")


@dataclass(frozen=True)
class Life:
    """What came of one life of a command.

    status:  exit status; negative: the signal it died of.
    moments: of writing, of all its processes.
    seconds: how long it lived.
    behind:  numbers of processes that had to be killed because they did not end by themselves.
    kills:   of it, or of a process that it began: a comparison begins that again, and may end well.
    """

    status: int
    moments: int
    seconds: float
    behind: tuple[int, ...] = ()
    said: str = ""
    kills: int = 0


class Begun:
    """Commands begun by a process that has read all libraries before (`begun.py`); in a `with`."""

    def __enter__(self) -> "Begun":
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.soak.begun"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        assert self.said() == "ready"
        return self

    def __exit__(self, *error: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()

    def said(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def live(self, told: dict[str, object], seconds: float, watch: Callable[[int], None] | None = None) -> tuple[int, int]:
        """Number and status of a process that is killed after so many seconds. `watch` is told its number meanwhile."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(told) + "\n")
        self.process.stdin.flush()
        number = int(self.said())
        over = threading.Timer(seconds, os.kill, (number, signal.SIGKILL))
        over.start()
        watching = threading.Thread(target=watch, args=(number,), daemon=True) if watch else None
        if watching:
            watching.start()
        status = int(self.said())
        over.cancel()
        if watching:
            watching.join()
        return number, status


@dataclass
class Victim:
    """A command in a folder of its own, which is given again and again until it ends.

    command: what stands behind `python -m tunesmith`.
    folder:  where it runs; moments of writing count below `below` in it.
    begun:   begins the processes; None: each is a new Python.
    """

    command: Sequence[str]
    folder: Path
    below: str = "out"
    environment: dict[str, str] = field(default_factory=dict)
    begun: Begun | None = None

    def live(self, kill: Kill = Kill(), watch: Callable[[int], None] | None = None) -> Life:
        """Give the command once. `watch` is told the process's number and may send it signals."""
        (self.folder / self.below).mkdir(parents=True, exist_ok=True)
        count, said = self.folder / "moments", self.folder / "said.txt"
        count.write_bytes(b"")
        environment = {"OMP_NUM_THREADS": "1", "TUNESMITH_CACHE": "off", **self.environment}
        environment |= {"SOAK_AT": str(kill.at), "SOAK_ROOT": str(self.folder / self.below), "SOAK_COUNT": str(count)}
        environment |= {} if kill.cut is None else {"SOAK_CUT": str(kill.cut)}
        environment["PYTHONPATH"] = os.pathsep.join([str(HOOK), str(ROOT)])
        began = time.monotonic()
        seconds = LONGEST if kill.seconds is None else kill.seconds
        if self.begun is None:
            number, status = self.apart(environment, seconds)
        else:
            told: dict[str, object] = {"command": [*self.command], "folder": str(self.folder), "output": str(said)}
            number, status = self.begun.live({**told, "environment": environment}, seconds, watch)
        lived = time.monotonic() - began
        behind = ended(number)
        moments = count.read_bytes()
        kills = max(moments.count(KILLED), int(status == -signal.SIGKILL))
        return Life(status, len(moments), lived, behind, said.read_text(encoding="utf-8", errors="replace"), kills)

    def apart(self, environment: dict[str, str], seconds: float) -> tuple[int, int]:
        """Number and status of `python -m tunesmith`."""
        with (self.folder / "said.txt").open("wb") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "tunesmith", *self.command],
                cwd=self.folder,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        return process.pid, process.returncode


def ended(session: int, seconds: float = BEHIND) -> tuple[int, ...]:
    """Wait until every process of a session has ended; those that do not are killed, and told."""
    last = time.monotonic() + seconds
    while (there := members(session)) and time.monotonic() < last:
        time.sleep(0.05)
    for process in there:
        os.kill(process, signal.SIGKILL)
    return tuple(there)


def members(session: int) -> list[int]:
    """The processes of a session, whatever became of their parents; those that nobody has waited for yet do not count."""
    found = []
    for place in Path("/proc").iterdir():
        if not place.name.isdigit():
            continue
        try:
            state, _, _, own = (place / "stat").read_text().rpartition(")")[2].split()[:4]
        except OSError:  # ended meanwhile
            continue
        if state != "Z" and own == str(session):
            found.append(int(place.name))
    return found


def drawn(random_: random.Random, whole: Life) -> Kill:
    """Some moment within the life of a command that was not killed: of writing, in the middle of a write, or of its time."""
    how = random_.random()
    if how < 0.3:
        return Kill(seconds=random_.uniform(0.3, 1.0) * whole.seconds)
    cut = random_.random() if how < 0.65 else None
    return Kill(at=random_.randint(1, max(1, whole.moments)), cut=cut)
