"""F1 of shared words (SQuAD; Rajpurkar et al. 2016) and of labels: F = 2PR / (P + R).

>>> shared_words("the cat sat", "a cat sat down")
0.8
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from tunesmith.data.example import Example
from tunesmith.errors import UserError
from tunesmith.metrics.metric import Metric, Stats
from tunesmith.metrics.ngrams import clipped_matches
from tunesmith.metrics.normalise import normalise
from tunesmith.run import Answer


@dataclass(frozen=True)
class TokenF1(Metric):
    """F1 of the words of answer and reference after `normalise`, against the best reference; total: the mean.

    distinct: each word counts once, as in HELM; else as often as both have it, as in SQuAD.
    """

    name: str
    distinct: bool = False

    def measure(self, answer: Answer, example: Example) -> tuple[float, ...]:
        return (max(shared_words(answer.said, meant, self.distinct) for meant in example.acceptable),)


def shared_words(said: str, meant: str, distinct: bool = False) -> float:
    """F1 of one text against one reference. Where either has no words: 1 if both have none, else 0 (as SQuAD 2.0)."""
    words_said, words_meant = Counter(normalise(said).split()), Counter(normalise(meant).split())
    if distinct:
        words_said, words_meant = Counter(set(words_said)), Counter(set(words_meant))
    if not words_said or not words_meant:
        return float(words_said == words_meant)
    return 2 * clipped_matches(words_said, words_meant) / (words_said.total() + words_meant.total())


@dataclass(frozen=True)
class BinaryF1(Metric):
    """F1 of one label; statistics of an answer: true positive, false positive, false negative. 0 where there are none of these.

    positive: the label that counts; where not given, the second of an example's two choices.
    """

    name: str = "f1"
    positive: str = ""

    def measure(self, answer: Answer, example: Example) -> tuple[float, ...]:
        yes = positive_label(example, self.positive, self.name)
        said, meant = answer.said.strip() == yes, example.target.strip() == yes
        return float(said and meant), float(said and not meant), float(meant and not said)

    def total(self, stats_NK: Stats) -> float:
        if not len(stats_NK):
            return float("nan")
        hits, invented, missed = stats_NK.sum(axis=0).tolist()
        return 2 * hits / (2 * hits + invented + missed) if hits else 0.0


@dataclass(frozen=True)
class MacroF1(Metric):
    """Mean of the F1 of each label that was said or meant; statistics: hits, wrongly said and missed of each choice in turn.

    All examples of a task must have the same choices in the same order.
    """

    name: str = "macro_f1"

    def measure(self, answer: Answer, example: Example) -> tuple[float, ...]:
        if not example.choices:
            raise UserError(f"`{self.name}` needs choices, and example `{example.id}` has none", "use `token_f1` for free text")
        row: list[float] = []
        for choice in example.choices:
            said, meant = answer.said.strip() == choice.strip(), example.target == choice
            row += [said and meant, said and not meant, meant and not said]
        return tuple(map(float, row))

    def total(self, stats_NK: Stats) -> float:
        if not len(stats_NK):
            return float("nan")
        hits, invented, missed = stats_NK.sum(axis=0).reshape(-1, 3).T
        seen = hits + invented + missed > 0
        return float(np.mean(2 * hits[seen] / (2 * hits + invented + missed)[seen])) if seen.any() else 0.0


def positive_label(example: Example, wanted: str, metric: str) -> str:
    """The label that counts as positive: the one asked for, or the second of two choices."""
    if wanted:
        return wanted.strip()
    if len(example.choices) != 2:
        problem = f"`{metric}` needs two choices, and example `{example.id}` has {len(example.choices)}"
        raise UserError(problem, "give the metric its `positive` label, or use `accuracy`")
    return example.choices[1].strip()


token_f1 = TokenF1("token_f1")
token_f1_distinct = TokenF1("token_f1_distinct", distinct=True)
f1 = BinaryF1()
macro_f1 = MacroF1()
