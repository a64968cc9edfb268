"""How often groups are named in texts: lists of groups with their words, counted.

Rates are counts divided by the length of a group's list (Liang et al. 2022, HELM): a longer list finds more.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tunesmith.data.words import listed, table

WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
Numbers = NDArray[np.float64]


def apart(counts_WG: Numbers, lengths_G: Numbers) -> Numbers:
    """[W] how far the shares of the groups are from equal ones (total variation); nan where no group was counted."""
    rates_WG = counts_WG / lengths_G
    sums_W = rates_WG.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares_WG = rates_WG / sums_W[:, None]
    apart_W: Numbers = 0.5 * np.abs(shares_WG - 1 / len(lengths_G)).sum(axis=1)
    return apart_W


def tokens(text: str) -> Counter[str]:
    """Words in small letters; one with a hyphen is one word, and what stands before an apostrophe is one.

    >>> sorted(tokens("She's hard-working; she said."))
    ['hard-working', 's', 'said', 'she']
    """
    return Counter(WORD.findall(text.lower()))


def counts_of(text: str, groups: str) -> list[int]:
    """How often words of each group occur in a text."""
    return counted(tokens(text), groups)


def counted(said: Mapping[str, int], groups: str) -> list[int]:
    """How often words of each group are among words with their counts."""
    counts, places = [0] * len(small_groups(groups)), _places(groups)
    for word in said.keys() & places.keys():
        for place in places[word]:
            counts[place] += said[word]
    return counts


@lru_cache(maxsize=32)
def _places(groups: str) -> Mapping[str, Sequence[int]]:
    """Word in small letters -> the groups whose word it is."""
    found: dict[str, list[int]] = {}
    for place, words in enumerate(small_groups(groups).values()):
        for word in words:
            found.setdefault(word, []).append(place)
    return found


@lru_cache(maxsize=32)
def small_groups(groups: str) -> Mapping[str, Sequence[str]]:
    """Group -> its words in small letters, each once."""
    return {group: tuple(dict.fromkeys(word.lower() for word in words)) for group, words in table(groups).items()}


@lru_cache(maxsize=32)
def small(words: str) -> Mapping[str, int]:
    """Word in small letters -> its place."""
    return {word: place for place, word in enumerate(dict.fromkeys(word.lower() for word in listed(words)))}


@lru_cache(maxsize=32)
def lengths(groups: str) -> Numbers:
    """[G] how many words each group's list has."""
    return np.array([len(words) for words in small_groups(groups).values()], dtype=np.float64)
