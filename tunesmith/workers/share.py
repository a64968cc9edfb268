"""What each of several runs on one machine gets: threads, a GPU; and how much memory there is for all of them."""

import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

BESIDE = "TUNESMITH_BESIDE"  # so many runs are made at once on a machine: a run writes it down, since its times show it
MEMINFO = Path("/proc/meminfo")
CGROUPS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current"), Path("/sys/fs/cgroup/memory.stat")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.stat"),
    ),
)
MIB = 2**20


def environments(parallel: int) -> list[dict[str, str]]:
    """The environment of each of several runs: its share of the threads and, where there are GPUs, one of them."""
    gpus = devices()
    common = {**threads(parallel), BESIDE: str(parallel)}
    return [common | ({"CUDA_VISIBLE_DEVICES": gpus[slot % len(gpus)]} if gpus else {}) for slot in range(parallel)]


def threads(parallel: int) -> dict[str, str]:
    """Threads for each of several processes: together no more than there are cores, or than were asked for."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    most = min(cores(), int(asked)) if asked.isdigit() and int(asked) else cores()
    return {"OMP_NUM_THREADS": str(max(1, min(most, cores() // parallel)))}


def beside() -> int:
    """How many runs are made at once where this process makes one; 1: it is alone."""
    told = os.environ.get(BESIDE, "")
    return int(told) if told.isdigit() and int(told) else 1


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def devices() -> list[str]:
    """GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` names them; nothing is begun on them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        found = [one.strip() for one in named.split(",")]
        return found[: found.index("-1")] if "-1" in found else [one for one in found if one]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


def free_memory() -> int:
    """Bytes that processes may still take on this machine, or within its container; 0 where that is not known."""
    found = [*_available(), *_within_container()]
    return min(found, default=0)


def free_on_gpus(gpus: Sequence[str]) -> list[int]:
    """Free bytes of GPUs, by the driver's own tool; empty where it does not tell."""
    asked = ["nvidia-smi", f"--id={','.join(gpus)}", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    with suppress(OSError, ValueError, subprocess.TimeoutExpired):
        told = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=20)
        if told.returncode == 0:
            return [int(line) * MIB for line in told.stdout.split()]
    return []


def _available() -> list[int]:
    with suppress(OSError, ValueError, IndexError):
        for line in MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return [int(line.split()[1]) * 1024]
    return []


def _within_container() -> list[int]:
    """What the limit of a control group leaves; files that it keeps in memory can be dropped."""
    for limit, used, stat in CGROUPS:
        with suppress(OSError, ValueError):
            most = limit.read_text().strip()
            if most == "max" or int(most) > 2**60:
                return []
            lines = dict(line.split() for line in stat.read_text().splitlines())
            return [max(0, int(most) - int(used.read_text()) + int(lines.get("inactive_file", 0)))]
    return []
