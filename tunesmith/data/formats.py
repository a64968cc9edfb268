"""Rows of one file: CSV, TSV, JSON, JSON lines, Parquet, Arrow or text, each also with `.gz`.

Errors name file, line and column.
"""

import json
import os
import pickle
from array import array
from collections.abc import Iterable, Iterator, Sequence
from errno import EDQUOT, ENOSPC
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from typing import Any

import numpy as np

from tunesmith.data import natural_instructions
from tunesmith.data.arrow_files import arrow, parquet
from tunesmith.data.passes import MANY, Arrays, file_hash, passed
from tunesmith.data.rows import Lazy
from tunesmith.data.tables import table
from tunesmith.data.text_files import UTF16, lines, pieces, sized
from tunesmith.errors import UserError

Row = dict[str, Any]
SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet", ".arrow", ".feather", ".txt", ".md")
TEXTS = (".txt", ".md")
SMALL = 1 << 20  # bytes of a file whose rows are kept in memory
LINE = 500  # bytes of a line, by which it is told whether there are many

__all__ = ["SMALL", "SUFFIXES", "TEXTS", "JsonLines", "Kept", "Row", "held", "lines", "pieces", "read", "suffix_of"]


def suffix_of(path: Path) -> str:
    """The suffix that tells the layout, without `.gz`."""
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


class JsonLines(Lazy[Row]):
    """Rows of a file of JSON lines, read from the disk whenever they are asked for; only where a line begins is kept.

    The whole file is read once, so that a fault in it is told at the start; a large one once for all runs. UTF-8, not packed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("rb")
        likely = path.stat().st_size // LINE
        key = ("JSON lines", file_hash(path)) if likely >= MANY else ()
        self.bounds = passed(key, likely, self._bounds)["bounds"]  # begin and end of each row, in bytes

    def _bounds(self) -> Arrays:
        found = array("q")
        for (begin, end), _ in _json_lines(self.path):
            found.extend((begin, end))
        return {"bounds": np.frombuffer(found, np.int64) if found else np.empty(0, np.int64)}

    def __len__(self) -> int:
        return len(self.bounds) // 2

    def item(self, place: int) -> Row:
        begin, end = self.bounds[2 * place : 2 * place + 2].tolist()
        try:
            row: Row = json.loads(os.pread(self._file.fileno(), end - begin, begin).decode("utf-8-sig").rstrip())
        except ValueError:
            raise UserError(
                f"`{self.path}` was changed while it was in use", "start again, and leave the file as it is"
            ) from None
        return row


class Kept(Lazy[Row]):
    """Rows of any layout, written once into a file without a name and read from there whenever they are asked for.

    Only where a row ends is kept.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self.ends = array("q", [0])  # in bytes
        self._file = TemporaryFile()  # noqa: SIM115 (it goes with the rows)
        try:
            for row in rows:
                self.ends.append(self.ends[-1] + self._file.write(pickle.dumps(row, pickle.HIGHEST_PROTOCOL)))
            self._file.flush()
        except OSError as error:
            if error.errno not in (ENOSPC, EDQUOT):
                raise
            hint = "name a folder with room in the environment variable TMPDIR, or write the rows as JSON lines"
            raise UserError(f"there is no room in `{gettempdir()}` to keep rows in", hint) from None

    def __len__(self) -> int:
        return len(self.ends) - 1

    def item(self, place: int) -> Row:
        begin, end = self.ends[place : place + 2]
        row: Row = pickle.loads(os.pread(self._file.fileno(), end - begin, begin))
        return row


def held(path: Path, columns: Sequence[str] = (), cut: str | int = "paragraph", layout: str | None = None) -> Sequence[Row]:
    """The rows of a file (see `read`) to be asked for in any order: from the disk where it is not small, else in memory."""
    rows = read(path, columns, cut, layout)
    if path.stat().st_size <= SMALL or not hasattr(os, "pread"):
        return tuple(rows)
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        with path.open("rb") as file:
            if file.read(2) not in UTF16:
                return JsonLines(path)
    return Kept(rows)


