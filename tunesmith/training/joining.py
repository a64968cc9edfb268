"""Processes that learn together find each other: started by torchrun, on one machine or several.

`together()` is entered by every process and gives its `World`. The first one writes the run's folder and talks; the others
write into a folder of their own that is thrown away (`own_folder`), so that all of them go through the same code.
"""

import json
import os
import platform
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed import distributed_c10d
from torch.distributed.rendezvous import rendezvous

from tunesmith import __version__
from tunesmith.errors import UserError
from tunesmith.run import Run, write_text
from tunesmith.training.alive import Alive, PeerError, machine
from tunesmith.training.world import World

TOLD = ("recipe.yaml", "world.json", "scores.json", "mixture.json")  # files of a run that every process begins with
READ = ("reference.jsonl", "steps.jsonl", "validation.jsonl")  # and of those that may be long, what is read from the disk
PATIENCE = timedelta(days=7)  # for each other: who ended is known otherwise (`training/alive.py`)
SEEN = 20.0  # seconds that a shared disk may take to show a file to another machine


@dataclass
class _Here:
    world: World
    alive: Alive | None


_here: _Here | None = None
_joins = 0


def several(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is one of several that torchrun started."""
    return all(name in environment for name in ("RANK", "MASTER_ADDR", "MASTER_PORT")) and int(environment["WORLD_SIZE"]) > 1


def talks(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is alone, or the first of several."""
    return not several(environment) or environment["RANK"] == "0"


@contextmanager
def together() -> Iterator[World]:
    """The processes that torchrun started, from here to the end of the block; alone where it did not. May be entered again.

    Raises:
        PeerError: another process ended; it, or the first one, says why.
    """
    global _here  # noqa: PLW0603 (a process has one world)
    if _here is not None:
        yield _here.world
        return
    if not several():
        yield World()
        return
    _here = _joined()
    try:
        with telling_others():
            yield _here.world
            _here.world.wait()
        assert _here.alive is not None
        _here.alive.stop()
        _here.world.wait()  # nobody goes while another one still watches for it
        dist.destroy_process_group()
    finally:
        _here = None


@contextmanager
def telling_others() -> Iterator[None]:
    """Within, the others hear of what goes wrong here; what goes wrong because of another process is a `PeerError`."""
    alive = _here.alive if _here else None
    if alive is None:
        yield
        return
    try:
        yield
    except PeerError:
        raise
    except KeyboardInterrupt as stop:
        if (meant := alive.stopped()) is not None:
            raise meant from stop
        raise
    except Exception as error:
        if (other := alive.error(error)) is error:
            raise
        raise other from error


def _joined() -> _Here:
    """Meet the others; each GPU of a machine has one process."""
    global _joins  # noqa: PLW0603
    cards = torch.cuda.device_count()
    if cards:
        if int(os.environ.get("LOCAL_WORLD_SIZE", "1")) > cards:
            raise UserError(
                f"{os.environ['LOCAL_WORLD_SIZE']} processes were started on `{platform.node()}`, which has {cards} GPUs",
                f"set `--nproc-per-node {cards}`",
            )
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    _joins += 1  # a script may make several runs, and what stands in the store of the one before is no longer so
    store, rank, size = next(rendezvous("env://"))
    own = distributed_c10d.PrefixStore(f"run {_joins}", store)
    kind = "cpu:gloo,cuda:nccl" if cards else "gloo"
    dist.init_process_group(kind, store=own, rank=rank, world_size=size, timeout=PATIENCE)
    world = World(rank, size)
    alive = Alive(world)
    here = _Here(world, alive)
    versions = world.gathered((f"tunesmith {__version__}, torch {torch.__version__}", platform.node()))
    for told, host in versions:
        if told != versions[0][0]:
            raise UserError(
                f"`{host}` has {told}, and `{versions[0][1]}` has {versions[0][0]}", "install the same versions on all machines"
            )
    return here


@contextmanager
def own_folder(world: World, folder: Path) -> Iterator[Run]:
    """The run's folder where this process writes; elsewhere a folder of its own for as long as the block lasts.

    Raises:
        UserError: the folder is not the same one for all processes.
    """
    if world.size == 1:
        yield Run(folder)
        return
    _refuse_apart(world, folder)
    if world.first:
        yield Run(folder)
        world.wait()
        return
    place = Path(tempfile.mkdtemp(prefix="tunesmith-"))
    try:
        own = place / folder.name
        own.mkdir()
        (own / "state").symlink_to((folder / "state").resolve())  # which is read here, and never written
        for file in filter(Path.is_file, (folder / name for name in READ)):
            shutil.copy(file, own)
        yield Run(own)
        world.wait()
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _refuse_apart(world: World, folder: Path) -> None:
    """Refuse a folder that is another one for other processes: what is learnt could not be gone on with."""
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / f".together-{world.told(secrets.token_hex(4))}"
    if world.first:
        mark.touch()
    world.wait()
    seen = world.gathered((until_seen(mark), platform.node(), str(folder.resolve())))
    if world.first:
        mark.unlink()
    for sees, host, path in seen:
        if not sees:
            raise UserError(
                f"the run's folder is not shared: `{path}` on `{host}` is not `{seen[0][2]}` on `{seen[0][1]}`",
                "give a folder on a disk that all machines share with `--into`, by the same path",
            )


def until_seen(path: Path, seconds: float = SEEN) -> bool:
    """Whether a file is there, or comes up before long: a shared disk shows it late."""
    end = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
        with suppress(OSError):
            list(path.parent.iterdir())  # which makes some disks look again
    return True


def follow(record: Run, world: World, facts: Mapping[str, Callable[[], object]]) -> None:
    """Begin with what the first process has in the run's folder.

    facts: what must be the same on all machines, by what it is called.

    Raises:
        UserError: a fact is another one here.
    """
    if world.size == 1:
        return
    files = {name: (record.folder / name) for name in TOLD}
    texts = world.told({name: file.read_text(encoding="utf-8") for name, file in files.items() if file.is_file()})
    for name, text in texts.items() if not world.first else ():
        write_text(files[name], text)
    hosts = world.gathered(machine())
    if len(set(hosts)) == 1:
        return
    mine = json.loads(json.dumps({name: fact() for name, fact in facts.items()}, default=str))
    wanted, host = world.told((mine, platform.node()))
    for name, value in mine.items():
        if value != wanted[name]:
            raise UserError(
                f"{name} on `{platform.node()}` is not that on `{host}`", "copy the same files to all machines, and start again"
            )
