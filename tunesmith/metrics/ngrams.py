"""Runs of n tokens, counted and matched: what ROUGE-N and BLEU share."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

Counts = Mapping[Any, int]


def count_ngrams(tokens: Sequence[str], order: int) -> Counter[Hashable]:
    """How often each run of `order` tokens occurs. A run of one is the token itself, a longer one a tuple.

    >>> count_ngrams(["a", "b", "a", "b"], 2)
    Counter({('a', 'b'): 2, ('b', 'a'): 1})
    """
    if order == 1:
        return Counter(tokens)
    return Counter(zip(*(tokens[start:] for start in range(order)), strict=False))


def clipped_matches(said: Counts, meant: Counts) -> int:
    """Occurrences found in both: each counts as often as the rarer of the two has it (Papineni et al. 2002: clipping).

    >>> clipped_matches(count_ngrams(["cold"] * 4, 1), count_ngrams("it is cold outside".split(), 1))
    1
    """
    return sum(min(said[gram], meant[gram]) for gram in said.keys() & meant.keys())


def largest_counts(counts: Iterable[Counts]) -> Counts:
    """Of several references, the largest count of each run."""
    first, *others = counts
    if not others:
        return first
    largest = dict(first)
    for other in others:
        for gram, count in other.items():
            if count > largest.get(gram, 0):
                largest[gram] = count
    return largest
