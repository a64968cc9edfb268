"""Runs of words that evaluation sets hold, looked up in rows: what shares them, and how much of it."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunesmith.data.quality.texts import Hashes, runs

MOST = 100  # texts that are looked at for one run of words; a run that stands in more is a wording
Places = NDArray[np.int64]


class Grams:
    """An index of the runs of `size` words of some texts: 8 bytes a run, and 4 for each text that holds it."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._hashes: list[Hashes] = []
        self._texts = array("i")

    def add(self, text: int, words: Hashes) -> int:
        """Take in a text by its number; the count of its distinct runs."""
        found = np.unique(runs(words, self.size))
        if len(found):
            self._hashes.append(found)
            self._texts.extend([text] * len(found))
        return len(found)

    def done(self) -> "Grams":
        """All texts are there."""
        hashes = np.concatenate([np.empty(0, np.uint64), *self._hashes])
        order = np.argsort(hashes, kind="stable")
        ranked = hashes[order]
        new = np.ones(len(ranked), bool)
        new[1:] = ranked[1:] != ranked[:-1]
        self.starts = np.append(np.flatnonzero(new), len(ranked))
        self.grams_G: Hashes = ranked[new]
        self.texts_P = np.frombuffer(self._texts, np.int32)[order] if len(order) else np.empty(0, np.int32)
        self.rows_G = np.zeros(len(self.grams_G), np.int32)  # rows that held each run
        self._hashes, self._texts = [], array("i")
        return self

    def known(self, words: Hashes) -> Places:
        """Which runs of a row are held by the texts, by their places in the index; each counts the row."""
        if not len(self.grams_G):
            return np.empty(0, np.int64)
        found = np.unique(runs(words, self.size))
        at = np.searchsorted(self.grams_G, found)
        at[at == len(self.grams_G)] = 0
        places: Places = at[self.grams_G[at] == found].astype(np.int64)
        self.rows_G[places] += 1
        return places

    def shared(self, places: Places) -> tuple[Places, Places]:
        """(texts, how many of some runs each of them holds)."""
        held = [self.texts_P[self.starts[place] : min(self.starts[place + 1], self.starts[place] + MOST)] for place in places]
        texts, counts = np.unique(np.concatenate(held), return_counts=True) if held else (np.empty(0), np.empty(0))
        return texts.astype(np.int64), counts.astype(np.int64)

    def found(self, texts: int, rarely: int | None = None) -> tuple[Places, Places]:
        """[texts] distinct runs of each text, and how many of them some row held; `rarely`: at most so many rows."""
        seen = self.rows_G > 0 if rarely is None else (self.rows_G > 0) & (self.rows_G <= rarely)
        per_posting = np.repeat(seen, np.diff(self.starts))
        return np.bincount(self.texts_P, minlength=texts), np.bincount(self.texts_P, per_posting, minlength=texts).astype(int)


@dataclass(frozen=True)
class Held:
    """One text of an evaluation set, as it is looked for.

    place: (number of the set, number of the row).
    part:  `input` or `answer`.
    words: how many it has.
    """

    place: tuple[int, int]
    part: str
    words: int


def span_of(words: Sequence[int], shortest: int, longest: int) -> int:
    """How many words a run has in a set, by its texts' lengths: their 5th percentile, within bounds (Brown et al. 2020)."""
    return int(np.clip(np.percentile(words, 5), shortest, longest)) if len(words) else longest
