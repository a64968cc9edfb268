"""A run's folder on two machines that share no disk: its files are carried, whole ones only, while the run goes on.

Whenever the machine is lost, what was carried is a folder from which a run can go on, so the order counts:

1. What says that something is done (`world.json`, `scores.json`) is read first and put in place last: it never tells of what
   has not come.
2. Lists, weights and answers come next, each to its end at that moment.
3. Checkpoints that were there at the beginning come after the lists, so no list is shorter than the checkpoint that a run goes
   on from; longer ones are cut there. What is below `state/NAME/` is one checkpoint: it comes as a whole or not at all.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

CHUNK = 32 * 2**20  # bytes carried at a time
MARKS = ("world.json", "scores.json")  # they say that something is done
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


def parts(read_part: Read, path: str) -> Iterator[tuple[int, bytes]]:
    """The parts of a file to its end, with their offsets; one of an empty file."""
    offset = 0
    while (data := read_part(path, offset, CHUNK)) or not offset:
        yield offset, data
        offset += len(data)
        if len(data) < CHUNK:
            return


def bring(read_part: Read, there: Listing, before: Listing, folder: Path) -> dict[str, tuple[int, int]]:
    """Make a folder as it is elsewhere: what has changed since `before` is fetched, what is gone there is removed.

    Returns:
        what stands here now, to be given as `before` the next time.
    """
    if not there:  # a run has files: the folder was not found
        return dict(before)
    for path in there:
        within(folder, path)  # nothing else is touched
    here = {path: before[path] for path in before if path in there}
    changed = [path for path in there if before.get(path) != there[path]]
    with fetched(read_part, [path for path in changed if path in MARKS], folder) as marks:
        for unit, paths in sorted(units(there).items(), key=lambda one: is_checkpoint(one[0])):
            new = [path for path in paths if path in changed and path not in MARKS]
            if not new:
                continue
            try:
                with fetched(read_part, paths if is_checkpoint(unit) else new, folder) as beside:
                    put(beside, unit if is_checkpoint(unit) else "", new, folder)
            except FileNotFoundError:  # an older checkpoint, removed meanwhile
                continue
            here |= {path: there[path] for path in new}
        remove([path for path in listing(folder) if path not in there], there, folder)
        found = [path for path in listing(marks) if path in MARKS]
        put(marks, "", found, folder)
    return here | {path: there[path] for path in found}


@contextmanager
def fetched(read_part: Read, paths: Sequence[str], folder: Path) -> Iterator[Path]:
    """A folder beside, in which these files stand."""
    beside = Path(tempfile.mkdtemp(prefix=".carried-", dir=made(folder)))
    try:
        for path in paths:
            for offset, data in parts(read_part, path):
                write(beside, path, offset, data)
        yield beside
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def put(beside: Path, checkpoint: str, paths: Sequence[str], folder: Path) -> None:
    """Rename what was fetched to where it belongs: a checkpoint all at once."""
    if checkpoint:
        shutil.rmtree(folder / checkpoint, ignore_errors=True)
        made((folder / checkpoint).parent)
        (beside / checkpoint).replace(folder / checkpoint)
        return
    for path in paths:
        place = within(folder, path)
        made(place.parent)
        (beside / path).replace(place)


def remove(gone: Sequence[str], there: Listing, folder: Path) -> None:
    """Remove files that are gone elsewhere, and checkpoints with their folders."""
    for path in gone:
        within(folder, path).unlink(missing_ok=True)
    for unit in {unit_of(path) for path in gone}:
        if is_checkpoint(unit) and not any(unit_of(path) == unit for path in there):
            shutil.rmtree(folder / unit, ignore_errors=True)


def made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


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
