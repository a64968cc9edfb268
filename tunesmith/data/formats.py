"""Rows of one file: CSV, TSV, JSON, JSON lines, Parquet, Arrow or text, each also with `.gz`.

Errors name file, line and column.
"""

import os
import pickle
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from errno import EDQUOT, ENOSPC
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from typing import Any

import numpy as np

from tunesmith.data.arrow_files import arrow, parquet
from tunesmith.data.faults import BadRows, Fault, Faults
from tunesmith.data.file_kinds import refuse_node, refuse_suffix
from tunesmith.data.json_files import WrongRowError, json_document, json_lines, row_of
from tunesmith.data.passes import MANY, Arrays, file_hash, passed
from tunesmith.data.rows import Lazy
from tunesmith.data.tables import changed, table
from tunesmith.data.text_files import UTF16, lines, pieces
from tunesmith.errors import UserError

Row = dict[str, Any]
SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet", ".arrow", ".feather", ".txt", ".md")
TEXTS = (".txt", ".md")
LINED = (".jsonl", ".ndjson")
SMALL = 1 << 20  # bytes of a file whose rows are kept in memory
LINE = 500  # bytes of a line, by which it is told whether there are many

__all__ = ["SMALL", "SUFFIXES", "TEXTS", "JsonLines", "Kept", "Read", "Row"]
__all__ += ["held", "lines", "looked_through", "pieces", "read"]


def suffix_of(path: Path) -> str:
    """The suffix that tells the layout, without `.gz`."""
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


@dataclass(frozen=True)
class Read:
    """What a file holds.

    rows:   those that can be read, to be asked for in any order.
    lines:  the line of each row, from 1; 0 where rows are no lines.
    faults: the rows that cannot be read and are left out.
    """

    rows: Sequence[Row]
    lines: Sequence[int] = ()
    faults: tuple[Fault, ...] = ()


class JsonLines(Lazy[Row]):
    """Rows of a file of JSON lines, read from the disk whenever they are asked for; only where a line begins is kept.

    The whole file is read once, so that a fault in it is told at the start; a large one once for all runs. UTF-8, not packed.

    bad: what is done with lines that are no row; None: the first one is an error.
    """

    def __init__(self, path: Path, bad: BadRows | None = None) -> None:
        self.path, self.bad = path, bad
        self._told: tuple[Fault, ...] | None = None
        self._file = path.open("rb")
        self._hash, self._stand = file_hash(path), standing(os.fstat(self._file.fileno()))
        likely = path.stat().st_size // LINE
        key = ("JSON lines", self._hash, bad and (bad.do, bad.longest)) if likely >= MANY else ()
        found = passed(key, likely, self._pass)
        self.bounds = found["bounds"]  # begin and end of each row, in bytes
        self.lines: Any = found["lines"]  # the line of each row
        self.faults = self._told if self._told is not None else faults_again(path, bad, found["faulty"].tolist())
        self._refuse_change()

    def _pass(self) -> Arrays:
        """Where rows are, and where the lines are that are none: (begin, end, number of the line) each."""
        bounds, numbers, faults = array("q"), array("q"), Faults(self.path, self.bad)
        for line, _ in faults.until_enough(json_lines(self.path, faults)):
            bounds.extend((line.begin, line.end))
            numbers.append(line.number)
        faults.refuse()
        self._told = tuple(faults.found)
        faulty = np.array([fault.line for fault in faults.found], np.int64)
        return {"bounds": as_numbers(bounds), "lines": as_numbers(numbers), "faulty": faulty}

    def __len__(self) -> int:
        return len(self.bounds) // 2

    def item(self, place: int) -> Row:
        if standing(os.fstat(self._file.fileno())) != self._stand:
            self._refuse_change()
        begin, end = self.bounds[2 * place : 2 * place + 2].tolist()
        try:
            return row_of(os.pread(self._file.fileno(), end - begin, begin).decode("utf-8-sig").strip())
        except (ValueError, WrongRowError):
            raise self._changed() from None

    def _refuse_change(self) -> None:
        """An error where the bytes are others than when they were looked through; a file that was only touched is as it was."""
        stand = standing(os.fstat(self._file.fileno()))
        if stand != self._stand and (stand[0] != self._stand[0] or file_hash(self.path) != self._hash):
            raise self._changed()
        self._stand = stand

    def _changed(self) -> UserError:
        return UserError(f"`{self.path}` was changed while it was in use", "start again, and leave the file as it is")


