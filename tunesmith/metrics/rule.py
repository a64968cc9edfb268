"""A rule of the text: what a function gives for each answer; total: the mean, or the share where it gives true or false."""

from collections.abc import Callable
from dataclasses import dataclass

from tunesmith.data.example import Example
from tunesmith.metrics.metric import Metric
from tunesmith.run import Answer


@dataclass(frozen=True)
class Rule(Metric):
    """rule: text -> a number between 0 and 1, or true or false."""

    name: str
    rule: Callable[[str], float]

    def measure(self, answer: Answer, example: Example) -> tuple[float, ...]:
        return (float(self.rule(answer.said)),)
