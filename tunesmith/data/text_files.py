"""Files of text: their lines, and pieces of plain text; errors name file, line and byte. No more than a line is held.

What is packed may say a thousand times its own size: over `FREE` bytes, no more than `RATIO` times of it is unpacked.
"""

import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import BinaryIO, cast

from tunesmith.data.faults import Faults
from tunesmith.data.file_kinds import HEAD, refuse_beginning
from tunesmith.errors import UserError

UTF16 = (b"\xff\xfe", b"\xfe\xff")
UTF32 = (b"\xff\xfe\0\0", b"\0\0\xfe\xff")
AS_UTF8 = "save it as UTF-8 (`iconv -f latin1 -t utf-8`, if Latin-1 is what it is), or leave the file out"
FREE = 1 << 30
RATIO = 200
PIECE = 1 << 20  # bytes that are read at once of what is left out, or only copied


@dataclass(frozen=True, slots=True)
class Line:
    """A line with its end. number: from 1; begin, end: in the file, in bytes (of what is unpacked; 0 in UTF-16)."""

    number: int
    begin: int
    end: int
    text: str


def lines(path: Path, faults: Faults | None = None, whole: bool = False) -> Iterator[str]:
    """The lines of a text file with their ends; UTF-8, or UTF-16 with its mark."""
    return (line.text for line in placed_lines(path, faults, whole))


def placed_lines(path: Path, faults: Faults | None = None, whole: bool = False) -> Iterator[Line]:
    """The lines of a text file that can be read; the others are `faults`.

    faults: None: the first one is an error.
    whole:  the file is held in memory anyway, so that a line may be as long as it is.
    """
    faults = faults or Faults(path)
    with opened(path) as file:
        try:
            head = file.read(HEAD)
            if not head.startswith(UTF32) and head.startswith(UTF16):
                file.seek(0)
                yield from _utf16(path, file, faults)
                return
            refuse_beginning(path, head)
            file.seek(0)
            yield from _utf8(path, file, faults, 0 if whole else faults.longest)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise UserError(f"`{path}` is not whole: {error}", "fetch or pack the file again") from None
        except OSError as error:
            raise UserError(f"`{path}` cannot be read: {error.strerror or error}", "look at the disk that it lies on") from None


def _utf8(path: Path, file: BinaryIO, faults: Faults, longest: int) -> Iterator[Line]:
    place, number, limit = 0, 0, growth(path)
    while raw := file.readline(longest + 1) if longest else file.readline():
        number += 1
        begin, place = place, place + len(raw)
        if place > limit:
            raise bomb(path)
        if longest and len(raw) > longest and raw[-1:] != b"\n":
            faults.add(*too_long(path, number, longest), line=number)
            for more in _rest(file):
                place += len(more)
                if place > limit:
                    raise bomb(path)
            continue
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            at = f"byte {begin + error.start} (0x{raw[error.start]:02x})"
            faults.add(f"`{path}` line {number}: {at} is not UTF-8", AS_UTF8, number)
            continue
        if "\0" in line:
            at = f"byte {begin + raw.index(0)} (0x00)"
            faults.add(
                f"`{path}` line {number}: {at} stands in no text: the file is binary, or UTF-16 or UTF-32", AS_UTF8, number
            )
            continue
        yield Line(number, begin, place, line)


def _rest(file: BinaryIO) -> Iterator[bytes]:
    """What is left of a line, piece by piece."""
    while raw := file.readline(PIECE):
        yield raw
        if raw[-1:] == b"\n":
            return


def _utf16(path: Path, file: BinaryIO, faults: Faults) -> Iterator[Line]:
    text = io.TextIOWrapper(file, encoding="utf-16", newline="\n")
    number, letters, limit = 0, 0, growth(path)
    try:
        while line := text.readline(faults.longest + 1):
            number += 1
            letters += 2 * len(line)
            if letters > limit:
                raise bomb(path)
            if len(line) > faults.longest and line[-1:] != "\n":
                raise UserError(*too_long(path, number, faults.longest))
            if "\0" in line:
                faults.add(f"`{path}` line {number}: a NUL stands in no text: the file is binary, or UTF-32", AS_UTF8, number)
                continue
            yield Line(number, 0, 0, line)
    except UnicodeError:
        raise UserError(f"`{path}` line {number + 1} is not UTF-16, which its first two bytes say it is", AS_UTF8) from None
    finally:
        text.detach()


def too_long(path: Path, number: int, longest: int) -> tuple[str, str]:
    """(problem, hint) of a line over the bound."""
    return (
        f"`{path}` line {number} is longer than {longest:,} bytes, the most that a line may have",
        "write a row a line; or set `bad_rows.longest` to more bytes, if the line is meant",
    )


def growth(path: Path) -> int:
    """The most bytes that a file may unpack to."""
    return max(FREE, RATIO * path.stat().st_size) if path.name.lower().endswith(".gz") else 1 << 62


def bomb(path: Path) -> UserError:
    return UserError(
        f"`{path}` unpacks to more than {RATIO} times its own size: rows are never so much alike",
        "look at what is in it (`zcat FILE.gz | head -c 1000`); if it is meant, unpack it, and name the file that comes out",
    )


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
        raise UserError(f"`{path}` cannot be read: {error.strerror}", "look at the path and its permissions") from None
