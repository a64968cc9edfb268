"""Rows of the town, by kind and split: made on the spot, the same for the same seed, never shared between splits.

Each kind is one module of this room with a function `rows(split, count, seed)`. Which split a row belongs to is decided by a
hash of what it says (`split_of`), not by chance, so no text of one split occurs in another, whatever the seeds and sizes.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, cast

from tunesmith.errors import UserError, did_you_mean

Row = dict[str, Any]
SPLITS = ("train", "validation", "test")
SIZES: Mapping[str, Mapping[str, int]] = {
    "dialogues": {"train": 2400, "validation": 200, "test": 200},
    "narrative": {"train": 4000, "validation": 200, "test": 200},
}
USUAL_SIZES: Mapping[str, int] = {"train": 1200, "validation": 150, "test": 150}


@dataclass(frozen=True)
class TownSource:
    """One kind of rows of the town.

    kind:  name of the module in this room that makes them (`dialogues`, `reviews`, ...).
    sizes: rows a split; a kind's own sizes where left empty.
    seed:  another seed tells another sample of the same town, and still no text crosses from one split into another.
    """

    kind: str
    sizes: Mapping[str, int] = field(default_factory=dict)
    seed: int = 0

    def splits(self) -> tuple[str, ...]:
        """Names of the splits that have rows."""
        return tuple(self._sizes())

    def rows(self, split: str) -> Iterator[Row]:
        """The rows of a split, always in the same order, each with an "id".

        Raises:
            UserError: for a kind or a split that does not exist.
        """
        sizes = self._sizes()
        if split not in sizes:
            raise UserError(
                f"the town's {self.kind} have no split `{split}`",
                did_you_mean(split, sizes),
            )
        return generator(self.kind)(split, sizes[split], self.seed)

    def _sizes(self) -> Mapping[str, int]:
        return self.sizes or SIZES.get(self.kind, USUAL_SIZES)


def generator(kind: str) -> Callable[[str, int, int], Iterator[Row]]:
    """The function `rows(split, count, seed)` of a kind.

    Raises:
        UserError: where no module of this room has that name and such a function.
    """
    if kind.isidentifier() and any(m.name == kind for m in _modules()):
        rows = getattr(import_module(f"{__package__}.{kind}"), "rows", None)
        if callable(rows):
            return cast(Callable[[str, int, int], Iterator[Row]], rows)
    raise UserError(f"the town has no rows of kind `{kind}`", did_you_mean(kind, kinds()))


def kinds() -> list[str]:
    """Every kind of rows that the town has."""
    return sorted(m.name for m in _modules() if callable(getattr(import_module(f"{__package__}.{m.name}"), "rows", None)))


def split_of(text: str) -> str:
    """The split that a text belongs to, by its content alone: test and validation a fifth each, train the rest."""
    place = blake2b(" ".join(text.split()).encode(), digest_size=4).digest()[0] % 5
    return "test" if place == 0 else "validation" if place == 1 else "train"


def sifted(
    kind: str,
    split: str,
    count: int,
    seed: int,
    draw: Callable[[random.Random], Row],
    key: Callable[[Row], str],
) -> Iterator[Row]:
    """`count` different rows of a split: draws, keeps what `split_of(key(row))` puts there, and numbers it.

    draw: makes a row from a random generator. It is called many times; a few calls a kept row.
    key:  the text by which rows are told apart; equal keys never occur twice, nor in two splits.

    Raises:
        ValueError: where `draw` cannot make that many different rows.
    """
    rng = random.Random(f"{kind}/{split}/{seed}")
    seen: set[str] = set()
    for _ in range(200 * count + 2000):
        if len(seen) == count:
            return
        row = draw(rng)
        text = key(row)
        if text in seen or split_of(text) != split:
            continue
        yield {"id": f"{kind}-{split}-{len(seen)}", **row}
        seen.add(text)
    if len(seen) < count:
        raise ValueError(f"{kind}: only {len(seen)} different rows could be made for {split}, {count} were asked for")


def _modules() -> list[Any]:
    return [m for m in iter_modules(import_module(__package__).__path__) if not m.name.startswith("_")]
