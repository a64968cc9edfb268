"""How much two sentences have in common, from 0 (nothing) to 5 (they say the same)."""

from collections.abc import Iterator
from random import Random
from typing import Any

from tunesmith.town.claims import Frame, Slots, changed, draw, fill, people, statement, swapped
from tunesmith.town.source import sifted
from tunesmith.town.telling import say
from tunesmith.town.world import people as townspeople

Row = dict[str, Any]


def rows(split: str, count: int, seed: int = 0) -> Iterator[Row]:
    """Rows {"id", "first", "second", "score"}: 5 the same in other words; 4 the one follows from the other; 3 one thing or
    the roles differ; 2 the same people, or the same doing by others; 1 one person in common; 0 nothing in common."""
    return sifted("similarity", split, count, seed, _draw, lambda row: f"{row['first']} {row['second']}")


def _draw(rng: Random) -> Row:
    frame, slots = draw(rng)
    score = rng.randrange(6)
    one, two = rng.sample(range(len(frame.forms)), 2)
    pair = [statement(rng, frame, slots, one), _second(rng, frame, slots, score, two)]
    if rng.random() < 0.5:
        pair.reverse()
    return {"first": pair[0], "second": pair[1], "score": score}


def _second(rng: Random, frame: Frame, slots: Slots, score: int, form: int) -> str:
    if score == 5:
        return statement(rng, frame, slots, form)
    if score == 4:
        return say(rng, rng.choice(frame.wider), slots)
    if score == 3:
        roles = not frame.equal and "<q>" in frame.forms[0] and rng.random() < 0.4
        return statement(rng, frame, swapped(slots) if roles else changed(rng, frame, slots), form)
    strangers = _strangers(rng, slots)
    if score == 2 and rng.random() < 0.5:
        return statement(rng, frame, fill(rng, frame) | strangers, form)
    other, own = _unlike(rng, frame)
    who = {0: strangers, 1: {**strangers, "p": slots["p"], "phis": slots["phis"]}, 2: {k: slots[k] for k in strangers}}[score]
    return statement(rng, other, own | who)


def _unlike(rng: Random, frame: Frame) -> tuple[Frame, Slots]:
    """A statement of another kind, about two people."""
    while True:
        other, slots = draw(rng)
        if other is not frame and "<q>" in other.forms[0]:
            return other, slots


def _strangers(rng: Random, slots: Slots) -> Slots:
    while True:
        chosen = people(*townspeople(rng, 2))
        if not {chosen["p"], chosen["q"]} & {slots["p"], slots["q"]}:
            return chosen
