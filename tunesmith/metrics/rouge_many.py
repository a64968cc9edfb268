"""ROUGE of many pairs of texts at once: the same numbers as of one pair at a time, by sorting integers.

All texts are split in one go and each distinct word becomes a number. Matches of n-grams are runs of equal keys in one sorted
array of both sides; the longest common subsequences of all pairs advance together, a word of each at a time (`alignment.py`
has the same step for one pair).

Dimension key: T texts, P pairs, W words of all texts, C words of a row, V distinct words.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]

LETTERS = bytes(byte if chr(byte) in "abcdefghijklmnopqrstuvwxyz0123456789" else 32 for byte in range(256))
_BREAK = 1  # a byte that stands between two texts
_LETTERS_AND_BREAK = LETTERS[:_BREAK] + bytes([_BREAK]) + LETTERS[_BREAK + 1 :]
_BITS = 64  # words of a pair's shorter text that fit an integer
_ROWS = 4096  # pairs that advance together: their masks stay in the cache


@dataclass(frozen=True, slots=True)
class Spelt:
    """The words of T texts as numbers below V, text after text.

    ids, text:  [W] the word, and the number of its text.
    sizes:      [T] words of each text.
    distinct:   V.
    """

    ids: Numbers
    text: Numbers
    sizes: Numbers
    distinct: int


@lru_cache(maxsize=4)
def spell(texts: tuple[str, ...], stem: Callable[[str], str] | None = None) -> Spelt:
    """Lower-case words of a-z and 0-9 of each text, as `rouge.split_words` has them; a word whose stem is empty is left out."""
    between = chr(_BREAK)
    joined = between.join(texts)
    if joined.count(between) != len(texts) - 1:
        joined = between.join(text.replace(between, " ") for text in texts)
    spread = joined.lower().encode("ascii", "replace").translate(_LETTERS_AND_BREAK)
    words = spread.replace(bytes([_BREAK]), bytes([32, _BREAK, 32])).split()
    number = {word: place for place, word in enumerate(dict.fromkeys(words))}
    ids = np.fromiter(map(number.__getitem__, words), np.int64, len(words))
    is_break = ids == number.get(bytes([_BREAK]), -1)
    text = np.cumsum(is_break)
    kept = ~is_break
    if stem is not None:
        ids, whole = _stemmed(ids, list(number), stem)
        kept &= whole
    ids, text = ids[kept], text[kept]
    return Spelt(ids, text, np.bincount(text, minlength=len(texts)), len(number))


def _stemmed(ids: Numbers, words: Sequence[bytes], stem: Callable[[str], str]) -> tuple[Numbers, NDArray[np.bool_]]:
    stems = [stem(word.decode("ascii")) for word in words]
    number = {word: place for place, word in enumerate(dict.fromkeys(stems))}
    return np.array([number[word] for word in stems], np.int64)[ids], np.array([bool(word) for word in stems], bool)[ids]


def matched_ngrams(spelt: Spelt, order: int) -> tuple[Numbers, Numbers]:
    """Of T = 2P texts, first those said and then those meant: clipped matches [P] of n-grams, and n-grams of each text [T]."""
    pairs = len(spelt.sizes) // 2
    counts = np.maximum(spelt.sizes - order + 1, 0)
    size = max(len(spelt.ids) - order + 1, 0)
    gram, distinct = spelt.ids[:size], spelt.distinct
    for place in range(1, order):
        if distinct * spelt.distinct >= 2**62 // max(2 * pairs, 1):
            values, gram = np.unique(gram, return_inverse=True)
            distinct = len(values)
        gram = gram * spelt.distinct + spelt.ids[place : place + size]
        distinct *= spelt.distinct
    text = spelt.text[:size]
    inside = text == spelt.text[order - 1 : order - 1 + size]
    gram, text = gram[inside], text[inside]
    meant = text >= pairs
    # One key for pair, gram and side: equal grams of a pair lie together, those meant behind those said.
    keys = np.sort((((text - pairs * meant) * distinct + gram) << 1) | meant)
    if not len(keys):
        return np.zeros(pairs, np.int64), counts
    starts = np.flatnonzero(np.diff(keys >> 1, prepend=-1))
    in_meant = np.add.reduceat(keys & 1, starts)
    in_said = np.diff(starts, append=len(keys)) - in_meant
    found = np.bincount((keys[starts] >> 1) // distinct, weights=np.minimum(in_said, in_meant), minlength=pairs)
    return found.astype(np.int64), counts


def common_lengths(spelt: Spelt) -> tuple[Numbers, NDArray[np.bool_]]:
    """Of T = 2P texts: length of the longest common subsequence of each pair [P], and whether it was found [P].

    Pairs whose shorter text has more than 64 words are left to the caller.
    """
    pairs = len(spelt.sizes) // 2
    starts = np.cumsum(spelt.sizes) - spelt.sizes
    swap = spelt.sizes[:pairs] < spelt.sizes[pairs:]
    numbers = np.arange(pairs)
    short, long = np.where(swap, numbers, numbers + pairs), np.where(swap, numbers + pairs, numbers)
    lengths = np.zeros(pairs, np.int64)
    fits = spelt.sizes[short] <= _BITS
    order = np.flatnonzero(fits)[np.argsort(spelt.sizes[long][fits], kind="stable")]  # of like length side by side
    for start in range(0, len(order), _ROWS):
        chosen = order[start : start + _ROWS]
        lengths[chosen] = _advance(
            _rows(spelt, starts, short[chosen], -1), _rows(spelt, starts, long[chosen], -2), spelt.sizes[short[chosen]]
        )
    return lengths, fits


def _rows(spelt: Spelt, starts: Numbers, texts: Numbers, padding: int) -> NDArray[np.int32]:
    """[P, C] words of some texts, padded at the right."""
    sizes = spelt.sizes[texts]
    columns = np.arange(max(int(sizes.max(initial=0)), 1))
    inside = columns < sizes[:, None]
    rows = np.full(inside.shape, padding, np.int32)
    rows[inside] = spelt.ids[(starts[texts][:, None] + columns)[inside]]
    return rows


def _advance(short_PC: NDArray[np.int32], long_PC: NDArray[np.int32], sizes: Numbers) -> Numbers:
    """[P] lengths of the longest common subsequences: one word of every long text at a time (Hyyrö 2004)."""
    width = -(-short_PC.shape[1] // 8) * 8
    padded = np.full((len(short_PC), width), -1, np.int32)
    padded[:, : short_PC.shape[1]] = short_PC
    whole = np.zeros((len(short_PC), 8), np.uint8)
    flat = np.full(len(short_PC), -1, np.int64).view(np.uint64)  # a bit is clear where the table steps up
    for word_P in long_PC.T:
        whole[:, : width // 8] = np.packbits(padded == word_P[:, None], axis=1, bitorder="little")
        step = flat & whole.view("<u8")[:, 0]
        flat = (flat + step) | (flat - step)
    unused = np.uint64(_BITS) - sizes.astype(np.uint64)
    kept = np.where(sizes > 0, (~flat << unused) >> unused, np.uint64(0))
    return np.bitwise_count(kept).astype(np.int64)