def as_numbers(found: "array[int]") -> np.ndarray[Any, np.dtype[Any]]:
    return np.frombuffer(found, np.int64) if found else np.empty(0, np.int64)


def faults_again(path: Path, bad: BadRows | None, numbers: Sequence[int]) -> tuple[Fault, ...]:
    """What is wrong with some lines of a file of JSON lines that was looked through before."""
    if not len(numbers):
        return ()
    faults = Faults(path, bad)
    for _ in json_lines(path, faults):
        pass
    return tuple(faults.found)


def standing(stat: os.stat_result) -> tuple[int, int]:
    """(bytes, time of the last change) of a file."""
    return stat.st_size, stat.st_mtime_ns


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
    return looked_through(path, columns, cut, layout).rows


def looked_through(
    path: Path,
    columns: Sequence[str] = (),
    cut: str | int = "paragraph",
    layout: str | None = None,
    bad: BadRows | None = None,
) -> Read:
    """As `held`, with the line of each row, and the rows that cannot be read; `bad`: what is done with these.

    Raises:
        UserError: for the first row that cannot be read, unless these are left out; and for a file that changes meanwhile.
    """
    faults = Faults(path, bad)
    found = numbered(path, columns, cut, layout, faults)
    stand = path.stat()
    small = stand.st_size <= SMALL or not hasattr(os, "pread")
    if not small and path.suffix.lower() in LINED and layout is None:
        with path.open("rb") as file:
            if file.read(2) not in UTF16:
                rows = JsonLines(path, bad)
                return Read(rows, rows.lines, rows.faults)
    numbers = array("q")
    listed = (row for number, row in faults.until_enough(found) if numbers.append(number) is None)  # type: ignore[func-returns-value]
    kept: Sequence[Row] = tuple(listed) if small else Kept(listed)
    if standing(path.stat()) != standing(stand):
        raise UserError(*changed(path))
    faults.refuse()
    return Read(kept, numbers, tuple(faults.found))


def read(
    path: str | Path, columns: Sequence[str] = (), cut: str | int = "paragraph", layout: str | None = None
) -> Iterator[Row]:
    """The rows of a file, by its suffix; the first one that cannot be read is an error.

    Args:
        columns: names of the columns of a CSV or TSV file that has no header line; further cells of a line are left out.
        cut:     how plain text makes rows with a column `text`: by `paragraph` (blank lines), `line`, `file`, or windows of
                 so many characters, which end between words.
        layout:  `csv`, `tsv` ... instead of what the suffix says.

    Cells of CSV and TSV are text, but a column in which every cell is a whole number, plainly written, holds numbers.
    """
    return (row for _, row in numbered(Path(path), columns, cut, layout, Faults(path)))


def numbered(
    path: Path, columns: Sequence[str], cut: str | int, layout: str | None, faults: Faults
) -> Iterator[tuple[int, Row]]:
    """(line, 0 where rows are no lines; row) of each row that can be read; see `read`."""
    refuse_node(path)
    if not path.is_file():
        raise UserError(f"`{path}` is a folder" if path.is_dir() else f"there is no file `{path}`", "name a file of rows")
    suffix = f".{layout}" if layout else suffix_of(path)
    if layout is None:
        refuse_suffix(path)
    if suffix in (".csv", ".tsv"):
        return table(path, suffix == ".tsv", columns, faults)
    if suffix in LINED:
        return ((line.number, row) for line, row in json_lines(path, faults))
    if suffix == ".json":
        return json_document(path, faults)
    if suffix == ".parquet":
        return ((0, row) for row in parquet(path))
    if suffix in (".arrow", ".feather"):
        return ((0, row) for row in arrow(path))
    if suffix in TEXTS:
        return ((0, {"text": piece}) for piece in pieces(lines(path, faults), cut))
    raise UserError(f"`{path}` is of no layout that can be read", f"known: {', '.join(SUFFIXES)}, each also with `.gz`")
