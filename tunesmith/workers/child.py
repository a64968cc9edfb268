"""`python -m tunesmith.workers.child PARENT WORDS ...`: a command of ours that stops when the process that began it is gone.

Else, where a driver or a worker of a cluster is killed, the run that it made would go on unseen and hold its folder, and nobody
could go on there. It gets SIGTERM, so it ends after its step, with a checkpoint. Linux tells a process this (prctl(2),
PR_SET_PDEATHSIG); on other systems the run goes on to its end.
"""

import ctypes
import os
import runpy
import signal
import sys
from contextlib import suppress

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def follow(parent: int) -> None:
    """Be told when the parent is gone, also where it is gone already."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit(130)


if __name__ == "__main__":
    follow(int(sys.argv[1]))
    del sys.argv[1]
    runpy.run_module("tunesmith", run_name="__main__", alter_sys=True)
