"""PPO (Schulman et al., 2017; on language models: Ziegler et al., 2019): -min(r A, clip(r) A) + weight * (V - R)^2 a token.

r is a token's probability over what it was when it was drawn. Rewards stand at the last token of an answer, less `kl` times
log p - log p_before at every token; A is their generalised advantage (GAE: Schulman et al., 2016) under the values V of a head
on the same reading, R = A + V.

Dimension key: N targets, S answers, L tokens of the longest answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, Self

import torch
from pydantic import Field
from torch import Tensor

from tunesmith.models.head import HeadPlan
from tunesmith.models.model import Model
from tunesmith.objectives.objective import Loss
from tunesmith.objectives.rollout import REWARD, SHOWN, Rollout, clipped, k3, outside
from tunesmith.tokens.batch import Batch


@dataclass(frozen=True)
class PPO(Rollout):
    """Clipped policy gradient with a value of each token, and a leash to the model before tuning.

    kl_target:  nats of KL an answer that `kl_weight` is moved towards as learning goes on; null: it stays.
    kl_horizon: answers after which it has moved far.
    discount:   of later rewards, a token.
    trace:      lambda of the generalised advantage: 0 trusts the values, 1 the rewards alone.
    whiten:     give the advantages of all tokens of a rollout mean 0 and variance 1.
    value_weight: how much half the squared error of the values counts.
    value_clip: how far a value may move from what it was before it is no longer pulled on; null: any distance.
    """

    of_targets: ClassVar[Sequence[str]] = ("old", "value", "advantage", "goal")

    epochs: Annotated[int, Field(gt=0)] = 2
    minibatches: Annotated[int, Field(gt=0)] = 2
    kl_target: Annotated[float, Field(gt=0)] | None = None
    kl_horizon: Annotated[int, Field(gt=0)] = 10_000
    discount: Annotated[float, Field(gt=0, le=1)] = 1.0
    trace: Annotated[float, Field(ge=0, le=1)] = 0.95
    whiten: bool = True
    value_weight: Annotated[float, Field(ge=0)] = 0.2
    value_clip: Annotated[float, Field(gt=0)] | None = 0.2
    coefficient: Tensor = field(init=False, repr=False, compare=False)  # the weight of KL as it is now

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "coefficient", torch.tensor(self.kl_weight, dtype=torch.float64))

    def fresh(self) -> Self:
        return replace(self)

    def remembered(self) -> Mapping[str, Tensor]:
        return {"objective:coefficient": self.coefficient}

    def head(self) -> HeadPlan:
        return HeadPlan("value", dropout=0.0)

    def prepared(self, parts: list[list[Batch]], model: Model) -> list[list[Batch]]:
        found = [[self._looked(model, batch) for batch in batches] for batches in parts]
        everything = [batch for batches in found for batch in batches]
        advantage_N = torch.cat([batch.extras["advantage"] for batch in everything])
        goal_N = torch.cat([batch.extras["goal"] for batch in everything])
        told = {f"{SHOWN}kl_weight": float(self.coefficient), f"{SHOWN}explained_variance": explained(advantage_N, goal_N)}
        self._adapt(everything)
        mean, deviation = (advantage_N.mean(), advantage_N.std()) if self.whiten and len(advantage_N) > 1 else (0.0, 1.0)
        return [[self._told(batch, mean, deviation, told) for batch in batches] for batches in found]

    def _looked(self, model: Model, batch: Batch) -> Batch:
        """The batch with log-probabilities, values, advantages and goals of its tokens, as the model is now."""
        reading = model(batch)  # the one forward, seen through two lenses
        old_N, value_N = reading.logprobs(self.sampling.temperature), reading.token_values()[:, 0]
        before_N = self.reference(model, batch)
        reward_N = -float(self.coefficient) * (old_N - before_N)
        ends_N = last_targets(batch.target_seq)
        reward_N[ends_N] += batch.extras[REWARD][batch.target_seq[ends_N]]
        advantage_N = advantages(reward_N, value_N, batch.target_seq, self.discount, self.trace)
        found = {"old": old_N, "value": value_N, "advantage": advantage_N, "goal": advantage_N + value_N}
        return batch.with_extras(**found, **{f"{SHOWN}kl": batch.by_sequence(k3(old_N, before_N))})

    def _told(self, batch: Batch, mean: Tensor | float, deviation: Tensor | float, told: Mapping[str, float]) -> Batch:
        """The batch with whitened advantages, and with numbers of the rollout that are shown."""
        numbers = {name: torch.full_like(batch.extras[REWARD], value) for name, value in told.items()}
        return batch.with_extras(advantage=(batch.extras["advantage"] - mean) / (deviation + 1e-8), **numbers)

    def _adapt(self, batches: list[Batch]) -> None:
        """Move the weight of KL, for the next rollout, by how far this one is from the target (Ziegler et al., 2019, 2.2)."""
        if self.kl_target is None:
            return
        kl_S = torch.cat([batch.extras[f"{SHOWN}kl"] for batch in batches])
        error = max(-0.2, min(0.2, float(kl_S.mean()) / self.kl_target - 1))
        self.coefficient.mul_(1 + error * len(kl_S) / self.kl_horizon)

    def loss(self, model: Model, batch: Batch) -> Loss:
        reading = model(batch)
        logprobs_N, value_N = reading.logprobs(self.sampling.temperature), reading.token_values()[:, 0]
        old_N, advantage_N, goal_N, was_N = (batch.extras[name] for name in ("old", "advantage", "goal", "value"))
        ratio_N = (logprobs_N - old_N).exp()
        miss_N = (value_N - goal_N).square()
        if self.value_clip is not None:
            near_N = was_N + (value_N - was_N).clamp(-self.value_clip, self.value_clip)
            miss_N = torch.maximum(miss_N, (near_N - goal_N).square())
        loss_N = clipped(ratio_N, advantage_N, self.clip) + self.value_weight / 2 * miss_N
        told = {
            "ratio": ratio_N,
            "clipped": outside(ratio_N, advantage_N, self.clip),
            "entropy": -old_N,  # an estimate of it: what was drawn was drawn by these probabilities
            "value_loss": miss_N / 2,
        }
        shown = self.shown(batch, **{name: one.detach() for name, one in told.items()})
        return Loss.of(loss_N * batch.weight, "target", shown)


def explained(advantage_N: Tensor, goal_N: Tensor) -> float:
    """Share of the variance of what values should have been that they told; at most 1."""
    return 1 - float(advantage_N.var() / goal_N.var().clamp(min=1e-12)) if len(goal_N) > 1 else 0.0


def last_targets(target_seq: Tensor) -> Tensor:
    """[N] True at the last target of each sequence."""
    return torch.cat([target_seq.diff() != 0, target_seq.new_ones(min(1, len(target_seq)), dtype=torch.bool)])


def advantages(reward_N: Tensor, value_N: Tensor, target_seq: Tensor, discount: float, trace: float) -> Tensor:
    """[N] generalised advantages: sums over later tokens of the same answer of (discount * trace)^k * (r + discount V' - V).

    Behind the last token of an answer there is nothing: no value and no further reward.
    """
    row_N, lengths_S = target_seq, target_seq.bincount()
    column_N = torch.arange(len(row_N), device=row_N.device) - (lengths_S.cumsum(0) - lengths_S)[row_N]
    shape = (len(lengths_S), max(lengths_S.tolist(), default=0) + 1)
    value_SL = value_N.new_zeros(shape).index_put((row_N, column_N), value_N)
    reward_SL = reward_N.new_zeros(shape).index_put((row_N, column_N), reward_N)
    surprise_SL = reward_SL[:, :-1] + discount * value_SL[:, 1:] - value_SL[:, :-1]
    # Columns behind an answer are zeros: what is carried from there into its last token is zero too.
    surprise_SL = surprise_SL.masked_fill(torch.arange(shape[1] - 1, device=row_N.device) >= lengths_S[:, None], 0.0)
    advantage_SL, carried_S = torch.zeros_like(surprise_SL), surprise_SL.new_zeros(shape[0])
    for column in reversed(range(shape[1] - 1)):
        carried_S = surprise_SL[:, column] + discount * trace * carried_S
        advantage_SL[:, column] = carried_S
    return advantage_SL[row_N, column_N]
