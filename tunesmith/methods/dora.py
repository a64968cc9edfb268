"""DoRA (Liu et al., 2024, arXiv:2402.09353): m (W + s B A) / |W + s B A| x, a learned length for every row of the weight.

Dimension key: R rank, I inputs, O outputs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tunesmith.methods.lora import LoRA, LowRank, no_embedding
from tunesmith.methods.method import Delta, Site


class Directed(LowRank):
    """A low-rank change of the rows' directions; their lengths are learned apart. The norm passes no gradient (section 4.3)."""

    peft_names: ClassVar[Mapping[str, str]] = {**LowRank.peft_names, "length_O": "lora_magnitude_vector"}

    def __init__(self, site: Site, rank: int, scale: float, dropout: float) -> None:
        super().__init__(site.inputs, site.outputs, rank, scale, dropout)
        self.weight = site.weight  # not registered: it is the network's
        weight_OI = site.weight()
        self.length_O = nn.Parameter(weight_OI.norm(dim=1).detach().clone())
        # |w + s B a|^2 = |w|^2 + 2 s w A' b + s^2 b A A' b: what is fixed of it is computed once.
        self._squares_O: Tensor | None = None
        self._of: tuple[Any, ...] = ()  # the weight that they are of
        self.bias = getattr(site.module, "bias", None) is not None
        self._site: list[Any] = [site.module]

    @torch.no_grad()
    def norm(self) -> Tensor:
        """[O] lengths of the rows of W + s B A."""
        weight_OI = self.weight()
        stale = self._squares_O is None or self._squares_O.device != weight_OI.device
        if not torch.compiler.is_compiling():  # a compiled layer cannot ask, and nothing is written while it learns
            stale, self._of = stale or self._now() != self._of, self._now()
        if stale:
            self._squares_O = weight_OI.square().sum(1)
        squares_O = cast(Tensor, self._squares_O)
        a_RI, b_OR = self.a_RI.float(), self.b_OR.float()
        crossed_OR = weight_OI @ a_RI.t()
        inner_RR = a_RI @ a_RI.t()
        mixed_O = (b_OR * (2 * self.scale * crossed_OR + self.scale**2 * (b_OR @ inner_RR))).sum(1)
        return (squares_O + mixed_O).clamp(min=0).sqrt()

    def _now(self) -> tuple[Any, ...]:
        """Another one after every change of the network's weight: others may be merged into it."""
        weight: Tensor = self._site[0].weight
        return weight.untyped_storage()._cdata, 0 if weight.is_inference() else weight._version

    def after(self, x: Tensor, y: Tensor, virtual: Tensor) -> Tensor:
        ratio_O = (self.length_O / self.norm().clamp(min=1e-12)).to(y.dtype)
        bias = self._site[0].bias if self.bias else None
        if bias is not None:
            y = y - bias
        x = F.dropout(x.to(y.dtype), self.dropout, self.training)
        changed = y + F.linear(F.linear(x, self.a_RI.to(y.dtype)) * self.scale, self.b_OR.to(y.dtype))
        said: Tensor = changed * ratio_O
        return said if bias is None else said + bias

    @staticmethod
    def stacked(deltas: "Sequence[Directed]") -> "Directions":  # type: ignore[override]
        return Directions(deltas)

    def fold(self, weight_OI: Tensor) -> Tensor:
        changed_OI = super().fold(weight_OI)
        folded_OI: Tensor = changed_OI * (self.length_O / changed_OI.norm(dim=1).clamp(min=1e-12))[:, None]
        return folded_OI


class Directions:
    """Stacked changes of rows' directions and lengths."""

    @torch.no_grad()
    def __init__(self, deltas: "Sequence[Directed]") -> None:
        self.low = LowRank.stacked(deltas)
        self.ratio_S1O = torch.stack([(delta.length_O / delta.norm().clamp(min=1e-12))[None] for delta in deltas])
        self.bias_O = deltas[0]._site[0].bias if deltas[0].bias else None

    def before(self, x_SMI: Tensor) -> Tensor:
        return x_SMI

    def after(self, x_SMI: Tensor, y_SMO: Tensor) -> Tensor:
        ratio, bias_O = self.ratio_S1O.to(y_SMO.dtype), self.bias_O
        said: Tensor = self.low.after(x_SMI, y_SMO if bias_O is None else y_SMO - bias_O) * ratio
        return said if bias_O is None else said + bias_O


@dataclass(frozen=True)
class DoRA(LoRA):
    """LoRA that learns the direction and the length of every row of a weight apart. Settings as in LoRA."""

    is_dora: ClassVar[bool] = True

    def beside(self, site: Site) -> Delta:
        return Directed(site, self.rank, self.scale, self.dropout)

    def beside_embedding(self, site: Site) -> Delta:
        raise no_embedding("dora")

    def peft_config(self, sites: Sequence[Site], deltas: Mapping[str, Delta]) -> dict[str, Any]:
        return {**super().peft_config(sites, deltas), "use_dora": True}
