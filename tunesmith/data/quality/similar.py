"""Near duplicates: pairs of texts of which most letters stand in the same company.

A text is the set of its runs of five letters (after `plain`); two are near when |A & B| / |A | B|, their Jaccard index, reaches
a threshold. Candidates come from MinHash (Broder 1997) in bands (Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets",
chapter 3), and every candidate is verified by its exact Jaccard index: nothing that is told is wrong, a little may be missed.
The sketches are rensa's (in Rust, some 30 times as fast as datasketch's; measured in docs/data-quality.md).
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.data.formats import Kept
from tunesmith.data.quality.texts import Hashes, digest, plain, runs
from tunesmith.errors import UserError

LETTERS = 5  # of a run
SLOTS = 128  # of a sketch
RECALL = 0.99  # of pairs exactly at the threshold; of those above it more
MARGIN = 0.2  # below the threshold at which an estimate of 128 slots (standard deviation up to 0.044) is believed
BATCH = 1 << 10  # texts sketched at once
SEED = 20260101

Pairs = NDArray[np.int64]
Text = tuple[str, str]  # (id, text)


def near_duplicates(
    left: Iterable[Text], right: Iterable[Text] | None = None, threshold: float = 0.8
) -> Iterator[tuple[str, str, float]]:
    """Pairs of texts whose Jaccard index is at least `threshold`: (left id, right id, index), in no order that means anything.

    Args:
        left:      (id, text) of each text. Texts of a sequence are asked for again where a pair is verified; those of anything
                   else are kept in a file without a name in the folder for temporary files.
        right:     what `left` is compared with; None: with itself, each pair once.
        threshold: from 0.3 to 1.

    In memory stand some 220 bytes a text, whatever its length (128 of its sketch, 4 a band, 8 of its digest): 0.22 GB for a
    million, and as much again for a moment; docs/data-quality.md has measurements. At least 99 % of the pairs exactly at the
    threshold are found, and nearly all above it; equal texts always. A thousand equal texts make half a million pairs: all are
    given. Texts without a letter are near nothing.
    """
    first = Sketched(left, threshold)
    second = None if right is None else Sketched(right, threshold)
    for a, b, found in pairs_within(first) if second is None else pairs_between(first, second):
        yield first.id(a), (second or first).id(b), found


class Sketches:
    """What is kept of texts so that near ones are found: of each a byte a slot, a key a band, and a digest of the text.

    `add` every text in order, and then look at `low_NS`, `keys_NB`, `digests_N`.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.bands, self.width = bands_for(threshold)
        self._waiting: list[Hashes] = []
        self._digests: list[int] = []
        self._parts: list[tuple[NDArray[np.uint8], NDArray[np.uint32], Hashes]] = []

    def add(self, text: str) -> None:
        """The next text, already made `plain`."""
        self._waiting.append(letters_of(text))
        self._digests.append(digest(text))
        if len(self._waiting) == BATCH:
            self._sketch()

    def done(self) -> "Sketches":
        """All texts are there."""
        if self._waiting:
            self._sketch()
        if len(self._parts) != 1:
            empty = (np.empty((0, SLOTS), np.uint8), np.empty((0, self.bands), np.uint32), np.empty(0, np.uint64))
            whole = [np.concatenate(columns) for columns in zip(empty, *self._parts, strict=True)]
            self._parts = [(whole[0], whole[1], whole[2])]
        self.low_NS, self.keys_NB, self.digests_N = self._parts[0]
        return self

    def _sketch(self) -> None:
        from rensa import RMinHash

        made = RMinHash.digest_matrix_from_token_hash_sets(self._waiting, num_perm=SLOTS, seed=SEED)
        slots_NS = np.array(made.to_rows(), np.uint32).reshape(len(self._waiting), SLOTS)
        used = slots_NS[:, : self.bands * self.width].astype(np.uint64)
        keys = np.zeros((len(used), self.bands), np.uint64)
        for place in range(self.width):
            keys = (keys ^ used[:, place :: self.width]) * np.uint64(0x9E3779B97F4A7C15)
            keys ^= keys >> np.uint64(29)
        self._parts.append(
            (slots_NS.astype(np.uint8), (keys >> np.uint64(32)).astype(np.uint32), np.array(self._digests, np.uint64))
        )
        self._waiting, self._digests = [], []


