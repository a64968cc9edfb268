"""(IA)3 (Liu et al., 2022, arXiv:2205.05638): vectors that stretch what maps say, l * W x, or read, W (l * x).

Dimension key: I inputs, O outputs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from tunesmith.errors import UserError
from tunesmith.methods.lora import no_embedding, refuse_unknown, targets
from tunesmith.methods.method import Delta, Method, Site, Stretches


class Stretched(Delta):
    """l * y"""

    peft_names: ClassVar[Mapping[str, str]] = {"length_O1": "ia3_l"}

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.length_O1 = nn.Parameter(torch.ones(outputs, 1))

    def after(self, x: Tensor, y: Tensor, virtual: Tensor) -> Tensor:
        return y * self.length_O1[:, 0].to(y.dtype)

    @staticmethod
    def stacked(deltas: "Sequence[Stretched]") -> Stretches:
        return Stretches(said=torch.stack([delta.length_O1.detach().t() for delta in deltas]))

    def fold(self, weight_OI: Tensor) -> Tensor:
        return weight_OI * self.length_O1

    def fold_bias(self, bias_O: Tensor) -> Tensor:
        return bias_O * self.length_O1[:, 0]


class StretchedInput(Delta):
    """W (l * x)"""

    peft_names: ClassVar[Mapping[str, str]] = {"length_1I": "ia3_l"}

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.length_1I = nn.Parameter(torch.ones(1, inputs))

    def before(self, x: Tensor) -> Tensor:
        return x * self.length_1I[0].to(x.dtype)

    @staticmethod
    def stacked(deltas: "Sequence[StretchedInput]") -> Stretches:
        return Stretches(read=torch.stack([delta.length_1I.detach() for delta in deltas]))

    def fold(self, weight_OI: Tensor) -> Tensor:
        return weight_OI * self.length_1I


@dataclass(frozen=True)
class IA3(Method):
    """One vector a map, and nothing else. The paper stretches keys, values and the inner numbers of an MLP alone.

    on:     roles or endings of module paths whose outputs are stretched.
    inputs: the same, whose inputs are stretched.
    stack:  of an encoder-decoder network, where to stand.
    """

    rate_times_width: ClassVar[float] = 20.0
    peft_type: ClassVar[str] = "IA3"

    on: tuple[str, ...] = ("query", "key", "value", "qkv", "attention_out")
    inputs: tuple[str, ...] = ("mlp_down",)
    stack: Literal["both", "encoder", "decoder"] = "both"

    def refuse_idle(self) -> None:
        if both := [name for name in self.on if name in self.inputs]:
            raise UserError(
                f"`{both[0]}` stands in `method.on` and in `method.inputs`: a map has one vector, behind it or before it",
                "leave it out of one of them",
            )

    def delta(self, site: Site) -> Delta | None:
        if site.role == "embedding" and site.role in (*self.on, *self.inputs):
            raise no_embedding("ia3")
        if site.role in ("embedding", "mlp") or not site.within(self.stack):
            return None
        if site.named(self.inputs):
            return StretchedInput(site.inputs)
        return Stretched(site.outputs) if site.named(self.on) else None

    def peft_config(self, sites: Sequence[Site], deltas: Mapping[str, Delta]) -> dict[str, Any]:
        return {
            "target_modules": [site.path for site in sites],
            "feedforward_modules": [site.path for site in sites if site.named(self.inputs)],
            "fan_in_fan_out": any(type(site.module).__name__ == "Conv1D" for site in sites),
            "init_ia3_weights": True,
        }

    @classmethod
    def from_peft(cls, config: Mapping[str, Any]) -> "IA3":
        refuse_unknown(config, {"exclude_modules": None, "layers_to_transform": None, "trainable_token_indices": None})
        return cls(on=targets(config["target_modules"]), inputs=targets(config["feedforward_modules"] or ()))
