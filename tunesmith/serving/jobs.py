"""What other threads want done by the one that owns a model; whoever waits for a job is told, also where it is never done."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

Result = TypeVar("Result")


class EndedError(RuntimeError):
    """The worker has ended, and does nothing that is asked of it any more."""


@dataclass(frozen=True)
class Job:
    """future: told what came of it; None: nobody asks, and a fault is the worker's own."""

    work: Callable[[], Any]
    future: "Future[Any] | None"

    def do(self) -> None:
        if self.future is None:
            self.work()
        elif self.future.set_running_or_notify_cancel():
            try:
                self.future.set_result(self.work())
            except BaseException as error:
                self.future.set_exception(error)

    def refuse(self, error: Exception) -> None:
        if self.future is not None and self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)


class Jobs:
    """Put by any thread; done by one, which closes it in the end."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Job] = SimpleQueue()
        self._ended: EndedError | None = None

    def __len__(self) -> int:
        return self._queue.qsize()

    def post(self, work: Callable[[], None]) -> None:
        """Have something done; nothing, where the worker has ended."""
        self._put(Job(work, None))

    def call(self, work: Callable[[], Result]) -> "Future[Result]":
        """The same, with what came of it; `EndedError`: the worker has ended."""
        future: Future[Result] = Future()
        self._put(Job(work, future))
        return future

    def _put(self, job: Job) -> None:
        self._queue.put(job)
        if self._ended is not None:  # looked at behind the put, as `close` sets it before it looks at the queue a last time
            self._refuse(self._ended)

    def do(self, patience: float | None) -> None:
        """Do all there are; where there is none, wait for one so many seconds (None: not at all)."""
        try:
            self._queue.get(block=patience is not None, timeout=patience).do()
            while True:
                self._queue.get_nowait().do()
        except Empty:
            pass

    def close(self, error: EndedError) -> None:
        """Refuse all there are, and all that come."""
        self._ended = error
        self._refuse(error)

    def _refuse(self, error: EndedError) -> None:
        while True:
            try:
                job = self._queue.get_nowait()
            except Empty:
                return
            job.refuse(error)
