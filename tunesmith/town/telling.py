"""How the town's texts are spelled out: patterns with choices and slots, and the people who stand in them.

A pattern is plain English with `{this|that|}`, where one of the alternatives is taken (they may be nested; the outermost braces
may be left out), and `<slot>`, where a value is put in. A value may be a pattern itself.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any

from tunesmith.town.world import Gender, Person, person

_CHOICE = re.compile(r"\{([^{}]*)\}")
_SLOT = re.compile(r"<([A-Za-z_]\w*)>")
_ARTICLE = re.compile(r"\b([Aa])n? (?=['\"]?(\w+))")
_VOWEL = re.compile(r"(?!(?:one|once|use|used|useful|usual|uniform|union|unit|university|European)\b)[aeiouAEIOU]|hour|honest")
_START = re.compile(r"(^['\"]?|[.!?] +['\"]?|\.\" +\"?|\n+['\"]?)([a-z])")


def expand(rng: Random, pattern: str, slots: Mapping[str, Any] | None = None) -> str:
    """Take one alternative of each `{a|b}` and put the slots in; a slot's value may be several to choose from.

    Raises:
        KeyError: a slot has no value.
    """
    pattern = "{" + pattern + "}"
    while "{" in pattern or "<" in pattern:
        before = pattern
        pattern = _CHOICE.sub(lambda match: rng.choice(match[1].split("|")), pattern)
        if "{" not in pattern:
            pattern = _SLOT.sub(lambda match: _value(rng, (slots or {})[match[1]]), pattern)
        assert pattern != before, f"not a pattern: {pattern}"
    return pattern


def _value(rng: Random, value: object) -> str:
    return str(rng.choice(value)) if isinstance(value, list | tuple) else str(value)


def tidy(text: str) -> str:
    """Single spaces, `a` or `an` by the sound that follows, and a capital at the start of each sentence."""
    text = re.sub(r"[ \t]+", " ", text)
    text = re.sub(r" +([,.;:!?])", r"\1", text).strip()
    text = re.sub(r"([.!?])\.(?=\s|$)|([.!?]\")\.", r"\1\2", text)
    text = _ARTICLE.sub(lambda match: match[1] + ("n " if _VOWEL.match(match[2]) else " "), text)
    return _START.sub(lambda match: match[1] + match[2].upper(), text)


def say(rng: Random, pattern: str, slots: Mapping[str, Any] | None = None) -> str:
    """`expand`, then `tidy`."""
    return tidy(expand(rng, pattern, slots))


def roles(person: Person, letter: str, short: str = "") -> dict[str, str]:
    """Slots for one person: `<A>` name, `<Afull>` with surname, `<Atitle>`, `<Ajob>`, and pronouns.

    short: what the slots of pronouns begin with: "" gives `<he>`, `<him>`, `<his>`, `<himself>`; "b" gives `<bhe>`. `<He>` and
    `<His>` (`<bHe>`) are those with a capital.
    """
    himself = "herself" if person.gender == "she" else "himself"
    words = {"he": person.they, "him": person.them, "his": person.their, "himself": himself}
    words |= {"He": person.they.capitalize(), "His": person.their.capitalize()}
    names = {"": person.name, "full": f"{person.name} {person.surname}", "title": person.title, "job": person.job}
    return {short + word: value for word, value in words.items()} | {letter + word: value for word, value in names.items()}


def cast(rng: Random, count: int = 3) -> dict[str, str]:
    """Slots for `count` different people, A, B, C ...: A has plain pronouns, B has `<bhe>`, C has `<che>`."""
    slots: dict[str, str] = {}
    names: tuple[str, ...] = ()
    for letter in "ABCDEF"[:count]:
        # Pronouns are clearer where the second person is no second "he" or "she".
        other: Gender | None = ("he" if slots["he"] == "she" else "she") if letter == "B" and rng.random() < 0.7 else None
        someone = person(rng, other, names)
        if someone.job == "student":
            someone = replace(someone, job="sailor")
        names += (someone.name,)
        slots |= roles(someone, letter, "" if letter == "A" else letter.lower())
    return slots
