"""The processes that learn together. Alone is the same code with one of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class World:
    """Where this process stands among `size` of them."""

    rank: int = 0
    size: int = 1

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """This process's part of the items of one step."""
        return items[self.rank :: self.size]

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

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Every process ends with the sum of all gradients; one message for all of them."""
        if self.size == 1:
            return
        gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
        flat = self._sum(torch.cat([g.flatten() for g in gradients]))
        parts = torch.split(flat, [g.numel() for g in gradients])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.grad = part.view_as(parameter)

    def _sum(self, tensor: Tensor) -> Tensor:
        dist.all_reduce(tensor)
        return tensor
