"""What this machine can do, and what is missing: nothing is changed, no network is used. Command: `tunesmith doctor`."""

import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from packaging.requirements import Requirement
from rich.table import Table
from rich.text import Text

from tunesmith.data.passes import cache_home

State = Literal["good", "missing", "broken"]
BRINGS = {
    "bench": "other tools to measure speed against",
    "check": "lint and types, for changing tunesmith",
    "gpu": "AdamW in 8 bits and paged, on a GPU",
    "harness": "tasks of lm-evaluation-harness",
    "hub": "data sets of the hub by name",
    "mlflow": "runs in MLflow",
    "search": "studies by optuna",
    "tensorboard": "runs in TensorBoard",
    "test": "the tests",
    "trackio": "runs in trackio",
    "wandb": "runs in Weights & Biases",
}  # extra of the package -> what it is for
MARKS = {"good": ("✓", "green"), "missing": ("–", "yellow"), "broken": ("✗", "red")}
LEAST = 2 * 2**30  # bytes of memory and of disk below which the embedded models hardly train
WIDTH = 1024  # of the matrices of the figure
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "firefox")


@dataclass(frozen=True)
class Found:
    """One thing that was looked at. missing: one can do without it; broken: tunesmith does not work as it should."""

    part: str
    what: str
    state: State
    told: str
    remedy: str = ""


@dataclass(frozen=True)
class Examined:
    """All that was looked at."""

    found: tuple[Found, ...]

    @property
    def broken(self) -> tuple[Found, ...]:
        return tuple(one for one in self.found if one.state == "broken")

    def tree(self) -> dict[str, Any]:
        return {"well": not self.broken, "found": [asdict(one) for one in self.found]}


def doctor(seconds: float = 1.0) -> Examined:
    """Look at everything. `seconds`: of the matrix product. Command: `tunesmith doctor`."""
    looks = (
        python,
        packages,
        partial(torch_and_processor, seconds),
        partial(graphics, seconds),
        room,
        folders,
        assets,
        browser,
    )
    return Examined(tuple(one for look in looks for one in safely(look)))


def safely(look: Any) -> Iterator[Found]:
    """What a look finds; one that fails is broken itself, and the others go on."""
    try:
        yield from look()
    except Exception as error:
        yield Found(
            "machine",
            getattr(look, "func", look).__name__.replace("_", " "),
            "broken",
            f"{type(error).__name__}: {error}",
            "install it again",
        )


def python() -> Iterator[Found]:
    version = platform.python_version()
    state: State = "good" if sys.version_info >= (3, 11) else "broken"
    yield Found("machine", "python", state, f"{version}, {platform.platform()}", "" if state == "good" else "take Python 3.11")


def packages() -> Iterator[Found]:
    """Every package that is needed, or that an extra brings, against the versions it may have."""
    extras: dict[str, list[Requirement]] = {}
    for text in importlib.metadata.requires("tunesmith") or ():
        asked = Requirement(text)
        extra = next((name for name in BRINGS if asked.marker and asked.marker.evaluate({"extra": name})), "")
        if asked.marker is None or asked.marker.evaluate({"extra": ""}):
            extra = ""
        extras.setdefault(extra, []).append(asked)
    for asked in extras.pop("", []):
        state, told = standing(asked)
        remedy = "" if state == "good" else f"pip install '{asked.name}{asked.specifier}'"
        yield Found("packages", asked.name, "good" if state == "good" else "broken", told, remedy)
    for extra, asked_for in sorted(extras.items()):
        looked = [(one.name, *standing(one)) for one in asked_for]
        lacking = [f"{name} {told}" for name, state, told in looked if state != "good"]
        told = ", ".join(lacking) or ", ".join(f"{name} {version}" for name, _, version in looked)
        remedy = f"pip install 'tunesmith[{extra}]'" if lacking else ""
        yield Found("extras", f"{extra}: {BRINGS.get(extra, '')}", "missing" if lacking else "good", told, remedy)


