"""Accuracy: the share of answers that are the target, chosen or spoken."""

from dataclasses import dataclass

from tunesmith.data.example import Example
from tunesmith.metrics.metric import Metric
from tunesmith.run import Answer


@dataclass(frozen=True)
class Accuracy(Metric):
    """1 where what was said is the target, space at the ends aside. An answer that is none of the choices is wrong."""

    name: str = "accuracy"

    def measure(self, answer: Answer, example: Example) -> tuple[float, ...]:
        return (float(answer.said.strip() == example.target.strip()),)


accuracy = Accuracy()
