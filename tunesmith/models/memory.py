"""Memory of this process: what it holds now, and the most that it held."""

import ctypes
import os
import re
import resource
import sys
from contextlib import suppress
from pathlib import Path

import torch

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1  # names of glibc's settings (malloc.h)


def keep_pages() -> None:
    """Let glibc keep what is freed instead of giving it back to the system at once.

    A step allocates the same large blocks again and again; each time, the system would hand out fresh pages one by one, which
    takes longer than the elementwise work on them.

    And let oneDNN, and torch before it, keep what was compiled for 32 shapes, not for 1,024: nearly every step has a length of
    its own, so most would never be used again, and a run grew by a megabyte a step. They look at this when they are first used.
    """
    for name in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
        os.environ.setdefault(name, "32")
    with suppress(OSError, AttributeError):  # another C library
        change = ctypes.CDLL(None).mallopt
        change(MMAP_THRESHOLD, 2**30)
        change(TRIM_THRESHOLD, 2**31 - 1)


def give_back() -> None:
    """Give the system what is free and was kept: where something else comes now, it is of no use."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


class Memory:
    """Bytes: of the device where it is a GPU, else of the process (resident)."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def start(self) -> None:
        """Forget the peak so far, where the system allows it."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
            return
        give_back()
        with suppress(OSError):  # the peak since the process began is then the best that is known
            CLEAR.write_text("5")

    def now(self) -> int:
        """Bytes held now."""
        if self.device.type == "cuda":
            return torch.cuda.memory_allocated(self.device)
        return _resident("VmRSS") or self.peak()

    def peak(self) -> int:
        """Most bytes held since `start`."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return _resident("VmHWM") or most


def _resident(line: str) -> int:
    """A line of the process's status in bytes; 0 where there is none."""
    try:
        found = re.search(rf"^{line}:\s+(\d+) kB", STATUS.read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0