def standing(asked: Requirement) -> tuple[State, str]:
    """Whether a package is there in a version that may be, and which it is."""
    try:
        version = importlib.metadata.version(asked.name)
    except importlib.metadata.PackageNotFoundError:
        return "missing", "is not installed"
    fits = asked.specifier.contains(version, prereleases=True)
    return ("good", version) if fits else ("broken", f"is {version}, and should be {asked.specifier}")


def torch_and_processor(seconds: float) -> Iterator[Found]:
    """What torch makes of the processor, with the figure of a matrix product."""
    import torch

    threads, cores = torch.get_num_threads(), os.cpu_count() or 1
    yield Found("processor", "instructions", "good", f"{torch.backends.cpu.get_cpu_capability()}, {platform.machine()}")
    yield Found(
        "processor",
        "threads",
        "good",
        f"{threads} of {cores} cores"
        + (f" (OMP_NUM_THREADS={os.environ['OMP_NUM_THREADS']})" if "OMP_NUM_THREADS" in os.environ else ""),
    )
    has = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    yield Found(
        "processor",
        "oneDNN",
        "good" if has else "missing",
        "there" if has else "this build of torch has none",
        "" if has else "another build of torch computes faster",
    )
    half = bool(has and torch.ops.mkldnn._is_mkldnn_bf16_supported())
    yield Found(
        "processor",
        "bfloat16",
        "good" if half else "missing",
        "computed" if half else "not by this processor; `plan.precision: float32` is the faster",
    )
    yield Found(
        "processor",
        "matrix product",
        "good",
        f"{product(torch.device('cpu'), torch.float32, seconds) / 1e9:,.0f} GFLOP/s in float32",
    )


def product(device: Any, dtype: Any, seconds: float) -> float:
    """Operations a second of a product of square matrices."""
    import torch

    a = torch.ones(WIDTH, WIDTH, device=device, dtype=dtype)
    wait = torch.cuda.synchronize if device.type == "cuda" else (lambda: None)
    a @ a
    wait()  # type: ignore[no-untyped-call]
    made, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < seconds:
        for _ in range(10 if device.type == "cuda" else 1):
            a @ a
            made += 1
        wait()  # type: ignore[no-untyped-call]
    return float(made * 2 * WIDTH**3 / took)


def graphics(seconds: float) -> Iterator[Found]:
    """GPU and driver."""
    import torch

    if getattr(torch.backends, "mps", None) is not None and torch.backends.mps.is_available():
        yield Found("gpu", "mps", "good", "Apple's GPU is used")
    driver = ""
    with suppress(OSError, subprocess.SubprocessError):
        asked = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        driver = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    if not torch.cuda.is_available():
        build = torch.version.cuda
        told = f"torch {torch.__version__} is built without CUDA" if not build else "torch finds no card"
        remedy = "install a build of torch with CUDA" if not build else "look at the driver, and at CUDA_VISIBLE_DEVICES"
        yield Found("gpu", "cuda", "missing", told + (f", and there is {driver}" if driver else ""), remedy if driver else "")
        return
    for number in range(torch.cuda.device_count()):
        card, (free, whole) = torch.cuda.get_device_properties(number), torch.cuda.mem_get_info(number)
        told = f"{free / 2**30:.0f} of {whole / 2**30:.0f} GiB free, CUDA {torch.version.cuda}, "
        told += f"capability {card.major}.{card.minor}"
        yield Found(
            "gpu", card.name, "good", told + (f", driver {driver.splitlines()[0].rpartition(', ')[2]}" if driver else "")
        )
    half = torch.cuda.is_bf16_supported()
    dtype = torch.bfloat16 if half else torch.float16
    figure = product(torch.device("cuda"), dtype, seconds) / 1e12
    yield Found(
        "gpu",
        "bfloat16",
        "good" if half else "missing",
        f"{'computed' if half else 'not by this card'}; {figure:,.0f} TFLOP/s in {str(dtype).partition('.')[2]}",
    )


