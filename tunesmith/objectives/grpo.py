"""GRPO (Shao et al., 2024): -min(r A, clip(r) A) + weight * KL a token, A = (R - mean of its group) / deviation of its group.

A group is the answers to one prompt. Dr. GRPO (Liu et al., 2025) is `scaled: false, mean: limit`; a mean over all tokens is
DAPO's (Yu et al., 2025). KL is the k3 estimate, exp(d) - 1 - d with d = log p_before - log p.

Dimension key: N targets, S answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tunesmith.models.model import Model
from tunesmith.objectives.objective import Loss
from tunesmith.objectives.rollout import SHOWN, Rollout, Said, clipped, k3, outside, weighed, with_extras
from tunesmith.tokens.batch import Batch


@dataclass(frozen=True)
class GRPO(Rollout):
    """Policy gradient by how an answer is worth more than the others to its prompt; no values are learnt.

    scaled: divide what an answer is worth more by the deviation of its group.
    mean:   of the loss: over all tokens (`token`), over the means of answers (`sequence`, as first published), or over answers'
            sums by the most tokens of an answer (`limit`), which favours no length.
    """

    of_targets: ClassVar[Sequence[str]] = ("old", "before")
    of_answers: ClassVar[Sequence[str]] = ("advantage",)

    answers: Annotated[int, Field(gt=1)] = 8
    scaled: bool = True
    mean: Literal["token", "sequence", "limit"] = "token"

    def judged(self, said: list[Said]) -> list[Said]:
        groups = [said[start : start + self.answers] for start in range(0, len(said), self.answers)]
        told = []
        for group in groups:
            rewards = [one.reward for one in group]
            middle, deviation = fmean(rewards), stdev(rewards)
            for one in group:
                row = one.row if self.mean == "token" else weighed(one.row)
                advantage = (one.reward - middle) / (deviation + 1e-4 if self.scaled else 1.0)
                extras = {"advantage": advantage, f"{SHOWN}deviation": deviation}
                told.append(replace(one, row=with_extras(row, **extras)))
        return told

    def prepared(self, parts: list[list[Batch]], model: Model) -> list[list[Batch]]:
        return [[self._looked(model, batch) for batch in batches] for batches in parts]

    def _looked(self, model: Model, batch: Batch) -> Batch:
        if self.rounds > 1:  # else it is what the loss itself reads
            batch = batch.with_extras(old=self.logprobs(model, batch))
        return batch.with_extras(before=self.reference(model, batch)) if self.kl_weight else batch

    def loss(self, model: Model, batch: Batch) -> Loss:
        logprobs_N = self.logprobs(model, batch)
        old_N = batch.extras.get("old", logprobs_N.detach())
        advantage_N = batch.extras["advantage"][batch.target_seq]
        ratio_N = (logprobs_N - old_N).exp()
        loss_N = clipped(ratio_N, advantage_N, self.clip)
        told = {"ratio": ratio_N, "clipped": outside(ratio_N, advantage_N, self.clip), "entropy": -old_N}
        if self.kl_weight:
            kl_N = k3(logprobs_N, batch.extras["before"])
            loss_N = loss_N + self.kl_weight * kl_N
            told["kl"] = kl_N
        if self.mean == "limit":
            lengths_S = batch.by_sequence((batch.weight > 0).float())
            loss_N = loss_N * lengths_S[batch.target_seq] / self.sampling.tokens
        shown = self.shown(batch, **{name: one.detach() for name, one in told.items()})
        return Loss.of(loss_N * batch.weight, "target", shown)
