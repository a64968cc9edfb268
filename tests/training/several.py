"""Several processes on this machine, begun from one that has imported everything: as torchrun would start them, but quickly."""

import contextlib
import io
import multiprocessing
import os
import signal
import socket
import traceback
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

BEGUN = multiprocessing.get_context("forkserver")
BEGUN.set_forkserver_preload(["tests.training.preloaded"])
Tree = Mapping[str, Any]


def begin(size: int, call: Callable[..., None], *given: Any, output: Path | None = None) -> list[BaseProcess]:
    """Processes that each call a function of this file, or of a test's, in a world of so many."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = [BEGUN.Process(target=_in_world, args=(rank, size, port, output, call, given)) for rank in range(size)]
    for process in made:
        process.start()
    return made


def end(processes: Sequence[BaseProcess], seconds: float = 240) -> list[int | None]:
    """Their exit codes; those that do not end are killed."""
    for process in processes:
        process.join(seconds)
        if process.is_alive():
            process.kill()
            process.join()
    return [process.exitcode for process in processes]


def _in_world(rank: int, size: int, port: int, output: Path | None, call: Callable[..., None], given: Sequence[Any]) -> None:
    os.environ |= {"OMP_NUM_THREADS": "1", "TUNESMITH_CACHE": "off", "HF_HUB_OFFLINE": "1"}
    if size > 1:
        world = {"RANK": rank, "WORLD_SIZE": size, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": size}
        os.environ |= {name: str(value) for name, value in world.items()}
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if os.environ.get("DUMP"):
        import faulthandler

        faulthandler.dump_traceback_later(float(os.environ["DUMP"]), exit=True, file=open(f"/tmp/h-processes/dump{rank}", "w"))
    said = io.StringIO() if output is None else (output.parent / f"{output.name}-{rank}").open("w", buffering=1)
    with said, contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            call(*given)
        except KeyboardInterrupt:
            os._exit(130)
        except Exception as error:
            silent = getattr(error, "silent", None)
            print("silent" if silent else "error:", error, file=said)
            if not hasattr(error, "problem"):
                traceback.print_exc(file=said)
            said.flush()
            os._exit(1)


def trained(trees: Sequence[Tree], folders: Sequence[Path]) -> None:
    """Run recipes one after the other; a port of its own for each, since a world ends with its run."""
    from tunesmith.verbs import train

    port = int(os.environ.get("MASTER_PORT", "0"))
    for number, (tree, folder) in enumerate(zip(trees, folders, strict=True)):
        if port:
            os.environ["MASTER_PORT"] = str(port + number)
        try:
            train(dict(tree), into=folder)
        except Exception as error:
            if not os.environ.get("GOON") or not hasattr(error, "problem"):
                raise
            print("FAILED", folder, error)
