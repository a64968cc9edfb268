"""F1 of named entities (CoNLL-2003, as conlleval and seqeval count) and of sets of labels; F = 2PR / (P + R) over all answers.

An answer is the tags of its words, parted by blanks. An entity counts only where its kind and both its ends are right.

>>> sorted(entities("B-person I-person O I-place"))
[('person', 0, 1), ('place', 3, 3)]
"""

from abc import abstractmethod
from collections.abc import Set
from dataclasses import dataclass

from tunesmith.data.example import Example
from tunesmith.metrics.metric import Metric, Stats
from tunesmith.run import Answer


class FoundF1(Metric):
    """F1 of what an answer holds, micro-averaged; statistics of an answer: right ones, said ones, meant ones."""

    @staticmethod
    @abstractmethod
    def held(text: str, /) -> Set[object]:
        """What an answer holds."""

    def measure(self, answer: Answer, example: Example) -> tuple[float, ...]:
        said, meant = self.held(answer.said), self.held(example.target)
        return float(len(said & meant)), float(len(said)), float(len(meant))

    def total(self, stats_NK: Stats) -> float:
        return micro_f1(stats_NK)


def labels_of(text: str) -> set[str]:
    """The labels of an answer, which are parted by commas; `none` is no label.

    >>> sorted(labels_of("sad, angry")), labels_of("none")
    (['angry', 'sad'], set())
    """
    return {label.strip() for label in text.split(",")} - {"", "none"}


def entities(tags: str) -> set[tuple[str, int, int]]:
    """(kind, first word, last word) of each entity in IOB tags.

    An entity begins at `B-`, and at an `I-` behind another kind or behind none (conlleval's rules, so IOB1 is read too); `E-`
    and `S-` end it.
    """
    found: set[tuple[str, int, int]] = set()
    begun: tuple[str, int] | None = None
    before = ""
    for place, tag in enumerate([*tags.split(), "O"]):
        mark, _, kind = tag.partition("-")
        kind = kind or ("" if mark == "O" else tag)
        if begun is not None and (mark in ("O", "B", "S") or kind != begun[0] or before in ("E", "S")):
            found.add((*begun, place - 1))
            begun = None
        if mark != "O" and begun is None:
            begun = kind, place
        before = mark
    return found


@dataclass(frozen=True)
class SpanF1(FoundF1):
    """F1 of the entities that tags mark; statistics of an answer: right ones, said ones, meant ones."""

    name: str = "span_f1"
    held = staticmethod(entities)


@dataclass(frozen=True)
class LabelsF1(FoundF1):
    """F1 of labels parted by commas; statistics of an answer: right ones, said ones, meant ones. `none` is no label."""

    name: str = "labels_f1"
    held = staticmethod(labels_of)


def micro_f1(stats_NK: Stats) -> float:
    """F1 of sums of (right, said, meant); 1 where nothing was said and nothing meant."""
    if not len(stats_NK):
        return float("nan")
    right, said, meant = stats_NK.sum(axis=0).tolist()
    return 2 * right / (said + meant) if said + meant else 1.0


span_f1 = SpanF1()
labels_f1 = LabelsF1()
