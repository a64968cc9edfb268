"""ROUGE (Lin 2004) to the last digit as rouge_score 0.1.2 computes it: overlap with the best reference.

ROUGE-N: m clipped matches of n-grams; P = m / n-grams said, R = m / n-grams of the reference, F = 2PR / (P + R).
ROUGE-L: m = length of the longest common subsequence of words. ROUGE-Lsum: the same line by line, union over lines.

The task is English: whatever is not a-z or 0-9 separates words.

>>> from tunesmith.metrics.rouge import rouge_scores
>>> def show(kind):
...     print(*(f"{score:.2f}" for score in rouge_scores("It is very cold outside", "It is cold outside.", kind)))
>>> show("1")  # precision, recall, F
0.80 1.00 0.89
>>> show("2")
0.50 0.67 0.57
>>> show("L")  # the longest common subsequence has 4 words, the longest common run 2: see rouge_variants.py
0.80 1.00 0.89
"""

# ruff: noqa: N816 (metrics bear the names by which the world knows them)

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import accumulate, chain

import numpy as np

from tunesmith.data.example import Example
from tunesmith.errors import UserError, did_you_mean
from tunesmith.metrics.alignment import common_length, common_places, places
from tunesmith.metrics.metric import Metric, Stats
from tunesmith.metrics.ngrams import Counts, clipped_matches, count_matches, count_ngrams
from tunesmith.metrics.rouge_many import LETTERS, align
from tunesmith.run import Answer

KINDS = (*"123456789", "L", "Lsum")
PARTS = ("precision", "recall", "f")

Words = tuple[str, ...]
Scores = tuple[float, float, float]


@dataclass(frozen=True)
class Rouge(Metric):
    """Statistics of an answer: precision, recall and F against the reference of largest F. Total: the mean of one of them.

    kind:            `1` to `9` (n-grams), `L` or `Lsum`.
    stem:            cut words of four letters and more to their Porter stem (NLTK's), as HELM and most papers do.
    part:            what is averaged: `f`, `precision` or `recall`.
    beta:            weight of recall in F; 1 is the harmonic mean.
    split_summaries: Lsum only: split into sentences by nltk instead of at line ends.
    name:            follows from the other settings unless given.
    """

    kind: str
    stem: bool = False
    part: str = "f"
    beta: float = 1.0
    split_summaries: bool = False
    name: str = ""

    def __post_init__(self) -> None:
        for setting, value, known in (("kind", self.kind, KINDS), ("part", self.part, PARTS)):
            if value not in known:
                raise UserError(f"ROUGE has no {setting} `{value}`", did_you_mean(value, known))
        if not self.name:
            endings = [(self.stem, "_stem"), (self.part != "f", f"_{self.part}"), (self.beta != 1, f"_beta{self.beta:g}")]
            endings.append((self.split_summaries, "_split"))
            object.__setattr__(self, "name", f"rouge{self.kind}" + "".join(ending for wanted, ending in endings if wanted))

    def measure(self, answer: Answer, example: Example) -> Scores:
        return max((self.compare(answer.said, meant) for meant in example.acceptable), key=lambda scores: scores[2])

    def measure_all(self, answers: Sequence[Answer], examples: Sequence[Example]) -> list[tuple[float, ...]]:
        acceptable = [example.acceptable for example in examples]
        counts = list(map(len, acceptable))
        meant = tuple(chain.from_iterable(acceptable))
        if len(meant) == len(answers):
            return self.compare_all(tuple([answer.said for answer in answers]), meant)
        said = tuple([answer.said for answer, count in zip(answers, counts, strict=True) for _ in range(count)])
        scores = self.compare_all(said, meant)
        ends = accumulate(counts)
        return [max(scores[end - count : end], key=lambda scores: scores[2]) for end, count in zip(ends, counts, strict=True)]

    def total(self, stats_NK: Stats) -> float:
        return float(stats_NK[:, PARTS.index(self.part)].mean()) if len(stats_NK) else float("nan")

    def compare(self, said: str, meant: str) -> Scores:
        """Precision, recall and F of one text against one reference."""
        return rouge_scores(said, meant, self.kind, stem=self.stem, beta=self.beta, split=self.split_summaries)

    def compare_all(self, said: tuple[str, ...], meant: tuple[str, ...]) -> list[tuple[float, ...]]:
        """Precision, recall and F of each text against its reference."""
        aligned = align(said, meant, _stem if self.stem else None)
        sizes, done = (aligned.said_P, aligned.meant_P), aligned.done_P
        if self.kind in ("L", "Lsum"):
            found = aligned.common_lengths()
            if self.kind == "Lsum":  # a text of one line has nothing to unite
                done = done & np.array([self._is_one_line(*texts) for texts in zip(said, meant, strict=True)], bool)
        else:
            found = aligned.matched_ngrams(int(self.kind))
            sizes = (aligned.said_P - (int(self.kind) - 1), aligned.meant_P - (int(self.kind) - 1))
        precision, recall = (found / np.maximum(size, 1) for size in sizes)
        beside = precision + recall if self.beta == 1 else recall + self.beta**2 * precision
        above = 2 * precision * recall if self.beta == 1 else (1 + self.beta**2) * precision * recall
        f = np.divide(above, beside, out=np.zeros(len(said)), where=precision + recall > 0)
        scores: list[tuple[float, ...]] = list(zip(precision.tolist(), recall.tolist(), f.tolist(), strict=True))
        for place in np.flatnonzero(~done).tolist():
            scores[place] = self.compare(said[place], meant[place])
        return scores

    def _is_one_line(self, said: str, meant: str) -> bool:
        return not self.split_summaries and "\n" not in said and "\n" not in meant


