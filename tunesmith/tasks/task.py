"""What a task is: rows, ways to put them to a model, and metrics. The same task is learnt from and judged by."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, Protocol

from tunesmith.data.example import Example
from tunesmith.data.published import Published
from tunesmith.data.rows import Made
from tunesmith.data.template import Template
from tunesmith.metrics.metric import Metric

Row = dict[str, Any]


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
    templates: the first one is the default for judging; learning may use them all.
    metrics:   the first one is the headline.
    cluster:   FLAN-style group: tasks of one cluster are held out together.
    ask:       `speak` (free text), `choose` (the likeliest choice) or `weigh` (log-probability of the target).
    tokens:    longest answer, in tokens, when speaking.
    shots:     what stands before a question.
    stop:      texts that end a spoken answer, before them.
    norm:      what a choice's log-probability is divided by, where `ask.norm` says nothing else.
    reads:     regular expression of what counts in a spoken answer: its first match, or that match's first group. An answer in
               which it is not found counts as empty. "": all of it counts.
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

    def read(self, said: str) -> str:
        """What counts in a spoken answer."""
        if not self.reads:
            return said
        found = re.search(self.reads, said)
        return (found[1] if found.re.groups else found[0]) if found else ""

    def examples(self, split: str, template: int | None = 0) -> Iterator[Example]:
        """Examples of a split under one template, or, with None, each row under the templates in turn."""
        for number, row in enumerate(self.source.rows(split)):
            yield self.example(split, template, number, row)

    def example(self, split: str, template: int | None, number: int, row: Row) -> Example:
        """The example that a row of a split makes, by its number there."""
        wording = self.templates[number % len(self.templates) if template is None else template]
        return wording.apply(row, f"{split}-{number}")

    def sequence(self, split: str, template: int | None = 0, limit: int | None = None) -> Sequence[Example]:
        """As `examples`, the first `limit` of them, to be asked for in any order."""
        if isinstance(self.source, Published):
            return Made(lambda number, row: self.example(split, template, number, row), self.source.held(split)[:limit])
        return list(islice(self.examples(split, template), limit))
