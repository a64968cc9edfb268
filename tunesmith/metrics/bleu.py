"""BLEU (Papineni et al. 2002) to the last digit as sacreBLEU 2.6 computes it: `case:mixed|eff:no|tok:13a|smooth:exp`.

BLEU = BP exp(1/4 sum_n ln p_n): p_n clipped n-gram precisions over the whole corpus, BP = exp(1 - r/c) where the corpus is
shorter than its references. Runs from 0 to 100. It is a figure of a corpus: answers of fewer than four tokens have no
4-grams, and a corpus of only such answers scores 0 unless `effective_order` is on.

The three outputs of the lecture notes (their own figures are those of `bleu_whitespace`, see bleu_variants.py):

>>> reference = "I am very happy to say that I am drinking a warm cup of tea."
>>> for said in ("I am very happy that I am drinking a cup of tea.",
...              "I am very happy that I am drinking a warm cup of tea.",
...              "I am very happy to say that I'm drinking a warm tea."):
...     print(f"{sentence_bleu(said, [reference]) / 100:.3f}")
0.539
0.750
0.495
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tunesmith.data.example import Example
from tunesmith.errors import UserError, did_you_mean
from tunesmith.metrics.metric import Metric, Stats
from tunesmith.metrics.ngrams import Counts, count_matches, count_ngrams, largest_counts
from tunesmith.run import Answer

ORDERS = (1, 2, 3, 4)
SMOOTHINGS: dict[str, float] = {"exp": 0.0, "floor": 0.1, "add-k": 1.0, "none": 0.0}  # with their usual values

Tokens = tuple[str, ...]

# sacreBLEU's four rules, in order; its first one also widens every space, which changes nothing. The second and third come to
# "points stand alone" where no point has a neighbour that is a point, or digits on both sides.
_SYMBOL = re.compile(r"[!-&(-+:-@\[-`{-~/]")
_SPACED = {code: f" {chr(code)} " for code in range(128) if _SYMBOL.match(chr(code))}
_HARD_POINT = re.compile(r"[.,][.,]|[0-9][.,][0-9]")
_POINT_AFTER = re.compile(r"([^0-9])([.,])")
_POINT_BEFORE = re.compile(r"([.,])([^0-9])")
_DASH = re.compile(r"([0-9])(-)")


@dataclass(frozen=True)
class Bleu(Metric):
    """Statistics of an answer: tokens said, tokens of the reference nearest in length, matches and n-grams of orders 1 to 4.

    smooth:          what a precision of 0 becomes: `exp` (halved at each such order), `floor`, `add-k` or `none`.
    smooth_value:    of `floor` (0.1 where not given) and `add-k` (1).
    lowercase:       compare without case.
    effective_order: leave out orders of which there are no n-grams; for single sentences.
    name:            follows from the other settings unless given.
    """

    best = 100.0

    smooth: str = "exp"
    smooth_value: float | None = None
    lowercase: bool = False
    effective_order: bool = False
    name: str = ""

    def __post_init__(self) -> None:
        if self.smooth not in SMOOTHINGS:
            raise UserError(f"BLEU has no smoothing `{self.smooth}`", did_you_mean(self.smooth, SMOOTHINGS))
        if not self.name:
            value = "" if self.smooth_value is None else f"{self.smooth_value:g}"
            endings = [(self.smooth != "exp", f"_{self.smooth}{value}"), (self.lowercase, "_lower")]
            endings.append((self.effective_order, "_effective"))
            object.__setattr__(self, "name", "bleu" + "".join(ending for wanted, ending in endings if wanted))

    def measure(self, answer: Answer, example: Example) -> tuple[float, ...]:
        meant = tuple(tokenize_13a(text, self.lowercase) for text in example.acceptable)
        return bleu_counts(tokenize_13a(answer.said, self.lowercase), meant)

    def total(self, stats_NK: Stats) -> float:
        if not len(stats_NK):
            return float("nan")
        said, meant, *counts = np.asarray(stats_NK, dtype=np.float64).sum(axis=0).tolist()
        if not any(counts[:4]):
            return 0.0
        precisions = self._precisions(counts[:4], counts[4:])
        orders = len(precisions) if self.effective_order else len(ORDERS)
        if orders > len(precisions) or not all(precisions):
            return 0.0
        return brevity(said, meant) * math.exp(sum(map(math.log, precisions)) / orders)

    def _precisions(self, matches: Sequence[float], ngrams: Sequence[float]) -> list[float]:
        """Smoothed precisions in percent, up to the last order of which there are n-grams."""
        value = SMOOTHINGS[self.smooth] if self.smooth_value is None else self.smooth_value
        precisions: list[float] = []
        halved = 1.0
        for order, matched, said in zip(ORDERS, matches, ngrams, strict=True):
            added = value if self.smooth == "add-k" and order > 1 else 0.0
            hits, all_ = matched + added, said + added
            if not all_:
                break
            if not hits and self.smooth == "exp":
                halved *= 2
                precisions.append(100.0 / (halved * all_))
            else:
                precisions.append(100.0 * (hits or (value if self.smooth == "floor" else 0.0)) / all_)
        return precisions


def brevity(said: float, meant: float) -> float:
    """The penalty on a corpus of `said` tokens against references of `meant` tokens: 1 where it is no shorter."""
    if said >= meant:
        return 1.0
    return math.exp(1 - meant / said) if said else 0.0


def bleu_counts(said: Tokens, meant: tuple[Tokens, ...]) -> tuple[float, ...]:
    """Tokens said, tokens of the reference nearest in length (the shorter of two), four matches, four numbers of n-grams."""
    nearest = min((abs(len(said) - len(tokens)), len(tokens)) for tokens in meant)[1]
    matches = [0, 0, 0, 0]
    for order in ORDERS:
        found = count_matches(said, order, _reference_ngrams(meant, order))
        if not found:
            break  # without a match of n tokens there is none of n + 1
        matches[order - 1] = found
    return (len(said), nearest, *matches, *(max(len(said) - order + 1, 0) for order in ORDERS))


def sentence_bleu(said: str, references: Sequence[str], smooth: str = "exp", lowercase: bool = False) -> float:
    """BLEU of one text, with `effective_order`, as sacreBLEU's `sentence_bleu`."""
    metric = Bleu(smooth=smooth, lowercase=lowercase, effective_order=True)
    meant = tuple(tokenize_13a(text, lowercase) for text in references)
    return metric.total(np.array([bleu_counts(tokenize_13a(said, lowercase), meant)], dtype=np.float64))


@lru_cache(maxsize=1 << 13)
def tokenize_13a(text: str, lowercase: bool = False) -> Tokens:
    """Tokens as mteval-v13a has them: punctuation stands alone, except points and commas between digits.

    >>> tokenize_13a("Hello, it's 3.14 (or so).")
    ('Hello', ',', "it's", '3.14', '(', 'or', 'so', ')', '.')
    """
    text = (text.lower() if lowercase else text).rstrip()
    text = text.replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for escaped, character in (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")) if "&" in text else ():
        text = text.replace(escaped, character)
    text = f" {text} "
    if _SYMBOL.search(text):
        text = text.translate(_SPACED)
    if _HARD_POINT.search(text):
        text = _POINT_BEFORE.sub(r" \1 \2", _POINT_AFTER.sub(r"\1 \2 ", text))
    else:
        text = text.replace(".", " . ").replace(",", " , ")
    if "-" in text:
        text = _DASH.sub(r"\1 \2 ", text)
    return tuple(text.split())


@lru_cache(maxsize=1 << 13)
def _reference_ngrams(meant: tuple[Tokens, ...], order: int) -> Counts:
    return largest_counts(count_ngrams(tokens, order) for tokens in meant)


bleu = Bleu()
