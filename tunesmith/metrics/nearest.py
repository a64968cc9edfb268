"""Which of many texts is most like one, by the F of ROUGE-L: exactly, and without comparing it with all of them.

A common subsequence is no longer than the words that both texts have, each counted as often as both have it (m). So
F = 2 LCS / (a + b) <= 2 m / (a + b) for texts of a and b words. m of all texts at once comes from lists of where each word
stands; only texts whose bound is above the best F found so far are aligned.

Dimension key: N texts known, C candidates.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunesmith.metrics.alignment import common_length, places
from tunesmith.metrics.rouge import Words, f_measure, split_words

FIRST = 32  # candidates that are aligned before the others' bounds are looked at again
ROUNDING = 1e-9  # by which a bound may be off


@dataclass(frozen=True, slots=True)
class Near:
    """The most similar text: its place (-1: none has a word in common), and the F of ROUGE-L."""

    place: int = -1
    similarity: float = 0.0


class Pool:
    """Texts, in the order in which they were added.

    >>> pool = Pool(["It is cold outside.", "Write a poem about snow."])
    >>> pool.nearest("It is very cold outside")
    Near(place=0, similarity=0.888888888888889)
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._words: list[Words] = []
        self._sizes = array("q")
        self._where: dict[tuple[str, int], array[int]] = {}  # a word, for the how-maniest time -> the texts that have it
        for text in texts:
            self.add(text)

    def __len__(self) -> int:
        return len(self._words)

    def add(self, text: str) -> None:
        """One more text; its place is how many there were."""
        words = split_words(text)
        for key in _counted(words):
            self._where.setdefault(key, array("q")).append(len(self._words))
        self._words.append(words)
        self._sizes.append(len(words))

    def nearest(self, text: str, first: int | None = None) -> Near:
        """The most similar of all texts, or of the `first` ones; of equals the one that was added first."""
        words, known = split_words(text), len(self) if first is None else min(first, len(self))
        found = [np.frombuffer(self._where[key], np.int64) for key in _counted(words) if key in self._where]
        if not found or not known:
            return Near()
        shared_N = np.bincount(np.concatenate(found), minlength=known)[:known]
        places_C = np.flatnonzero(shared_N)
        sizes_C = np.frombuffer(self._sizes, np.int64)[places_C]
        bounds_C = 2 * shared_N[places_C] / (sizes_C + len(words))
        return self._aligned(words, places_C, bounds_C)

    def _aligned(self, words: Words, places_C: NDArray[np.int64], bounds_C: NDArray[np.float64]) -> Near:
        """The best of some candidates, those with the highest bounds first, as long as one can still be better."""
        where, best, size = places(words), Near(), FIRST
        while len(places_C):
            top = np.argpartition(-bounds_C, size)[:size] if size < len(places_C) else np.arange(len(places_C))
            for place in places_C[top].tolist():
                other = self._words[place]
                common = common_length(where, len(words), other)
                # The operations of `rouge_scores`, in their order, so that it is the same number to the last bit.
                similarity = f_measure(common / len(words), common / len(other)) if common else 0.0
                if similarity > best.similarity or (similarity == best.similarity > 0 and place < best.place):
                    best = Near(place, similarity)
            rest = np.ones(len(places_C), bool)
            rest[top] = False
            rest &= bounds_C >= best.similarity - ROUNDING
            places_C, bounds_C, size = places_C[rest], bounds_C[rest], size * 2
        return best


def _counted(words: Words) -> list[tuple[str, int]]:
    """Each word with how often it stood before, so that shared words are counted as often as both texts have them."""
    seen: dict[str, int] = {}
    counted = []
    for word in words:
        seen[word] = seen.get(word, 0) + 1
        counted.append((word, seen[word]))
    return counted


__all__ = ["Near", "Pool"]
