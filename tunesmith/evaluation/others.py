"""Examples that several processes ask at the same time: each asks its share, and all have all answers, in order."""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Protocol, TypeVar

from tunesmith.data.example import Example
from tunesmith.evaluation.ask import Ask
from tunesmith.evaluation.kept_answers import KeptAnswers
from tunesmith.models.model import Model
from tunesmith.run import Answer

PIECE = 256  # examples whose answers are kept together, where they are not spoken
T = TypeVar("T")


class Others(Protocol):
    """The processes that ask together (`training/world.py: World` fits)."""

    @property
    def rank(self) -> int: ...
    @property
    def size(self) -> int: ...
    def told(self, value: T) -> T:
        """The value of the first process."""
        ...

    def gathered(self, value: T) -> list[T]:
        """The values of all processes, in their order."""
        ...


def pieces(places: Sequence[int], size: int) -> list[list[int]]:
    """Places in the pieces that they have among all, so that what a killed evaluation still has to ask stands as it stood."""
    return [list(group) for _, group in groupby(places, key=lambda place: place // size)]


def together(
    model: Model,
    examples: Sequence[Example],
    ask: Ask,
    stop: tuple[str, ...],
    kept: KeptAnswers | None,
    others: Others,
    asked: Callable[[Sequence[int], int, int], list[Answer]],
) -> tuple[list[Answer], int]:
    """All answers, and how many of them the first process had kept from before. It keeps what comes, piece by piece.

    asked: (places, how many answers are known, how many examples these are among) -> their answers.
    """
    found = kept.find(model, examples, ask, stop) if kept is not None and others.rank == 0 else None
    missing = others.told(list(range(len(examples))) if found is None else found.missing)
    again = done = len(examples) - len(missing)
    answers: dict[int, Answer] = {}
    # What is drawn for a prompt depends on how often it was drawn before: equal ones are asked by one process, at once.
    owners = shares([repr(examples[place].messages) for place in missing] if ask.temperature else missing, others.size)
    owner = dict(zip(missing, owners, strict=True))
    for places in pieces(missing, len(examples) if ask.temperature else PIECE * others.size):
        mine = [place for place in places if owner[place] == others.rank]
        for some in others.gathered(list(zip(mine, asked(mine, done, len(places)), strict=True))):
            answers |= some
            if found is not None:
                for place, answer in some:
                    found.add(place, answer)
        done += len(places)
    whole = others.told(None if found is None else found.all())
    return [answers[place] for place in range(len(examples))] if whole is None else whole, again


def shares(keys: Sequence[object], size: int) -> list[int]:
    """The process of each, by turns; equal ones have the same."""
    order: dict[object, int] = {}
    return [order.setdefault(key, len(order)) % size for key in keys]
