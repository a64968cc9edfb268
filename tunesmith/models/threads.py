"""The threads among which a product is shared."""

import ctypes
from contextlib import suppress
from pathlib import Path

import torch

HARD = 2  # `omp_pause_hard` of OpenMP 5.0, section 3.2.44


def let_threads_go() -> None:
    """End the threads that share in what the calling thread computes; they begin anew when it computes again.

    OpenMP keeps such threads for every thread that has ever computed. Once all of them together are more than the cores, none
    waits awake for the next product: each is put to sleep and woken, some thousand times a token. So whoever leaves computing
    to another thread calls this first.
    """
    for library in (Path(torch.__file__).parent / "lib").glob("lib*omp*.so*"):
        with suppress(OSError, AttributeError):  # another OpenMP, or an older one
            ctypes.CDLL(str(library)).omp_pause_resource_all(HARD)
