"""A rule of the text alone: what it gives for each answer; total: the mean, or the share where it gives true or false."""

from abc import abstractmethod
from dataclasses import dataclass

from tunesmith.data.example import Example
from tunesmith.metrics.metric import Metric
from tunesmith.run import Answer


@dataclass(frozen=True)
class Rule(Metric):
    """A subclass says what an answer is worth; a value of it is a metric."""

    name: str

    @abstractmethod
    def worth(self, said: str) -> float:
        """Of a text, a number from 0 to 1, or true or false."""

    def measure(self, answer: Answer, example: Example) -> tuple[float, ...]:
        return (float(self.worth(answer.said)),)
