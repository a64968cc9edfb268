"""The examples of a person's own rows: made when they are asked for; a row that makes none that can be used is named."""

import logging
import re
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import islice
from typing import Any

import numpy as np

from tunesmith.data.example import Example
from tunesmith.data.faults import ENOUGH, Fault, refusal, told
from tunesmith.data.formats import Row
from tunesmith.data.passes import MANY, Arrays, passed
from tunesmith.data.quality.places import places_of
from tunesmith.data.rows import Made
from tunesmith.data.shapes import Shape
from tunesmith.data.sources import FileSource
from tunesmith.data.template import Template
from tunesmith.data.usable import is_empty, usable
from tunesmith.errors import UserError
from tunesmith.tasks.task import Task

FURTHER = 2_000  # rows behind a bad one that are tried, to count others
SOUGHT = 100_000  # rows among which that of an example is sought

talk = logging.getLogger("tunesmith")


@dataclass(frozen=True)
class OwnTask(Task):
    """A task whose rows were never looked at by its author: rows that a wording leaves empty are skipped, ids are unique.

    shape: what the rows were recognised as; None where a person said how they are put.
    needs: what each example has to have (`data/usable.py`).
    bad:   the rows that are left out because they cannot be used.
    """

    shape: Shape | None = None
    needs: frozenset[str] = frozenset()
    bad: tuple[Fault, ...] = ()

    def example(self, split: str, template: int | None, number: int, row: Row) -> Example:
        """As `Task.example`; an error names file and line of the row, and counts others like it."""
        try:
            return self._tried(split, template, number, row)
        except UserError as error:
            raise self._refusal(split, template, number, error) from None

    def _tried(self, split: str, template: int | None, number: int, row: Row) -> Example:
        made = super().example(split, template, number, row)
        return usable(made, self.wording(template, number), row, self.needs)

    def wording(self, template: int | None, number: int) -> Template:
        """The wording by its place, or, with None, that in which a row is learnt."""
        return self.worded(number) if template is None else self.templates[template]

    def where(self, split: str, template: int | None, name: str) -> str:
        """Words for where the row of an example stands, by the example's id; empty where there is none of that id."""
        assert isinstance(self.source, FileSource)
        rows = self.source.held(split)
        place_of = places_of(self.source, rows, f"{split} rows of task `{self.name}`")
        told = re.fullmatch(rf"{split}-(\d+)", name)
        if told and int(told[1]) < len(rows):
            return str(place_of(int(told[1])))
        for number, row in enumerate(islice(rows, SOUGHT)):
            with suppress(UserError):
                if self._tried(split, template, number, row).id == name:
                    return str(place_of(number))
        return ""

    def _refusal(self, split: str, template: int | None, number: int, error: UserError) -> UserError:
        """The error for a row, with its place, and the places of others behind it."""
        assert isinstance(self.source, FileSource)
        rows, called = self.source.held(split), f"task `{self.name}`"
        place_of = places_of(self.source, rows, f"{split} rows of {called}")
        faults = []
        for at, row in enumerate(islice(rows, number, number + FURTHER), start=number):
            try:
                if at != number:
                    self._tried(split, template, at, row)
                    continue
            except UserError as other:
                error = other
            place = place_of(at)
            problem = f"{place} ({called}, row {at + 1} of its {split} rows): {error.problem}"
            faults.append(Fault(place.where, problem, error.hint, place.line, place.row))
            if len(faults) >= ENOUGH:
                break
        return refusal(faults)

    def examples(self, split: str, template: int | None = 0) -> Iterator[Example]:
        """As `Task.examples`; an id that stands twice in a split is replaced by the row's number."""
        seen: set[str] = set()
        for number, example in enumerate(super().examples(split, template)):
            if is_empty(example):
                continue
            unique = replace(example, id=f"{split}-{number}") if example.id in seen else example
            seen.add(unique.id)
            yield unique

    def sequence(self, split: str, template: int | None = 0, limit: int | None = None) -> Sequence[Example]:
        """As `examples`; an example is made when it is asked for, and 8 bytes of it are kept."""
        assert isinstance(self.source, FileSource)
        rows = self.source.held(split)
        origin = self.source.origin() if len(rows) >= MANY else ()
        key = origin and (*origin, split, repr(self.templates), template, limit, sorted(self.needs))

        def numbered() -> Arrays:
            return {"numbers": self._numbers(split, template, limit, rows)}

        numbers: Any = passed(key, len(rows), numbered, f"task `{self.name}`, {split}")["numbers"]

        def made(_: int, number: int) -> Example:
            if number >= 0:
                return self.example(split, template, int(number), rows[int(number)])
            number = -1 - int(number)
            return replace(self.example(split, template, number, rows[number]), id=f"{split}-{number}")

        return Made(made, numbers, key)

    def _numbers(self, split: str, template: int | None, limit: int | None, rows: Sequence[Row]) -> Any:
        """The numbers of the rows that make an example; -1 - number where the example is called by its number."""
        numbers, ids = array("q"), array("Q")
        for number, row in enumerate(rows):
            if len(numbers) == limit:
                break
            example = self.example(split, template, number, row)
            if not is_empty(example):
                numbers.append(number)
                ids.append(int.from_bytes(blake2b(example.id.encode(errors="surrogatepass"), digest_size=8).digest()))
        renamed: set[int] = set()
        if len(np.unique(np.frombuffer(ids, np.uint64))) < len(ids):
            pairs = zip(numbers, self.examples(split, template), strict=False)
            renamed = {number for number, example in pairs if example.id == f"{split}-{number}"}
            self._tell_renamed(split, rows, renamed)
        return np.fromiter((-1 - number if number in renamed else number for number in numbers), np.int64, len(numbers))

    def _tell_renamed(self, split: str, rows: Sequence[Row], renamed: set[int]) -> None:
        """Say which rows are called by their number because another one has their id."""
        first = min(renamed, default=None)
        if first is None or self.templates[0].id not in rows[first]:
            return
        assert isinstance(self.source, FileSource)
        place = places_of(self.source, rows, f"{split} rows of task `{self.name}`")(first)
        talk.warning(
            "task `%s`: %d of its %s rows have an id that another row has, the first at %s (`%s`); they are called by their "
            "number, such as `%s-%d`", self.name, len(renamed), split, place, rows[first][self.templates[0].id], split, first,
        )  # fmt: skip


def told_bad(tasks: Sequence[Task]) -> dict[str, str]:
    """Task -> a line on the rows that are left out because they cannot be used."""
    found = {task.name: task.bad for task in tasks if isinstance(task, OwnTask) and task.bad}
    return {
        name: f"{name}: {len(bad):,} row{'s' * (len(bad) > 1)} left out, which cannot be used: {told(bad)}"
        for name, bad in found.items()
    }
