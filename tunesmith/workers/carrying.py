"""A run's folder on two machines that share no disk: its files are carried, whole ones only.

What is below `state/NAME/` is one checkpoint: it comes as a whole or not at all. Checkpoints come before the lists of steps, so
a list is never shorter than the checkpoint from which a run goes on.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

CHUNK = 32 * 2**20  # bytes carried at a time
Listing = Mapping[str, tuple[int, int]]  # path below the folder -> (bytes, time of its last change in nanoseconds)
Read = Callable[[str, int, int], bytes]  # (path, offset, bytes); FileNotFoundError where it is gone


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """The files of a folder; those whose names begin with a dot are being written, and are left out."""
    found = {}
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.startswith("."):
                continue
            path = Path(root, name)
            with suppress(FileNotFoundError):
                stat = path.stat()
                found[path.relative_to(folder).as_posix()] = stat.st_size, stat.st_mtime_ns
    return found


def read(folder: Path, path: str, offset: int, size: int) -> bytes:
    """A part of a file."""
    with (folder / path).open("rb") as file:
        file.seek(offset)
        return file.read(size)


def write(folder: Path, path: str, offset: int, data: bytes) -> None:
    """A part of a file, the parts before it stand already."""
    place = within(folder, path)
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("r+b" if offset else "wb") as file:
        file.seek(offset)
        file.write(data)


def within(folder: Path, path: str) -> Path:
    """Where a carried file stands; nothing is written outside the folder, whatever another machine says."""
    parts = PurePosixPath(path).parts
    if not parts or PurePosixPath(path).is_absolute() or ".." in parts:
        raise ValueError(f"`{path}` leaves the folder")
    return folder.joinpath(*parts)


def parts(read_part: Read, path: str, size: int) -> Iterator[tuple[int, bytes]]:
    """The parts of a file of so many bytes, with their offsets; one of an empty file."""
    for offset in range(0, max(size, 1), CHUNK):
        yield offset, read_part(path, offset, min(CHUNK, size - offset))


def bring(read_part: Read, there: Listing, before: Listing, folder: Path) -> dict[str, tuple[int, int]]:
    """Make a folder as it is elsewhere: what has changed since `before` is fetched, what is gone there is removed.

    Returns:
        what stands here now, to be given as `before` the next time.
    """
    if not there:  # a run has files: the folder was not found
        return dict(before)
    here = {path: before[path] for path in before if path in there}
    for unit, paths in sorted(units(there).items(), key=lambda one: order(one[0])):
        changed = [path for path in paths if before.get(path) != there[path]]
        if not changed:
            continue
        try:
            fetch(read_part, there, unit, paths if is_checkpoint(unit) else changed, folder)
        except FileNotFoundError:  # an older checkpoint, removed meanwhile
            continue
        here |= {path: there[path] for path in changed}
    gone = [path for path in listing(folder) if path not in there]
    for path in gone:
        within(folder, path).unlink(missing_ok=True)
    for unit in {unit_of(path) for path in gone}:
        if is_checkpoint(unit) and not any(unit_of(path) == unit for path in there):
            shutil.rmtree(folder / unit, ignore_errors=True)
    return here


def fetch(read_part: Read, there: Listing, unit: str, paths: list[str], folder: Path) -> None:
    """Write files beside and rename them: a checkpoint all at once."""
    beside = folder / f".carried-{unit.replace('/', '-')}"
    shutil.rmtree(beside, ignore_errors=True)
    try:
        for path in paths:
            for offset, data in parts(read_part, path, there[path][0]):
                write(beside, path, offset, data)
        if is_checkpoint(unit):
            shutil.rmtree(folder / unit, ignore_errors=True)
            (folder / unit).parent.mkdir(parents=True, exist_ok=True)
            (beside / unit).replace(folder / unit)
            return
        for path in paths:
            place = within(folder, path)
            place.parent.mkdir(parents=True, exist_ok=True)
            (beside / path).replace(place)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def units(there: Listing) -> dict[str, list[str]]:
    """Files that come together."""
    found: dict[str, list[str]] = {}
    for path in there:
        found.setdefault(unit_of(path), []).append(path)
    return found


def unit_of(path: str) -> str:
    """`state/step-000400` for what is below it, else the first folder, or the file."""
    words = path.split("/")
    return "/".join(words[:2]) if words[0] == "state" and len(words) > 2 else words[0]


def is_checkpoint(unit: str) -> bool:
    return "/" in unit


def order(unit: str) -> tuple[bool, bool, str]:
    """Checkpoints, then other files; `world.json`, which says that a run has ended, last."""
    return not is_checkpoint(unit), unit == "world.json", unit
