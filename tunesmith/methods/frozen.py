"""The body stays as it is; only the head of the objective learns (a linear probe; Alain and Bengio, 2016, arXiv:1610.01644)."""

from dataclasses import dataclass
from typing import ClassVar

from tunesmith.methods.method import Method


@dataclass(frozen=True)
class Frozen(Method):
    """Train nothing but the head that the objective brings (`classify`, `tag` ...)."""

    rate_times_width: ClassVar[float] = 1.5