def room() -> Iterator[Found]:
    """Memory and disk."""
    whole, free = memory()
    if whole:
        state: State = "good" if free > LEAST else "missing"
        yield Found(
            "room",
            "memory",
            state,
            f"{free / 2**30:.1f} of {whole / 2**30:.1f} GiB free",
            "" if state == "good" else "end other programs",
        )
    for what, path in {"disk here": Path.cwd(), "disk of temporary files": Path(tempfile.gettempdir())}.items():
        told = shutil.disk_usage(path)
        state = "good" if told.free > LEAST else "missing"
        remedy = "" if state == "good" else "`tunesmith runs prune` and `tunesmith runs remove` make room"
        yield Found("room", what, state, f"{told.free / 2**30:.0f} of {told.total / 2**30:.0f} GiB free", remedy)


def memory() -> tuple[int, int]:
    """Bytes of the machine, and how many of them are free; the bound of a container counts. (0, 0) where nothing tells."""
    whole = free = 0
    with suppress(OSError, ValueError):
        lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines())
        whole, free = (int(lines[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
    if not whole:
        with suppress(OSError, ValueError, AttributeError):
            whole = free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        bound, used = (int((group / name).read_text(encoding="utf-8")) for name in ("memory.max", "memory.current"))
        whole, free = min(whole, bound), min(free, bound - used)
    return whole, free


def folders() -> Iterator[Found]:
    """Where runs and caches are written."""
    hub = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    places = {
        "runs, here": (Path.cwd(), True),
        "cache of answers and passes": (cache_home(), False),
        "cache of the hub": (hub, False),
    }
    for what, (path, needed) in places.items():
        if path is None:
            yield Found("folders", what, "good", "switched off (TUNESMITH_CACHE)")
            continue
        wrong = unwritable(path)
        state: State = "good" if not wrong else "broken" if needed else "missing"
        yield Found("folders", what, state, f"{path}" + (f": {wrong}" if wrong else ""), "make it writable" if wrong else "")


def unwritable(path: Path) -> str:
    """What is wrong with writing below a path; the nearest folder that stands is tried, and nothing stays there."""
    while not path.exists():
        path = path.parent
    try:
        with tempfile.TemporaryFile(dir=path):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def assets() -> Iterator[Found]:
    """Whether the embedded models are as they were made."""
    place = files("tunesmith") / "assets"
    wanted = json.loads((place / HASHES).read_text(encoding="utf-8"))
    for model in sorted({name.partition("/")[0] for name in wanted}):
        names = [name for name in wanted if name.startswith(f"{model}/")]
        wrong = [name for name in names if digest(Path(str(place / name))) != wanted[name]]
        told = f"{', '.join(wrong)} is not as it was made" if wrong else f"whole, {len(names)} files"
        yield Found("models", f"town/{model}", "broken" if wrong else "good", told, "install tunesmith again" if wrong else "")


HASHES = "hashes.json"


def digest(path: Path) -> str:
    """SHA-256 of a file; empty where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def browser() -> Iterator[Found]:
    """What opens pages."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    told = found or "none found: pages are written all the same, and opened elsewhere"
    yield Found("pages", "browser", "good" if found else "missing", told, "" if found else "install chromium")


def table(examined: Examined) -> Table:
    """For the terminal."""
    made, part = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0)), ""
    for one in examined.found:
        if one.part != part:
            made.add_row("", Text(one.part, style="bold"), "")
            part = one.part
        mark, colour = MARKS[one.state]
        told = Text(one.told)
        if one.remedy:
            told.append(f"\n{one.remedy}", style="italic")
        made.add_row(Text(mark, style=colour), Text(one.what), told)
    broken = len(examined.broken)
    made.add_row("", Text(f"{broken} broken" if broken else "nothing is broken", style="bold"), "")
    return made