def read(
    path: str | Path, columns: Sequence[str] = (), cut: str | int = "paragraph", layout: str | None = None
) -> Iterator[Row]:
    """The rows of a file, by its suffix.

    Args:
        columns: names of the columns of a CSV or TSV file that has no header line; further cells of a line are left out.
        cut:     how plain text makes rows with a column `text`: by `paragraph` (blank lines), `line`, `file`, or windows of
                 so many characters, which end between words.
        layout:  `csv`, `tsv` ... instead of what the suffix says.

    Cells of CSV and TSV are text, but a column in which every cell is a whole number, plainly written, holds numbers.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"there is no file `{path}`")
    suffix = f".{layout}" if layout else suffix_of(path)
    if suffix in (".csv", ".tsv"):
        return table(path, suffix == ".tsv", columns)
    if suffix in (".jsonl", ".ndjson"):
        return (row for _, row in _json_lines(path))
    if suffix == ".json":
        return iter(_json(path))
    if suffix == ".parquet":
        return parquet(path)
    if suffix in (".arrow", ".feather"):
        return arrow(path)
    if suffix in TEXTS:
        return ({"text": piece} for piece in pieces(lines(path), cut))
    raise UserError(f"`{path}` is of no layout that can be read", f"known: {', '.join(SUFFIXES)}, each also with `.gz`")


def _json_lines(path: Path) -> Iterator[tuple[tuple[int, int], Row]]:
    """(where the line begins and ends, in bytes of UTF-8; row) of each line."""
    end = 0
    for number, (size, line) in enumerate(sized(path), start=1):
        begin, end = end, end + size
        if not line.strip():
            continue
        try:
            row = json.loads(line.rstrip())
        except json.JSONDecodeError as error:
            raise UserError(
                f"`{path}` line {number}, column {error.colno} is not JSON: {error.msg}", "one object a line"
            ) from None
        if not isinstance(row, dict):
            raise UserError(
                f"`{path}` line {number} is {type(row).__name__}, expected an object", 'a row: {"question": "...", ...}'
            )
        yield (begin, end), row


def _json(path: Path) -> list[Row]:
    text = "".join(lines(path))
    if not text.strip():
        raise UserError(f"`{path}` is empty")
    try:
        tree = json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and text.lstrip()[:1] == "{":
            return [row for _, row in _json_lines(path)]  # JSON lines under another name
        raise UserError(f"`{path}` line {error.lineno}, column {error.colno} is not JSON: {error.msg}") from None
    return _rows_in(path, tree)


def _rows_in(path: Path, tree: object) -> list[Row]:
    """Rows of a JSON document: a list of objects, an object with one such list, an object of columns, or of key and value."""
    if isinstance(tree, list):
        wrong = next((number for number, row in enumerate(tree) if not isinstance(row, dict)), None)
        if wrong is None:
            return tree
        if all(isinstance(one, str) for one in tree):
            return [{"text": one} for one in tree]
        raise UserError(f"`{path}`: item {wrong} of the list is {type(tree[wrong]).__name__}, expected an object")
    if not isinstance(tree, dict):
        raise UserError(f"`{path}` holds {type(tree).__name__}, expected a list of objects")
    if natural_instructions.is_task(tree):
        return list(natural_instructions.rows_of(tree, str(path)))
    tables = [name for name, one in tree.items() if isinstance(one, list) and one and all(isinstance(row, dict) for row in one)]
    named = [name for name in ("examples", "data", "rows", "instances") if name in tables] or tables
    if len(named) > 1:
        raise UserError(f"`{path}` holds several lists of objects: {', '.join(named)}", "keep one to a file")
    if named:
        return list(tree[named[0]])
    sizes = {len(one) if isinstance(one, list) else -1 for one in tree.values()}
    if len(sizes) == 1 and -1 not in sizes:
        return [dict(zip(tree, cells, strict=True)) for cells in zip(*tree.values(), strict=True)]
    return [{"key": key, "value": value} for key, value in tree.items()]
