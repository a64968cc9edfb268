"""Some of the examples of several sets: nested, so that of a hundred fifty are the fifty, and the same whatever their order.

Each set gives a share by its size. An example's rank in its set, by a hash of its words and a seed, is divided by the size of
the set, and the smallest quotients are taken. That is Webster's way to share out seats (1832), in which more seats never cost a
set one, so a smaller number is always a part of a larger one.
"""

from array import array
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np

from tunesmith.data.example import Example
from tunesmith.data.passes import passed
from tunesmith.data.rows import Chosen
from tunesmith.errors import UserError


def shares(sizes: Sequence[int], count: int) -> list[int]:
    """How many of `count` examples each set gives; all of them where there are no more.

    >>> shares([100, 300], 8)
    [2, 6]
    """
    quotients = np.concatenate([(np.arange(size) + 0.5) / size for size in sizes]) if sizes else np.empty(0)
    owners = np.repeat(np.arange(len(sizes)), sizes)
    taken = owners[np.argsort(quotients, kind="stable")[:count]]
    return [int(number) for number in np.bincount(taken, minlength=len(sizes))]


def subset(sets: Sequence[Sequence[Example]], count: int, seed: int = 0) -> list[Sequence[Example]]:
    """Of each set its share of `count` examples, in their order.

    Raises:
        UserError: there are not so many.
    """
    sizes = [len(examples) for examples in sets]
    if count > sum(sizes):
        raise UserError(
            f"`limit.examples` is {count:,}, and there are {sum(sizes):,} examples",
            "set it to null for all of them",
        )
    return [
        examples if share == len(examples) else drawn(examples, share, seed)
        for examples, share in zip(sets, shares(sizes, count), strict=True)
    ]


def drawn(examples: Sequence[Example], count: int, seed: int) -> Sequence[Example]:
    """Some of the examples, by their hashes; of many the pass is kept."""
    origin = getattr(examples, "origin", ())
    key = origin and (*origin, "subset", count, seed)
    numbers = passed(key, len(examples), lambda: {"numbers": smallest(examples, count, seed)})["numbers"]
    return Chosen(examples, array("q", numbers.tobytes()), key)


def smallest(examples: Sequence[Example], count: int, seed: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The numbers of the examples with the smallest hashes, in order; of equal examples the first come first."""
    hashes = np.fromiter((hash_of(example, seed) for example in examples), np.uint64, len(examples))
    return np.sort(np.argsort(hashes, kind="stable")[:count]).astype(np.int64)


def hash_of(example: Example, seed: int) -> int:
    """A number that depends on the words of an example and the seed alone, not on its id."""
    said = (seed, example.messages, example.target, example.rejected, example.texts)
    return int.from_bytes(blake2b(repr(said).encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
