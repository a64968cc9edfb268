"""What a perturbation is: a text put in another way that should mean the same, or should be answered as well.

It is a pure function of the text and a seed. Its lists of words are those that ship, or a person's own.
"""

import random
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar

from tunesmith.data.example import Example
from tunesmith.data.words import Table, table, whole_words
from tunesmith.errors import UserError


@dataclass(frozen=True)
class Perturbation(ABC):
    """A subclass is a frozen dataclass; a file holds values with names of their own.

    of_references: whether target, references and choices are changed too. A model should not have to write broken text, but
                   it should speak of the person whom the question now names.
    words:         the list it reads, one that ships or a file; empty where it needs none.
    """

    of_references: ClassVar[bool] = False

    name: str
    words: str = ""

    @abstractmethod
    def change(self, text: str, dice: random.Random, seed: str) -> str:
        """The text changed. `dice` draws by text and seed, and `seed` is for what must be alike in all texts of an example."""

    def __call__(self, text: str, seed: str = "") -> str:
        return self.change(text, random.Random(f"{seed} {self.name} {text}"), f"{seed} {self.name}")

    def with_words(self, own: Mapping[str, str]) -> "Perturbation":
        """The same with other lists: name of a list that ships -> file."""
        return replace(self, words=own.get(self.words, self.words))


def perturbed(example: Example, change: Perturbation, seed: int = 0, fixed: tuple[str, ...] = ()) -> Example:
    """The example with its prompt changed, and under some perturbations what it should say; its id stays.

    fixed: texts of the wording, in order, that stand around what the row says and stay as they are. Choices that stand alone
           between them stay too, where the perturbation leaves the answers as they are.
    """
    key = f"{seed} {example.id}"
    kept = () if change.of_references else example.choices

    def again(text: str) -> str:
        return text if text.strip() in kept else change(text, key)

    messages = tuple(
        message
        if message.role == "system" or '"tool_calls"' in message.extra
        else replace(message, content=_around(message.content, fixed, again))
        for message in example.messages
    )
    made = replace(example, messages=messages, texts=tuple(map(again, example.texts)))
    if not change.of_references:
        return made
    choices = tuple(map(again, example.choices))
    if len(set(choices)) < len(choices):  # two answers fell together: the question would have no answer any more
        choices = example.choices
    target = choices[example.label] if choices else again(example.target)
    return replace(made, target=target, choices=choices, references=tuple(map(again, example.references)))


def _around(text: str, fixed: tuple[str, ...], change: Callable[[str], str]) -> str:
    """A text with all changed but the fixed parts, where these stand in it one behind the other; else all of it."""
    pieces, rest = [], text
    for part in filter(None, fixed):
        before, found, rest = rest.partition(part)
        if not found:
            return change(text)
        pieces += [before, part]
    changed = [piece if number % 2 or not piece else change(piece) for number, piece in enumerate([*pieces, rest])]
    return "".join(changed)


@dataclass(frozen=True)
class Swap:
    """Words (or phrases), in small letters, with those that may stand for them; and what finds them in a text."""

    pairs: Table
    found: re.Pattern[str]

    def __call__(self, text: str, dice: random.Random, probability: float = 1.0) -> str:
        """The text with each word of the table replaced, with some probability, by one of those beside it in the same case."""

        def other(found: re.Match[str]) -> str:
            if probability < 1 and dice.random() >= probability:
                return found[0]
            choices = self.pairs[found[0].lower()]
            return match_case(found[0], choices[0] if len(choices) == 1 else dice.choice(choices))

        return self.found.sub(other, text)


@lru_cache(maxsize=64)
def swap(name: str, before: str = "") -> Swap:
    """The replacements of a list, one that ships or a file; `before`: a pattern of what must follow a word."""
    pairs = table(name)
    lonely = next((word for word, others in pairs.items() if not others), None)
    if lonely is not None:
        raise UserError(f"`{name}`: `{lonely}` has no word beside it", "write `word: another, another`")
    return Swap({word.lower(): others for word, others in pairs.items()}, whole_words(tuple(pairs), before))


def match_case(source: str, other: str) -> str:
    """`other` in the case of `source`: all capitals, a capital first, or small.

    >>> match_case("Peter", "darius"), match_case("peter", "Darius"), match_case("HE", "she")
    ('Darius', 'darius', 'SHE')
    """
    if source.isupper() and len(source) > 1:
        return other.upper()
    return other[:1].upper() + other[1:] if source[:1].isupper() else other.lower()
