"""AdaLoRA (Zhang et al., 2023, arXiv:2303.10512): y + (alpha / start) P diag(e) Q x; unimportant e are cut as training goes on.

Dimension key: R rank of a site, I inputs, O outputs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from tunesmith.errors import UserError
from tunesmith.methods.lora import ATTENTION_AND_MLP, VARIANTS, LowRank, LowRanks, no_embedding, refuse_unknown, targets
from tunesmith.methods.method import Delta, Method, Site

TRIPLET = ("a_RI", "e_R1", "b_OR")


class Triplets(LowRank):
    """A low-rank change in the shape of a singular value decomposition, and how much each of its triplets matters.

    Buffers: kept_R, which triplets are in use; of each parameter, how strongly and how unsteadily the loss depends on it.
    """

    peft_names: ClassVar[Mapping[str, str]] = {"a_RI": "lora_A", "b_OR": "lora_B", "e_R1": "lora_E"}
    fixed: ClassVar[tuple[str, ...]] = ("start_rank", "scale")

    def __init__(self, inputs: int, outputs: int, rank: int, scale: float, dropout: float) -> None:
        super().__init__(inputs, outputs, rank, scale, dropout)
        self.start_rank = rank
        nn.init.normal_(self.a_RI, std=0.02)
        nn.init.normal_(self.b_OR, std=0.02)
        self.e_R1 = nn.Parameter(torch.zeros(rank, 1))
        self._remember(rank)

    def _remember(self, rank: int) -> None:
        self.register_buffer("kept_R", torch.ones(rank, device=self.a_RI.device))
        for name in TRIPLET:
            for what in ("strength", "doubt"):
                self.register_buffer(f"{what}_{name}", torch.zeros_like(getattr(self, name).detach()))

    def after(self, x: Tensor, y: Tensor, virtual: Tensor) -> Tensor:
        return self.onto(x, y, self.a_RI * self.e_R1, self.b_OR)

    @staticmethod
    def stacked(deltas: "Sequence[Triplets]") -> LowRanks:  # type: ignore[override]
        return LowRanks.of([(delta.a_RI * delta.e_R1, delta.b_OR * delta.scale) for delta in deltas])

    def fold(self, weight_OI: Tensor) -> Tensor:
        return weight_OI + self.scale * (self.b_OR @ (self.a_RI * self.e_R1))

    def in_use(self) -> Tensor:
        """[R] which triplets say anything, or may."""
        return self.kept_R.bool() | (self.e_R1[:, 0] != 0)  # type: ignore[operator]

    def saved(self) -> dict[str, Tensor]:
        used_R = self.in_use()
        return {"a_RI": self.a_RI[used_R], "b_OR": self.b_OR[:, used_R], "e_R1": self.e_R1[used_R]}

    def fill(self, saved: Mapping[str, Tensor]) -> None:
        """A file holds only the triplets in use: the rank becomes theirs."""
        self._make(len(saved["e_R1"]))
        super().fill(saved)

    def resize(self, other: "Triplets") -> None:
        """Training further goes on with the triplets that are left."""
        self._make(len(other.e_R1))

    def _make(self, rank: int) -> None:
        device = self.a_RI.device
        self.a_RI = nn.Parameter(torch.zeros(rank, self.a_RI.shape[1], device=device))
        self.b_OR = nn.Parameter(torch.zeros(self.b_OR.shape[0], rank, device=device))
        self.e_R1 = nn.Parameter(torch.zeros(rank, 1, device=device))
        self._remember(rank)

    def notice(self, first: float, second: float) -> None:
        """Take the last step's gradients into account (equations 8 to 10)."""
        for name in TRIPLET:
            parameter = getattr(self, name)
            if parameter.grad is None:
                continue
            strength, doubt = getattr(self, f"strength_{name}"), getattr(self, f"doubt_{name}")
            now = (parameter * parameter.grad).abs()
            strength.lerp_(now, 1 - first)
            doubt.lerp_((now - strength).abs(), 1 - second)

    def importance(self) -> Tensor:
        """[R] of each triplet: its e, and the means over its two vectors."""
        a_RI, e_R1, b_OR = (
            cast(Tensor, getattr(self, f"strength_{name}")) * cast(Tensor, getattr(self, f"doubt_{name}")) for name in TRIPLET
        )
        return e_R1[:, 0] + a_RI.mean(1) + b_OR.mean(0)

    @torch.no_grad()
    def cut(self, kept_R: Tensor) -> None:
        """Go on with these triplets alone."""
        self.kept_R.copy_(kept_R)  # type: ignore[operator]
        self.e_R1.mul_(kept_R[:, None])


