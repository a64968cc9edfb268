"""Tables: CSV and TSV with a header line, or with names given; errors name file and line."""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from tunesmith.data.text_files import lines
from tunesmith.errors import UserError

Row = dict[str, Any]
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")


def table(path: Path, tabs: bool, columns: Sequence[str]) -> Iterator[Row]:
    """The rows of a table. Read twice: the first time tells which columns are whole numbers."""
    csv.field_size_limit(2**31 - 1)
    first = next((line for line in lines(path) if line.strip()), "")
    delimiter = "\t" if tabs else _delimiter(first)
    plain = tabs and not _is_quoted(path)
    whole: list[str] | None = None
    for row in _cells(path, delimiter, plain, columns):
        whole = [name for name in (row if whole is None else whole) if _WHOLE.fullmatch(row[name])]
    for row in _cells(path, delimiter, plain, columns):
        yield row | {name: int(row[name]) for name in whole or ()}


def _cells(path: Path, delimiter: str, plain: bool, columns: Sequence[str]) -> Iterator[Row]:
    """The rows of a table, every cell as text."""
    quoting: Literal[0, 3] = csv.QUOTE_NONE if plain else csv.QUOTE_MINIMAL
    records = _records(path, csv.reader(lines(path), delimiter=delimiter, strict=not plain, quoting=quoting))
    first = next(records, None)
    if first is None:
        raise UserError(f"`{path}` is empty")
    names = list(columns) if columns else _header(path, first[1])
    for number, cells in chain([first], records) if columns else records:
        yield _row(path, number, names, cells, bool(columns))


def _records(path: Path, reader: Any) -> Iterator[tuple[int, list[str]]]:
    """(line on which it begins, cells) of each record; blank lines are left out."""
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            hint = "a quote that opens a cell must close; inside a quoted cell a quote is written twice"
            raise UserError(f"`{path}` line {number}: {error}", hint) from None
        if any(cell.strip() for cell in cells):
            yield number, cells


def _delimiter(header: str) -> str:
    return max(",;\t", key=lambda mark: (header.count(mark), mark == ","))


def _is_quoted(path: Path) -> bool:
    """Whether cells of a TSV file are quoted as in CSV: the number of tabs a line only agrees when quotes are read."""
    widths = {line.count("\t") for number, line in enumerate(lines(path)) if line.strip() or not number}
    return len(widths) > 1 and any('\t"' in line or line[:1] == '"' for line in lines(path))


def _header(path: Path, cells: Sequence[str]) -> list[str]:
    names = [cell.strip() or f"column{number}" for number, cell in enumerate(cells, start=1)]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(f"`{path}` line 1: two columns are called `{twice[0]}`", "rename one, or name all with `columns`")
    if any(re.fullmatch(r"-?[0-9.]+", name) for name in names):
        shown = ", ".join(f"`{name[:20]}`" for name in names[:6])
        raise UserError(f"`{path}` line 1 looks like a row, not like names of columns: {shown}", "name them: `columns: [a, b]`")
    return names


def _row(path: Path, number: int, names: Sequence[str], cells: list[str], loose: bool) -> Row:
    if len(cells) < len(names) or (len(cells) > len(names) and not loose):
        hint = f"the columns are: {', '.join(names)}; a cell with the delimiter in it must be quoted"
        raise UserError(f"`{path}` line {number} has {len(cells)} cells, expected {len(names)}", hint)
    return dict(zip(names, cells, strict=False))
