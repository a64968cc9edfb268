"""LoRA (Hu et al., 2021, arXiv:2106.09685): y + (alpha / rank) B A x.

Dimension key: b rows, T tokens, R rank, I inputs, O outputs.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from tunesmith.errors import UserError
from tunesmith.methods.method import Delta, Method, Site

ATTENTION_AND_MLP = ("query", "key", "value", "qkv", "attention_out", "mlp_up", "mlp_gate", "mlp_down")


class LowRank(Delta):
    """Two thin matrices beside a linear map; B starts at zero, so nothing changes at first."""

    peft_names: ClassVar[Mapping[str, str]] = {"a_RI": "lora_A.weight", "b_OR": "lora_B.weight"}

    def __init__(self, inputs: int, outputs: int, rank: int, scale: float, dropout: float) -> None:
        super().__init__()
        self.a_RI = nn.Parameter(torch.empty(rank, inputs))
        self.b_OR = nn.Parameter(torch.zeros(outputs, rank))
        nn.init.kaiming_uniform_(self.a_RI, a=math.sqrt(5))
        self.scale = scale
        self.dropout = dropout

    def after(self, x: Tensor, y: Tensor, virtual: Tensor) -> Tensor:
        # In the precision of the map beside it: two thin matrices are cast for less than x, which autograd keeps.
        a_RI, b_OR = self.a_RI.to(y.dtype), self.b_OR.to(y.dtype)
        x = F.dropout(x.to(y.dtype), self.dropout, self.training)
        # Scaling the R values in the middle costs least; y is the linear map's fresh output and may be added to in place.
        middle = (F.linear(x, a_RI) * self.scale).to(y.dtype)
        y.view(-1, y.shape[-1]).addmm_(middle.view(-1, middle.shape[-1]), b_OR.t())
        return y

    def fold(self, weight_OI: Tensor) -> Tensor:
        return weight_OI + self.scale * (self.b_OR @ self.a_RI)


@dataclass(frozen=True)
class LoRA(Method):
    """Low-rank matrices beside the linear maps of attention and MLP.

    rank:            R.
    alpha:           the sum is scaled by alpha / rank; null: twice the rank, so that studies of the rank keep the scale.
    rank_stabilised: scale by alpha / sqrt(rank) instead (Kalajdzievski, 2023, arXiv:2312.03732).
    dropout:         share of the inputs of A that are dropped in training.
    on:              roles, or endings of module paths (`q_proj`).
    stack:           of an encoder-decoder network, where to stand. In the `decoder` alone, nothing goes back through the
                     encoder: about half the time of a step.
    """

    rate_times_width: ClassVar[float] = 1.5  # ten times that of full tuning
    peft_type: ClassVar[str] = "LORA"

    rank: Annotated[int, Field(gt=0)] = 8
    alpha: Annotated[float, Field(gt=0)] | None = None
    rank_stabilised: bool = False
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    on: tuple[str, ...] = ATTENTION_AND_MLP
    stack: Literal["both", "encoder", "decoder"] = "both"

    @property
    def scale(self) -> float:
        """What B A x is multiplied by."""
        alpha = 2 * self.rank if self.alpha is None else self.alpha
        return alpha / (math.sqrt(self.rank) if self.rank_stabilised else self.rank)

    def delta(self, site: Site) -> Delta | None:
        if site.role in ("embedding", "mlp") or not site.named(self.on) or not site.within(self.stack):
            return None
        return LowRank(site.inputs, site.outputs, self.rank, self.scale, self.dropout)

    def peft_config(self, sites: Sequence[Site]) -> dict[str, Any]:
        return {
            "r": self.rank,
            "lora_alpha": 2 * self.rank if self.alpha is None else self.alpha,
            "use_rslora": self.rank_stabilised,
            "lora_dropout": self.dropout,
            "target_modules": [site.path for site in sites],
            "fan_in_fan_out": any(type(site.module).__name__ == "Conv1D" for site in sites),
            "bias": "none",
            "init_lora_weights": True,
        }

    @classmethod
    def from_peft(cls, config: Mapping[str, Any]) -> "LoRA":
        for key, plain in _UNKNOWN.items():
            if config.get(key, plain) not in (plain, None, False, {}, []):
                raise UserError(f"`adapter_config.json` sets `{key}: {config[key]}`, which LoRA here does not have")
        modules = config["target_modules"]
        names = (modules,) if isinstance(modules, str) else tuple(sorted(modules))
        return cls(
            rank=config["r"],
            alpha=config["lora_alpha"],
            rank_stabilised=bool(config.get("use_rslora")),
            dropout=config.get("lora_dropout") or 0.0,
            on=(*ATTENTION_AND_MLP, "other") if names == ("all-linear",) else names,
        )


# Settings of PEFT's LoRA that change the formula, and the value that leaves it as it is above.
_UNKNOWN: Mapping[str, Any] = {
    "bias": "none",
    "use_dora": False,
    "rank_pattern": {},
    "alpha_pattern": {},
    "layers_to_transform": None,
    "exclude_modules": None,
    "target_parameters": None,
    "lora_bias": False,
    "layer_replication": None,
}
