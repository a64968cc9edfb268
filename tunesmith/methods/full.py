"""Full fine-tuning: every weight is trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from tunesmith.methods.method import Method


@dataclass(frozen=True)
class Full(Method):
    """Train every weight of the network."""

    preset: ClassVar[Mapping[str, Any]] = {"learning_rate": 1e-4}

    def trains(self, parameter: str) -> bool:
        return True
