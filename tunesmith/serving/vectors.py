"""What a model tells of texts without speaking: states as embeddings, and what heads say.

Dimension key: B rows, U source tokens, S texts, D hidden size.
"""

import base64
import math
from collections.abc import Sequence
from typing import Protocol

import torch
from fastapi import APIRouter
from torch import Tensor
from torch.nn import functional as F

from tunesmith.data.example import Example, Message
from tunesmith.models.head import Pooling, own_pooling
from tunesmith.models.model import Model
from tunesmith.models.routing import calling
from tunesmith.run import Answer
from tunesmith.serving.calling import Tree
from tunesmith.serving.refusals import RefusalError
from tunesmith.serving.served import Served
from tunesmith.serving.telling import headed
from tunesmith.serving.wire import ClassifyRequest, EmbeddingRequest
from tunesmith.tokens.batch import Batch
from tunesmith.tokens.packing import Room
from tunesmith.tokens.sequence import IGNORED, Tokens


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
        async with served.holding(body.model) as inside:
            found = await served.by_parts(inside, prompts, lambda part: list(embedded(served.model, part)))
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
        async with served.holding(body.model) as inside:
            said = await served.by_parts(inside, examples, lambda part: classify(model, part, calibrated=calibrated))
        data = [_told(index, answer) for index, answer in enumerate(said)]
        tokens = sum(answer.prompt_tokens for answer in said)
        used = {"prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": tokens}
        return {**headed("classify", "list", body.model), "data": data, "usage": used}

    return made


@torch.no_grad()
def embedded(model: Model, prompts: Sequence[Sequence[int]]) -> Tensor:
    """[S, D] float32 states of these rows, pooled, of length 1; by the thread that owns the model."""
    pooling, start = pooling_of(model), (model.renderer.start,)
    if model.family == "seq2seq":
        groups = [[Tokens(start, (IGNORED,), source=tuple(ids))] for ids in prompts]
    else:
        groups = [[Tokens(tuple(ids), (IGNORED,) * len(ids))] for ids in prompts]
    rows = [torch.empty(0)] * len(groups)
    for laid in model.pack(groups, Room()):
        batch = laid.to(model.device)
        paired = model.family == "seq2seq"
        states_SD = _encoded(model, batch) if paired else model(batch, everywhere=True).pooled(pooling).float()
        for number, state_D in zip(batch.numbers.tolist(), states_SD.cpu(), strict=True):
            rows[number] = state_D
    return F.normalize(torch.stack(rows), dim=-1)


def _encoded(model: Model, batch: Batch) -> Tensor:
    """[S, D] the mean of what an encoder says of each source, as sentence-T5 has it (Ni et al., 2021); virtual tokens aside."""
    assert batch.source_ids is not None and batch.source_mask is not None, "a source for each row"
    with calling(model.routing(batch)):
        encoder = model.network.get_encoder()
        states_BUD = encoder(input_ids=batch.source_ids, attention_mask=batch.source_mask.long())[0].float()
    own_BU = batch.source_mask if batch.source_virtual is None else batch.source_mask & (batch.source_virtual < 0)
    means_SD: Tensor = (states_BUD * own_BU[..., None]).sum(1) / own_BU.sum(1, keepdim=True)
    return means_SD


def pooling_of(model: Model) -> Pooling:
    """As sentence-transformers' files beside the network say; else the mean."""
    own = own_pooling(model.folder)
    return "mean" if own == "auto" else own


def _refuse_embedding(body: EmbeddingRequest, model: Model) -> None:
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
