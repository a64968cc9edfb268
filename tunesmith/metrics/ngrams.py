"""Runs of n tokens, counted and matched: what ROUGE-N and BLEU share."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

Counts = Mapping[Any, int]


def list_ngrams(tokens: Sequence[str], order: int) -> Sequence[Hashable]:
    """Every run of `order` tokens. A run of one is the token itself, a longer one a tuple.

    >>> list_ngrams(["a", "b", "a", "b"], 2)
    [('a', 'b'), ('b', 'a'), ('a', 'b')]
    """
    return tokens if order == 1 else list(zip(*[tokens[start:] for start in range(order)], strict=False))


def count_ngrams(tokens: Sequence[str], order: int) -> Counter[Hashable]:
    """How often each run of `order` tokens occurs."""
    return Counter(list_ngrams(tokens, order))


def count_matches(tokens: Sequence[str], order: int, meant: Counts) -> int:
    """Clipped matches of the runs of `order` tokens; as a rule none occurs twice, and then there is nothing to count."""
    grams = list_ngrams(tokens, order)
    distinct = set(grams)
    shared = distinct.intersection(meant)
    if not shared or len(distinct) == len(grams):
        return len(shared)
    said = Counter(grams)
    return sum(min(said[gram], meant[gram]) for gram in shared)


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
