"""A judge of pairs held against the people who judged them: their shares of votes, and each of them alone.

A pair's row may have `share`, the share of its annotators who preferred the chosen answer, and `annotator`, who they were.
"""

from dataclasses import dataclass
from hashlib import blake2b
from typing import ClassVar

import numpy as np

from tunesmith.data.example import Example
from tunesmith.data.preferences import number
from tunesmith.metrics.calibration import probabilities
from tunesmith.metrics.metric import Metric, Stats
from tunesmith.run import Answer


@dataclass(frozen=True)
class VoteError(Metric):
    """Mean squared error of the probability of the chosen answer from its share of votes; without `share` it has them all."""

    higher_is_better: ClassVar[bool] = False
    best: ClassVar[float] = 0.0
    worst: ClassVar[float] = 1.0

    name: str = "vote_error"

    def measure(self, answer: Answer, example: Example) -> tuple[float, ...]:
        wanted = number(example.meta, "share")
        names = answer.labels or example.choices
        share = dict(zip(names, probabilities(answer, example, self.name), strict=True)).get(example.target, 0.0)
        return ((share - (1.0 if wanted is None else wanted)) ** 2,)


@dataclass(frozen=True)
class AnnotatorAgreement(Metric):
    """Share of pairs decided as their annotator did, a mean over annotators: somebody with many votes counts no more.

    Statistics of an answer: a number for the annotator, and whether it agrees.
    """

    name: str = "annotator_agreement"

    def measure(self, answer: Answer, example: Example) -> tuple[float, ...]:
        who = str(example.meta.get("annotator", "")).encode(errors="replace")
        told = int.from_bytes(blake2b(who, digest_size=6).digest(), "big")  # exact in a float
        return float(told), float(answer.said.strip() == example.target.strip())

    def total(self, stats_NK: Stats) -> float:
        if not len(stats_NK):
            return float("nan")
        _, places_N = np.unique(stats_NK[:, 0], return_inverse=True)
        return float((np.bincount(places_N, stats_NK[:, 1]) / np.bincount(places_N)).mean())


vote_error = VoteError()
annotator_agreement = AnnotatorAgreement()
