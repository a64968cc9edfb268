"""Where a row stands: its file and line, or its number in a split of a task."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tunesmith.data.formats import Row
from tunesmith.data.rows import Chosen, Joined
from tunesmith.data.sources import FileSource, Grouped, HubSource, Part


@dataclass(frozen=True)
class Place:
    """Where a row stands.

    where: a file's path, or the name of a task and a split.
    row:   its number there, from 1.
    line:  its line, where a line is a row; else 0.
    """

    where: str
    row: int
    line: int = 0

    def __str__(self) -> str:
        return f"`{self.where}` line {self.line}" if self.line else f"`{self.where}` row {self.row}"


def places_of(source: Any, rows: Sequence[Row], name: str) -> Callable[[int], Place]:
    """What tells the place of each of some rows of a source; where it cannot be traced to a file, the number under `name`."""
    parts: dict[int, Part] = {}
    if isinstance(source, FileSource) and not isinstance(source, HubSource):
        parts = {id(part.rows): part for found in source.parts().values() for part in found}

    def place(number: int) -> Place:
        held, at = traced(rows, number)
        part = parts.get(id(held))
        return Place(name, number + 1) if part is None else Place(part.name, at + 1, part.line(at))

    return place


def traced(rows: Sequence[Row], number: int) -> tuple[Sequence[Row], int]:
    """The sequence that truly holds a row, and its place there: below choices of rows, rows joined, and rows made one."""
    if isinstance(rows, Chosen):
        return traced(rows.items, rows.numbers[number])
    if isinstance(rows, Joined):
        return traced(*rows.at(number))
    if isinstance(rows, Grouped):
        return traced(rows.rows, rows.starts[number])
    return rows, number
