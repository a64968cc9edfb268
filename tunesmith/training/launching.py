"""Several processes of a command on this machine, by torchrun's own engine.

What torchrun itself would say of a process that failed is left out: that process has said it.
"""

import logging
import os
from collections.abc import Sequence

from tunesmith.interruption import PARENT


def launch(processes: int, words: Sequence[str]) -> int:
    """Run `tunesmith WORDS` in so many processes; the exit status."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    logging.disable(logging.CRITICAL)  # of what follows, processes tell themselves
    threads = max(1, (os.cpu_count() or 1) // processes)
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # torchrun would say 1
    given = ["--standalone", "--nproc-per-node", str(processes), "--module", "tunesmith", *words]
    os.environ[PARENT] = str(os.getpid())  # without whom the processes save and end
    try:
        run(parse_args(given))  # type: ignore[no-untyped-call]
    except ChildFailedError as error:
        status = error.get_first_failure()[1].exitcode
        return status if status > 0 else 128 - status
    except SignalException as error:
        return 128 + int(error.sigval)
    return 0
