"""ROUGE of many pairs of texts at once: the same numbers as of one pair at a time.

Thousands of texts are split in one pass over their bytes, and each distinct word becomes a number. For every word of a pair's
longer text, one integer has a bit for each place of the shorter text where the same word stands. Those integers are all that is
needed: shifted onto each other they say where n-grams stand, a clipped match takes the lowest free bit, and the longest common
subsequences of all pairs advance together, a word of each at a time (`alignment.py` has the same step for one pair).

Dimension key: T texts, P pairs, Q pairs that advance together, W words of all texts, C words of a row, K integers of a row.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Bits = NDArray[np.uint64]

_BREAK = 1  # a byte that stands between two texts
LETTERS = bytes(code if chr(code) in "abcdefghijklmnopqrstuvwxyz0123456789" else 32 for code in range(256))
_SPREAD = bytes(_BREAK if code == _BREAK else LETTERS[ord(chr(code).lower())] if code < 128 else 32 for code in range(256))
ABROAD = {"\u0130": "i ", "\u212a": "k"}  # all that is not ASCII and has a-z in its lower case
_WORD = 64  # bits of an integer
_LONGEST = 4 * _WORD  # words of a pair's shorter text, beyond which the pair is left to be scored alone
_TOGETHER = 1 << 14  # pairs whose words are numbered together: what that takes is dozens of bytes a letter
_ROWS = 2048  # pairs that advance together: their bits stay in the cache
_MIX = 0x9E3779B97F4A7C15  # 2^64 by the golden ratio (Knuth's multiplicative hashing)


@dataclass(frozen=True, slots=True)
class Spelt:
    """The words of T texts as numbers, text after text.

    ids:      [W] a number for each distinct word.
    sizes:    [T] words of each text.
    distinct: how many different words there are; ids lie below.
    """

    ids: Numbers
    sizes: Numbers
    distinct: int


@dataclass(frozen=True, slots=True)
class Rows:
    """Some pairs of like length, and where the words of their longer texts stand in the shorter ones.

    pairs:  [Q] which pairs these are.
    at_CKQ: bit b of `at_CKQ[c, k, q]` is set where word c of the longer text is word 64k + b of the shorter one.
    """

    pairs: Numbers
    at_CKQ: Bits


@dataclass(frozen=True, slots=True, eq=False)
class Aligned:
    """P pairs of texts, laid along each other.

    said_P, meant_P: words of the two texts of each pair.
    done_P:          whether a pair is in one of the `rows`; not where its shorter text has more than 256 words.
    """

    said_P: Numbers
    meant_P: Numbers
    done_P: NDArray[np.bool_]
    rows: tuple[Rows, ...]

    def matched_ngrams(self, order: int) -> Numbers:
        """Clipped matches of n-grams of each pair, [P]: each place of the shorter text is taken once, the first free one."""
        found_P = np.zeros(len(self.said_P), np.int64)
        for rows in self.rows:
            at_CKQ = rows.at_CKQ
            for _ in range(order - 1):
                at_CKQ = rows.at_CKQ[: max(len(at_CKQ) - 1, 0)] & _moved_down(at_CKQ[1:])
            free_KQ = np.full(rows.at_CKQ.shape[1:], -1, np.int64).view(np.uint64)
            for at_KQ in at_CKQ:
                taken_KQ = at_KQ & free_KQ
                taken_KQ &= -taken_KQ  # the lowest bit
                for k in range(1, len(taken_KQ)):
                    taken_KQ[k][taken_KQ[:k].any(axis=0)] = 0
                free_KQ ^= taken_KQ
            found_P[rows.pairs] = np.bitwise_count(~free_KQ).sum(axis=0)
        return found_P

    def common_lengths(self) -> Numbers:
        """Length of the longest common subsequence of each pair, [P] (Hyyrö 2004)."""
        found_P = np.zeros(len(self.said_P), np.int64)
        for rows in self.rows:
            flat_KQ = np.full(rows.at_CKQ.shape[1:], -1, np.int64).view(np.uint64)  # a bit is clear where the table steps up
            for at_KQ in rows.at_CKQ:
                step_KQ = flat_KQ & at_KQ
                sum_KQ = flat_KQ + step_KQ
                for k in range(len(sum_KQ) - 1):  # what is carried on to the next integer
                    sum_KQ[k + 1] += (step_KQ[k] | (flat_KQ[k] & ~sum_KQ[k])) >> np.uint64(_WORD - 1)
                flat_KQ = sum_KQ | (flat_KQ - step_KQ)
            found_P[rows.pairs] = np.bitwise_count(~flat_KQ).sum(axis=0)
        return found_P


@lru_cache(maxsize=2)
def align(said: tuple[str, ...], meant: tuple[str, ...], stem: Callable[[str], str] | None = None) -> Aligned:
    """Each text beside its reference, in lower-case words of a-z and 0-9 as `rouge.split_words` has them."""
    sizes, rows = np.zeros((2, len(said)), np.int64), []
    for start in range(0, len(said), _TOGETHER):
        some = slice(start, start + _TOGETHER)
        spelt = spell((*said[some], *meant[some]), stem)
        sizes[:, some] = spelt.sizes.reshape(2, -1)
        shorter = sizes[:, some].min(axis=0)
        found = _rows(spelt, np.flatnonzero((shorter > 0) & (shorter <= _LONGEST)))
        rows += [Rows(start + part.pairs, part.at_CKQ) for part in found]
    return Aligned(sizes[0], sizes[1], sizes.min(axis=0) <= _LONGEST, tuple(rows))


def spell(texts: tuple[str, ...], stem: Callable[[str], str] | None = None) -> Spelt:
    """The words of all texts; a word whose stem is empty is left out."""
    between = chr(_BREAK)
    joined = between.join(texts)
    if joined.count(between) != len(texts) - 1:
        joined = between.join(text.replace(between, " ") for text in texts)
    if not joined.isascii():
        for letter, ascii_ in ABROAD.items():
            joined = joined.replace(letter, ascii_)
    data = b" " + joined.encode("ascii", "replace").translate(_SPREAD) + b" " * 8
    is_letter = np.frombuffer(data, np.uint8) > 32
    edges = np.flatnonzero(is_letter[1:] != is_letter[:-1]) + 1
    starts, ends = edges[::2], edges[1::2]
    breaks = np.flatnonzero(np.frombuffer(data, np.uint8) == _BREAK)
    sizes = np.diff(np.searchsorted(starts, breaks), prepend=0, append=len(starts))[: len(texts)]
    ids, distinct = _numbered(_keys(data, starts, ends))
    if stem is None:
        return Spelt(ids, sizes, distinct)
    one = np.empty(distinct, np.int64)
    one[ids] = np.arange(len(ids))  # where each distinct word stands
    stems = [stem(data[start:end].decode("ascii")) for start, end in zip(starts[one].tolist(), ends[one].tolist(), strict=True)]
    number = {word: place for place, word in enumerate(dict.fromkeys(stems))}
    ids = np.array([number[word] for word in stems], np.int64)[ids]
    if "" in number:
        kept = ids != number[""]
        text = np.repeat(np.arange(len(texts)), sizes)[kept]
        ids, sizes = ids[kept], np.bincount(text, minlength=len(texts))
    return Spelt(ids, sizes, len(number))


def _keys(data: bytes, starts: Numbers, ends: Numbers) -> Bits:
    """[W] equal where words are: up to eight letters as they stand in memory, a longer word's number above all of those."""
    lengths = ends - starts
    masks = np.array([(1 << 8 * length) - 1 for length in range(9)], np.uint64)
    keys: Bits = np.ndarray((len(data) - 7,), "<u8", data, strides=(1,))[starts] & masks[np.minimum(lengths, 8)]
    long = np.flatnonzero(lengths > 8)
    number: dict[bytes, int] = {}
    spans = zip(starts[long].tolist(), ends[long].tolist(), strict=True)
    keys[long] = [(1 << 63) + number.setdefault(data[start:end], len(number)) for start, end in spans]
    return keys


