"""Several processes on this machine, begun from one that has imported everything: as torchrun would start them, but quickly."""

import contextlib
import json
import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from torch.distributed import TCPStore

BEGUN = multiprocessing.get_context("forkserver")
BEGUN.set_forkserver_preload(["tests.training.preloaded"])
STORES: list[TCPStore] = []
Tree = Mapping[str, Any]


def begin(size: int, call: Callable[..., None], *given: Any, output: Path) -> list[BaseProcess]:
    """Processes that each call a function, in a world of so many. What each says stands in a file, `output` and its number."""
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # torchrun's agent has it, too
    STORES.append(store)
    made = [BEGUN.Process(target=_in_world, args=(rank, size, store.port, output, call, given)) for rank in range(size)]
    for process in made:
        process.start()
    return made


def end(processes: Sequence[BaseProcess], seconds: float = 240) -> list[int | None]:
    """Their exit codes; those that do not end are killed."""
    until = time.monotonic() + seconds
    for process in processes:
        process.join(max(0.0, until - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()
    return [process.exitcode for process in processes]


def said(output: Path, rank: int) -> str:
    """What a process said."""
    return Path(f"{output}-{rank}").read_text(encoding="utf-8")


def _in_world(rank: int, size: int, port: int, output: Path, call: Callable[..., None], given: Sequence[Any]) -> None:
    os.environ |= {"OMP_NUM_THREADS": "1", "TUNESMITH_CACHE": "off", "HF_HUB_OFFLINE": "1"}
    if size > 1:
        world = {"RANK": rank, "WORLD_SIZE": size, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": size}
        os.environ |= {name: str(value) for name, value in world.items()}
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with Path(f"{output}-{rank}").open("w", encoding="utf-8", buffering=1) as file:
        os.dup2(file.fileno(), 2)
        with contextlib.redirect_stderr(file), contextlib.redirect_stdout(file):
            status = _status(call, given)
    os._exit(status)


def _status(call: Callable[..., None], given: Sequence[Any]) -> int:
    """As `tunesmith.cli.main` tells of errors."""
    try:
        call(*given)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if not hasattr(error, "problem"):
            traceback.print_exc()
        elif not getattr(error, "silent", False):
            print("error:", error)
        return 1
    return 0


def trained(trees: Sequence[Tree], folders: Sequence[Path]) -> None:
    """Run recipes one after the other."""
    from tunesmith.verbs import train

    for tree, folder in zip(trees, folders, strict=True):
        train(dict(tree), into=folder)


def losses(folder: Path, name: str = "steps") -> list[float]:
    """Of each step, or validation."""
    file = folder / f"{name}.jsonl"
    return [json.loads(line)["loss"] for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []


def answers(folder: Path) -> list[tuple[str, str, int]]:
    """Of the first task: which example, what was said, in how many tokens."""
    file = next((folder / "answers").rglob("*.jsonl"))
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [(row["example"], row["said"], row["tokens"]) for row in rows]
