"""What a path or a file truly is, where it is no file of rows: said by name, before anything of it is read as text."""

import stat
from pathlib import Path

from tunesmith.errors import UserError

HEAD = 512  # bytes that tell
ARCHIVES = {
    ".zip": "unzip {0}",
    ".tar": "tar xf {0}",
    ".tgz": "tar xzf {0}",
    ".tar.gz": "tar xzf {0}",
    ".tar.bz2": "tar xjf {0}",
    ".tar.xz": "tar xJf {0}",
    ".tar.zst": "tar --zstd -xf {0}",
    ".7z": "7z x {0}",
    ".rar": "unrar x {0}",
}
PACKED = {".bz2": "bunzip2 {0}", ".xz": "unxz {0}", ".zst": "unzstd {0}", ".lz4": "unlz4 {0}", ".z": "uncompress {0}"}
MADE_ELSEWHERE = {
    ".xlsx": "a spreadsheet: save the sheet as CSV",
    ".xls": "a spreadsheet: save the sheet as CSV",
    ".ods": "a spreadsheet: save the sheet as CSV",
    ".pkl": "a pickle, which runs code when it is read: write its rows as JSON lines",
    ".pickle": "a pickle, which runs code when it is read: write its rows as JSON lines",
    ".npy": "an array: write its rows as JSON lines",
    ".npz": "an array: write its rows as JSON lines",
    ".sqlite": "a database: write the rows of a query as CSV",
    ".db": "a database: write the rows of a query as CSV",
    ".pdf": "a document: write its text into a .txt file",
    ".docx": "a document: write its text into a .txt file",
}
BEGINNINGS = (
    (b"PK\x03\x04", "a zip archive", "unpack it (`unzip {0}`), and name the file or folder that comes out"),
    (b"PK\x05\x06", "an empty zip archive", "pack or fetch it again"),
    (b"\x1f\x8b\x08", "packed with gzip", "let its name end in `.gz`: `mv {0} {0}.gz`"),
    (b"BZh91AY&SY", "packed with bzip2", "unpack it: `bunzip2 {0}`"),
    (b"\xfd7zXZ\x00", "packed with xz", "unpack it: `unxz {0}`"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd", "unpack it: `unzstd {0}`"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it (`7z x {0}`), and name the file or folder that comes out"),
    (b"Rar!\x1a\x07", "a rar archive", "unpack it (`unrar x {0}`), and name the file or folder that comes out"),
    (b"PAR1\x15", "Parquet", "let its name end in `.parquet`, or set `layout: parquet`"),
    (b"ARROW1", "Arrow", "let its name end in `.arrow`, or set `layout: arrow`"),
    (b"SQLite format 3\x00", "an SQLite database", "write the rows of a query as CSV"),
    (b"\x89PNG", "a PNG image", "name a file of rows"),
    (b"\xff\xd8\xff", "a JPEG image", "name a file of rows"),
    (b"%PDF-", "a PDF document", "write its text into a .txt file"),
    (b"\x93NUMPY", "a NumPy array", "write its rows as JSON lines"),
    (b"\x7fELF", "a program", "name a file of rows"),
    (b"\x80\x02", "a pickle, which runs code when it is read", "write its rows as JSON lines"),
    (b"\x80\x03", "a pickle, which runs code when it is read", "write its rows as JSON lines"),
    (b"\x80\x04", "a pickle, which runs code when it is read", "write its rows as JSON lines"),
    (b"\x80\x05", "a pickle, which runs code when it is read", "write its rows as JSON lines"),
)
NODES = (
    (stat.S_ISFIFO, "a pipe, and rows are read several times", "pipe them into standard input instead, as `--data -`"),
    (stat.S_ISSOCK, "a socket", "name a file of rows"),
    (stat.S_ISCHR, "a device", "name a file of rows"),
    (stat.S_ISBLK, "a device", "name a file of rows"),
)


def refuse_node(path: Path) -> None:
    """An error for a pipe, a socket or a device, which have no end, or none that can be read twice."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    for is_one, called, hint in NODES:
        if is_one(mode):
            raise UserError(f"`{path}` is {called}", hint)


def refuse_suffix(path: Path) -> None:
    """An error for an archive or a program's own file, told by its name: what to do with it."""
    name = path.name.lower()
    for known, does in ((ARCHIVES, "an archive"), (PACKED, "packed in a way that is not read")):
        for suffix, command in known.items():
            if name.endswith(suffix):
                hint = f"unpack it (`{command.format(path.name)}`), and name the file or folder that comes out"
                raise UserError(f"`{path}` is {does}", hint)
    for suffix, told in MADE_ELSEWHERE.items():
        if name.endswith(suffix):
            called, _, hint = told.partition(": ")
            raise UserError(f"`{path}` is {called}", hint)


def refuse_beginning(path: Path, head: bytes) -> None:
    """An error for a file that is no text, told by how it begins (unpacked, where its name ends in `.gz`)."""
    for beginning, called, hint in BEGINNINGS:
        if head.startswith(beginning):
            raise UserError(f"`{path}` is no text but {called}", hint.format(path.name))
    if head[257:262] == b"ustar":
        raise UserError(f"`{path}` is no text but a tar archive", f"unpack it (`tar xf {path.name}`), and name what comes out")