class Sketched:
    """Texts with their sketches; a text can be asked for again by its place."""

    def __init__(self, texts: Iterable[Text], threshold: float) -> None:
        sketches = Sketches(threshold)

        def passing() -> Iterator[dict[str, Any]]:
            for id_, text in texts:
                sketches.add(plain(text))
                yield {"id": id_, "text": text}

        self._texts: Sequence[Text] | None = texts if isinstance(texts, Sequence) else None
        if self._texts is None:
            self._kept = Kept(passing())
        else:
            for _ in passing():
                pass
        self.sketches = sketches.done()
        self.letters = lru_cache(maxsize=1 << 12)(self._letters)

    def id(self, place: int) -> str:
        """The id of a text."""
        return str(self._texts[place][0] if self._texts is not None else self._kept[place]["id"])

    def text(self, place: int) -> str:
        """A text, made plain."""
        return plain(self._texts[place][1] if self._texts is not None else self._kept[place]["text"])

    def _letters(self, place: int) -> frozenset[str]:
        return letter_runs(self.text(place))


def pairs_within(texts: Sketched) -> Iterator[tuple[int, int, float]]:
    """(place, later place, Jaccard index) of near texts among some."""
    found = texts.sketches
    same = Groups(found.digests_N)
    for a, b in _verified(found, found, same.firsts, same.firsts, within=True):
        index = jaccard_of(texts.letters(a), texts.letters(b))
        if index >= found.threshold:
            for one, other in ((one, other) for one in same.members(a) for other in same.members(b)):
                yield min(one, other), max(one, other), index
    for members in same.several():
        if texts.letters(members[0]):
            yield from ((one, other, 1.0) for n, one in enumerate(members) for other in members[n + 1 :])


def pairs_between(left: Sketched, right: Sketched) -> Iterator[tuple[int, int, float]]:
    """(place on the left, place on the right, Jaccard index) of near texts."""
    first, second = left.sketches, right.sketches
    mine, yours = Groups(first.digests_N), Groups(second.digests_N)
    for a, b in _verified(first, second, mine.firsts, yours.firsts, within=False):
        index = 1.0 if first.digests_N[a] == second.digests_N[b] else jaccard_of(left.letters(a), right.letters(b))
        if index >= first.threshold and left.letters(a):
            yield from ((one, other, index) for one in mine.members(a) for other in yours.members(b))


def _verified(left: Sketches, right: Sketches, lefts: Pairs, rights: Pairs, within: bool) -> Iterator[tuple[int, int]]:
    """Candidates that an estimate of their index leaves in question, as places."""
    keys = [left.keys_NB[lefts]] if within else [left.keys_NB[lefts], right.keys_NB[rights]]
    for pairs in candidates(np.concatenate(keys), None if within else len(lefts)):
        a, b = lefts[pairs[:, 0]], rights[pairs[:, 1] - (0 if within else len(lefts))]
        near = estimates(left.low_NS[a], right.low_NS[b]) >= left.threshold - MARGIN
        yield from zip(a[near].tolist(), b[near].tolist(), strict=True)


def estimates(left_PS: NDArray[np.uint8], right_PS: NDArray[np.uint8]) -> NDArray[np.float64]:
    """[P] the share of slots in which sketches agree: their Jaccard index, give or take; one byte of a slot is looked at."""
    shares: NDArray[np.float64] = (left_PS == right_PS).mean(axis=1)
    return shares


