"""Disks as they are: full, read-only, gone. What is written has reached the disk, and what went wrong is told with a remedy."""

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tunesmith.errors import UserError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
SHUT = {errno.EACCES, errno.EPERM, errno.EROFS}
AGAIN = "the same command goes on from there"


class DiskError(UserError):
    """A disk did not take what was to be written. Nothing that stood there before is harmed."""


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    folder = folder.absolute()
    return next(one for one in (folder, *folder.parents) if one.exists())


def free(folder: Path) -> int:
    """Bytes that may still be written where a folder is, or will be."""
    return shutil.disk_usage(existing(folder)).free


def size(count: float) -> str:
    """Bytes for people: `1.5 GB`."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def sync(path: Path) -> None:
    """Wait until a file, or a folder's list of names, has reached the disk, so that a power cut does not take it back."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # disks that know no such thing
            raise
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """`sync` of a folder's list of names; Windows opens no folders."""
    with suppress(PermissionError):
        sync(folder)


def told(error: OSError, folder: Path, needed: int = 0, kept: str = "") -> DiskError | None:
    """What a failed write into a folder means to a person; None where the disk is not to blame.

    needed: bytes that were to be written, where that is known. kept: what stands there whole, as a sentence.
    """
    left = f"; {kept}" if kept else ""
    if error.errno == errno.EFBIG:
        want = f", {size(needed)} were to be written" if needed else ""
        return DiskError(
            f"a file in `{folder}` grew past what this process or its disk allows{want}{left}",
            f"raise the limit (`ulimit -f`), or choose another folder; {AGAIN}",
        )
    if error.errno in FULL:
        what = "your quota" if error.errno == errno.EDQUOT else "the disk"
        want = f"{size(needed)} were to be written and " if needed else ""
        return DiskError(
            f"{what} of `{folder}` is full: {want}{size(_free(folder))} are free{left}",
            f"make room there (`tunesmith runs prune` removes checkpoints that no run needs); {AGAIN}",
        )
    if not folder.is_dir() and isinstance(error, FileNotFoundError):
        return DiskError(
            f"the folder `{folder}` is gone: it was removed or renamed while this wrote into it",
            "put it back under its name and give the same command, which goes on from its last checkpoint; or begin again",
        )
    if error.errno in SHUT:
        why = "its disk is read-only" if error.errno == errno.EROFS else "permission denied"
        where = error.filename2 or error.filename or folder
        return DiskError(
            f"`{where}` cannot be written: {why}{left}",
            "change who may write there (`ls -ld` tells), or choose another folder with `--into`",
        )
    if error.errno == errno.EIO:
        return DiskError(f"the disk of `{folder}` fails (input/output error){left}", "look at the disk, or choose another one")
    return None


def _free(folder: Path) -> int:
    try:
        return free(folder)
    except OSError:
        return 0


@contextmanager
def telling(folder: Path, needed: int = 0, kept: Callable[[], str] | None = None) -> Iterator[None]:
    """Within, a disk that does not take what is written into a folder is told as a `DiskError`.

    needed: bytes that are to be written, where that is known. kept: tells afterwards what is whole in the folder.
    """
    try:
        yield
    except Exception as error:
        fault = as_system(error)
        if fault is None or not inside(fault, folder):
            raise
        found = told(fault, folder, needed, kept() if kept is not None and folder.is_dir() else "")
        if found is None:
            raise
        raise found from error


def as_system(error: Exception) -> OSError | None:
    """What the system said; libraries that are written in Rust wrap it in an error of their own."""
    if isinstance(error, OSError):
        return error
    number = re.search(r"\(os error (\d+)\)", str(error))
    return OSError(int(number[1]), str(error)) if number else None


def inside(error: OSError, folder: Path) -> bool:
    """Whether an error is about a path in a folder; one without a path only where a disk is full: a write knows no names."""
    names = [name for name in (error.filename, error.filename2) if isinstance(name, str | os.PathLike)]
    if not names:
        return error.errno in FULL
    return any(Path(name).absolute().is_relative_to(folder.absolute()) for name in names)


def largest() -> int | None:
    """The longest file that this process may write; None: any."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return None if soft == resource.RLIM_INFINITY else soft
