"""SIGKILL at the n-th moment of writing, exactly.

A moment of writing is whatever is about to be opened to be written, renamed, made or removed below a folder: Python tells
audit hooks of each before it happens. Half-written files come about too: with `SOAK_CUT` the file that was written last is cut
to that share of what was just written, which is how it looks to the next process when the kill falls into the write itself.

Environment (nothing is done without the first):
    SOAK_AT    kill at this moment, counted over all processes; 0: only count
    SOAK_ROOT  folder whose moments count
    SOAK_COUNT file that gets a byte a moment, so its size is their count, and a `K` more for a kill
    SOAK_CUT   share from 0 up to 1; unset: files stay as they are
"""

import os
import signal
import sys
from pathlib import Path

WRITING = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC
KILLED = b"K"
CHANGING = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate")


class Hook:
    """Counts moments, and ends the process at one of them."""

    def __init__(self, at, root, count, cut):
        self.at, self.root, self.cut, self.own = at, os.path.realpath(root), cut, os.getpid()
        self.counter = os.open(count, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.busy = False
        self.opened = ""
        self.sizes = self.look()

    def __call__(self, event, arguments):
        if self.busy or os.getpid() != self.own or not self.counts(event, arguments):
            return
        self.busy = True
        try:
            self.moment()
            self.opened = os.path.realpath(arguments[0]) if event == "open" else ""
        finally:
            self.busy = False

    def counts(self, event, arguments):
        if event == "open":
            path, _, flags = arguments
            if not isinstance(flags, int) or not flags & WRITING:
                return False
        elif event in CHANGING:
            path = arguments[0]
        else:
            return False
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if not isinstance(path, (str, os.PathLike)):
            return False
        folder = arguments[-1] if event in ("os.remove", "os.rmdir") else -1
        if isinstance(folder, int) and folder >= 0:  # `shutil.rmtree` names what it removes by its open folder
            path = Path(f"/proc/self/fd/{folder}").readlink() / path
        return os.path.realpath(path).startswith(self.root + os.sep)

    def moment(self):
        import fcntl

        fcntl.flock(self.counter, fcntl.LOCK_EX)
        os.write(self.counter, b".")
        made = os.fstat(self.counter).st_size
        fcntl.flock(self.counter, fcntl.LOCK_UN)
        if made == self.at:
            if self.cut is not None:
                self.cut_last()
            os.write(self.counter, KILLED)
            os.kill(self.own, signal.SIGKILL)
        self.sizes = self.look()

    def look(self):
        """Every file below the root: inode -> (size, time of change, path)."""
        found = {}
        for folder, _, names in os.walk(self.root):
            for path in (Path(folder) / name for name in names):
                try:
                    told = path.stat()
                except OSError:
                    continue
                found[told.st_ino] = (told.st_size, told.st_mtime_ns, str(path))
        return found

    def cut_last(self):
        """Take the end off what this process has written since the moment before; safetensors open without a word."""
        changed = [
            (when, path, size, self.sizes.get(inode, (0, 0, ""))[0])
            for inode, (size, when, path) in self.look().items()
            if self.sizes.get(inode, (0, 0, ""))[:2] != (size, when)
            and (path == self.opened or (path.endswith(".safetensors") and "/." in path.removeprefix(self.root)))
        ]
        if changed:
            _, path, size, before = max(changed)
            before = before if before < size else 0
            os.truncate(path, before + int(self.cut * (size - before)))


def begin():
    """Begin to count, where the environment asks for it."""
    if not os.environ.get("SOAK_AT"):
        return
    share = os.environ.get("SOAK_CUT")
    at, root, count = (os.environ[name] for name in ("SOAK_AT", "SOAK_ROOT", "SOAK_COUNT"))
    sys.addaudithook(Hook(int(at), root, count, float(share) if share else None))