def candidates(keys_NB: NDArray[np.uint32], first: int | None = None) -> Iterator[Pairs]:
    """[P, 2] pairs of rows that agree in a band, each pair once, the lower row first.

    first: how many rows are of the left side; pairs then have one row of each side. None: there are no sides.
    """
    for band in range(keys_NB.shape[1]):
        order = np.argsort(keys_NB[:, band], kind="stable")
        ranked = keys_NB[order, band]
        bounds = np.flatnonzero(np.diff(ranked, prepend=ranked[:1] - 1, append=ranked[-1:] + 1)) if len(ranked) else order
        sizes = np.diff(bounds)
        for start, size in zip(bounds[:-1][sizes > 1].tolist(), sizes[sizes > 1].tolist(), strict=True):
            for pairs in _pairs_of(order[start : start + size], first):
                known = (keys_NB[pairs[:, 0], :band] == keys_NB[pairs[:, 1], :band]).any(axis=1)
                if not known.all():
                    yield pairs[~known]


def _pairs_of(members: Pairs, first: int | None) -> Iterator[Pairs]:
    """Pairs of the rows of one bucket, in pieces that stay small however large the bucket is."""
    split = len(members) if first is None else int(np.searchsorted(members, first))
    for number, row in enumerate(members[:split].tolist()):
        others = members[number + 1 :] if first is None else members[split:]
        for start in range(0, len(others), BATCH * 8):
            piece = others[start : start + BATCH * 8]
            yield np.stack([np.full(len(piece), row), piece], axis=1)


class Groups:
    """Places with equal digests, by the first of them."""

    def __init__(self, digests_N: Hashes) -> None:
        self.order = np.argsort(digests_N, kind="stable")
        ranked = digests_N[self.order]
        new = np.ones(len(ranked), bool)
        new[1:] = ranked[1:] != ranked[:-1]
        self.starts = np.append(np.flatnonzero(new), len(ranked))
        leaders = self.order[self.starts[:-1]]
        by_place = np.argsort(leaders)
        self.firsts: Pairs = leaders[by_place]
        self._group = by_place

    def members(self, first: int) -> list[int]:
        """All places of a group, in order, by its first one."""
        group = self._group[int(np.searchsorted(self.firsts, first))]
        members: list[int] = self.order[self.starts[group] : self.starts[group + 1]].tolist()
        return members

    def several(self) -> Iterator[list[int]]:
        """Groups of more than one place."""
        for group in np.flatnonzero(np.diff(self.starts) > 1).tolist():
            yield self.order[self.starts[group] : self.starts[group + 1]].tolist()


def bands_for(threshold: float) -> tuple[int, int]:
    """(bands, slots of a band): the widest bands with which a pair at the threshold is found in 99 of 100 cases.

    A pair of index J agrees in all w slots of one of b bands with probability 1 - (1 - J^w)^b.

    >>> bands_for(0.8)
    (21, 6)
    """
    if not 0.3 <= threshold <= 1:
        raise UserError(f"the threshold of near duplicates is {threshold:g}", "give a number from 0.3 to 1, such as 0.8")
    fitting = [width for width in range(1, 33) if 1 - (1 - threshold**width) ** (SLOTS // width) >= RECALL]
    return SLOTS // fitting[-1], fitting[-1]


def letters_of(text: str) -> Hashes:
    """Hashes of a text's runs of letters; of a shorter text one hash of it all, and of none nothing."""
    codes = np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), np.uint32).astype(np.uint64)
    return runs(codes, min(LETTERS, max(1, len(codes))))


def letter_runs(text: str) -> frozenset[str]:
    """The runs themselves."""
    if len(text) <= LETTERS:
        return frozenset([text] if text else [])
    return frozenset(text[start : start + LETTERS] for start in range(len(text) - LETTERS + 1))


def jaccard(left: str, right: str) -> float:
    """The exact Jaccard index of two texts; 0 where one has no letter.

    >>> jaccard("The cat sat.", "the  CAT sat.")
    1.0
    """
    return jaccard_of(letter_runs(plain(left)), letter_runs(plain(right)))


def jaccard_of(left: frozenset[str], right: frozenset[str]) -> float:
    """The share of what either has that both have."""
    both = len(left & right)
    return both / (len(left) + len(right) - both) if both else 0.0
