"""Rows of one file: CSV, TSV, JSON, JSON lines, Parquet or text, each also with `.gz`; errors name file, line and column."""

import csv
import gzip
import json
import os
import pickle
import re
import zlib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from errno import EDQUOT, ENOSPC
from itertools import chain, groupby
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from typing import Any, BinaryIO, Literal, cast

import numpy as np

from tunesmith.data.passes import MANY, Arrays, file_hash, passed
from tunesmith.data.rows import Lazy
from tunesmith.errors import UserError

Row = dict[str, Any]
SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet", ".txt", ".md")
TEXTS = (".txt", ".md")
SMALL = 1 << 20  # bytes of a file whose rows are kept in memory
LINE = 500  # bytes of a line, by which it is told whether there are many
ROWS = 1 << 10  # of a Parquet file, made at once
UTF16 = (b"\xff\xfe", b"\xfe\xff")
AS_UTF8 = "save it as UTF-8 (`iconv -f latin1 -t utf-8`, if Latin-1 is what it is), or leave the file out"
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")


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
        return _table(path, suffix == ".tsv", columns)
    if suffix in (".jsonl", ".ndjson"):
        return (row for _, row in _json_lines(path))
    if suffix == ".json":
        return iter(_json(path))
    if suffix == ".parquet":
        return _parquet(path)
    if suffix in TEXTS:
        return ({"text": piece} for piece in pieces(lines(path), cut))
    raise UserError(f"`{path}` is of no layout that can be read", f"known: {', '.join(SUFFIXES)}, each also with `.gz`")


def lines(path: Path) -> Iterator[str]:
    """The lines of a text file with their ends; UTF-8, or UTF-16 with its mark."""
    return (line for _, line in _sized(path))


def _sized(path: Path) -> Iterator[tuple[int, str]]:
    """(bytes in the file, line) of each line; 0 bytes in UTF-16."""
    place = 0
    with _open(path) as file:
        try:
            head = file.read(2)
            file.seek(0)
            if head in UTF16:
                yield from ((0, line) for line in _utf16(path, file.read()).splitlines(keepends=True))
                return
            for number, raw in enumerate(file, start=1):
                try:
                    line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    at = f"byte {place + error.start} (0x{raw[error.start]:02x})"
                    raise UserError(f"`{path}` line {number}: {at} is not UTF-8", AS_UTF8) from None
                if "\0" in line:
                    at = f"byte {place + raw.index(0)} (0x00)"
                    raise UserError(f"`{path}` line {number}: {at} stands in no text: the file is binary, or UTF-16", AS_UTF8)
                place += len(raw)
                yield len(raw), line
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise UserError(f"`{path}` is not whole: {error}", "fetch or pack the file again") from None


def _utf16(path: Path, raw: bytes) -> str:
    try:
        return raw.decode("utf-16")
    except UnicodeDecodeError as error:
        raise UserError(f"`{path}`: byte {error.start} is not UTF-16, which its first two bytes say it is", AS_UTF8) from None


def pieces(lines: Iterable[str], cut: str | int) -> Iterator[str]:
    """Pieces of a text given in lines (see `read`), without the whole in memory but for `file`; none is empty."""
    if cut == "paragraph":
        found: Iterator[str] = (
            "".join(group).lstrip() for blank, group in groupby(lines, lambda line: not line.strip()) if not blank
        )
    elif cut == "line":
        found = (line for whole in lines for line in whole.splitlines())
    elif cut == "file":
        found = iter(["".join(lines)])
    elif isinstance(cut, int) and cut > 0:
        found = _windows(lines, cut)
    else:
        raise UserError(f"`cut` is `{cut}`", "one of `paragraph`, `line`, `file`, or a number of characters")
    return (piece.strip("\r\n") for piece in found if piece.strip())


def _windows(lines: Iterable[str], size: int) -> Iterator[str]:
    waiting = ""
    for line in lines:
        waiting += line
        start = 0
        while len(waiting) > start + size:
            end = start + size
            space = max(waiting.rfind(" ", start + 1, end), waiting.rfind("\n", start + 1, end))
            end = space + 1 if space > 0 else end
            yield waiting[start:end]
            start = end
        waiting = waiting[start:]
    yield waiting


def _open(path: Path) -> BinaryIO:
    try:
        return cast("BinaryIO", gzip.open(path)) if path.name.lower().endswith(".gz") else path.open("rb")
    except OSError as error:
        raise UserError(f"`{path}` cannot be read: {error.strerror}") from None


def _table(path: Path, tabs: bool, columns: Sequence[str]) -> Iterator[Row]:
    """Read twice: the first time tells which columns are whole numbers."""
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


def _json_lines(path: Path) -> Iterator[tuple[tuple[int, int], Row]]:
    """(where the line begins and ends, in bytes of UTF-8; row) of each line."""
    end = 0
    for number, (size, line) in enumerate(_sized(path), start=1):
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


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow as arrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path, buffer_size=SMALL, pre_buffer=False) as file:
            for batch in file.iter_batches(ROWS):
                yield from batch.to_pylist()
    except (arrow.ArrowException, OSError) as error:
        raise UserError(f"`{path}` is not Parquet: {error}") from None
