"""Training, validation and test rows by a hash of their content, where the source itself has no such split.

The hash is of what a row asks, so rows that ask the same always fall together, and a row stays where it is when others come.
"""

import heapq
from array import array
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from itertools import islice
from typing import TypeVar

import numpy as np

from tunesmith.data.passes import MANY, Arrays, passed
from tunesmith.data.rows import Chosen, Joined

Row = TypeVar("Row")

SPLITS = ("train", "validation", "test")
FRACTIONS: Mapping[str, float] = {"train": 0.8, "validation": 0.1, "test": 0.1}
FEW = 100  # distinct keys below which shares are made exact


def share(key: str, seed: int = 0) -> float:
    """A number in [0, 1) that depends on the words of `key` alone: neither case nor white space counts."""
    words = " ".join(key.casefold().split())
    digest = blake2b(f"{seed}\0{words}".encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def cut(
    rows: Sequence[Row],
    key: Callable[[Row], str],
    fractions: Mapping[str, float] = FRACTIONS,
    seed: int = 0,
    origin: tuple[object, ...] = (),
) -> dict[str, Sequence[Row]]:
    """Rows of each split, in their order. `origin` is a key of the rows and of `key`, under which a long pass is kept.

    With few rows the shares are those of the rank of the hash, so that no split is empty by bad luck.
    """
    shares = all_shares(rows, key, seed, origin)
    if len(ranks := _first_ranks(shares)) < FEW:
        place = {value: (number + 0.5) / len(ranks) for number, value in enumerate(ranks)}
        shares = array("d", (place[value] for value in shares))
    total = sum(fractions.values())
    found = {name: array("q") for name in fractions}
    for number, value in enumerate(shares):
        found[_split_at(value * total, fractions)].append(number)
    return {name: Chosen(rows, numbers) for name, numbers in found.items()}


def all_shares(rows: Sequence[Row], key: Callable[[Row], str], seed: int, origin: tuple[object, ...]) -> Sequence[float]:
    """The share of every row."""
    if len(rows) < MANY or not origin:
        return array("d", (share(key(row), seed) for row in rows))

    def made() -> Arrays:
        return {"shares": np.fromiter((share(key(row), seed) for row in rows), np.float64, len(rows))}

    return array("d", passed((*origin, "shares", seed), len(rows), made)["shares"].tobytes())


def _first_ranks(shares: Sequence[float]) -> list[float]:
    """The distinct values in order, or `FEW` of them where there are more."""
    seen: set[float] = set()
    fresh = (value for value in shares if value not in seen and not seen.add(value))  # type: ignore[func-returns-value]
    return sorted(islice(fresh, FEW))


def _split_at(value: float, fractions: Mapping[str, float]) -> str:
    for name, fraction in fractions.items():
        value -= fraction
        if value < 0:
            return name
    return name


def divide(
    found: Mapping[str, Sequence[Row]],
    key: Callable[[Row], str],
    fractions: Mapping[str, float] = FRACTIONS,
    seed: int = 0,
    origin: tuple[object, ...] = (),
) -> dict[str, Sequence[Row]]:
    """The splits of a source, from those that it has; rows under the name "" belong to none yet. `origin` as `cut` has it.

    What training needs and the source lacks is cut from its training rows; a split that it has stays as it is. A source with
    nothing but validation rows is a test.
    """
    given = {name: rows for name, rows in found.items() if name}
    loose: Sequence[Row] = Joined([found.get("", ()), given.get("train", ())])
    if not len(loose):
        return {"test": given["validation"]} if set(given) == {"validation"} else given
    missing = {name: fractions[name] for name in ("validation", "test") if name not in given and fractions.get(name)}
    parts = cut(loose, key, {"train": 1 - sum(missing.values()), **missing}, seed, origin) if missing else {"train": loose}
    whole = {**given, **parts}
    return {name: whole[name] for name in SPLITS if whole.get(name)}


def cap(rows: Sequence[Row], limit: int | None, key: Callable[[Row], str], seed: int = 0) -> Sequence[Row]:
    """At most `limit` rows, in their order: those of the smallest hash, so that a sorted file is not cut one-sidedly."""
    if limit is None or len(rows) <= limit:
        return rows
    shares = array("d", (share(key(row), seed + 1) for row in rows))
    smallest = heapq.nsmallest(limit, range(len(rows)), key=lambda number: (shares[number], number))
    return Chosen(rows, sorted(smallest))
