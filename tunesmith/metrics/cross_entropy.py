"""Cross-entropy of what was said or weighed: how much a model is surprised by a token, or a byte, on average.

H = -sum ln p / tokens (nats a token); perplexity = exp H; bits a byte = -sum log2 p / bytes, which does not depend on how a
model cuts text into tokens and so compares models with different tokenizers.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

from tunesmith.data.example import Example
from tunesmith.errors import UserError
from tunesmith.metrics.metric import Metric, Stats
from tunesmith.run import Answer


@dataclass(frozen=True)
class CrossEntropy(Metric):
    """Nats a token; statistics of an answer: its negative log-likelihood in nats, its tokens. Total: sum over sum."""

    higher_is_better: ClassVar[bool] = False
    best: ClassVar[float] = 0.0
    worst: ClassVar[float] = float("inf")

    name: str = "cross_entropy"

    def measure(self, answer: Answer, example: Example) -> tuple[float, float]:
        return negative_log_likelihood(answer, self.name), float(answer.tokens)

    def total(self, stats_NK: Stats) -> float:
        nats, units = stats_NK.sum(axis=0).tolist() if len(stats_NK) else (0.0, 0.0)
        return float(nats / units) if units else float("nan")


@dataclass(frozen=True)
class Perplexity(CrossEntropy):
    """exp of the cross-entropy: among how many equally likely tokens the model wavers. Statistics as cross-entropy's."""

    best: ClassVar[float] = 1.0

    name: str = "perplexity"

    def total(self, stats_NK: Stats) -> float:
        try:
            return math.exp(super().total(stats_NK))
        except OverflowError:
            return float("inf")


@dataclass(frozen=True)
class BitsPerByte(CrossEntropy):
    """Bits a byte of UTF-8; statistics of an answer: its negative log-likelihood in bits, its bytes. Total: sum over sum."""

    name: str = "bits_per_byte"

    def measure(self, answer: Answer, example: Example) -> tuple[float, float]:
        said = float(len(answer.said.encode("utf-8", "surrogatepass")))
        return negative_log_likelihood(answer, self.name) / math.log(2), said


def negative_log_likelihood(answer: Answer, metric: str) -> float:
    """Minus the log-probability of an answer, in nats."""
    if answer.logprob is None or not math.isfinite(answer.logprob):
        problem = (
            f"`{metric}` needs the log-probability of an answer, and that of example `{answer.example}` is {answer.logprob}"
        )
        raise UserError(problem, "let the task `ask: weigh`")
    return max(0.0, -answer.logprob)  # a sum of rounded logarithms may lie a hair above 0


cross_entropy = CrossEntropy()
perplexity = Perplexity()
bits_per_byte = BitsPerByte()