@dataclass(frozen=True)
class AdaLoRA(Method):
    """LoRA whose ranks move to where they matter: it starts with more triplets than it may keep.

    Weights before the last cut have more of them than the budget, so the best weights (`plan.best`) are sought among those
    after it, and `plan.patience` begins there.

    rank:       triplets a site has at the end, on average.
    start_rank: triplets a site starts with.
    alpha:      the sum is scaled by alpha / start_rank; null: twice start_rank.
    warm:       share of the steps before anything is cut.
    settled:    share of the steps, at the end, in which the ranks stay as they are; the best weights are of there.
    every:      steps between two cuts.
    orthogonal: weight of the penalty that keeps the triplets' vectors orthogonal.
    dropout:    share of the inputs that are dropped in training.
    on:         roles, or endings of module paths (`q_proj`).
    stack:      of an encoder-decoder network, where to stand.
    """

    rate_times_width: ClassVar[float] = 3.0
    peft_type: ClassVar[str] = "ADALORA"
    decays: ClassVar[tuple[float, float]] = (0.85, 0.85)  # of strength and doubt

    rank: Annotated[int, Field(gt=0, le=65536)] = 8
    start_rank: Annotated[int, Field(gt=0, le=65536)] = 12
    alpha: Annotated[float, Field(gt=0)] | None = None
    warm: Annotated[float, Field(ge=0, lt=1)] = 0.1
    settled: Annotated[float, Field(ge=0, lt=1)] = 0.3
    every: Annotated[int, Field(gt=0)] = 5
    orthogonal: Annotated[float, Field(ge=0)] = 0.5
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    on: tuple[str, ...] = ATTENTION_AND_MLP
    stack: Literal["both", "encoder", "decoder"] = "both"

    def __post_init__(self) -> None:
        if self.start_rank < self.rank:
            raise UserError(
                f"`start_rank` is {self.start_rank}, less than `rank`, {self.rank}",
                "start with more than is kept, half as many again for example",
            )
        if self.warm + self.settled >= 1:
            raise UserError("`warm` and `settled` leave no step to cut in", "their sum has to be below 1")

    @property
    def scale(self) -> float:
        alpha = 2 * self.start_rank if self.alpha is None else self.alpha
        return alpha / (self.start_rank + 1e-5)

    def delta(self, site: Site) -> Delta | None:
        if site.role == "embedding" and site.role in self.on:
            raise no_embedding("adalora")
        if site.role in ("embedding", "mlp") or not site.named(self.on) or not site.within(self.stack):
            return None
        return Triplets(site.inputs, site.outputs, self.start_rank, self.scale, self.dropout)

    def penalty(self, deltas: Mapping[str, Delta]) -> Tensor:
        """Mean over all sites' P and Q of |P' P - 1|, as PEFT has it; the paper sums the squares."""

        def apart(m_RX: Tensor) -> Tensor:
            distance: Tensor = torch.linalg.matrix_norm(m_RX @ m_RX.t() - torch.eye(len(m_RX), device=m_RX.device))
            return distance

        parts = [apart(m) for delta in _triplets(deltas) for m in (delta.a_RI, delta.b_OR.t())]
        return torch.stack(parts).mean() * self.orthogonal

    def settles(self, steps: int) -> int:
        """The step of the last cut."""
        return max(1, steps - round(self.settled * steps))

    def budget(self, step: int, steps: int) -> float:
        """Triplets a site may have after a step, on average: all, then fewer with the third power, then `rank`."""
        warm, last = round(self.warm * steps), self.settles(steps)
        if step <= warm:
            return self.start_rank
        left = max(0.0, 1 - (step - warm) / max(1, last - warm))
        return self.rank + (self.start_rank - self.rank) * left**3

    @torch.no_grad()
    def on_step(self, deltas: Mapping[str, Delta], step: int, steps: int) -> None:
        found, last = _triplets(deltas), self.settles(steps)
        if step <= last:
            for delta in found:
                delta.notice(*self.decays)
        if step == last or (round(self.warm * steps) < step < last and step % self.every == 0):
            self._share_out(found, int(self.budget(step, steps) * len(found)))
        else:  # what was cut stays cut though the optimizer moves it
            for delta in found:
                delta.cut(cast(Tensor, delta.kept_R))

    def _share_out(self, deltas: Sequence[Triplets], budget: int) -> None:
        """Keep so many triplets in all, the most important ones."""
        scores = torch.cat([delta.importance() for delta in deltas])
        kept = torch.zeros_like(scores)
        kept[scores.topk(min(budget, len(scores))).indices] = 1.0
        for delta, own in zip(deltas, kept.split_with_sizes([len(delta.e_R1) for delta in deltas]), strict=True):
            delta.cut(own)

    def peft_config(self, sites: Sequence[Site], deltas: Mapping[str, Delta]) -> dict[str, Any]:
        masks = (delta.in_use().tolist() for delta in _triplets(deltas))
        used = {path: [*mask, *[False] * (self.start_rank - len(mask))] for path, mask in zip(deltas, masks, strict=True)}
        return {
            "init_r": self.start_rank,
            "r": self.start_rank,
            "target_r": self.rank,
            "lora_alpha": 2 * self.start_rank if self.alpha is None else self.alpha,
            "lora_dropout": self.dropout,
            "orth_reg_weight": self.orthogonal,
            "total_step": 1,  # PEFT asks for one, though nothing is trained with it
            "tinit": 0,
            "tfinal": 0,
            "target_modules": [site.path for site in sites],
            "fan_in_fan_out": any(type(site.module).__name__ == "Conv1D" for site in sites),
            "rank_pattern": {f"{path}.lora_E": kept for path, kept in used.items()},
            "bias": "none",
            "init_lora_weights": True,
        }

    @classmethod
    def from_peft(cls, config: Mapping[str, Any]) -> "AdaLoRA":
        others = ("trainable_token_indices", "exclude_modules", "layers_to_transform", "use_dora")
        plain = {"bias": "none", **dict.fromkeys((*VARIANTS, *others))}
        refuse_unknown(config, plain)
        return cls(
            rank=min(config["target_r"], config["init_r"]),
            start_rank=config["init_r"],
            alpha=config["lora_alpha"],
            orthogonal=config.get("orth_reg_weight", 0.5),
            dropout=config.get("lora_dropout") or 0.0,
            on=targets(config["target_modules"]),
        )


def _triplets(deltas: Mapping[str, Delta]) -> list[Triplets]:
    return [cast(Triplets, delta) for delta in deltas.values()]
