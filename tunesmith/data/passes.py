"""What a pass over many rows found, kept on the disk by content: numbers in files that are mapped into memory.

A key hashes all that the result hangs on: the bytes of the files, the columns and splits they are read by, wordings, the
tokenizer, window and options, and our own code of that path. So whoever changes any of it finds nothing, and nothing is stale.

    CACHE/prepared/KEY/NAME.npy    arrays of one pass; the folder is written beside and renamed, whole or not at all

In the folder that `TUNESMITH_CACHE` names (`~/.cache/tunesmith`), unless that is `off`. Few rows are not kept: a pass over them
is shorter than the look.
"""

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache, lru_cache
from hashlib import blake2b, file_digest
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

SWITCH = "TUNESMITH_CACHE"
MANY = 20_000  # rows from which on a pass is kept
LIMIT = 4_000_000_000  # bytes of all passes together; the longest unused go first
PACKAGE = Path(__file__).parents[1]
CODE = ("data", "tokens", "tasks/own.py", "tasks/task.py", "objectives")  # what decides how a row is read and spelled
LIBRARIES = ("jinja2", "tokenizers", "transformers")

Arrays = Mapping[str, np.ndarray[Any, np.dtype[Any]]]

talk = logging.getLogger("tunesmith")


def cache_home() -> Path | None:
    """Where anything is kept for other runs; None where that is switched off."""
    told = os.environ.get(SWITCH)
    if told is not None and told.strip().lower() in ("", "0", "off", "no", "none"):
        return None
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tunesmith"
    return Path(told).expanduser() if told else home


def passed(key: tuple[object, ...], rows: int, make: Callable[[], Arrays], told: str = "") -> Arrays:
    """The arrays that a pass over so many rows gives: those that are kept under its key, else made now and kept.

    Args:
        key: all that the result hangs on but our code, as values whose `repr` tells them apart; empty: it is not known.
        told: whose rows they are; that they were prepared before is told to the `tunesmith` logger.
    """
    home = cache_home()
    if home is None or rows < MANY or not key:
        return make()
    wanted = folder_of(home, key)
    found = read(wanted)
    if found is not None:
        if told:
            talk.warning("%s: prepared before, %s rows reused", told, f"{rows:,}")
        return found
    made = make()
    with suppress(OSError):  # a full or read-only disk keeps nothing
        write(wanted, made)
        make_room(wanted.parent, LIMIT)
    return made


def known(key: tuple[object, ...]) -> bool:
    """Whether a pass is kept."""
    home = cache_home()
    return home is not None and bool(key) and folder_of(home, key).is_dir()


def folder_of(home: Path, key: tuple[object, ...]) -> Path:
    name = blake2b(repr((key, code_hash())).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return home / "prepared" / name


def read(folder: Path) -> Arrays | None:
    """The arrays of a folder, mapped into memory; None where there are none, or they are not whole."""
    try:
        files = sorted(folder.glob("*.npy"))
        found = {file.stem: np.asarray(np.load(file, mmap_mode="r" if file.stat().st_size > 128 else None)) for file in files}
        os.utime(folder)  # it is in use
    except (OSError, ValueError, EOFError):
        return None
    return found or None


def write(folder: Path, arrays: Arrays) -> None:
    """Write arrays beside, and give them their name when they are on the disk; another process may have been first."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=".", dir=folder.parent))
    try:
        for name, values in arrays.items():
            with (beside / f"{name}.npy").open("wb") as file:
                np.save(file, values)
                file.flush()
                os.fsync(file.fileno())
        beside.replace(folder)  # onto a folder with files it fails: then those stand, and are the same
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def make_room(folder: Path, limit: int) -> None:
    """Remove what was longest unused until all is within the limit, and what a process that died left behind."""
    kept = []
    for one in folder.iterdir():
        with suppress(OSError):
            kept.append((one.stat().st_mtime, sum(file.stat().st_size for file in one.iterdir()), one))
    total = 0
    newest = max((time for time, _, _ in kept), default=0.0)
    for time, size, one in sorted(kept, reverse=True):
        total += size
        if total > limit or (one.name.startswith(".") and time < newest - 86400):
            shutil.rmtree(one, ignore_errors=True)


def file_hash(path: Path) -> str:
    """Of a file's bytes; a file that has not changed since is not read again."""
    state = path.stat()
    return _file_hash(path.resolve(), state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4096)
def _file_hash(path: Path, changed: int, size: int) -> str:
    with path.open("rb") as stream:
        return file_digest(stream, "blake2b").hexdigest()


@cache
def code_hash() -> str:
    """Of our own code that reads and spells rows, and the versions of the libraries beneath it."""
    digest = blake2b(" ".join(version(name) for name in LIBRARIES).encode(), digest_size=16)
    for room in CODE:
        path = PACKAGE / room
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            digest.update(str(file.relative_to(PACKAGE)).encode() + file.read_bytes())
    return digest.hexdigest()
