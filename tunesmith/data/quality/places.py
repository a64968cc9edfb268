"""Where a row stands: its file and line, or its number in a split of a task."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tunesmith.data.formats import Row, lines, suffix_of
from tunesmith.data.rows import Chosen, Joined
from tunesmith.data.sources import FileSource, HubSource


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
    files: dict[int, Path] = {}
    if isinstance(source, FileSource) and not isinstance(source, HubSource):
        files = {id(held): file for read in source.files().values() for file, held in read}

    def place(number: int) -> Place:
        held, at = traced(rows, number)
        file = files.get(id(held))
        return Place(name, number + 1) if file is None else Place(str(file), at + 1, line_of(file, at))

    return place


def traced(rows: Sequence[Row], number: int) -> tuple[Sequence[Row], int]:
    """The sequence that truly holds a row, and its place there: below choices of rows and rows joined."""
    if isinstance(rows, Chosen):
        return traced(rows.items, rows.numbers[number])
    if isinstance(rows, Joined):
        return traced(*rows.at(number))
    return rows, number


def line_of(file: Path, row: int) -> int:
    """The line of a row of JSON lines; 0 where rows are no lines."""
    if suffix_of(file) not in (".jsonl", ".ndjson"):
        return 0
    skipped = _blank_before(file, file.stat().st_mtime_ns)
    return row + 1 + sum(1 for blank in skipped if blank <= row)


@cache
def _blank_before(file: Path, changed: int) -> tuple[int, ...]:
    """Of each blank line of a file, how many rows stand before it."""
    rows, found = 0, []
    for line in lines(file):
        if line.strip():
            rows += 1
        else:
            found.append(rows)
    return tuple(found)
