"""How far probabilities can be believed: expected calibration error (Naeini et al., 2015) and Brier's score (1950).

Probabilities are those of the choices or labels that an answer has scores for, brought to a sum of one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from typing import ClassVar

import numpy as np

from tunesmith.data.example import Example
from tunesmith.errors import UserError
from tunesmith.metrics.metric import Metric, Stats
from tunesmith.run import Answer


@dataclass(frozen=True)
class CalibrationError(Metric):
    """Mean over answers, in bins of equal number by confidence, of |mean confidence - accuracy| (HELM's `ece_10_bin`).

    Statistics of an answer: probability of what was chosen, and whether it is right. Below some 300 answers it says little.
    """

    higher_is_better: ClassVar[bool] = False
    best: ClassVar[float] = 0.0
    worst: ClassVar[float] = 1.0

    name: str = "calibration_error"
    bins: int = 10

    def measure(self, answer: Answer, example: Example) -> tuple[float, ...]:
        return max(probabilities(answer, example, self.name)), float(answer.said.strip() == example.target.strip())

    def total(self, stats_NK: Stats) -> float:
        if not len(stats_NK):
            return float("nan")
        ordered_NK = stats_NK[np.lexsort((stats_NK[:, 1], stats_NK[:, 0]))]
        gaps = (abs(float(one[:, 0].sum() - one[:, 1].sum())) for one in np.array_split(ordered_NK, self.bins))
        return sum(gaps) / len(stats_NK)


@dataclass(frozen=True)
class Brier(Metric):
    """Mean over answers of the sum over labels of (p - y)^2, between 0 and 2; half of it for two labels is the binary score."""

    higher_is_better: ClassVar[bool] = False
    best: ClassVar[float] = 0.0
    worst: ClassVar[float] = 2.0

    name: str = "brier"

    def measure(self, answer: Answer, example: Example) -> tuple[float, ...]:
        shares = probabilities(answer, example, self.name)
        names = answer.labels or example.choices
        missing = float(example.target not in names)  # a label that has no probability at all
        return (missing + sum((share - (name == example.target)) ** 2 for share, name in zip(shares, names, strict=True)),)


def probabilities(answer: Answer, example: Example, metric: str) -> Sequence[float]:
    """The probability of each label; of an answer without scores all of it stands at what was said."""
    names = answer.labels or example.choices
    if not names:
        raise UserError(
            f"`{metric}` needs labels or choices, and example `{example.id}` has none",
            "use it where the answer is one of several",
        )
    if len(answer.scores) != len(names):
        return [float(name.strip() == answer.said.strip()) for name in names]
    most = max(answer.scores)
    shares = [exp(score - most) for score in answer.scores]
    return [share / sum(shares) for share in shares]


calibration_error = CalibrationError()
brier = Brier()
