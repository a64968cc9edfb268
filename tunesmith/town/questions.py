"""Questions about a passage of four to seven sentences: who, where, when, what, how many, how and why."""

from collections.abc import Iterator
from random import Random
from typing import Any

from tunesmith.town import happenings, world
from tunesmith.town.happenings import HAPPENINGS, Happening
from tunesmith.town.source import sifted
from tunesmith.town.telling import say

Row = dict[str, Any]
KINDS = {"p": "who", "q": "who", "day": "when", "place": "where", "town": "where", "event": "where", "why": "why", "aim": "why"}
KINDS |= {"n": "how many", "n2": "how many", "way": "how"}


def rows(split: str, count: int, seed: int = 0) -> Iterator[Row]:
    """Rows {"id", "passage", "question", "answer", "choices", "kind"}: four choices, the answer among them; `kind` is who,
    what, where, when, why, how or how many."""
    return sifted("questions", split, count, seed, _draw, lambda row: str(row["passage"]))


Told = list[tuple[Happening, dict[str, str]]]


def telling(rng: Random) -> tuple[Told, list[str], list[world.Person]]:
    """Two or three happenings with their slots, the sentences that tell them, and six people, of whom some are in it."""
    people = world.people(rng, 6)
    days = [f"on {day}" for day in rng.sample(world.WEEKDAYS, 3)]
    places = rng.sample(world.PLACES, 4)
    chosen = rng.sample(HAPPENINGS, rng.choice((2, 2, 3)))
    told: Told = []
    for number, happening in enumerate(chosen):
        slots = _slots(rng, happening, people[2 * number], people[2 * number + 1])
        told.append((happening, {**slots, "day": days[number], "place": places[number]}))
    return told, _passage(rng, told, people[5] if len(chosen) < 3 else None, places[3]), people


def _draw(rng: Random) -> Row:
    told, sentences, people = telling(rng)
    happening, slots = rng.choice(told)
    asked = rng.choice([name for name in happening.asks if _is_told(name, slots, sentences)])
    question = say(rng, happening.asks[asked], slots)
    answer = slots[asked]
    others = _others(rng, asked, happening, told, [person.name for person in people])
    choices = [answer, *others]
    rng.shuffle(choices)
    kind = KINDS.get(asked, "what")
    form = "{}" if kind != "why" else "because {}" if asked == "why" else "to {}"
    choices = [form.format(choice) for choice in choices]
    return {
        "passage": " ".join(sentences),
        "question": question,
        "answer": form.format(answer),
        "choices": choices,
        "kind": kind,
    }


def _slots(rng: Random, happening: Happening, person: world.Person, other: world.Person) -> dict[str, str]:
    slots = {name: rng.choice(pool) for name, pool in happening.pools.items()}
    if slots.get("n") == slots.get("n2"):
        slots.pop("n2", None)
    people = {"p": person.name, "he": person.they, "him": person.them, "his": person.their, "q": other.name, "qhe": other.they}
    return {"n2": "eleven"} | slots | people


def _passage(rng: Random, told: Told, third: world.Person | None, place: str) -> list[str]:
    sentences: list[str] = []
    for happening, slots in told:
        sentences += [say(rng, happening.first, slots), say(rng, happening.second, slots)]
    if third and rng.random() < 0.7:
        adjective = rng.choice(("cold", "warm", "wet", "stormy", "mild", "windy", "sunny"))
        words = {"adj": adjective, "fact": rng.choice(world.FACTS), "r": third.name, "place": place, "job": third.job}
        aside = say(rng, rng.choice(happenings.ASIDES), words)
        looks_back = {"this", "it", "else", "later"} & set(aside.rstrip(".").split())
        sentences.insert(4 if looks_back else rng.choice((0, 2, 4)), aside)
    return sentences


def _is_told(name: str, slots: dict[str, str], sentences: list[str]) -> bool:
    """Whether the passage says it: not every telling tells everything."""
    return any(f" {slots[name]} " in f" {sentence.translate(_PLAIN)} " for sentence in sentences)


_PLAIN = str.maketrans(dict.fromkeys(",.;:'", " "))


def _others(rng: Random, asked: str, happening: Happening, told: Told, names: list[str]) -> list[str]:
    """Three wrong answers, those that the passage mentions first."""
    right = next(slots for one, slots in told if one is happening)[asked]
    if asked in {"p", "q"}:
        mentioned = [slots[name] for _, slots in told for name in ("p", "q")]
        pool = [*mentioned, *names]
    elif asked == "day":
        rest = [f"on {day}" for day in world.WEEKDAYS]
        pool = [slots["day"] for _, slots in told] + rng.sample(rest, len(rest))
    elif asked == "place":
        pool = [slots["place"] for _, slots in told] + rng.sample(world.PLACES, 6)
    else:
        own = list(happening.pools[asked])
        pool = [slots[asked] for _, slots in told if asked in slots and KINDS.get(asked) == "how many"]
        pool += rng.sample(own, len(own))
    return [other for other in dict.fromkeys(pool) if other != right][:3]
