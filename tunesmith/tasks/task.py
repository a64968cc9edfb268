"""What a task is: rows, ways to put them to a model, and metrics. The same task is learnt from and judged by."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, Literal, Protocol

from tunesmith.data.example import Example
from tunesmith.data.inversion import inverse
from tunesmith.data.published import Published
from tunesmith.data.rows import Made
from tunesmith.data.template import Template
from tunesmith.metrics.metric import Metric

Row = dict[str, Any]
MASK = (1 << 64) - 1


class Source(Protocol):
    """Where a task's rows come from. The same split gives the same rows in the same order, every time."""

    def splits(self) -> tuple[str, ...]:
        """Of `train`, `validation` and `test`, those that exist."""
        ...

    def rows(self, split: str) -> Iterator[Row]: ...


@dataclass(frozen=True)
class Shots:
    """What stands before a question, as the task was published.

    count:   examples, where `ask.shots` says nothing else.
    split:   the split that they come from. A question is never shown to itself.
    pick:    `drawn` once for the whole task, by `ask.seed`; the same, with labels by `turns`; the `first` ones; or drawn `anew`
             for each question.
    header:  text before the examples, written once; it stands before a question without examples too.
    between: what stands between two examples, and before the question. In a chat they are turns, and the template parts them.
    put:     `turns`: as earlier turns of user and assistant where the network has a chat template, as text elsewhere; `text`:
             as text everywhere, in one message with the question.
    """

    count: int = 0
    split: str = "train"
    pick: Literal["drawn", "turns", "first", "anew"] = "drawn"
    header: str = ""
    between: str = "\n\n"
    put: Literal["turns", "text"] = "turns"


@dataclass(frozen=True)
class Task:
    """One file of `tasks/` holds one task or one family of tasks, as module-level values.

    name:      `family` or `family/member`, e.g. `town/dialogues`.
    templates: the first one is the default for judging; learning may use them all. Those that ask something else than the task
               (`original` is false) stand behind the others, and inverted ones last.
    metrics:   the first one is the headline.
    cluster:   FLAN-style group: tasks of one cluster are held out together.
    ask:       `speak` (free text), `choose` (the likeliest choice) or `weigh` (log-probability of the target).
    tokens:    longest answer, in tokens, when speaking.
    shots:     what stands before a question.
    stop:      texts that end a spoken answer, before them.
    norm:      what a choice's log-probability is divided by, where `ask.norm` says nothing else.
    reads:     regular expression of what counts in a spoken answer: its first match, or that match's first group. An answer in
               which it is not found counts as empty. "": all of it counts.
    wordings:  which of them learning takes: all in `turn`, one drawn at `random` for each row, or the `first` alone.
    inverted:  share of the rows that are learnt the other way round, in the inverted wordings.
    seed:      of the wordings that are drawn.
    """

    name: str
    source: Source
    templates: tuple[Template, ...]
    metrics: tuple[Metric, ...]
    cluster: str
    ask: str = "speak"
    tokens: int = 64
    shots: Shots = Shots()
    stop: tuple[str, ...] = ()
    reads: str = ""
    norm: Literal["none", "tokens", "bytes"] = "none"
    wordings: Literal["turn", "random", "first"] = "turn"
    inverted: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "templates", ranked(self.templates))

    @cached_property
    def asked(self) -> tuple[Template, ...]:
        """The wordings that may judge: those that ask what the task is about, or all where none does."""
        return tuple(one for one in self.templates if one.judges) or self.templates

    @cached_property
    def learnt(self) -> tuple[Template, ...]:
        """The wordings that are learnt from, but for the inverted ones."""
        forward = tuple(one for one in self.templates if not one.inverted) or self.templates
        return forward[:1] if self.wordings == "first" else forward

    @cached_property
    def backward(self) -> tuple[Template, ...]:
        """The inverted wordings that are learnt from."""
        if not self.inverted:
            return ()
        found = tuple(one for one in self.templates if one.inverted)
        return found or (inverse(self.templates[0]),)

    def worded(self, number: int) -> Template:
        """The wording in which a row is learnt, by its number in the split.

        Of n rows floor(n * `inverted`) are turned round, evenly spread; the others take the remaining wordings.
        """
        before = int(number * self.inverted + 1e-9)
        if int((number + 1) * self.inverted + 1e-9) > before:
            return self.backward[before % len(self.backward)]
        place = scattered(self.seed, number) if self.wordings == "random" else number - before
        return self.learnt[place % len(self.learnt)]

    def counts(self, rows: int) -> dict[str, int]:
        """How many of the first so many rows are learnt in each wording."""
        used = [*self.learnt, *self.backward]
        if len(used) == 1:
            return {used[0].name: rows}
        found = Counter(self.worded(number).name for number in range(rows))
        return {one.name: found[one.name] for one in used}

    def read(self, said: str) -> str:
        """What counts in a spoken answer."""
        if not self.reads:
            return said
        found = re.search(self.reads, said)
        return (found[1] if found.re.groups else found[0]) if found else ""

    def examples(self, split: str, template: int | None = 0) -> Iterator[Example]:
        """Examples of a split under one template, or, with None, each row under the wording in which it is learnt."""
        for number, row in enumerate(self.source.rows(split)):
            yield self.example(split, template, number, row)

    def example(self, split: str, template: int | None, number: int, row: Row) -> Example:
        """The example that a row of a split makes, by its number there."""
        if template is not None:
            return self.templates[template].apply(row, f"{split}-{number}")
        made = self.worded(number).apply(row, f"{split}-{number}")
        if made.messages or made.target:
            return made
        for wording in self.learnt:  # one that leaves this row out: another one takes it
            other = wording.apply(row, f"{split}-{number}")
            if other.messages or other.target:
                return other
        return made

    def sequence(self, split: str, template: int | None = 0, limit: int | None = None) -> Sequence[Example]:
        """As `examples`, the first `limit` of them, to be asked for in any order."""
        if isinstance(self.source, Published):
            return Made(lambda number, row: self.example(split, template, number, row), self.source.held(split)[:limit])
        return list(islice(self.examples(split, template), limit))


def ranked(templates: Sequence[Template]) -> tuple[Template, ...]:
    """Those first that ask what the task is about, inverted ones last."""
    return tuple(sorted(templates, key=lambda one: 2 * one.inverted + (not one.original)))


def scattered(seed: int, number: int) -> int:
    """A number that looks drawn, the same on every machine (SplitMix64; Steele, Lea and Flood 2014)."""
    state = (seed * 0xD1342543DE82EF95 + (number + 1) * 0x9E3779B97F4A7C15) & MASK
    state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & MASK
    state = (state ^ state >> 27) * 0x94D049BB133111EB & MASK
    return state ^ state >> 31
