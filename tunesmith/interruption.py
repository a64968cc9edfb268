"""Told to stop: by Ctrl-C (SIGINT) or by SIGTERM. What is under way is finished and saved, and no process of ours stays behind.

The first signal is heard at the next good moment, the second one at once. A process that we begin for a part of the work
(`Child`) is told by us, and by nobody else; where we are killed, it finds itself without us, saves and ends too.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import IO

PARENT = "TUNESMITH_PARENT"  # environment variable: the process without which another one is to end
LOOK = 0.5  # seconds between two looks at whether it lives
STATUSES = {signal.SIGINT: 130, signal.SIGTERM: 143}  # exit status, 128 and the number of the signal, as shells have it


class TerminatedError(KeyboardInterrupt):
    """SIGTERM came. Whoever hears Ctrl-C hears this too."""


def error_of(number: int) -> KeyboardInterrupt:
    """What is raised when a signal came, or when a process ended with its status."""
    return TerminatedError() if number in (signal.SIGTERM, STATUSES[signal.SIGTERM]) else KeyboardInterrupt()


def status_of(error: KeyboardInterrupt) -> int:
    """The exit status of a command that stopped so."""
    return STATUSES[signal.SIGTERM if isinstance(error, TerminatedError) else signal.SIGINT]


class Heard:
    """Which signals came, in order. Called, it tells whether one did."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def __call__(self) -> bool:
        return bool(self.numbers)

    @property
    def error(self) -> KeyboardInterrupt:
        """What the first of them raises."""
        return error_of(self.numbers[0] if self.numbers else signal.SIGINT)


@contextmanager
def patient() -> Iterator[Heard]:
    """Ctrl-C and SIGTERM are only noted; the second one stops at once."""
    heard = Heard()

    def note(number: int, frame: FrameType | None) -> None:
        heard.numbers.append(number)
        if len(heard.numbers) > 1:
            raise error_of(number)

    with taking_signals(note):
        yield heard


@contextmanager
def stoppable() -> Iterator[None]:
    """SIGTERM raises as Ctrl-C does, so that what was begun is put in order. Ctrl-C stays as it is."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise error_of(number)

    with taking_signals(stop, (signal.SIGTERM,)):
        yield


@contextmanager
def taking_signals(
    handler: Callable[[int, FrameType | None], None], numbers: Sequence[signal.Signals] = (signal.SIGINT, signal.SIGTERM)
) -> Iterator[None]:
    """Signals go to a function. Outside the main thread, where signals cannot be taken, nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, own in before.items():
            signal.signal(number, own or signal.SIG_DFL)


class Child(subprocess.Popen[bytes]):
    """A process for a part of our work, in a group of its own, so that a signal reaches it once and from us alone.

    Where we are killed it ends too (`end_with_parent`).

    told: how often it was told to stop.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        stdout: IO[bytes] | None = None,
        stderr: IO[bytes] | None = None,
    ) -> None:
        self.told = 0
        whole = {**os.environ, **(environment or {}), PARENT: str(os.getpid())}
        super().__init__(command, stdout=stdout, stderr=stderr, env=whole, process_group=0)

    def pass_on(self, number: int) -> None:
        """Tell it what we were told."""
        self.told += 1
        with suppress(ValueError, ProcessLookupError):  # on Windows the terminal tells it
            self.send_signal(number)


def end_with_parent() -> None:
    """Where another process began this one for its work: end with SIGTERM, thus saving, once that process is gone."""
    parent = os.environ.pop(PARENT, "")  # it is ours alone, and not that of processes that we begin
    if not parent.isdigit():
        return

    def watch() -> None:
        while os.getppid() == int(parent):
            time.sleep(LOOK)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


def die_with_parent(parent: int) -> None:
    """In a process that was forked and has nothing to save: end at once when its parent is gone."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK)
        os._exit(STATUSES[signal.SIGTERM])

    threading.Thread(target=watch, name="die-with-parent", daemon=True).start()