def _numbered(keys: Bits) -> tuple[Numbers, int]:
    """[W] each key's own number, and how many there are: a hash table whose losers go on to another table."""
    ids = np.empty(len(keys), np.int64)
    places, distinct, mix = np.arange(len(keys)), 0, _MIX
    while len(places):
        bits = max(len(places).bit_length() - 1, 4)
        slots = ((keys * np.uint64(mix)) >> np.uint64(_WORD - bits)).astype(np.int64)
        table = np.zeros(1 << bits, np.uint64)
        table[slots] = keys
        won = table[slots] == keys
        used = np.zeros(1 << bits, np.int64)
        used[slots[won]] = 1
        number = np.cumsum(used) - 1 + distinct
        ids[places[won]] = number[slots[won]]
        distinct += int(used.sum())
        places, keys, mix = places[~won], keys[~won], mix * _MIX % (1 << _WORD)
    return ids, distinct


def _rows(spelt: Spelt, pairs: Numbers) -> Iterator[Rows]:
    """The pairs a few at a time, those of like length together."""
    said, meant = pairs, pairs + len(spelt.sizes) // 2
    swap = spelt.sizes[said] > spelt.sizes[meant]
    shorter, longer = np.where(swap, meant, said), np.where(swap, said, meant)
    order = np.lexsort((spelt.sizes[longer], spelt.sizes[shorter] > _WORD))
    starts = np.cumsum(spelt.sizes) - spelt.sizes
    ids = spelt.ids.astype(np.uint16 if spelt.distinct < (1 << 16) - 1 else np.uint32)  # the fewer bytes, the faster compared
    for start in range(0, len(order), _ROWS):
        chosen = order[start : start + _ROWS]
        short_QC, long_QC = (
            _padded(ids, starts[texts[chosen]], spelt.sizes[texts[chosen]], spelt.distinct + place)
            for place, texts in enumerate((shorter, longer))
        )
        yield Rows(pairs[chosen], _places(short_QC, long_QC))


def _padded(ids: NDArray[Any], starts: Numbers, sizes: Numbers, padding: int) -> NDArray[Any]:
    """[Q, C] words of some texts, padded at the right to a multiple of 8."""
    columns = np.arange(-(-int(sizes.max()) // 8) * 8)
    inside = columns < sizes[:, None]
    rows = np.full(inside.shape, padding, ids.dtype)
    rows[inside] = ids[(starts[:, None] + columns)[inside]]
    return rows


def _places(short_QC: NDArray[Any], long_QC: NDArray[Any]) -> Bits:
    """[C, K, Q] where each word of the longer texts stands in the shorter ones."""
    pairs, places = short_QC.shape
    length = int(long_QC.shape[1])
    at = np.zeros((length, pairs, -(-places // _WORD) * 8), np.uint8)
    for column, word_Q in enumerate(long_QC.T):
        at[column, :, : places // 8] = np.packbits(short_QC == word_Q[:, None], axis=1, bitorder="little")
    return np.ascontiguousarray(np.moveaxis(at.view("<u8"), 2, 1))


def _moved_down(at_CKQ: Bits) -> Bits:
    """Every bit one place lower."""
    moved = at_CKQ >> np.uint64(1)
    moved[:, :-1] |= at_CKQ[:, 1:] << np.uint64(_WORD - 1)
    return moved
