"""One answer as server-sent events, in the shape of OpenAI's completions."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from starlette.concurrency import run_in_threadpool

from tunesmith.data.example import Example, Message
from tunesmith.generation.sampling import Sampling
from tunesmith.generation.slots import Wants
from tunesmith.generation.streaming import Words
from tunesmith.serving.studio.playing import Asked
from tunesmith.serving.worker import Ask, Heard, Worker


def spelled(worker: Worker, asked: Asked) -> list[int]:
    """The prompt's ids: as a turn of a conversation where the network has a template for these, or as it stands."""
    renderer = worker.model.renderer
    if asked.chat or worker.model.family != "causal":
        return renderer.prompt(Example((Message("user", asked.prompt),), "", id="prompt"))
    return renderer.text(asked.prompt)


async def spoken(worker: Worker, adapter: str, asked: Asked) -> AsyncIterator[str]:
    """Server-sent events in the shape of OpenAI's completions. Who goes away is not spoken to any more."""
    loop, heard = asyncio.get_running_loop(), asyncio.Queue[Heard]()

    def hears(one: Heard) -> None:
        with suppress(RuntimeError):  # the server has ended
            loop.call_soon_threadsafe(heard.put_nowait, one)

    sampling = Sampling(tokens=asked.max_tokens, temperature=asked.temperature, top_p=asked.top_p, seed=asked.seed)
    ids = await run_in_threadpool(spelled, worker, asked)
    ask = Ask(ids, adapter, sampling, hears, Wants(alternatives=asked.logprobs), client=adapter, streams=True)
    [ticket] = await asyncio.wrap_future(worker.submit([ask]))
    words = Words(worker.model.renderer.say)

    async def events() -> AsyncIterator[str]:
        said: list[int] = []
        try:
            while True:
                one = await heard.get()
                if one.fault:
                    yield event({"error": {"message": one.fault}})
                    return
                said += one.ids
                text = words.more(one.ids) if one.reason is None else words.rest(worker.model.renderer.say(said))
                yield event({"choices": [choice(worker, text, one)]})
                if one.reason is not None:
                    yield "data: [DONE]\n\n"
                    return
        finally:
            ticket.cancel()

    return events()


def event(tree: dict[str, Any]) -> str:
    return f"data: {json.dumps(tree, ensure_ascii=False)}\n\n"


def choice(worker: Worker, text: str, heard: Heard) -> dict[str, Any]:
    """The new words, and the new tokens with the likeliest in the place of each."""
    pieces = worker.model.renderer.pieces
    return {
        "index": 0,
        "text": text,
        "logprobs": {
            "tokens": pieces([one.id for one in heard.told]),
            "token_logprobs": [one.logprob for one in heard.told],
            "top_logprobs": [
                dict(zip(pieces([id_ for id_, _ in one.likeliest]), (worth for _, worth in one.likeliest), strict=True))
                for one in heard.told
            ],
        },
        "finish_reason": heard.reason,
    }
