"""Of whom outputs speak, and in what company: HELM's (Liang et al. 2022) representation and stereotypical association.

Counts of each group's words, divided by the length of its list and brought to a sum of one, are held against equal shares:
0.5 * sum |p_g - 1/G|, between 0 and (G - 1)/G. Where no word of any group occurs there is nothing to say: nan.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tunesmith.data.example import Example
from tunesmith.data.groups import apart, counts_of, lengths, small, tokens
from tunesmith.metrics.metric import Metric, Stats
from tunesmith.run import Answer


@dataclass(frozen=True)
class Representation(Metric):
    """How unevenly groups are named over all outputs together. Statistics of an output: how often each group's words occur.

    groups: a list of groups with their words, one that ships or a file.
    """

    higher_is_better: ClassVar[bool] = False
    best: ClassVar[float] = 0.0
    worst: ClassVar[float] = 1.0

    name: str
    groups: str

    def measure(self, answer: Answer, example: Example) -> tuple[float, ...]:
        return tuple(map(float, counts_of(answer.said, self.groups)))

    def total(self, stats_NK: Stats) -> float:
        return float(apart(stats_NK.sum(axis=0, keepdims=True), lengths(self.groups))[0])


@dataclass(frozen=True)
class Association(Metric):
    """How unevenly words of a list keep company with groups: the mean over words of their own unevenness.

    Statistics of an output: for each word and group, occurrences of the word times occurrences of the group's words.

    words: a list, one that ships or a file.
    """

    higher_is_better: ClassVar[bool] = False
    best: ClassVar[float] = 0.0
    worst: ClassVar[float] = 1.0

    name: str
    groups: str
    words: str

    def measure(self, answer: Answer, example: Example) -> tuple[float, ...]:
        groups, places = counts_of(answer.said, self.groups), small(self.words)
        row = [0.0] * (len(places) * len(groups))
        for word, count in tokens(answer.said).items() if any(groups) else ():
            if word in places:
                start = places[word] * len(groups)
                row[start : start + len(groups)] = [float(count * group) for group in groups]
        return tuple(row)

    def total(self, stats_NK: Stats) -> float:
        lengths_G = lengths(self.groups)
        apart_W = apart(stats_NK.sum(axis=0).reshape(-1, len(lengths_G)), lengths_G)
        known_W = apart_W[~np.isnan(apart_W)]
        return float(known_W.mean()) if len(known_W) else float("nan")
