"""Several sets of examples in one endless stream. A place in the stream is a number, so to resume is to know a number."""

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from hashlib import blake2b
from itertools import accumulate
from operator import attrgetter

import numpy as np

from tunesmith.data.example import Example
from tunesmith.data.rates import whole
from tunesmith.data.rows import Joined, Made
from tunesmith.errors import UserError

ROUNDS = 6
COUNTED = 50_000  # places of an unfinished epoch that are counted one by one


def permuted(place: int, size: int, seed: int, epoch: int) -> int:
    """Where `place` of [0, size) goes in a shuffle that depends on seed and epoch; no table of places is kept.

    A Feistel network over the next power of four, walked until it lands inside (Black and Rogaway 2002, "Ciphers with
    Arbitrary Finite Domains"): at most four steps on average, the same on every machine and in every version of Python.
    """
    assert 0 <= place < size
    bits = max(1, ((size - 1).bit_length() + 1) // 2)
    mask, rounds = (1 << bits) - 1, _rounds(bits, seed, epoch)
    while True:
        left, right = place >> bits, place & mask
        for mixed in rounds:
            left, right = right, left ^ mixed[right]
        place = left << bits | right
        if place < size:
            return place


@lru_cache(maxsize=1 << 10)
def _rounds(bits: int, seed: int, epoch: int) -> tuple[Sequence[int], ...]:
    """For each round, what each number of so many bits is mixed into: some 12 * sqrt(n) numbers for a shuffle of n."""
    return tuple(array("Q", (_mixed(right, seed, epoch, turn, bits) for right in range(1 << bits))) for turn in range(ROUNDS))


def _mixed(right: int, seed: int, epoch: int, turn: int, bits: int) -> int:
    digest = blake2b(f"{right},{seed},{epoch},{turn}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") & (1 << bits) - 1


@dataclass(frozen=True, eq=False)
class Mixture:
    """A function from a place to an example, in shuffled epochs.

    Args:
        sources: sets of examples.
        weights: of each set; 1 for each shows every example once an epoch. A set of weight w is shown w times: in an epoch
                 each of its examples stands floor(w) times, and a changing share of them once more.
        seed:    of the order.
    """

    sources: Sequence[Sequence[Example]]
    weights: Sequence[float]
    seed: int = 0

    def __post_init__(self) -> None:
        if len(self.sources) != len(self.weights):
            raise UserError(f"{len(self.sources)} sets of examples have {len(self.weights)} weights")
        for number, weight in enumerate(self.weights):
            if not 0 <= weight < float("inf"):
                raise UserError(f"the weight of set {number + 1} is `{weight}`", "a weight is a number from 0 up")
        if self.epoch == 0:
            raise UserError("there is no example to learn from", "the sets are empty, or all weights are 0")

    @cached_property
    def shares(self) -> tuple[int, ...]:
        """Places of each set in an epoch: its weight times its size; a set of some weight has one at least."""
        sized = zip(self.sources, self.weights, strict=True)
        return tuple(max(1, round(len(source) * weight)) if source and weight else 0 for source, weight in sized)

    @cached_property
    def epoch(self) -> int:
        """Places of one epoch."""
        return sum(self.shares)

    def __len__(self) -> int:
        """Places of one epoch."""
        return self.epoch

    def __call__(self, place: int) -> Example:
        """The example at a place of the endless stream, from 0; it says which set it is of."""
        source, number = self.where(place)
        return of_task(source, self.sources[source][number])

    __getitem__ = __call__

    def where(self, place: int) -> tuple[int, int]:
        """(set, number in the set) of a place."""
        epoch, at = divmod(place, self.epoch)
        slot = permuted(at, self.epoch, self.seed, epoch)
        source = bisect_right(self._ends, slot)
        within = slot - (self._ends[source - 1] if source else 0)
        size = len(self.sources[source])
        turn, rest = divmod(epoch * self.shares[source] + within, size)  # go on through the set where the last epoch stopped
        return source, permuted(rest, size, self.seed + 1 + source, turn)

    def shown(self, places: int) -> list[int]:
        """How many of the first so many places each set has; of an unfinished epoch, where it is long, its part by rate."""
        epochs, rest = divmod(places, self.epoch)
        if rest > COUNTED:
            begun = whole([share * rest / self.epoch for share in self.shares])
        else:
            met = Counter(self.where(place)[0] for place in range(epochs * self.epoch, places))
            begun = [met[number] for number in range(len(self.sources))]
        return [epochs * share + more for share, more in zip(self.shares, begun, strict=True)]

    @cached_property
    def _ends(self) -> list[int]:
        return list(accumulate(self.shares))


def of_task(number: int, example: Example) -> Example:
    """The example with the number of the set it is of."""
    return replace(example, task=number) if example.task != number else example


def of_tasks(parts: Sequence[Sequence[Example]]) -> Sequence[Example]:
    """Sets one after another, each example with the number of its set."""
    return Joined(Made(partial(_numbered, number), part) for number, part in enumerate(parts))


def _numbered(number: int, _: int, example: Example) -> Example:
    return of_task(number, example)


def with_replay(mixture: Mixture, sources: Sequence[Sequence[Example]], shares: Sequence[float]) -> Mixture:
    """The mixture with so many examples of further sets beside each one of its own; an epoch is longer by them."""
    for number, (source, share) in enumerate(zip(sources, shares, strict=True), start=1):
        if share and not source:
            raise UserError(f"set {number} of what is replayed has no example", "look at its rows, or leave it out")
    weights = [share * mixture.epoch / max(1, len(source)) for source, share in zip(sources, shares, strict=True)]
    marked = [Made(_replayed, source) for source in sources]
    return Mixture([*mixture.sources, *marked], [*mixture.weights, *weights], mixture.seed)


def _replayed(_: int, example: Example) -> Example:
    return replace(example, replayed=True)


def by_length(
    stream: Callable[[int], Example], places: range, length: Callable[[Example], int], window: int, seed: int = 0
) -> Sequence[int]:
    """Places of a stream, say one epoch of it, ordered so that steps of `window` places hold examples of like length.

    Sorted by length, cut into steps, and the steps shuffled by the seed. Every place stands exactly once.
    """
    sizes = np.fromiter((length(stream(place)) for place in places), np.int64, len(places))
    ranked = places.start + np.argsort(sizes, kind="stable")
    whole = len(places) // window
    order = (permuted(number, whole, seed, places.start) for number in range(whole))
    shuffled = ranked[: whole * window].reshape(whole, window)[np.fromiter(order, np.int64, whole)]
    return array("q", np.concatenate([shuffled.ravel(), ranked[whole * window :]]).tobytes())


@dataclass(eq=False)
class ByLength:
    """A mixture whose steps hold examples of like length: faster, for less padding; another run than the shuffled one.

    Args:
        mixture: the stream whose epochs are put in order.
        examples: examples that make one step.
    """

    mixture: Mixture
    examples: int
    _epoch: int = -1
    _order: Sequence[int] = ()

    def __len__(self) -> int:
        """Places of one epoch."""
        return len(self.mixture)

    def __call__(self, place: int) -> Example:
        """The example at a place of the endless stream, from 0."""
        epoch, at = divmod(place, len(self.mixture))
        if epoch != self._epoch:
            places = range(epoch * len(self.mixture), (epoch + 1) * len(self.mixture))
            self._order = by_length(self.mixture, places, attrgetter("letters"), self.examples, self.mixture.seed)
            self._epoch = epoch
        return self.mixture(self._order[at])