def rouge_scores(said: str, meant: str, kind: str, *, stem: bool = False, beta: float = 1.0, split: bool = False) -> Scores:
    """Precision, recall and F of one text against one reference; all 0 where either has no words."""
    if kind == "Lsum":
        return _score(*_count_lines(said, meant, stem, split), beta)
    words = split_words(said, stem)
    if kind == "L":
        where, length = _places(meant, stem)
        return _score(common_length(where, length, words), len(words), length, beta)
    order = int(kind)
    counts, length = _reference_ngrams(meant, stem, order)
    found = count_matches(words, order, counts)
    return _score(found, max(len(words) - order + 1, 0), length, beta)


def f_measure(precision: float, recall: float, beta: float = 1.0) -> float:
    """(1 + beta^2) RP / (R + beta^2 P) (Lin 2004): recall counts beta times as much as precision.

    >>> round(f_measure(0.8, 1.0), 2), round(f_measure(0.8, 1.0, beta=2), 2)
    (0.89, 0.95)
    """
    if precision + recall <= 0:
        return 0.0
    if beta == 1:  # in this order of operations for equality with rouge_score to the last bit
        return 2 * precision * recall / (precision + recall)
    return (1 + beta**2) * precision * recall / (recall + beta**2 * precision)


@lru_cache(maxsize=1 << 13)
def split_words(text: str, stem: bool = False) -> Words:
    """Lower-case words of a-z and 0-9; everything else separates them.

    >>> split_words("It's 5 o'clock.")
    ('it', 's', '5', 'o', 'clock')
    """
    words = text.lower().encode("ascii", "replace").translate(LETTERS).decode("ascii").split()
    return tuple(stemmed for word in words if (stemmed := _stem(word))) if stem else tuple(words)


@lru_cache(maxsize=1 << 16)
def _stem(word: str) -> str:
    return _stemmer()(word) if len(word) > 3 else word


@cache
def _stemmer() -> Callable[[str], str]:
    from nltk.stem.porter import PorterStemmer  # slow to import, and seldom wanted

    stem: Callable[[str], str] = PorterStemmer().stem
    return stem


def _score(found: int, said: int, meant: int, beta: float) -> Scores:
    precision, recall = found / max(said, 1), found / max(meant, 1)
    return precision, recall, f_measure(precision, recall, beta)


@lru_cache(maxsize=1 << 13)
def _reference_ngrams(text: str, stem: bool, order: int) -> tuple[Counts, int]:
    words = split_words(text, stem)
    return count_ngrams(words, order), max(len(words) - order + 1, 0)


@lru_cache(maxsize=1 << 13)
def _places(text: str, stem: bool) -> tuple[dict[Hashable, int], int]:
    words = split_words(text, stem)
    return places(words), len(words)


def _count_lines(said: str, meant: str, stem: bool, split: bool) -> tuple[int, int, int]:
    """Hits, words said, words of the reference, of ROUGE-Lsum.

    Of each line of the reference count the words that stand in its longest common subsequence with *any* line said, but no
    word more often than it was said.
    """
    lines_said, lines_meant = _split_lines(said, split), _split_lines(meant, split)
    words_said = [split_words(line, stem) for line in lines_said]
    total_said = sum(map(len, words_said))
    if len(lines_said) == len(lines_meant) == 1:  # one line each: nothing to unite, and nothing said can be used twice
        where, length = _places(lines_meant[0], stem)
        return common_length(where, length, words_said[0]), total_said, length
    united: Counter[str] = Counter()
    total_meant = 0
    for line in lines_meant:
        where, length = _places(line, stem)
        total_meant += length
        taken = 0
        for words in words_said:
            if not where.keys().isdisjoint(words):
                taken |= common_places(where, length, words)
        united.update(word for row, word in enumerate(split_words(line, stem)) if taken >> row & 1)
    return clipped_matches(united, Counter(word for words in words_said for word in words)), total_said, total_meant


def _split_lines(text: str, split: bool) -> list[str]:
    return [line for line in (_split_sentences(text) if split else text.split("\n")) if line]


def _split_sentences(text: str) -> list[str]:
    from nltk import sent_tokenize

    try:
        return list(sent_tokenize(text))
    except LookupError:
        hint = "run `python -m nltk.downloader punkt_tab`, or leave `split_summaries` off and put each sentence on a line"
        raise UserError("`split_summaries` needs nltk's sentence splitter, whose data is not installed", hint) from None


rouge1 = Rouge("1")
rouge2 = Rouge("2")
rouge3 = Rouge("3")
rougeL = Rouge("L")
rougeLsum = Rouge("Lsum")
rouge1_stem = Rouge("1", stem=True)
rouge2_stem = Rouge("2", stem=True)
rouge3_stem = Rouge("3", stem=True)
rougeL_stem = Rouge("L", stem=True)
rougeLsum_stem = Rouge("Lsum", stem=True)
