"""One model as the API serves it: who is let in, what is asked of the worker, and how the answer leaves."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from tunesmith.generation.engine import ends_of
from tunesmith.generation.slots import Told
from tunesmith.serving.asking import Asking, Wanted
from tunesmith.serving.calling import Tree
from tunesmith.serving.figures import Figures
from tunesmith.serving.hearing import Counted, Hearing, Said, gone
from tunesmith.serving.jobs import EndedError
from tunesmith.serving.refusals import RefusalError, unknown_model
from tunesmith.serving.shelf import UnknownError
from tunesmith.serving.telling import Shape, Streaming, Tokens, usage
from tunesmith.serving.weighing import weighed
from tunesmith.serving.worker import Ask, Worker

One = TypeVar("One")
Result = TypeVar("Result")
AT_ONCE = 16  # texts that are read between two tokens of those who are answered meanwhile
ENDED = "The worker has ended by a fault, and answers nothing any more; come again once the server has been started anew"
GONE = 499  # nginx's number of a client that went; nobody reads it


@dataclass(frozen=True)
class Limits:
    """What may be asked for.

    queue:   most answers that wait for a row; who asks for more is told to come again.
    longest: most tokens of an answer.
    body:    most bytes of a request.
    """

    queue: int = 1024
    longest: int = 4096
    body: int = 1 << 20


class Served:
    """What the routes of the API share.

    Args:
        worker:  that runs.
        name:    by which clients call the base.
        folder:  whose adapters may be loaded and unloaded by requests; None: none may.
    """

    def __init__(self, worker: Worker, name: str, limits: Limits = Limits(), folder: Path | None = None) -> None:
        self.worker, self.name, self.limits, self.folder = worker, name, limits, folder
        self.model = worker.model
        self.asking = Asking(worker.model, limits.longest, worker.rows + limits.queue)
        self.figures = Figures(worker)
        self.counted = Counted()
        self.began = int(time.time())
        self.draining = False
        self._spelling = ThreadPoolExecutor(1, "spelling")

    async def spelled(self, read: Callable[[Any], Result], body: Any) -> Result:
        """Beside the loop, one request after the other."""
        self.refuse(0)
        return await asyncio.get_running_loop().run_in_executor(self._spelling, read, body)

    def refuse(self, answers: int) -> None:
        """Refuse so many more answers where there is no room for them, or no worker."""
        if self.draining:
            raise RefusalError(503, "The server is about to end and takes no more requests; those under way end")
        if not self.worker.alive:
            raise RefusalError(503, ENDED)
        if self.counted.open + answers > self.worker.rows + self.limits.queue:
            raise RefusalError(429, f"{self.worker.waiting} answers wait already; come again a little later")

    def adapter(self, model: str) -> str:
        """Its name to the worker: "" for the base."""
        return "" if model == self.name else model

    def unknown(self, model: str) -> RefusalError:
        return unknown_model(model, [self.name, *self.worker.shelf.names()])

    async def hear(self, request: Request, wanted: Wanted, inside: str | None = None) -> Hearing:
        """Answers that were accepted; they are to be closed. `inside`: a version of the adapter that is held."""
        self.refuse(wanted.answers)
        hearing, adapter = Hearing(self.worker, self.counted), self.adapter(wanted.model)
        client = f"{request.client.host if request.client else ''} {wanted.user}"
        asks = [
            Ask(
                prompt=prompt,
                adapter=adapter,
                sampling=wanted.sampling,
                hears=hearing.ear(number),
                wants=wanted.wants,
                guide=wanted.guide,
                copy=copy,
                client=client,
                inside=inside,
                streams=wanted.streams,
            )
            for number, (prompt, copy) in enumerate(wanted.rows)
        ]
        try:
            await hearing.ask(asks)
        except BaseException as error:
            hearing.close()
            if isinstance(error, UnknownError):
                raise self.unknown(wanted.model) from None
            if isinstance(error, EndedError):
                raise RefusalError(503, ENDED) from None
            raise
        return hearing

    async def answer(self, request: Request, wanted: Wanted, shape: Callable[[Wanted, Tokens], Shape]) -> Response:
        """The response to a request, whole or as a stream."""
        tokens = Tokens(self.model.renderer, ends_of(self.model, wanted.sampling))
        async with AsyncExitStack() as held:
            inside = None
            if wanted.weighs:  # prompt and answer by one version of an adapter
                inside = await held.enter_async_context(self.holding(wanted.model))
                wanted = replace(wanted, weighed=await self._weighed(wanted, inside))
            made = shape(wanted, tokens)
            if wanted.silent:
                return self._silent(wanted, made)
            hearing = await self.hear(request, wanted, inside)
        if wanted.streams:
            return Stream(self._lines(hearing, wanted, made, tokens), hearing)
        try:
            said = await unless_gone(request, hearing.whole())
        finally:
            hearing.close()
        return JSONResponse(_whole(wanted, made, tokens, said))

    async def _weighed(self, wanted: Wanted, inside: str) -> tuple[tuple[Told, ...], ...]:
        most = wanted.wants.alternatives or 0
        return tuple(await self.by_parts(inside, wanted.prompts, lambda part: weighed(self.model, part, most)))

    @asynccontextmanager
    async def holding(self, name: str) -> AsyncIterator[str]:
        """Within, a version of an adapter stands (this is its name on the network), whatever becomes of its name."""
        shelf, adapter = self.worker.shelf, self.adapter(name)

        def taken() -> str:
            inside = shelf.version(adapter).inside if adapter else self.worker.base
            shelf.take(inside)
            return inside

        def back(future: "Future[str]") -> None:
            if not future.cancelled() and future.exception() is None:
                self.worker.post(lambda: shelf.release(future.result()))

        self.refuse(0)
        future = self.worker.call(taken)
        try:
            yield await asyncio.wrap_future(future)
        except UnknownError:
            raise self.unknown(name) from None
        except EndedError:
            raise RefusalError(503, ENDED) from None
        finally:
            future.add_done_callback(back)

    async def by_parts(
        self, inside: str, given: Sequence[One], work: Callable[[Sequence[One]], Sequence[Result]]
    ) -> list[Result]:
        """Have the worker do something under one version of an adapter, part by part, so that others are answered between."""
        model = self.model

        def done(part: Sequence[One]) -> Sequence[Result]:
            active, model.active = model.active, inside
            try:
                return work(part)
            finally:
                model.active = active

        found: list[Result] = []
        for start in range(0, len(given), AT_ONCE):
            found += await self.call(lambda part=given[start : start + AT_ONCE]: done(part))  # type: ignore[misc]
        return found

    def _silent(self, wanted: Wanted, shape: Shape) -> Response:
        if wanted.model != self.name and wanted.model not in self.worker.shelf.names():
            raise self.unknown(wanted.model)
        choices = [shape.choice(number, "", Said(reason="length")) for number in wanted.kept([])]
        return JSONResponse({**shape.head, "choices": choices, "usage": usage(wanted, 0)})

    async def _lines(self, hearing: Hearing, wanted: Wanted, shape: Shape, tokens: Tokens) -> AsyncIterator[str]:
        """Events of a stream; where something goes wrong the last of them tells it."""
        speaking = [Streaming(number, shape, wanted, tokens) for number in range(wanted.answers)]
        try:
            for number in range(wanted.answers):
                if (opening := shape.opening(number)) is not None:
                    yield _event(shape, wanted, [opening])
            last: dict[int, float] = {}
            async for number, heard in hearing.parts():
                self._clock(number, hearing.began, last)
                for part in speaking[number].more(heard.ids, heard.told, heard.reason):
                    yield _event(shape, wanted, [part])
            if wanted.usage:
                yield _event(shape, wanted, [], usage(wanted, sum(len(one.said.ids) for one in speaking)))
            yield "data: [DONE]\n\n"
        except RefusalError as error:
            yield f"data: {json.dumps(error.tree)}\n\n"

    def _clock(self, number: int, began: float, last: dict[int, float]) -> None:
        now = time.monotonic()
        if number in last:
            self.figures.token.observe(now - last[number])
        else:
            self.figures.first.observe(now - began)
        last[number] = now

    async def call(self, work: Callable[[], Result]) -> Result:
        """Have something done by the worker's thread, between two tokens."""
        self.refuse(0)
        try:
            return await asyncio.wrap_future(self.worker.call(work))
        except EndedError:
            raise RefusalError(503, ENDED) from None

    def close(self) -> None:
        self._spelling.shutdown(wait=False, cancel_futures=True)


