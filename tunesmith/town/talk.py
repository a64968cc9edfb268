"""A talk between two people of the town: its turns, its facts, and what a person would write who sums it up.

A scene (`dialogue_*.py`) is a function that is handed a `Talk`, draws the facts, lets the two speak in turns and says the gist.
The patterns are those of `telling`: `{this|that}` for a choice, `<slot>` for a fact. Every talk knows the slots `<A>` and `<B>`
(the two names), `<a_they> <a_them> <a_their>` and the same with b, and `<toA>`, `<toB>`: ", Sara" or nothing.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from tunesmith.town.telling import say
from tunesmith.town.world import WEEKDAYS, Gender, Person, clock, person


@dataclass(frozen=True, slots=True)
class Scene:
    """One kind of talk.

    topic:  two or three words.
    roles:  what the two may be called in place of their names, as in "#Customer#"; empty where they know each other.
    manner: which small talk goes with it: "friends", "counter" (a customer and who serves), "phone", or only a "greeting".
    play:   lets the two talk.
    """

    topic: str
    roles: tuple[str, str] | None
    manner: str
    play: "Callable[[Talk], None]"


class _Used(dict[str, str | tuple[str, ...]]):
    """Slots that remember which of them were read."""

    def __init__(self, slots: dict[str, str | tuple[str, ...]]) -> None:
        super().__init__(slots)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> str | tuple[str, ...]:
        self.read.add(name)
        return super().__getitem__(name)

    def facts(self) -> list[str]:
        """What was read, in small letters; without pronouns, what was turned into the third person, and patterns."""
        names = (name for name in self.read if not re.search("_(they|them|their|his|said)$", name))
        values = (str(self.get(name)).lower() for name in names)
        return [value.removeprefix("a ").removeprefix("an ") for value in values if "<" not in value and "#" not in value]


class Talk:
    """What two people say to each other, and the gist of it."""

    def __init__(self, rng: Random, roles: tuple[str, str] | None = None) -> None:
        self.rng = rng
        self.turns: list[tuple[str, str]] = []
        self.gists: list[str] = []
        self.faithful = False  # every fact of the summaries was said
        self.warm = True  # they part with a friendly word
        self.slots: dict[str, str | tuple[str, ...]] = {}
        first = person(rng)
        second = person(rng, without=(first.name,))
        self.names: tuple[str, ...] = (first.name, second.name)
        self.named = roles is None or rng.random() < 0.75
        for letter, who, role in zip("ab", (first, second), roles or ("", ""), strict=True):
            self._introduce(letter, who, who.name if self.named else f"#{role}#")

    def _introduce(self, letter: str, who: Person, shown: str) -> None:
        named = shown == who.name
        self.slots[letter.upper()] = shown
        self.slots[f"{letter}_they"] = who.they if named else shown  # a role has no he or she
        self.slots[f"{letter}_them"] = who.them if named else "them"
        self.slots[f"{letter}_their"] = who.their if named else "their"
        self.slots[f"{letter}_title"] = who.title
        self.slots[f"to{letter.upper()}"] = (f", {shown}", "", "") if named else ""

    def third(self, gender: Gender | None = None, letter: str = "c") -> None:
        """Somebody who is spoken of: slots `<C> <c_they> <c_them> <c_their>`."""
        who = person(self.rng, gender, self.names)
        self.names = (*self.names, who.name)
        self._introduce(letter, who, who.name)

    def put(self, **slots: str) -> None:
        """Set slots."""
        self.slots.update(slots)

    def pick(self, **choices: Sequence[str]) -> None:
        """Set each slot to one of its choices, which may be patterns themselves."""
        for name, options in choices.items():
            self.slots[name] = self.rng.choice(options)

    def pick_different(self, options: Sequence[str], *names: str) -> None:
        """Set the slots to different ones of the options."""
        self.slots.update(zip(names, self.rng.sample(list(options), len(names)), strict=True))

    def days(self) -> None:
        """Set `<day>` and `<day2>` to two days of a week, the second later."""
        first, second = sorted(self.rng.sample(range(7), 2))
        self.put(day=WEEKDAYS[first], day2=WEEKDAYS[second])

    def times(self, first: int = 8, last: int = 18) -> None:
        """Set `<time>` and `<time2>` to times in words, the second at a later hour."""
        hours = sorted(self.rng.sample(range(first, last + 1), 2))
        self.put(time=clock(self.rng, hours[0], hours[0]), time2=clock(self.rng, hours[1], hours[1]))

    def chance(self, share: float = 0.5) -> bool:
        """Whether it happens, in this share of the talks."""
        return self.rng.random() < share

    def branch(self, *names: str) -> str:
        """Which way the talk goes."""
        return self.rng.choice(names)

    def a(self, *patterns: str) -> None:
        """The first speaks one of the patterns."""
        self._speak("A", patterns)

    def b(self, *patterns: str) -> None:
        """The second speaks one of the patterns."""
        self._speak("B", patterns)

    def _speak(self, who: str, patterns: Sequence[str]) -> None:
        text = say(self.rng, self.rng.choice(patterns), self.slots)
        if self.turns and self.turns[-1][0] == who:
            text = f"{self.turns.pop()[1]} {text}"
        self.turns.append((who, text))

    def gist(self, setups: Sequence[str], ends: Sequence[str], link: str = "and", wholes: Sequence[str] = ()) -> None:
        """Say what the talk comes to: a setup and an end make a summary, and so does a whole.

        Call it after the last turn. Three different summaries are kept, from different setups and ends where there are enough.
        link: the word between setup and end where they share a sentence: "and", "but", "so".
        """
        rng = self.rng
        halves = zip(rng.sample(list(setups), len(setups)), rng.sample(list(ends), len(ends)), strict=False)
        told = [
            f"{setup}{'. ' if ', ' in setup + end else rng.choice(('. ', f', {link} ', f', {link} '))}{end}."
            for setup, end in halves
        ]
        told = rng.sample(told, len(told))[:3]
        if wholes and (len(told) < 3 or self.chance(0.7)):
            told = [rng.choice(list(wholes)) + ".", *told[:2]]
        used = _Used(self.slots)
        self.gists = [say(rng, pattern, used) for pattern in rng.sample(told, len(told))]
        said = self.text.lower()
        self.faithful = all(fact in said for fact in used.facts())

    @property
    def text(self) -> str:
        """The turns, one a line, each after the name of the speaker."""
        return "\n".join(f"{self.slots[who]}: {text}" for who, text in self.turns)
