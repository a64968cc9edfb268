"""Rows on standard input, named `-`: kept in a file, since they are read several times, by several processes.

    zcat rows.jsonl.gz | tunesmith compare --data -

The file lies in the folder for temporary files as long as the command runs; processes that it starts find it by the environment
variable `TUNESMITH_STANDARD_INPUT`.
"""

import atexit
import csv
import gzip
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from tunesmith.errors import UserError

NAME = "-"
CALLED = "standard input"
KEPT = "TUNESMITH_STANDARD_INPUT"
HEAD = 1 << 16  # bytes that tell the layout
LINES = 20  # lines that must agree
AGAIN = "pipe them in: `tunesmith ... < rows.jsonl`; a run that began so goes on when the same rows are piped in again"
_CELL = re.compile(r"[^\W\d][\w .()/-]{0,39}")  # a name of a column


def kept(layout: str | None = None) -> Path:
    """The file with the rows of standard input, its suffix that of their layout.

    Args:
        layout: `csv`, `jsonl` ...; None: told by how the rows begin.

    Raises:
        UserError: there are none.
    """
    known = os.environ.get(KEPT)
    if known and Path(known).is_file():
        return Path(known)
    if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
        raise UserError("the rows are to come from standard input, and nothing is piped in", AGAIN)
    folder = Path(tempfile.mkdtemp(prefix="tunesmith-"))
    atexit.register(_forget, folder, os.getpid())
    whole = folder / "whole"
    with whole.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    if not whole.stat().st_size:
        raise UserError("the rows are to come from standard input, and it is empty", AGAIN)
    path = whole.rename(folder / f"rows{suffix(whole, layout)}")
    os.environ[KEPT] = str(path)
    return path


def layout_of(path: Path) -> str:
    """The layout that was found, as a person reads it: `CSV`."""
    return path.name.removesuffix(".gz").rpartition(".")[2].upper().replace("JSONL", "JSON lines").replace("TXT", "plain text")


def suffix(path: Path, layout: str | None) -> str:
    """What a file of that content is called at its end."""
    packed = ".gz" if _begins(path)[:2] == b"\x1f\x8b" else ""
    return f".{layout or sniffed(path, bool(packed))}{packed}"


def sniffed(path: Path, packed: bool = False) -> str:
    """The layout of a file, by how it begins."""
    with gzip.open(path) if packed else path.open("rb") as file:
        head = file.read(HEAD)
        more = bool(file.read(1))
    if head[:4] == b"PAR1":
        return "parquet"
    if head[:6] == b"ARROW1" or head[:4] == b"\xff\xff\xff\xff":
        return "arrow"
    text = head.decode("utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "replace")
    lines = text.splitlines()[: -1 if more else None] or [text]
    if text.lstrip()[:1] in ("{", "["):
        return "jsonl" if _is_json_lines([line for line in lines if line.strip()]) else "json"
    return next(_tabular([line for line in lines if line.strip()][:LINES]), "txt")


def _is_json_lines(lines: Sequence[str]) -> bool:
    """Whether each line is an object; one alone with a list of objects in it is a document."""
    try:
        found = [json.loads(line) for line in lines[:LINES]]
    except ValueError:
        return False
    if len(found) == 1 and isinstance(found[0], dict):
        lists = (value for value in found[0].values() if isinstance(value, list) and value)
        return not any(
            all(isinstance(one, dict) and "role" not in one and "from" not in one for one in value) for value in lists
        )
    return bool(found) and all(isinstance(one, dict) for one in found)


def _tabular(lines: Sequence[str]) -> Iterator[str]:
    """`tsv` or `csv` where the first line names columns and the others have as many cells."""
    for delimiter, layout in (("\t", "tsv"), (",", "csv"), (";", "csv")):
        try:
            cells = list(islice(csv.reader(lines, delimiter=delimiter), LINES))
        except csv.Error:
            continue
        names = [cell.strip() for cell in cells[0]] if cells else []
        widths = {len(row) for row in cells[:-1] or cells}
        if len(names) > 1 and len(cells) > 1 and widths == {len(names)} and all(_CELL.fullmatch(name) for name in names):
            yield layout


def _begins(path: Path) -> bytes:
    file: BinaryIO
    with path.open("rb") as file:
        return file.read(2)


def _forget(folder: Path, process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
