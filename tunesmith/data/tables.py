"""Tables: CSV and TSV with a header line, or with names given; errors name file and line."""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from tunesmith.data.faults import Faults
from tunesmith.data.text_files import Line, lines, placed_lines
from tunesmith.errors import UserError

Row = dict[str, Any]
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")


def table(path: Path, tabs: bool, columns: Sequence[str], faults: Faults | None = None) -> Iterator[tuple[int, Row]]:
    """(line on which it begins, row) of each row. Read twice: the first time tells which columns are whole numbers."""
    faults = faults or Faults(path)
    csv.field_size_limit(faults.longest)
    first = next((line for line in lines(path, faults.again()) if line.strip()), "")
    delimiter = "\t" if tabs else _delimiter(first)
    plain = tabs and not _is_quoted(path, faults)
    whole: list[str] | None = None
    for _, row in _cells(path, delimiter, plain, columns, faults.again()):
        whole = [name for name in (row if whole is None else whole) if _WHOLE.fullmatch(row[name])]
    for number, row in _cells(path, delimiter, plain, columns, faults):
        try:
            yield number, row | {name: int(row[name]) for name in whole or ()}
        except ValueError:
            raise UserError(*changed(path)) from None


def changed(path: Path) -> tuple[str, str]:
    """(problem, hint) of a file that is not what it was."""
    return f"`{path}` was changed while it was read", "wait until it is written, and start again"


class _Counted:
    """Lines for a reader of CSV, which takes up several for a record; it is known on which line the last record began."""

    def __init__(self, found: Iterator[Line]) -> None:
        self.found, self.begun, self.last = found, 0, 0

    def __iter__(self) -> Iterator[str]:
        for line in self.found:
            self.last = line.number
            self.begun = self.begun or line.number
            yield line.text


def _cells(path: Path, delimiter: str, plain: bool, columns: Sequence[str], faults: Faults) -> Iterator[tuple[int, Row]]:
    """(line, row) of each row of a table, every cell as text."""
    records = _records(path, delimiter, plain, faults)
    first = next(records, None)
    if first is None:
        faults.refuse()
        raise UserError(f"`{path}` is empty", "name a file with rows in it")
    names = list(columns) if columns else _header(path, first[1])
    for number, cells in chain([first], records) if columns else records:
        if len(cells) < len(names) or (len(cells) > len(names) and not columns):
            hint = f"the columns are: {', '.join(names)}; a cell with the delimiter in it must be quoted"
            faults.add(f"`{path}` line {number} has {len(cells)} cells, expected {len(names)}", hint, number)
        else:
            yield number, dict(zip(names, cells, strict=False))


def _records(path: Path, delimiter: str, plain: bool, faults: Faults) -> Iterator[tuple[int, list[str]]]:
    """(line on which it begins, cells) of each record; blank lines are left out."""
    counted = _Counted(placed_lines(path, faults))
    quoting: Literal[0, 3] = csv.QUOTE_NONE if plain else csv.QUOTE_MINIMAL
    reader = csv.reader(iter(counted), delimiter=delimiter, strict=not plain, quoting=quoting)
    while True:
        counted.begun = 0
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            _take_up(path, counted, str(error), faults)
            continue
        if any(cell.strip() for cell in cells):
            yield counted.begun, cells


def _take_up(path: Path, counted: _Counted, told: str, faults: Faults) -> None:
    """A record that cannot be read; an error where it is not known where the next one begins."""
    number = counted.begun or counted.last + 1
    hint = "a quote that opens a cell must close; inside a quoted cell a quote is written twice"
    if "field larger" in told:
        hint += "; if the cell is meant, set `bad_rows.longest` to more bytes"
    elif "new-line character" in told:
        told, hint = "a carriage return stands inside a line", "save the file with ends of lines of one kind (`dos2unix`)"
    problem = f"`{path}` line {number}: {told}"
    if "unexpected end" in told or "field larger" in told:
        faults.refuse()
        raise UserError(problem, hint)
    faults.add(problem, hint, number)


def _delimiter(header: str) -> str:
    return max(",;\t", key=lambda mark: (header.count(mark), mark == ","))


def _is_quoted(path: Path, faults: Faults) -> bool:
    """Whether cells of a TSV file are quoted as in CSV: the number of tabs a line only agrees when quotes are read."""
    widths = {line.count("\t") for number, line in enumerate(lines(path, faults.again())) if line.strip() or not number}
    return len(widths) > 1 and any('\t"' in line or line[:1] == '"' for line in lines(path, faults.again()))


def _header(path: Path, cells: Sequence[str]) -> list[str]:
    names = [cell.strip() or f"column{number}" for number, cell in enumerate(cells, start=1)]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(f"`{path}` line 1: two columns are called `{twice[0]}`", "rename one, or name all with `columns`")
    if any(re.fullmatch(r"-?[0-9.]+", name) for name in names):
        shown = ", ".join(f"`{name[:20]}`" for name in names[:6])
        raise UserError(f"`{path}` line 1 looks like a row, not like names of columns: {shown}", "name them: `columns: [a, b]`")
    return names
