"""Bottleneck adapters (Houlsby et al., 2019, arXiv:1902.00751; Pfeiffer et al., 2021, arXiv:2005.00247): y + s up(f(down(y))).

Dimension key: D hidden size, M size of the bottleneck.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from tunesmith.methods.method import Delta, Method, Site

PLACES = {"houlsby": ("attention_out", "mlp_down"), "pfeiffer": ("mlp_down",)}
CURVES: Mapping[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "gelu": F.gelu, "silu": F.silu, "tanh": torch.tanh}


class Squeezed(Delta):
    """Down to a few numbers, through a curve, and up again; `up` starts at zero, so nothing changes at first."""

    fixed: ClassVar[tuple[str, ...]] = ("curve", "scale")

    def __init__(self, wide: int, size: int, curve: str, scale: float) -> None:
        super().__init__()
        self.down_MD = nn.Parameter(torch.randn(size, wide) * wide**-0.5)
        self.down_M = nn.Parameter(torch.zeros(size))
        self.up_DM = nn.Parameter(torch.zeros(wide, size))
        self.up_D = nn.Parameter(torch.zeros(wide))
        self.curve = CURVES[curve]
        self.scale = scale

    def after(self, x: Tensor, y: Tensor, virtual: Tensor) -> Tensor:
        kind = y.dtype
        inner = self.curve(F.linear(y, self.down_MD.to(kind), self.down_M.to(kind)))
        said = F.linear(inner, self.up_DM.to(kind), self.up_D.to(kind))
        return y + (said if self.scale == 1.0 else said * self.scale)

    @staticmethod
    def stacked(deltas: "Sequence[Squeezed]") -> "Squeezes | None":
        """None where they differ in size or curve."""
        first = deltas[0]
        alike = all(one.down_MD.shape == first.down_MD.shape and one.curve is first.curve for one in deltas)
        return Squeezes(deltas) if alike else None


class Squeezes:
    """Stacked bottlenecks of one size."""

    @torch.no_grad()
    def __init__(self, deltas: "Sequence[Squeezed]") -> None:
        self.down_SDM = torch.stack([delta.down_MD.t() for delta in deltas])
        self.down_S1M = torch.stack([delta.down_M[None] for delta in deltas])
        self.up_SMD = torch.stack([delta.up_DM.t() * delta.scale for delta in deltas])
        self.up_S1D = torch.stack([delta.up_D[None] * delta.scale for delta in deltas])
        self.curve = deltas[0].curve

    def before(self, x_SMI: Tensor) -> Tensor:
        return x_SMI

    def after(self, x_SMI: Tensor, y_SMO: Tensor) -> Tensor:
        kind = y_SMO.dtype
        inner = self.curve(torch.baddbmm(self.down_S1M.to(kind), y_SMO, self.down_SDM.to(kind)))
        return y_SMO + torch.baddbmm(self.up_S1D.to(kind), inner, self.up_SMD.to(kind))


@dataclass(frozen=True)
class Bottleneck(Method):
    """A small network behind the sublayers, before they are added to the stream.

    size:   M.
    place:  `houlsby`: behind attention and behind the MLP; `pfeiffer`: behind the MLP only.
    curve:  between down and up.
    scale:  of what is added.
    stack:  of an encoder-decoder network, where to stand.
    """

    rate_times_width: ClassVar[float] = 3.0

    size: Annotated[int, Field(gt=0)] = 16
    place: Literal["houlsby", "pfeiffer"] = "houlsby"
    curve: Literal["relu", "gelu", "silu", "tanh"] = "relu"
    scale: Annotated[float, Field(gt=0)] = 1.0
    stack: Literal["both", "encoder", "decoder"] = "both"

    def delta(self, site: Site) -> Delta | None:
        if site.role not in PLACES[self.place] or not site.within(self.stack):
            return None
        return Squeezed(site.outputs, self.size, self.curve, self.scale)
