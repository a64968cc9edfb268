"""RLOO (Ahmadian et al., 2024): -min(r A, clip(r) A) an answer, A = R - the mean R of the other answers to its prompt.

r is the probability of the whole answer over what it was when it was drawn, and R its reward less `kl_weight` times
log p - log p_before of the whole answer.

Dimension key: N targets, S answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field

from tunesmith.models.model import Model
from tunesmith.objectives.objective import Loss
from tunesmith.objectives.rollout import REWARD, SHOWN, Rollout, clipped, k3, outside
from tunesmith.tokens.batch import Batch, Per


@dataclass(frozen=True)
class RLOO(Rollout):
    """Policy gradient of whole answers, each held against the others to its prompt; no values are learnt."""

    per: ClassVar[Per] = "sequence"
    of_answers: ClassVar[Sequence[str]] = ("old", "advantage")

    answers: Annotated[int, Field(gt=1)] = 4

    def prepared(self, parts: list[list[Batch]], model: Model) -> list[list[Batch]]:
        return [self._update([self._looked(model, batch) for batch in batches]) for batches in parts]

    def _looked(self, model: Model, batch: Batch) -> Batch:
        """The batch with the log-probability of its answers, and their rewards less what their KL costs."""
        old_N = self.logprobs(model, batch)
        extras = {"old": batch.by_sequence(old_N), "worth": batch.extras[REWARD]}
        extras[f"{SHOWN}entropy"] = -extras["old"] / batch.by_sequence(torch.ones_like(old_N)).clamp(min=1)
        if self.kl_weight:
            before_N = self.reference(model, batch)
            extras["worth"] = extras["worth"] - self.kl_weight * batch.by_sequence(old_N - before_N)
            extras[f"{SHOWN}kl"] = batch.by_sequence(k3(old_N, before_N))
        return batch.with_extras(**extras)

    def _update(self, batches: list[Batch]) -> list[Batch]:
        """The batches of an update with the advantage of each answer; those of a prompt have numbers side by side."""
        worth_S = torch.empty(sum(batch.sequences for batch in batches), device=batches[0].weight.device)
        for batch in batches:
            worth_S[batch.numbers] = batch.extras["worth"]
        worth_PG = worth_S.view(-1, self.answers)
        others_PG = (worth_PG.sum(1, keepdim=True) - worth_PG) / (self.answers - 1)
        advantage_S = (worth_PG - others_PG).flatten()
        return [batch.with_extras(advantage=advantage_S[batch.numbers]) for batch in batches]

    def loss(self, model: Model, batch: Batch) -> Loss:
        ratio_S = (batch.by_sequence(self.logprobs(model, batch)) - batch.extras["old"]).exp()
        advantage_S = batch.extras["advantage"]
        told = {"ratio": ratio_S, "clipped": outside(ratio_S, advantage_S, self.clip)}
        shown = {**self.shown(batch), **{name: one.detach().sum() for name, one in told.items()}}
        return Loss.of(clipped(ratio_S, advantage_S, self.clip), "sequence", shown)
