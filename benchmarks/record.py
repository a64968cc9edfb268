"""The common shape of a benchmark's result, and where it is written.

{"benchmark", "brief", "machine": {...}, "settings": {...},
 "pairs": {name: {"seconds": {side: [a number a round]}, "median": {side: seconds}, "times_faster": {peer: ratio}, ...}}}

A ratio is the median over rounds of a peer's seconds by ours in the same round: above 1, ours is faster.
"""

import argparse
import json
import os
import platform
import statistics
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

OURS = "tunesmith"
RESULTS = Path(__file__).resolve().parent / "results"
SHARED = Path(os.environ.get("TUNESMITH_SHARED") or Path(__file__).resolve().parents[2] / "shared")  # real data and models
PACKAGES = ("torch", "transformers", "accelerate", "rouge_score", "sacrebleu", "peft", "trl")


def arguments(doc: str, rounds: int, device: bool = True) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--brief", action="store_true", help="two rounds of little work: does it run?")
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--out", type=Path, help="default: benchmarks/results/NAME.json; with --brief nothing is written")
    if device:
        parser.add_argument("--device", default="cpu")
        parser.add_argument("--only", nargs="*", help="some of the pairs")
    return parser


def gpu_arguments(doc: str, name: str, rounds: int) -> argparse.Namespace:
    """The options of a benchmark of a GPU, which writes a file with the device's name in its own."""
    parser = arguments(doc, rounds)
    parser.set_defaults(device="cuda")
    given = parser.parse_args()
    import torch

    if given.device.startswith("cuda") and not torch.cuda.is_available():
        raise SystemExit("there is no CUDA device here; `--device cpu --brief` tries the script itself")
    if not given.out and not given.brief:
        place = str(machine(given.device)["device"]).replace(" ", "_")
        given.out = RESULTS / f"{name}_{place}.json"
    return given


def machine(device: str = "cpu") -> dict[str, Any]:
    """Where a figure comes from."""
    name = processor()
    threads = None
    try:
        import torch

        name = torch.cuda.get_device_name() if device.startswith("cuda") else name
        threads = torch.get_num_threads()
    except ImportError:
        pass
    return {
        "device": name,
        "cores": os.cpu_count(),
        "threads": threads,
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": {package: found for package in PACKAGES if (found := installed(package))},
    }


def processor() -> str:
    """What the system calls it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def paired(sides: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, Any]:
    """Each side once a round, in turns, each first in another round; a side returns its seconds."""
    names = list(sides)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        for place in range(len(names)):
            name = names[(number + place) % len(names)]
            seconds[name].append(sides[name]())
    return summary(seconds)


def summary(seconds: Mapping[str, list[float]]) -> dict[str, Any]:
    """The seconds of every round, their medians, and how many times faster ours is than each peer."""
    ratios = {
        name: [their / our for our, their in zip(seconds[OURS], taken, strict=True)]
        for name, taken in seconds.items()
        if name != OURS
    }
    return {
        "seconds": {name: [round(one, 4) for one in taken] for name, taken in seconds.items()},
        "median": {name: round(statistics.median(taken), 4) for name, taken in seconds.items()},
        "times_faster": {name: round(statistics.median(taken), 3) for name, taken in ratios.items()},
        "times_faster_range": {name: [round(min(taken), 3), round(max(taken), 3)] for name, taken in ratios.items()},
    }


def keep(name: str, given: argparse.Namespace, settings: Mapping[str, Any], pairs: Mapping[str, Any]) -> None:
    """Print the result, and write it unless the run was brief."""
    device = getattr(given, "device", "cpu")
    made = {"benchmark": name, "brief": given.brief, "machine": machine(device), "settings": settings, "pairs": pairs}
    text = json.dumps(made, indent=2)
    print(text)
    out = given.out or (None if given.brief else RESULTS / f"{name}.json")
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text + "\n", encoding="utf-8")
