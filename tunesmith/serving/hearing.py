"""Answers as they come from the worker's thread to the server's loop, and what happens when their client goes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from time import monotonic

from fastapi import Request

from tunesmith.generation.slots import Reason, Told
from tunesmith.serving.refusals import RefusalError
from tunesmith.serving.worker import Ask, Heard, Ticket, Worker

LOOK = 2.0  # seconds of silence after which it is looked at whether the worker still lives


@dataclass
class Said:
    """One answer, as far as it was heard."""

    ids: list[int] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    reason: Reason | None = None

    def add(self, heard: Heard) -> None:
        self.ids += heard.ids
        self.told += heard.told
        self.reason = heard.reason


class Counted:
    """How many answers are open: accepted, and neither ended nor given up."""

    def __init__(self) -> None:
        self.open = 0


class Hearing:
    """The answers of one request. To be used in the server's loop; `close` gives up what has not ended."""

    def __init__(self, worker: Worker, counted: Counted) -> None:
        self.worker, self.counted = worker, counted
        self.began = monotonic()
        self._loop = asyncio.get_running_loop()
        self._heard: asyncio.Queue[tuple[int, Heard]] = asyncio.Queue()
        self._open: set[int] = set()
        self._tickets: list[Ticket] = []

    async def ask(self, asks: Sequence[Ask]) -> None:
        """Hand in what is asked; `UserError` where it is refused."""
        self._open = set(range(len(asks)))
        self.counted.open += len(asks)
        future = self.worker.submit(asks)
        try:
            self._tickets = await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            future.add_done_callback(_give_up)
            raise

    def ear(self, number: int) -> "partial[None]":
        """What the worker tells of one answer."""
        return partial(self._hear, number)

    def _hear(self, number: int, heard: Heard) -> None:
        """By the worker's thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._heard.put_nowait, (number, heard))

    async def parts(self) -> AsyncIterator[tuple[int, Heard]]:
        """(number, what is new) until all answers have ended.

        Raises:
            RefusalError: the worker failed.
        """
        while self._open:
            number, heard = await self._next()
            if heard.fault:
                raise RefusalError(500, heard.fault)
            if heard.reason:
                self._left(number)
            yield number, heard

    async def whole(self) -> list[Said]:
        """All answers, once they have ended."""
        said = [Said() for _ in self._open]
        async for number, heard in self.parts():
            said[number].add(heard)
        return said

    async def _next(self) -> tuple[int, Heard]:
        while self._heard.empty():
            try:
                return await asyncio.wait_for(self._heard.get(), LOOK)
            except TimeoutError:
                if not self.worker.alive:
                    raise RefusalError(500, "the worker has ended") from None
        return self._heard.get_nowait()

    def _left(self, number: int) -> None:
        if number in self._open:
            self._open.discard(number)
            self.counted.open -= 1

    def close(self) -> None:
        """What has not ended is wanted no more."""
        for number in list(self._open):
            self._left(number)
        for ticket in self._tickets:
            if ticket.slot is not None and ticket.slot.reason is None:
                ticket.cancel()


def _give_up(future: "Future[list[Ticket]]") -> None:
    if not future.cancelled() and future.exception() is None:
        for ticket in future.result():
            ticket.cancel()


async def gone(request: Request) -> None:
    """Until the client has gone. The body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
