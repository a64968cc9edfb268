"""Do two sentences say the same? Those that do not share most of their words, in other roles or with one thing changed."""

from collections.abc import Iterator
from random import Random
from typing import Any

from tunesmith.town.claims import changed, draw, statement, swapped
from tunesmith.town.source import sifted

Row = dict[str, Any]


def rows(split: str, count: int, seed: int = 0) -> Iterator[Row]:
    """Rows {"id", "first", "second", "label"}: yes or no, about equally often."""
    return sifted("paraphrase", split, count, seed, _draw, lambda row: f"{row['first']} {row['second']}")


def _draw(rng: Random) -> Row:
    frame, slots = draw(rng)
    one, two = rng.sample(range(len(frame.forms)), 2)
    same = rng.random() < 0.5
    other = slots
    if not same:
        roles = not frame.equal and "<q>" in frame.forms[0] and rng.random() < 0.6
        other = swapped(slots) if roles else changed(rng, frame, slots)
        two = one if rng.random() < 0.2 else two
    first, second = statement(rng, frame, slots, one), statement(rng, frame, other, two)
    return {"first": first, "second": second, "label": "yes" if same else "no"}
