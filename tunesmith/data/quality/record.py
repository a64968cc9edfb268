"""A row as it is checked: what it asks and what it answers, in the row's own words and without those of a wording."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tunesmith.data.example import Example
from tunesmith.data.jinja import halves, variables
from tunesmith.data.quality.texts import digest, plain, words_of
from tunesmith.data.template import Template


@dataclass(frozen=True)
class Record:
    """One row.

    number:   its place among the rows that are checked, from 0.
    input:    what it asks: the texts of the columns that the wording's prompt reads, a line each, or all turns of a
              conversation. Empty where a row is plain text.
    answer:   what is to be said to it; the text itself where a row is plain text.
    rejected: the worse answer of a preference pair, or empty.
    choices:  whether the answer is one of several to choose from.
    several:  whether the row itself has several right answers.
    left_out: whether the wording makes nothing of the row, so that it is never learnt from.
    id:       as the row calls itself; may be empty.
    """

    number: int
    input: str
    answer: str
    rejected: str = ""
    choices: bool = False
    several: bool = False
    left_out: bool = False
    id: str = ""
    row: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def whole(self) -> str:
        """Question and answer as one text."""
        return "\n".join(part for part in (self.input, self.answer) if part)

    @cached_property
    def plain_input(self) -> str:
        return plain(self.input)

    @cached_property
    def plain_answer(self) -> str:
        return plain(self.answer)

    @cached_property
    def plain_whole(self) -> str:
        return f"{self.plain_input} {self.plain_answer}".strip()

    @cached_property
    def input_words(self) -> list[str]:
        return words_of(self.input)

    @cached_property
    def answer_words(self) -> list[str]:
        return words_of(self.answer)

    @cached_property
    def asked(self) -> int:
        """A digest of the question."""
        return digest(self.plain_input)

    @cached_property
    def said(self) -> int:
        """A digest of the answer; of a preference pair of both, in order."""
        return digest(self.plain_answer, plain(self.rejected)) if self.rejected else digest(self.plain_answer)

    def texts(self) -> Iterator[tuple[str, str]]:
        """(`input`, `answer` or `rejected`; its text) of those that the row has."""
        for name in ("input", "answer", "rejected"):
            if text := getattr(self, name):
                yield name, text


def record_of(number: int, template: Template, row: Mapping[str, Any], example: Example) -> Record:
    """The record of a row and of the example that a template makes of it."""
    return Record(
        number=number,
        input=asked_by(template, row, example),
        answer=example.target,
        rejected=example.rejected or "",
        choices=bool(example.choices),
        several=len(example.references) > 1,
        left_out=not example.messages and not example.target,
        id="" if (own := row.get(template.id)) is None else str(own),
        row=row,
    )


def asked_by(template: Template, row: Mapping[str, Any], example: Example) -> str:
    """What a row asks, without the words that every row of its wording has."""
    split = halves(template.jinja) if not template.messages else None
    if split is not None and example.messages:
        names = template.in_row(sorted((variables(split[0]) | set(template.texts)) - template.target_columns), row)
        texts = [text for name in in_order(names, row) if (text := written(row[name]))]
        if texts:
            return "\n".join(texts)
    return "\n".join(message.content for message in example.messages)


def in_order(names: Sequence[str], row: Mapping[str, Any]) -> list[str]:
    """Columns in the row's order."""
    return [name for name in row if name in set(names)]


def written(value: object) -> str:
    """The text of a cell; of a list or a mapping that of its items."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, Mapping):
        return "\n".join(filter(None, map(written, value.values())))
    if isinstance(value, (list, tuple)):
        return "\n".join(filter(None, map(written, value)))
    return "" if value is None or isinstance(value, bool) else str(value)
