"""Folders that are whole or absent, and a list of their files by which any later change to one is found.

    manifest.json   {"schema": 1, "files": {name: {"bytes": size, "sha256": hash}}}

A folder is written beside, under another name. Its files, the list and the folder reach the disk before it gets its own name,
so neither a kill nor a power cut leaves half of one.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tunesmith.disk import sync, sync_folder
from tunesmith.errors import UserError

NAME, SCHEMA = "manifest.json", 1
Seal = tuple[int, str]  # bytes and SHA-256 of a file


class DamagedError(UserError):
    """A file is not as it was written: which one, and what is wrong with it."""


@contextmanager
def whole(folder: Path) -> Iterator[tuple[Path, dict[str, Seal]]]:
    """Write files into the folder that is given; they appear together under the folder's name, with their list.

    Yields:
        the folder beside, and a mapping for seals of files that were hashed while they were written; others are read again.
    """
    beside = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    seals: dict[str, Seal] = {}
    try:
        yield beside, seals
        _finish(beside, seals)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)  # it may hold the room that others need
        raise
    before = folder.with_name(f".{folder.name}.before.tmp")
    shutil.rmtree(before, ignore_errors=True)
    if folder.exists():
        folder.replace(before)
    beside.replace(folder)
    sync_folder(folder.parent)
    shutil.rmtree(before, ignore_errors=True)


def _finish(folder: Path, seals: Mapping[str, Seal]) -> None:
    names = _files(folder)
    write(folder, {name: seals[name] if name in seals else seal(folder / name) for name in names})
    for name in (*names, NAME):
        sync(folder / name)
    for inner in (*(path for path in folder.rglob("*") if path.is_dir()), folder):
        sync_folder(inner)


def _files(folder: Path) -> list[str]:
    """Paths of all files in a folder, relative to it and with `/`, but for the list itself."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
    return sorted(name for name in found if name != NAME)


def write(folder: Path, seals: Mapping[str, Seal]) -> None:
    """Write the list of a folder's files."""
    (folder / NAME).write_text(_told(seals), encoding="utf-8")


def _told(seals: Mapping[str, Seal]) -> str:
    files = {name: {"bytes": count, "sha256": digest} for name, (count, digest) in sorted(seals.items())}
    return json.dumps({"schema": SCHEMA, "files": files}, indent=1) + "\n"


def seal(file: Path) -> Seal:
    """Bytes and SHA-256 of a file."""
    with file.open("rb") as stream:
        return file.stat().st_size, hashlib.file_digest(stream, "sha256").hexdigest()


def add(folder: Path, *names: str) -> None:
    """Put files that were written since into a folder's list, those of them that are there."""
    found = {name: seal(folder / name) for name in names if (folder / name).is_file()}
    beside = folder / f".{NAME}.tmp"
    beside.write_text(_told({**read(folder), **found}), encoding="utf-8")
    beside.replace(folder / NAME)


def intact(folder: Path) -> None:
    """Refuse a folder whose files are not as they were saved; one without a list, as other programs write it, is not looked at.

    Raises:
        DamagedError: a file of the list is missing or has changed.
    """
    if (folder / NAME).is_file():
        try:
            check(folder)
        except DamagedError as error:
            hint = (
                f"take it from where it was copied from, or train again; if it was changed on purpose, remove `{folder / NAME}`"
            )
            raise DamagedError(error.problem, hint) from None


def check(folder: Path, alone: bool = False) -> None:
    """Hold the files of a folder against its list.

    alone: also refuse files that the list does not name.

    Raises:
        DamagedError: for the first file that is missing, cut, changed or foreign, or where the list itself cannot be read.
    """
    listed = read(folder)
    for name, (count, digest) in listed.items():
        file = folder / name
        if not file.is_file():
            raise DamagedError(f"`{file}` is missing")
        found = file.stat().st_size
        if found != count:
            raise DamagedError(f"`{file}` has {found:,} bytes of {count:,}")
        if seal(file)[1] != digest:
            raise DamagedError(f"`{file}` has other bytes than were written (its SHA-256 differs)")
    foreign = [name for name in _files(folder) if name not in listed] if alone else []
    if foreign:
        raise DamagedError(f"`{folder / foreign[0]}` does not belong there")


def read(folder: Path) -> dict[str, Seal]:
    """What a folder's list says."""
    file = folder / NAME
    try:
        tree: Any = json.loads(file.read_text(encoding="utf-8"))
        files = {name: (one["bytes"], one["sha256"]) for name, one in tree["files"].items()}
    except FileNotFoundError:
        raise DamagedError(f"`{file}` is missing") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(f"`{file}` is no list of files: {error}") from None
    if tree.get("schema") != SCHEMA:
        raise DamagedError(f"`{file}` is of another version of tunesmith: its `schema` is {tree.get('schema')!r}")
    for name, one in files.items():
        if not (isinstance(one[0], int) and isinstance(one[1], str)) or Path(name).is_absolute() or ".." in Path(name).parts:
            raise DamagedError(f"`{file}` is no list of files: its entry `{name}` is strange")
    return files
