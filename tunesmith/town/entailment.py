"""Does one sentence follow from another: yes, maybe or no. Roles, numbers, negation, order in time and wider words decide."""

from collections.abc import Iterator
from random import Random
from typing import Any

from tunesmith.town import world
from tunesmith.town.claims import Frame, Slots, draw, statement, swapped
from tunesmith.town.source import sifted
from tunesmith.town.telling import say

Row = dict[str, Any]
LABELS = ("yes", "maybe", "no")


def rows(split: str, count: int, seed: int = 0) -> Iterator[Row]:
    """Rows {"id", "premise", "hypothesis", "label"}, the three labels about equally often."""
    return sifted("entailment", split, count, seed, _draw, lambda row: f"{row['premise']} {row['hypothesis']}")


def _draw(rng: Random) -> Row:
    frame, slots = draw(rng)
    label = rng.choice(LABELS)
    number = rng.randrange(len(frame.forms))
    premise = statement(rng, frame, slots, number)
    if label != "maybe" and rng.random() < 0.25:  # what is usually open is said, or denied
        hypothesis = say(rng, rng.choice(frame.open), slots)
        premise += " " + (hypothesis if label == "yes" else _denied(rng, hypothesis))
    else:
        hypothesis = _hypothesis(rng, frame, slots, label, number)
    if rng.random() < 0.35:  # another statement about other people, before or after
        other = _aside(rng, slots)
        premise = f"{premise} {other}" if rng.random() < 0.5 else f"{other} {premise}"
    return {"premise": premise, "hypothesis": hypothesis, "label": label}


def _hypothesis(rng: Random, frame: Frame, slots: Slots, label: str, number: int) -> str:
    if label == "yes":
        if rng.random() < 0.5:
            return statement(rng, frame, slots, rng.choice([n for n in range(len(frame.forms)) if n != number]))
        return say(rng, rng.choice(frame.wider), slots)
    if label == "no":
        if not frame.equal and rng.random() < 0.4 and "<q>" in frame.forms[0]:
            return statement(rng, frame, swapped(slots))
        return say(rng, rng.choice(frame.against), slots)
    if rng.random() < 0.35:  # somebody else may have done the same
        others = {**slots, **_others(rng, slots)}
        return say(rng, rng.choice(frame.wider), others) if rng.random() < 0.5 else statement(rng, frame, others)
    return say(rng, rng.choice(frame.open), slots)


def _denied(rng: Random, sentence: str) -> str:
    first = sentence.split(maxsplit=1)[0].removesuffix("'s")
    told = sentence if first in world.WOMEN + world.MEN else sentence[0].lower() + sentence[1:]
    return rng.choice(("It is not true that ", "It would be wrong to say that ")) + told


def _others(rng: Random, slots: Slots) -> Slots:
    while True:
        _, other = draw(rng)
        if not {other["p"], other["q"]} & {slots["p"], slots["q"]}:
            return {name: other[name] for name in ("p", "q", "phis", "qhis")}


def _aside(rng: Random, slots: Slots) -> str:
    frame, own = draw(rng)
    return statement(rng, frame, {**own, **_others(rng, slots)})
