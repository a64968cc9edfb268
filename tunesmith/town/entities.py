# ruff: noqa: E501 -- a pattern is one line of text
"""Sentences with names of people, places, days, titles and animals, and the list of them as text."""

import re
from collections.abc import Iterator
from random import Random
from typing import Any

from tunesmith.town import world
from tunesmith.town.source import sifted
from tunesmith.town.telling import say

Row = dict[str, Any]
PETS = tuple(name for name in world.PET_NAMES if name not in {"Ginger", "Honey", "Patch", "Button", "Socks"})
PLACES = (*world.STREETS, *world.VILLAGES, *world.CITIES, world.TOWN)
TITLES = (*world.BOOKS, *world.FILMS)


def _any(words: tuple[str, ...]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


# Titles come first, so that the Friday of "A Dog Called Friday" is no day.
_NAMED = re.compile(
    rf"\b(?:(?P<title>{_any(TITLES)})|(?P<place>{_any(PLACES)})|(?P<day>{_any(world.WEEKDAYS)})|(?P<animal>{_any(PETS)})"
    rf"|(?P<person>(?:{_any(world.WOMEN + world.MEN)})(?: (?:{_any(world.SURNAMES)}))?|Mrs? (?:{_any(world.SURNAMES)})))\b"
)
PATTERNS = (
    "on <day>, <person> {walked|drove|cycled} from <place> to <place2>{ in the rain| with a friend|}.",
    "<person> {met|saw|waited for} <other> {outside|near|in} <place>{ on <day>|}.",
    "{last <day>|on <day>} <person> {lost|found} a {wallet|ring|key} in <place>.",
    "<person> is reading <title>{, a gift from <other>| for the second time|}.",
    "have you seen <pet>, the {dog|cat} of <person>?",
    "<pet>, a {brown|white|small|young} {dog|cat}, ran away from <place>{ on <day>|}.",
    "the {baker|doctor|teacher|driver} lives in <place>, {next door to|not far from} <person>.",
    "{neither <person> nor|both <person> and} <other> {liked|had seen} <title>{ on <day>|}.",
    "<person> {moved|is moving} from <place> to <place2> {in|before} the {spring|summer|autumn|winter}.",
    "\"{Come to <place>|Let's meet in <place>} on <day>,\" said <person>.",
    "a letter for <person> was brought to <place> {by mistake|in the morning}, and <other> opened it.",
    "<other>, the {uncle|aunt|boss} of <person>, {works|was born} in <place>.",
    "{the bus from <place> was late|there was fog in <place>}, so <person> missed {the start of <title>|the train to <place2>}.",
    "<person> called the {dog|cat|parrot} <pet>, although <other> laughed.",
    "nobody in <place> {knows|remembers} {when|why} <person> left{ for <place2>|}.",
    "{there is nothing to see|it is quiet} in <place> on a <day>.",
    "the {old boat|red house|little shop} was sold {on <day>|last week} {to <person>|by <person> to <other>}.",
    "<title> will be {shown|read} in <place> on <day>.",
    "<person> and <pet> go for a walk {along|through} <place> {every|each} <day>.",
    "the {rain|snow|wind} {stopped|began} before anyone was {hungry|tired}.",
    "after {lunch|supper}, <person> {sang|slept}, <other> {washed the dishes|read}, and <pet> {barked|lay by the fire}.",
)  # fmt: skip


def rows(split: str, count: int, seed: int = 0) -> Iterator[Row]:
    """Rows {"id", "sentence", "entities", "tags", "kinds"}.

    entities: names in the order of the sentence, as "Anna Bell: person; Mill Lane: place", or "none".
    tags:     one for each word between blanks: `B-person I-person O`; kinds: those of the names, "person, place", or "none".
    """
    return sifted("entities", split, count, seed, _draw, lambda row: str(row["sentence"]))


def _draw(rng: Random) -> Row:
    people = [_called(rng, person) for person in world.people(rng, 4)]
    names = _names(rng, people[:2])
    sentence = say(rng, rng.choice(PATTERNS), names)
    if rng.random() < 0.35:  # a second sentence about other people
        sentence += " " + say(rng, rng.choice(PATTERNS), _names(rng, people[2:]))
    found = list(_NAMED.finditer(sentence))
    listed = dict.fromkeys(f"{match[0]}: {match.lastgroup}" for match in found)
    kinds = sorted({str(match.lastgroup) for match in found})
    row = {"sentence": sentence, "entities": "; ".join(listed) or "none"}
    return row | {"tags": " ".join(_tags(sentence, found)), "kinds": ", ".join(kinds) or "none"}


def _tags(sentence: str, found: list[re.Match[str]]) -> Iterator[str]:
    """The tag of each word: a name begins with the word that its first letter stands in."""
    for word in re.finditer(r"\S+", sentence):
        inside = next((match for match in found if match.start() < word.end() and word.start() < match.end()), None)
        yield "O" if inside is None else f"{'B' if word.start() <= inside.start() else 'I'}-{inside.lastgroup}"


def _names(rng: Random, people: list[str]) -> dict[str, str]:
    places = rng.sample(PLACES, 2)
    title = f'"{rng.choice(TITLES)}"'
    names = {"person": people[0], "other": people[1], "place": places[0], "place2": places[1]}
    return names | {"title": title, "pet": rng.choice(PETS), "day": rng.choice(world.WEEKDAYS)}


def _called(rng: Random, person: world.Person) -> str:
    return rng.choice((person.name, f"{person.name} {person.surname}", f"{person.name} {person.surname}", person.title))