class Stream(StreamingResponse):
    """Server-sent events; whichever way they end, nothing is asked of the worker any more."""

    def __init__(self, lines: AsyncIterator[str], hearing: Hearing) -> None:
        super().__init__(lines, media_type="text/event-stream", headers={"x-accel-buffering": "no"})
        self.hearing = hearing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.hearing.close()


async def unless_gone(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """What comes of some work, which is given up where the client goes."""
    task, leaving = asyncio.ensure_future(work), asyncio.ensure_future(gone(request))
    try:
        await asyncio.wait({task, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise RefusalError(GONE, "The client has gone")
    finally:
        task.cancel()
        leaving.cancel()


def _whole(wanted: Wanted, shape: Shape, tokens: Tokens, said: Sequence[Said]) -> Tree:
    means = [sum(told.logprob for told in one.told) / max(1, len(one.told)) for one in said]
    told = [(number, said[number]) for number in wanted.kept(means)]
    choices = [shape.choice(number, tokens.ends.text(one.ids), one) for number, one in told]
    choices = [{**choice, "index": index} for index, choice in enumerate(choices)]
    return {**shape.head, "choices": choices, "usage": usage(wanted, sum(len(one.ids) for one in said))}


def _event(shape: Shape, wanted: Wanted, choices: Sequence[Tree], used: Tree | None = None) -> str:
    tree = {**shape.head, "choices": choices} | ({"usage": used} if wanted.usage else {})
    return f"data: {json.dumps(tree, ensure_ascii=False)}\n\n"
