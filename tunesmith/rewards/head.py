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
from tunesmith.evaluation.heads import head_of, head_values, rewards
from tunesmith.models.load import ModelSettings, load
from tunesmith.models.model import Model
from tunesmith.rewards.reward import Reward
from tunesmith.tokens.chat import plain
from tunesmith.tokens.packing import Room, check_fits
from tunesmith.tokens.reading import Asked, whole


@dataclass(frozen=True, kw_only=True)
class HeadReward(Reward):
    """A run with a head judges answers. It spells them itself: its tokenizer need not be the policy's.

    path:  the folder of the run.
    label: whose log-probability is the reward; null for a reward model, and for a head that tells a number.
    probability: take the probability instead of its logarithm.
    reads: the `answer` alone, or the prompt and the answer as a `pair` of texts. A reward model always reads both, as it has
           learnt to.
    rows:  most rows at once; a matter of speed and memory, never of results.
    """

    path: str
    label: str | None = None
    probability: bool = False
    reads: Literal["answer", "pair"] = "answer"
    rows: Annotated[int, Field(gt=0)] = 32

    def score(self, examples: Sequence[Example], answers: Sequence[str]) -> list[float]:
        model = judge(self.path)
        at = self._output(model)
        if head_of(model).plan.kind == "reward":
            return rewards(model, examples, answers, Room(rows=self.rows))
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
        if plan.kind not in ("reward", "number", "label", "labels"):
            raise UserError(f"`{self.path}` has a head of the kind `{plan.kind}`, which judges no text", "name another run")
        if not plan.labels and (self.label is not None or self.probability):
            raise UserError(f"the head of `{self.path}` tells a number", "leave `label` and `probability` out")
        if plan.labels and self.label not in plan.labels:
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
        else:
            row = whole(renderer, replace(example, texts=(plain(example.messages), answer)))
        check_fits(row, model.window, model.virtual_tokens, example.id)
        return row, (len(row.inputs) - 1,)


@lru_cache(maxsize=4)
def judge(path: str) -> Model:
    """The model of a run, read once a process."""
    model = load(ModelSettings(path=path))
    head_of(model)
    return model.requires_grad_(False)
