"""What a metric is: statistics of each answer, and a total over rows of statistics.

Because a total is taken over rows, one paired bootstrap serves every metric, corpus BLEU and correlations included.

Dimension key: N answers, K statistics of an answer.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tunesmith.data.example import Example
from tunesmith.run import Answer

Stats = NDArray[np.float64]


class Metric(ABC):
    """A subclass is a frozen dataclass; its fields are its settings.

    name:             how recipes and reports call it; unique over all metrics.
    higher_is_better: which way is up.
    best, worst:      the ends of its range (infinite where open).
    """

    name: str
    higher_is_better: ClassVar[bool] = True
    best: ClassVar[float] = 1.0
    worst: ClassVar[float] = 0.0

    @abstractmethod
    def measure(self, answer: Answer, example: Example) -> tuple[float, ...]:
        """The K statistics of one answer."""

    def measure_all(self, answers: Sequence[Answer], examples: Sequence[Example]) -> list[tuple[float, ...]]:
        """`measure` of every answer; a metric that is faster on many at once says so here."""
        return [self.measure(*pair) for pair in zip(answers, examples, strict=True)]

    def total(self, stats_NK: Stats) -> float:
        """One number from N rows of statistics; the order of rows never matters. By default the mean of the first column."""
        return float(stats_NK[:, 0].mean()) if len(stats_NK) else float("nan")
