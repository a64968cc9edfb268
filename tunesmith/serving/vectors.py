"""What a model tells of texts without speaking: states as embeddings, and what heads say.

Dimension key: S texts, D hidden size.
"""

import asyncio
import base64
import math
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import torch
from fastapi import APIRouter
from torch import Tensor
from torch.nn import functional as F

from tunesmith.data.example import Example, Message
from tunesmith.models.head import Pooling, own_pooling
from tunesmith.models.model import Model
from tunesmith.run import Answer
from tunesmith.serving.refusals import RefusalError
from tunesmith.serving.served import Served
from tunesmith.serving.shelf import UnknownError
from tunesmith.serving.telling import Tree, headed
from tunesmith.serving.wire import ClassifyRequest, EmbeddingRequest
from tunesmith.tokens.packing import Room
from tunesmith.tokens.sequence import IGNORED, Tokens

One = TypeVar("One")
Found = TypeVar("Found")
AT_ONCE = 16  # texts that are read between two tokens of those who are answered meanwhile


class Classify(Protocol):
    """Has the head of a model answer (`evaluation/heads.py`, which is given here since it stands beside this room)."""

    def __call__(self, model: Model, examples: Sequence[Example], *, calibrated: bool) -> list[Answer]: ...


def router(served: Served, classify: Classify) -> APIRouter:
    made = APIRouter()

    @made.post("/v1/embeddings")
    async def embeddings(body: EmbeddingRequest) -> Tree:
        """States of texts, pooled as the model's own files say (else their mean), of length 1."""
        _refuse_embedding(body, served.model)
        prompts = await served.spelled(served.asking.ids, body.input)
        _refuse_long(prompts, served.model)
        found = await _within(served, body.model, prompts, lambda part: list(embedded(served.model, part)))
        tokens = sum(map(len, prompts))
        data = [
            {"object": "embedding", "index": index, "embedding": _written(vector, body.encoding_format == "base64")}
            for index, vector in enumerate(found)
        ]
        used = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "data": data, "model": body.model, "usage": used}

    @made.post("/v1/classify")
    async def classes(body: ClassifyRequest) -> Tree:
        """What the head of the model, or of an adapter, says of texts or pairs of them."""
        given = [body.input] if isinstance(body.input, str) else body.input
        examples = [_example(number, one) for number, one in enumerate(given)]
        calibrated = bool(body.calibrated)
        model = served.model
        said = await _within(served, body.model, examples, lambda part: classify(model, part, calibrated=calibrated))
        data = [_told(index, answer) for index, answer in enumerate(said)]
        tokens = sum(answer.prompt_tokens for answer in said)
        used = {"prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": tokens}
        return {**headed("classify", "list", body.model), "data": data, "usage": used}

    return made


async def _within(served: Served, name: str, given: Sequence[One], work: Callable[[Sequence[One]], list[Found]]) -> list[Found]:
    """Have the worker do something under one version of an adapter, part by part, so that others are answered between."""
    shelf, model = served.worker.shelf, served.model

    def taken() -> str:
        if not served.adapter(name):
            return model.active
        inside = shelf.version(name).inside
        shelf.take(inside)
        return inside

    def done(inside: str, part: Sequence[One]) -> list[Found]:
        active, model.active = model.active, inside
        try:
            return work(part)
        finally:
            model.active = active

    future = served.worker.call(taken)
    try:
        inside = await asyncio.wrap_future(future)
    except UnknownError:
        raise served.unknown(name) from None
    except asyncio.CancelledError:
        future.add_done_callback(lambda got: None if got.cancelled() else served.worker.post(lambda: _back(got.result())))
        raise

    def _back(inside: str) -> None:
        if served.adapter(name):
            shelf.release(inside)

    found: list[Found] = []
    try:
        for start in range(0, len(given), AT_ONCE):
            part = given[start : start + AT_ONCE]
            found += await served.call(lambda part=part: done(inside, part))  # type: ignore[misc]
    finally:
        served.worker.post(lambda: _back(inside))
    return found


@torch.no_grad()
def embedded(model: Model, prompts: Sequence[Sequence[int]]) -> Tensor:
    """[S, D] float32 states of these rows, pooled, of length 1; by the thread that owns the model."""
    pooling = pooling_of(model)
    groups = [[Tokens(tuple(ids), (IGNORED,) * len(ids))] for ids in prompts]
    rows = [torch.empty(0)] * len(groups)
    for batch in model.pack(groups, Room()):
        states_SD = model(batch.to(model.device), everywhere=True).pooled(pooling).float()
        for number, state_D in zip(batch.numbers.tolist(), states_SD.cpu(), strict=True):
            rows[number] = state_D
    return F.normalize(torch.stack(rows), dim=-1)


def pooling_of(model: Model) -> Pooling:
    """As sentence-transformers' files beside the network say; else the mean."""
    own = own_pooling(model.folder)
    return "mean" if own == "auto" else own


def _refuse_embedding(body: EmbeddingRequest, model: Model) -> None:
    if model.family == "seq2seq":
        told = (
            "An encoder-decoder model is read for what it will say, and has no state of a text; take a masked or a causal one"
        )
        raise RefusalError(400, told, None, "model")
    if body.dimensions is not None and body.dimensions != model.width:
        told = f"`dimensions` is {body.dimensions}; the states of this model have {model.width} numbers"
        raise RefusalError(400, told, None, "dimensions")


def _refuse_long(prompts: Sequence[Sequence[int]], model: Model) -> None:
    if not all(prompts):
        raise RefusalError(400, "A text has no tokens", None, "input")
    longest = max(map(len, prompts)) + max((one.method.virtual_tokens for one in model.adapters.values()), default=0)
    if model.window is not None and longest > model.window:
        told = f"A text has {longest} tokens; the network reads at most {model.window}"
        raise RefusalError(400, told, "context_length_exceeded", "input")


def _written(vector: Tensor, packed: bool) -> list[float] | str:
    return base64.b64encode(vector.numpy().astype("<f4").tobytes()).decode() if packed else vector.tolist()


def _example(number: int, given: str | Sequence[str]) -> Example:
    if isinstance(given, str):
        return Example((Message("user", given),), "", id=f"input {number}")
    return Example((Message("user", given[0]),), "", id=f"input {number}", texts=tuple(given))


def _told(index: int, answer: Answer) -> Tree:
    """vLLM's fields, and the labels that the probabilities are of."""
    if not answer.labels:  # a number, a reward, or tags of words
        return {
            "index": index,
            "label": answer.said,
            "probs": [],
            "num_classes": 0,
            "labels": [],
            "scores": list(answer.scores),
        }
    probabilities = [math.exp(score) for score in answer.scores]
    labels = list(answer.labels)
    return {"index": index, "label": answer.said, "probs": probabilities, "num_classes": len(labels), "labels": labels}
