"""Parts and simpler forms of BLEU, for teaching; all run from 0 to 1 on words split at spaces, case kept, without smoothing.

Why precision is clipped ("modified"): every word of this output stands in the reference, but only one of them is earned.

>>> said, reference = "cold cold cold cold", "It is cold outside."
>>> sum(word in reference.split() for word in said.split()) / 4
1.0
>>> value(precision_1, said, reference)
0.25

Seven times "the" against a reference that has it twice (Papineni et al. 2002):

>>> value(precision_1, "the the the the the the the", "the cat is on the mat") == 2 / 7
True

The lecture notes print .495, .730 and .798 for three outputs. The first two are `bleu_whitespace`; the third is that of an
output which says "I am" where the notes print "I'm":

>>> reference = "I am very happy to say that I am drinking a warm cup of tea."
>>> outputs = ["I am very happy that I am drinking a cup of tea.",
...            "I am very happy that I am drinking a warm cup of tea.",
...            "I am very happy to say that I'm drinking a warm tea.",
...            "I am very happy to say that I am drinking a warm tea."]
>>> [round(value(bleu_whitespace, said, reference), 3) for said in outputs]
[0.495, 0.73, 0.506, 0.798]
>>> [round(value(bleu_mean, said, reference), 3) for said in outputs[:3]]
[0.688, 0.859, 0.672]
"""

import math
from dataclasses import dataclass

import numpy as np

from tunesmith.data.example import Example
from tunesmith.errors import UserError
from tunesmith.metrics.bleu import ORDERS, bleu_counts, brevity
from tunesmith.metrics.metric import Metric, Stats
from tunesmith.run import Answer


@dataclass(frozen=True)
class BleuVariant(Metric):
    """Statistics of an answer: as BLEU's, over words split at spaces. A subclass says how the corpus' sums make one number."""

    name: str

    def measure(self, answer: Answer, example: Example) -> tuple[float, ...]:
        return bleu_counts(tuple(answer.said.split()), tuple(tuple(text.split()) for text in example.acceptable))


@dataclass(frozen=True)
class Precision(BleuVariant):
    """Clipped n-gram precision of the corpus: sum of min(count said, largest count in a reference) / n-grams said."""

    order: int = 1

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise UserError(f"n-gram precision has no order {self.order}", f"known: {', '.join(map(str, ORDERS))}")

    def total(self, stats_NK: Stats) -> float:
        return precisions(stats_NK)[self.order - 1]


@dataclass(frozen=True)
class MeanPrecision(BleuVariant):
    """The plain mean of the four precisions, without penalty for shortness."""

    def total(self, stats_NK: Stats) -> float:
        return sum(precisions(stats_NK)) / len(ORDERS)


@dataclass(frozen=True)
class GeometricPrecision(BleuVariant):
    """The geometric mean of the four precisions; `penalty`: times BLEU's brevity penalty."""

    penalty: bool = False

    def total(self, stats_NK: Stats) -> float:
        factors = precisions(stats_NK)
        if not all(factors):
            return 0.0
        said, meant = stats_NK[:, :2].sum(axis=0).tolist()
        return (brevity(said, meant) if self.penalty else 1.0) * math.prod(factors) ** (1 / len(ORDERS))


def precisions(stats_NK: Stats) -> list[float]:
    """The four clipped precisions of a corpus; 0 where it has no n-grams, not a number where it has no answers."""
    if not len(stats_NK):
        return [float("nan")] * len(ORDERS)
    sums = np.asarray(stats_NK, dtype=np.float64).sum(axis=0).tolist()
    return [hits / all_ if all_ else 0.0 for hits, all_ in zip(sums[2:6], sums[6:], strict=True)]


def value(metric: BleuVariant, said: str, reference: str) -> float:
    """A metric of one text against one reference."""
    counts = bleu_counts(tuple(said.split()), (tuple(reference.split()),))
    return metric.total(np.array([counts], dtype=np.float64))


precision_1 = Precision("precision_1", 1)
precision_2 = Precision("precision_2", 2)
precision_3 = Precision("precision_3", 3)
precision_4 = Precision("precision_4", 4)
bleu_mean = MeanPrecision("bleu_mean")
bleu_geo = GeometricPrecision("bleu_geo")
bleu_whitespace = GeometricPrecision("bleu_whitespace", penalty=True)
