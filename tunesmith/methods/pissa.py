"""PiSSA (Meng et al., 2024, arXiv:2404.02948): LoRA that starts at the largest singular directions of W: W - s B0 A0 + s B A.

Dimension key: R rank, I inputs, O outputs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from tunesmith.errors import UserError
from tunesmith.methods.lora import LoRA, LowRank, LowRanks, no_embedding
from tunesmith.methods.method import Delta, Site


class Principal(LowRank):
    """B A minus what it was at first, so that the network's own weight stays as it is for whoever shares it.

    The file holds a plain LoRA of twice the rank, [B, -B0] [A; A0], which is the same change (as PEFT converts it).
    """

    def __init__(self, site: Site, rank: int, scale: float, dropout: float) -> None:
        super().__init__(site.inputs, site.outputs, rank, scale, dropout)
        left_OR, values_R, right_IR = _largest(site.weight(), rank)
        root_R = (values_R / scale).sqrt()
        self.a_RI = nn.Parameter((right_IR * root_R).t().contiguous())
        self.b_OR = nn.Parameter((left_OR * root_R).contiguous())
        self.register_buffer("first_a_RI", self.a_RI.detach().clone())
        self.register_buffer("first_b_OR", self.b_OR.detach().clone())

    first_a_RI: Tensor
    first_b_OR: Tensor

    def _both(self) -> tuple[Tensor, Tensor]:
        """A [2R, I] and B [O, 2R]."""
        return torch.cat((self.a_RI, self.first_a_RI)), torch.cat((self.b_OR, -self.first_b_OR), 1)

    def after(self, x: Tensor, y: Tensor, virtual: Tensor) -> Tensor:
        return self.onto(x, y, *self._both())

    @staticmethod
    def stacked(deltas: "Sequence[Principal]") -> LowRanks:  # type: ignore[override]
        both = [(*delta._both(), delta.scale) for delta in deltas]
        return LowRanks.of([(a_RI, b_OR * scale) for a_RI, b_OR, scale in both])

    def saved(self) -> dict[str, Tensor]:
        return dict(zip(("a_RI", "b_OR"), self._both(), strict=True))

    def fold(self, weight_OI: Tensor) -> Tensor:
        return weight_OI + self.scale * (self.b_OR @ self.a_RI - self.first_b_OR @ self.first_a_RI)


@torch.no_grad()
def _largest(weight_OI: Tensor, rank: int) -> tuple[Tensor, Tensor, Tensor]:
    """The largest singular triplets: [O, R], [R], [I, R]. Exact for small weights, by random projections for large ones."""
    if min(weight_OI.shape) <= 4 * rank or min(weight_OI.shape) <= 512:
        left, values, right = torch.linalg.svd(weight_OI.float(), full_matrices=False)
        return left[:, :rank], values[:rank], right[:rank].t()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # the same start for the same weight, or a run could not go on where it stopped
        left, values, right = torch.svd_lowrank(weight_OI.float(), q=2 * rank, niter=8)
    return left[:, :rank], values[:rank], right[:, :rank]


@dataclass(frozen=True)
class PiSSA(LoRA):
    """LoRA from the largest singular directions of each weight instead of from nothing. Settings as in LoRA."""

    rate_times_width: ClassVar[float] = 0.5

    def beside(self, site: Site) -> Delta:
        most = min(site.inputs, site.outputs)
        if self.rank > most:
            raise UserError(
                f"`method.rank` is {self.rank}, but `{site.path}` has only {most} singular directions",
                "take a smaller rank, or `lora`",
            )
        return Principal(site, self.rank, self.scale, self.dropout)

    def beside_embedding(self, site: Site) -> Delta:
        raise no_embedding("pissa")

    def as_saved(self) -> LoRA:
        """A plain LoRA of twice the rank, at the same scale."""
        twice = 2 * self.rank
        plain = {one.name: getattr(self, one.name) for one in fields(LoRA)}
        return LoRA(**{**plain, "rank": twice, "alpha": self.scale * twice, "rank_stabilised": False})

    def peft_config(self, sites: Sequence[Site], deltas: Mapping[str, Delta]) -> dict[str, Any]:
        return self.as_saved().peft_config(sites, deltas)

    @classmethod
    def from_peft(cls, config: Mapping[str, Any]) -> None:
        """A file of this method is a plain LoRA."""
        return
