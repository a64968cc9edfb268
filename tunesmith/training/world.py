"""The processes that learn together. Alone is the same code with one of them.

What they say to each other are sums, and now and then plain values that one of them has for all. How they find each other, and
what happens when one of them ends: `training/joining.py`; how they share a network's weights: `training/sharding.py`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeGuard, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor

T = TypeVar("T")
MESSAGE = 2**24  # numbers of gradients that are sent at once: 64 MiB in float32
CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class World:
    """Where this process stands among `size` of them.

    sharded: whether they share the weights of the network, so that each pass through it is made by all of them together.
    """

    rank: int = 0
    size: int = 1
    sharded: bool = False

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and talks."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """This process's part of the items of one step."""
        return items[self.rank :: self.size]

    def part_of(self, items: Iterable[T]) -> Iterable[T]:
        """The same of items that come one after the other; all of them where each pass is made by all processes."""
        return items if self.sharded else islice(items, self.rank, None, self.size)

    def passes(self, batches: Sequence[T]) -> Iterator[tuple[T, bool]]:
        """This process's batches, and whether each counts.

        Where weights are shared all processes make as many passes: one that has fewer batches reads its first again, and
        nothing comes of that.
        """
        more = self.most(len(batches)) - len(batches) if self.sharded else 0
        yield from ((batch, True) for batch in batches)
        yield from [(batches[0], False)] * more if more else []

    def total(self, number: float, device: torch.device) -> float:
        """The sum of a number over all processes."""
        if self.size == 1:
            return number
        return float(self._sum(torch.tensor(number, dtype=torch.float64, device=device)))

    def totals(self, numbers: Sequence[float], device: torch.device) -> list[float]:
        """The sums of several numbers over all processes."""
        if self.size == 1:
            return list(numbers)
        return [float(x) for x in self._sum(torch.tensor(numbers, dtype=torch.float64, device=device)).tolist()]

    def totals_of(self, named: Mapping[str, float], device: torch.device) -> dict[str, float]:
        """The sums of numbers by name; not every process need have every name."""
        if self.size == 1:
            return dict(named)
        names = list(dict.fromkeys(name for one in self.gathered(list(named)) for name in one))
        return dict(zip(names, self.totals([named.get(name, 0.0) for name in names], device), strict=True))

    def most(self, number: int) -> int:
        """The highest of the processes' numbers."""
        if self.size == 1:
            return number
        held = torch.tensor(number)
        dist.all_reduce(held, dist.ReduceOp.MAX)
        return int(held)

    def any(self, mine: bool) -> bool:
        """Whether it is so in any process."""
        return bool(self.most(int(mine)))

    def told(self, value: T) -> T:
        """The value of the first process."""
        if self.size == 1:
            return value
        held = [value if self.first else None]
        dist.broadcast_object_list(held, src=0, device=CPU)
        return cast(T, held[0])

    def gathered(self, value: T) -> list[T]:
        """The values of all processes, in their order."""
        if self.size == 1:
            return [value]
        held: list[T | None] = [None] * self.size
        dist.all_gather_object(held, value)
        return cast(list[T], held)

    def wait(self) -> None:
        """Until all processes are here."""
        self.any(False)

    @torch.no_grad()
    def same(self, tensors: Sequence[Tensor]) -> None:
        """Every process ends with the values of the first one: what they computed alike may differ in its last digit."""
        for tensor in tensors if self.size > 1 else ():
            held = tensor.detach().contiguous()
            dist.broadcast(held, src=0)
            tensor.copy_(held)

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Every process ends with the sums of all gradients of what it holds whole; none where no process has one."""
        own = [p for p in parameters if not is_part(p)]
        if self.size == 1 or not own:
            return
        having = torch.tensor([p.grad is not None for p in own], dtype=torch.uint8)
        dist.all_reduce(having, dist.ReduceOp.MAX)
        for some in messages([p for p, has in zip(own, having.tolist(), strict=True) if has]):
            gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in some]
            flat = self._sum(torch.cat([g.flatten() for g in gradients]))
            parts = torch.split(flat, [g.numel() for g in gradients])
            for parameter, part in zip(some, parts, strict=True):
                parameter.grad = part.view_as(parameter)

    def _sum(self, tensor: Tensor) -> Tensor:
        dist.all_reduce(tensor)
        return tensor


def messages(parameters: Sequence[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """The parameters in groups of one precision and a bounded size, so that no copy of all gradients is ever made."""
    some: list[nn.Parameter] = []
    for parameter in parameters:
        full = sum(p.numel() for p in some) + parameter.numel() > MESSAGE
        if some and (full or some[0].dtype != parameter.dtype):
            yield some
            some = []
        some.append(parameter)
    if some:
        yield some


def is_part(tensor: Tensor) -> "TypeGuard[DTensor]":
    """Whether this process holds only its part of a tensor."""
    return hasattr(tensor, "full_tensor")
