"""Several LoRAs of one network made into one, by weight.

linear  the sum of w_i (alpha/rank)_i B_i A_i, the products. Exact: the factors stand side by side and the rank is the sum of
        all ranks (PEFT's `cat`). PEFT's `linear` adds factors, sqrt(w_i) A_i and sqrt(w_i) B_i, whose product has cross terms
        B_i A_j besides: it is another thing, and is not offered.
ties    Yadav et al., 2023, arXiv:2306.01708. Of each product the share `density` with the largest magnitude is kept (trim);
        each entry gets the sign of the sum over adapters (elect); then w_i times what agrees with that sign is averaged over
        how many agree (disjoint mean), so weights of 1 are the paper's, and a weight common to all is its lambda. As in PEFT's
        `ties_svd`, a matrix is trimmed by itself (the paper ranks all entries of a network together), and a sum of nought
        counts as positive (the paper gives it the commoner sign).
dare    Yu et al., 2023, arXiv:2311.03099. Each entry of each product stays with the probability `density` and is divided by
        it; then the sum of w_i times the rest. PEFT's `dare_linear_svd` does the same with the global random state; here the
        draws come from a seed, site by site in the order of the network, adapter by adapter.

The result of `ties` and `dare` has full rank: it is written into the weights as it is, or brought down to a LoRA by the
singular value decomposition, the nearest of its rank in the Frobenius norm (Eckart and Young, 1936).

Dimension key: R rank, I inputs, O outputs of a site; b rows, T tokens a row.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from tunesmith.errors import UserError
from tunesmith.methods.lora import LoRA, LowRank
from tunesmith.methods.method import Delta, Method, Site
from tunesmith.models.adapter import Adapter
from tunesmith.models.model import Model

Way = Literal["linear", "ties", "dare"]
Factors = tuple[Tensor, Tensor]  # B [O, R] with the scale in it, A [R, I]


@dataclass(frozen=True)
class Combination:
    """How adapters become one.

    how:     `linear`, `ties` or `dare`.
    weights: one an adapter; empty: equal shares, or 1 each for `ties`.
    density: share of the entries that `ties` keeps, or that `dare` does not drop.
    seed:    of what `dare` drops.
    """

    how: Way = "linear"
    weights: tuple[float, ...] = ()
    density: float = 0.2
    seed: int = 0

    def shares(self, count: int) -> tuple[float, ...]:
        """The weight of each of so many adapters."""
        if self.weights and len(self.weights) != count:
            raise UserError(f"{len(self.weights)} weights are given for {count} adapters", "give one for each, in their order")
        return self.weights or ((1.0 if self.how == "ties" else 1 / count),) * count

    def __post_init__(self) -> None:
        if not 0 < self.density <= 1:
            raise UserError(f"the density is {self.density}", "give a share above 0 and up to 1")
        if not all(map(math.isfinite, self.weights)):
            raise UserError(f"the weights are {', '.join(map(str, self.weights))}", "give numbers")


@dataclass(frozen=True)
class Combined:
    """What came of it.

    rank:  of the LoRA; 0 where the change is kept whole.
    error: norm of what the rank leaves out, as a share of the norm of the whole change, over all sites (Frobenius).
    """

    adapter: Adapter
    rank: int
    error: float

    def __str__(self) -> str:
        if not self.rank:
            return "combined in full rank"
        return f"combined in rank {self.rank}: {self.error:.3g} of the change is left out (Frobenius norm)"


@torch.no_grad()
def combine(model: Model, names: Sequence[str], into: str, wanted: Combination, rank: int | None = None) -> Combined:
    """Attach the combination of attached LoRAs under a name of its own, beside them.

    Args:
        names: of the attached adapters.
        into: the name of the combination.
        rank: bring the sum down to this; None: exact, which for `ties` and `dare` is no LoRA but whole matrices, to be merged.

    Raises:
        UserError: an adapter is no plain LoRA, the number of weights is another, or rank or density leave nothing.
    """
    refuse_rank(rank)
    adapters = [model.adapter(name) for name in names]
    for name, adapter in zip(names, adapters, strict=True):
        refuse_other(name, adapter)
    shares = wanted.shares(len(names))
    if wanted.how == "linear" and rank is None:
        return _lora(model, into, dict(_side_by_side(adapters, shares)), 0.0)
    if wanted.how != "linear":
        _refuse_sparse(adapters, wanted.density)
    changes = _changes(adapters, shares, wanted)
    if rank is None:
        return Combined(model.attach(into, Whole(dict(changes))), 0, 0.0)
    factors, left_out, all_of_it = {}, 0.0, 0.0
    for path, change_OI in changes:
        factors[path], rest = nearest(change_OI, rank)
        left_out, all_of_it = left_out + rest, all_of_it + float(change_OI.double().square().sum())
    return _lora(model, into, factors, math.sqrt(left_out / all_of_it) if all_of_it else 0.0)


def refuse_rank(rank: int | None) -> None:
    """A LoRA has at least a rank of one."""
    if rank is not None and rank < 1:
        raise UserError(f"the rank is {rank}", "give a whole number above 0, or none to keep all of the combination")


def _refuse_sparse(adapters: Sequence[Adapter], density: float) -> None:
    """Of every matrix at least one number must be expected to stay."""
    sizes = {path: delta.b_OR.shape[0] * delta.a_RI.shape[1] for one in adapters for path, delta in one.deltas.items()}  # type: ignore[index]
    path, least = min(sizes.items(), key=lambda one: one[1])
    if int(density * least) < 1:
        raise UserError(
            f"the density is {density:g}: of the {least:,} numbers at `{path}` none would stay",
            f"give {2 / least:.1g} or more; 0.2 keeps a fifth",
        )


def refuse_other(name: str, adapter: Adapter) -> None:
    """Only products of two matrices are combined."""
    if adapter.freed or not all(type(delta) is LowRank for delta in adapter.deltas.values()):
        others = (path for path, delta in adapter.deltas.items() if type(delta) is not LowRank)
        raise UserError(
            f"`{name}` is a `{type(adapter.method).__name__}` adapter, which at `{(*others, *adapter.freed)[0]}` is no "
            "pair of matrices beside a linear map: only plain LoRAs are combined",
            "leave it out",
        )


def ties(changes: Sequence[Tensor], shares: Sequence[float], density: float) -> Tensor:
    """Trim, elect the sign, take the disjoint mean: see above. All [O, I]."""
    trimmed_NOI = torch.stack([trim(change, density) for change in changes])
    elected_OI = torch.where(trimmed_NOI.sum(0) >= 0, 1.0, -1.0)
    agreeing_NOI = trimmed_NOI.sign() == elected_OI
    shares_N11 = trimmed_NOI.new_tensor(shares)[:, None, None]
    return (trimmed_NOI * shares_N11 * agreeing_NOI).sum(0) / agreeing_NOI.sum(0).clamp(min=1)


def trim(change: Tensor, density: float) -> Tensor:
    """The share `density` of the entries with the largest magnitude; the others nought."""
    kept = change.abs().flatten().topk(int(density * change.numel())).indices
    return torch.zeros_like(change).flatten().index_copy(0, kept, change.flatten()[kept]).view_as(change)


def drop(change: Tensor, density: float, dice: torch.Generator) -> Tensor:
    """Each entry stays with the probability `density` and is divided by it, so that the mean stays the same."""
    stays = torch.bernoulli(torch.full(change.shape, density), generator=dice)
    return change * stays.to(change.device) / density


def nearest(change_OI: Tensor, rank: int) -> tuple[Factors, float]:
    """The factors of the nearest matrix of a rank, and the square of the distance to it."""
    u, s, vh = torch.linalg.svd(change_OI.double(), full_matrices=False)
    root = s[:rank].sqrt()
    return ((u[:, :rank] * root).float(), (root[:, None] * vh[:rank]).float()), float(s[rank:].square().sum())


def _side_by_side(adapters: Sequence[Adapter], shares: Sequence[float]) -> Iterator[tuple[str, Factors]]:
    for path in _sites(adapters):
        found = _factors(path, adapters, shares)
        yield path, (torch.cat([b_OR * w for b_OR, _, w in found], 1), torch.cat([a_RI for _, a_RI, _ in found]))


def _changes(adapters: Sequence[Adapter], shares: Sequence[float], wanted: Combination) -> Iterator[tuple[str, Tensor]]:
    """The combined change [O, I] of each site, one at a time."""
    dice = torch.Generator().manual_seed(wanted.seed)
    for path in _sites(adapters):
        found = _factors(path, adapters, shares)
        here, changes = [w for _, _, w in found], [b_OR @ a_RI for b_OR, a_RI, _ in found]
        if wanted.how == "ties":
            yield path, ties(changes, here, wanted.density)
            continue
        if wanted.how == "dare":
            changes = [drop(change, wanted.density, dice) for change in changes]
        yield path, torch.stack([w * change for w, change in zip(here, changes, strict=True)]).sum(0)


def _sites(adapters: Sequence[Adapter]) -> list[str]:
    """Every site that an adapter stands at, in the order of the first adapter that has it."""
    return list(dict.fromkeys(path for adapter in adapters for path in adapter.deltas))


def _factors(path: str, adapters: Sequence[Adapter], shares: Sequence[float]) -> list[tuple[Tensor, Tensor, float]]:
    """(B with its scale, A, weight) of those adapters that stand at a site."""
    found = []
    for adapter, share in zip(adapters, shares, strict=True):
        if isinstance(delta := adapter.deltas.get(path), LowRank):
            found.append((delta.b_OR.detach() * delta.scale, delta.a_RI.detach(), share))
    return found


def _lora(model: Model, into: str, factors: Mapping[str, Factors], error: float) -> Combined:
    """A LoRA of these factors; a site of a lower rank is filled up with noughts."""
    rank = max(a_RI.shape[0] for _, a_RI in factors.values())
    adapter = model.attach(into, LoRA(rank=rank, alpha=rank, on=tuple(re.escape(path) for path in factors)))
    assert adapter.deltas.keys() == factors.keys()
    for path, (b_OR, a_RI) in factors.items():
        delta, own = adapter.deltas[path], a_RI.shape[0]
        assert isinstance(delta, LowRank)
        delta.a_RI.zero_()[:own] = a_RI
        delta.b_OR.zero_()[:, :own] = b_OR
    return Combined(adapter, rank, error)


class Whole(Method):
    """Whole matrices beside linear maps, to be merged. changes: site -> [O, I]."""

    def __init__(self, changes: Mapping[str, Tensor]) -> None:
        self.changes = changes

    def delta(self, site: Site) -> Delta | None:
        return _Change(self.changes[site.path]) if site.path in self.changes else None


class _Change(Delta):
    """y + D x"""

    change_OI: Tensor

    def __init__(self, change_OI: Tensor) -> None:
        super().__init__()
        self.register_buffer("change_OI", change_OI)

    def after(self, x: Tensor, y: Tensor, virtual: Tensor) -> Tensor:
        return y + F.linear(x.to(y.dtype), self.change_OI.to(y.dtype))

    def fold(self, weight_OI: Tensor) -> Tensor:
        return weight_OI + self.change_OI
