"""Files of text: their lines, and pieces of plain text; errors name file, line and byte."""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import BinaryIO, cast

from tunesmith.errors import UserError

UTF16 = (b"\xff\xfe", b"\xfe\xff")
AS_UTF8 = "save it as UTF-8 (`iconv -f latin1 -t utf-8`, if Latin-1 is what it is), or leave the file out"


def lines(path: Path) -> Iterator[str]:
    """The lines of a text file with their ends; UTF-8, or UTF-16 with its mark."""
    return (line for _, line in sized(path))


def sized(path: Path) -> Iterator[tuple[int, str]]:
    """(bytes in the file, line) of each line; 0 bytes in UTF-16."""
    place = 0
    with opened(path) as file:
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


def opened(path: Path) -> BinaryIO:
    try:
        return cast("BinaryIO", gzip.open(path)) if path.name.lower().endswith(".gz") else path.open("rb")
    except OSError as error:
        raise UserError(f"`{path}` cannot be read: {error.strerror}") from None
