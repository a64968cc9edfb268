"""Edit distance (Levenshtein 1966) and the error rates made of it, against the nearest reference.

>>> word_error_rate.compare("the cat sat", "the cat sat down")  # edits, words of the reference
(1.0, 4.0)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from tunesmith.data.example import Example
from tunesmith.errors import UserError, did_you_mean
from tunesmith.metrics.alignment import edit_distance as distance
from tunesmith.metrics.metric import Metric, Stats
from tunesmith.run import Answer

UNITS: dict[str, Callable[[str], Sequence[str]]] = {"characters": str, "words": str.split}


@dataclass(frozen=True)
class EditDistance(Metric):
    """Characters to insert, delete or substitute, space at the ends aside; total: the mean over answers."""

    higher_is_better: ClassVar[bool] = False
    best: ClassVar[float] = 0.0
    worst: ClassVar[float] = float("inf")

    name: str = "edit_distance"

    def measure(self, answer: Answer, example: Example) -> tuple[float, ...]:
        return (float(min(distance(answer.said.strip(), meant.strip()) for meant in example.acceptable)),)


@dataclass(frozen=True)
class EditSimilarity(Metric):
    """1 - distance / characters of the longer text: 1 where equal, 0 where nothing is alike; total: the mean over answers."""

    name: str = "edit_similarity"

    def measure(self, answer: Answer, example: Example) -> tuple[float, ...]:
        return (max(similarity(answer.said.strip(), meant.strip()) for meant in example.acceptable),)


def similarity(said: str, meant: str) -> float:
    """1 - distance / length of the longer; 1 for two empty texts.

    >>> similarity("kitten", "sitting") == 1 - 3 / 7
    True
    """
    longest = max(len(said), len(meant))
    return 1 - distance(said, meant) / longest if longest else 1.0


@dataclass(frozen=True)
class ErrorRate(Metric):
    """Edits over the length of the references, both summed over all answers: 0 is perfect, and above 1 is possible.

    unit: `words`, split at spaces (for pronunciations a word is a phoneme), or `characters`, space at the ends aside.
    """

    higher_is_better: ClassVar[bool] = False
    best: ClassVar[float] = 0.0
    worst: ClassVar[float] = float("inf")

    name: str
    unit: str = "words"

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise UserError(f"an error rate has no unit `{self.unit}`", did_you_mean(self.unit, UNITS))

    def measure(self, answer: Answer, example: Example) -> tuple[float, float]:
        rows = (self.compare(answer.said, meant) for meant in example.acceptable)
        return min(rows, key=lambda row: row[0] / max(row[1], 1.0))

    def compare(self, said: str, meant: str) -> tuple[float, float]:
        """Edits that make one text the other, and the length of the second."""
        tokens_said, tokens_meant = UNITS[self.unit](said.strip()), UNITS[self.unit](meant.strip())
        return float(distance(tokens_said, tokens_meant)), float(len(tokens_meant))

    def total(self, stats_NK: Stats) -> float:
        if not len(stats_NK):
            return float("nan")
        edits, length = stats_NK.sum(axis=0).tolist()
        return float(edits / max(length, 1.0))


edit_distance = EditDistance()
edit_similarity = EditSimilarity()
word_error_rate = ErrorRate("word_error_rate")
phoneme_error_rate = ErrorRate("phoneme_error_rate")
character_error_rate = ErrorRate("character_error_rate", unit="characters")
