"""Full fine-tuning: every weight is trained."""

from dataclasses import dataclass
from typing import ClassVar

from tunesmith.methods.method import Method, Weight


@dataclass(frozen=True)
class Full(Method):
    """Train every weight of the network."""

    rate_times_width: ClassVar[float] = 0.15

    def trains(self, weight: Weight) -> bool:
        return True
