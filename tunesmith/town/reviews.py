"""Reviews of the town's shops, inns, trips, books and plays, with one to five stars.

Remarks are mixed and often turned round ("I cannot say a bad word about it", "none of the promised charm"), so that no single
word decides. A star more is a better share of good remarks and a kinder verdict.
"""

from collections.abc import Iterator
from random import Random
from typing import Any

from tunesmith.town import remarks, world
from tunesmith.town.source import sifted
from tunesmith.town.telling import say

Row = dict[str, Any]
SHAPES = {  # stars -> good (+), bad (-) remarks of a review, in one of these orders
    5: ("++", "+++", "+++"),
    4: ("++-", "+-+", "-++", "++", "+++"),
    3: ("+-", "-+", "+-+-", "-+-+"),
    2: ("--+", "-+-", "+--", "--"),
    1: ("--", "---", "---"),
}


def rows(split: str, count: int, seed: int = 0) -> Iterator[Row]:
    """Rows {"id", "text", "stars", "sentiment", "about"}: sentiment is positive from four stars, negative up to two; with three
    stars it is None."""
    return sifted("reviews", split, count, seed, _draw, lambda row: str(row["text"]))


def _draw(rng: Random) -> Row:
    stars = rng.randint(1, 5)
    kind = rng.choice(sorted(remarks.KINDS))
    slots = _slots(rng, kind)
    shape = rng.choice(SHAPES[stars])
    patterns = _remarks(rng, kind, shape)
    # A mixed review without its verdict could be read either way, so those always have one.
    sure = stars in {5, 1} and len(shape) > 2
    verdict = say(rng, rng.choice(remarks.VERDICTS[stars]), slots) if not sure or rng.random() < 0.7 else ""
    body = [say(rng, pattern, slots) for pattern in patterns]
    turns = [place for place in range(1, len(body)) if shape[place] != shape[place - 1]]
    if turns and rng.random() < 0.8:
        body[turns[-1]] = _but(rng, body[turns[-1]])
    opening = say(rng, rng.choice(remarks.KINDS[kind].openings), slots) if rng.random() < 0.75 else ""
    parts = [verdict, opening, *body] if rng.random() < 0.3 and not opening else [opening, *body, verdict]
    text = " ".join(part for part in parts if part)
    sentiment = "positive" if stars > 3 else "negative" if stars < 3 else None
    return {"text": text, "stars": stars, "sentiment": sentiment, "about": kind}


def _slots(rng: Random, kind: str) -> dict[str, Any]:
    someone = world.person(rng)
    it = rng.choice(remarks.KINDS[kind].names)
    who = "she" if it.startswith("Mrs") else "he"
    words = {"it": it, "who": who, "name": someone.name, "he": someone.they, "day": rng.choice(world.WEEKDAYS)}
    words |= {"dish": rng.choice(world.DISHES), "drink": rng.choice(world.DRINKS), "kin": rng.choice(sorted(world.RELATIONS))}
    return words | {"n": rng.choice(("two", "three", "four", "five", "six")), "thing": rng.choice(world.HOUSEHOLD)}


def _remarks(rng: Random, kind: str, shape: str) -> list[str]:
    """A pattern for each mark of the shape, each about something else, so that a review does not contradict itself."""
    topics = remarks.KINDS[kind].topics
    chosen = rng.sample(sorted(topics), min(len(shape), len(topics)))
    return [rng.choice(topics[topic][mark]) for topic, mark in zip(chosen, shape, strict=False)]


def _but(rng: Random, sentence: str) -> str:
    first = sentence.split(maxsplit=1)[0]
    if first in {"I", "I'd"} or first.istitle() is False or first in world.WOMEN + world.MEN + world.WEEKDAYS:
        return f"{rng.choice(('But', 'Still,', 'However,'))} {sentence}"
    return (
        f"{rng.choice(('But', 'Still,', 'On the other hand,', 'However,', 'Then again,'))} {sentence[0].lower()}{sentence[1:]}"
    )
