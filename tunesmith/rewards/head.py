"""What the head of another model says of an answer: the value of a reward model, or how likely a label is to a classifier."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch.nn import functional as F

from tunesmith.data.example import Example, Message
from tunesmith.errors import UserError, did_you_mean
from tunesmith.evaluation.heads import head_of, head_values
from tunesmith.models.load import ModelSettings, load
from tunesmith.models.model import Model
from tunesmith.rewards.reward import Reward
from tunesmith.tokens.chat import plain
from tunesmith.tokens.packing import Room
from tunesmith.tokens.reading import Asked, whole
from tunesmith.tokens.sequence import IGNORED


@dataclass(frozen=True, kw_only=True)
class HeadReward(Reward):
    """A run with a head judges answers. It spells them itself: its tokenizer need not be the policy's.

    path:  the folder of the run.
    label: whose log-probability is the reward; null for a head that tells a number.
    probability: take the probability instead of its logarithm.
    reads: the `answer` alone, the prompt and the answer as a `pair` of texts, or both as the `dialogue` that a policy would
           learn, ended as it would end.
    rows:  most rows at once; a matter of speed and memory, never of results.
    """

    path: str
    label: str | None = None
    probability: bool = False
    reads: Literal["answer", "pair", "dialogue"] = "dialogue"
    rows: Annotated[int, Field(gt=0)] = 32

    def score(self, examples: Sequence[Example], answers: Sequence[str]) -> list[float]:
        model = judge(self.path)
        at = self._output(model)
        rows = [[self._row(model, *pair)] for pair in zip(examples, answers, strict=True)]
        values_SK = torch.stack([values_1K[0] for values_1K in head_values(model, rows, Room(rows=self.rows))])
        if self.label is None:
            told_S = values_SK[:, 0]
        elif head_of(model).plan.kind == "label":
            told_S = values_SK.log_softmax(1)[:, at]
        else:
            told_S = F.logsigmoid(values_SK[:, at])
        return [float(one) for one in (told_S.exp() if self.probability else told_S)]

    def _output(self, model: Model) -> int:
        plan = head_of(model).plan
        if plan.kind not in ("number", "label", "labels"):
            raise UserError(f"`{self.path}` has a head of the kind `{plan.kind}`, which judges no text", "name another run")
        if plan.kind == "number" and (self.label is not None or self.probability):
            raise UserError(f"the head of `{self.path}` tells a number", "leave `label` and `probability` out")
        if plan.kind != "number" and self.label not in plan.labels:
            raise UserError(
                f"the head of `{self.path}` tells labels, and `label` is `{self.label}`",
                did_you_mean(self.label or "", plan.labels),
            )
        return plan.labels.index(self.label) if self.label is not None else 0

    def _row(self, model: Model, example: Example, answer: str) -> Asked:
        """What is read of an answer, and where: at its last token."""
        renderer = model.renderer
        if self.reads == "answer":
            row = whole(renderer, Example((Message("user", answer),), ""))
        elif self.reads == "dialogue" and renderer.family == "causal":
            row = renderer.render(replace(example, weights=()), answer)
            # The end is read too: a row to learn from leaves it to be predicted.
            ids = (*row.inputs, row.targets[-1])
            row = replace(row, inputs=ids, targets=(IGNORED,) * len(ids), weights=())
        else:
            row = whole(renderer, replace(example, texts=(plain(example.messages), answer)))
        room = model.window
        if room is not None and row.row(model.virtual_tokens) > room:
            raise UserError(
                f"a prompt and its answer have {row.row(model.virtual_tokens)} tokens, and `{self.path}` reads at most {room}",
                "shorten `objective.sampling.tokens` or the prompts, or judge by a model with a longer window",
            )
        return row, (len(row.inputs) - 1,)


@lru_cache(maxsize=4)
def judge(path: str) -> Model:
    """The model of a run, read once a process."""
    model = load(ModelSettings(path=path))
    head_of(model)
    return model.requires_grad_(False)
