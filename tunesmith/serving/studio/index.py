"""Every run below some folders, found again in a moment: of a run whose files have not changed nothing is read twice.

A request names a run by an id of the index, never by a path.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import Any, Literal

from tunesmith.errors import UserError
from tunesmith.run import Run, read_json

State = Literal["running", "ended", "interrupted", "failed"]
Sort = Literal["name", "method", "score", "time", "task", "state", "loss"]
FOLDERS = ("runs", "comparisons", "sweeps")
FILES = ("recipe.yaml", "world.json", "scores.json", "steps.jsonl")
PAGES = ("report.html", "board.html")  # what a comparison or a study wrote about its runs
DEEPEST = 6  # folders below a given one
AGAIN = 0.7  # seconds in which the folders are not looked through twice
TOLD = (
    "id",
    "name",
    "group",
    "method",
    "model",
    "task",
    "metric",
    "score",
    "higher",
    "step",
    "planned",
    "loss",
    "changed",
    "holds",
)
QUIET = 60.0  # seconds without a new line after which a run that has not ended counts as interrupted
SLOW = 20  # or so many times its last step took
END = 1 << 13  # bytes at a file's end in which its last line is looked for

Stamp = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A run of the list. `group` is the folder it lies in, as a person named it; `score` is the headline's of its main task.

    step, planned: steps made, and of the whole run.
    changed:       when it last wrote anything, in seconds since 1970.
    loss:          of its last step; `seconds`: what that took.
    holds:         `adapter`, `model` (whole weights), or nothing that could be asked yet.
    """

    id: str
    run: Run
    name: str
    group: str
    method: str = ""
    model: str = ""
    task: str = ""
    metric: str = ""
    score: float | None = None
    higher: bool = True
    step: int = 0
    planned: int | None = None
    loss: float | None = None
    seconds: float = 0.0
    changed: float = 0.0
    ended: bool = False
    failed: str = ""
    fault: str = ""
    holds: Literal["adapter", "model", ""] = ""

    def state(self, now: float) -> State:
        if self.ended:
            return "ended"
        if self.failed or self.fault:
            return "failed"
        return "running" if now - self.changed < max(QUIET, SLOW * self.seconds) else "interrupted"

    def tree(self, now: float) -> dict[str, Any]:
        """What the page is told of it."""
        return {name: getattr(self, name) for name in TOLD} | {"state": self.state(now), "why": self.failed or self.fault}


@dataclass(frozen=True, slots=True)
class Page:
    """A page that was written about runs."""

    id: str
    path: Path
    name: str
    group: str
    changed: float


@dataclass
class Index:
    """Looks through the folders when it is asked, and reads what is new."""

    folders: Sequence[Path]
    _entries: dict[Path, tuple[Stamp, Entry]] = field(default_factory=dict)
    _pages: dict[str, Page] = field(default_factory=dict)
    _by_id: dict[str, Entry] = field(default_factory=dict)
    _looked: float = -1e9
    _lock: Lock = field(default_factory=Lock)

    def entries(self) -> list[Entry]:
        self._look()
        return list(self._by_id.values())

    def pages(self) -> list[Page]:
        self._look()
        return sorted(self._pages.values(), key=lambda page: -page.changed)

    def entry(self, id_: str) -> Entry:
        """The run with this id; `UserError` where there is none."""
        self._look()
        if id_ not in self._by_id:
            raise UserError("there is no such run in the list", "it may have been removed: open the list again")
        return self._by_id[id_]

    def page(self, id_: str) -> Page:
        self._look()
        if id_ not in self._pages:
            raise UserError("there is no such page", "it may have been removed: open the list again")
        return self._pages[id_]

    def _look(self) -> None:
        with self._lock:
            if time.monotonic() - self._looked < AGAIN:
                return
            found: dict[Path, tuple[Stamp, Entry]] = {}
            pages: dict[str, Page] = {}
            for root in self.folders:
                for folder, is_run in below(root):
                    if is_run:
                        found[folder] = self._read(folder, root)
                    pages |= {page.id: page for page in pages_of(folder, root)} if not is_run else {}
            self._entries, self._pages = found, pages
            self._by_id = {entry.id: entry for _, entry in found.values()}
            self._looked = time.monotonic()

    def _read(self, folder: Path, root: Path) -> tuple[Stamp, Entry]:
        stamp, before = stamp_of(folder), self._entries.get(folder)
        if before is not None and before[0] == stamp:
            entry = before[1]
        elif before is not None and before[0][:3] == stamp[:3]:
            entry = replace(before[1], **last_step(folder), changed=stamp[3][0] / 1e9)
        else:
            entry = read(folder, root, stamp)
        if not entry.ended:
            entry = replace(entry, changed=max(entry.changed, written(folder)))
        return stamp, entry


def found(entries: Sequence[Entry], words: str, sort: Sort, down: bool, now: float, state: str = "") -> list[Entry]:
    """The runs that have all the words, in order; those without a value stand last either way."""
    wanted = words.lower().split()
    kept = [
        entry
        for entry in entries
        if all(word in " ".join((entry.name, entry.group, entry.method, entry.model, entry.task)).lower() for word in wanted)
        and (not state or entry.state(now) == state)
    ]
    keys: Mapping[Sort, Callable[[Entry], Any]] = {
        "name": lambda entry: natural(entry.name),
        "method": lambda entry: entry.method,
        "score": lambda entry: entry.score,
        "time": lambda entry: entry.changed,
        "task": lambda entry: entry.task,
        "state": lambda entry: entry.state(now),
        "loss": lambda entry: entry.loss,
    }
    key = keys[sort]
    known = [entry for entry in kept if key(entry) not in (None, "") and key(entry) == key(entry)]
    rest = [entry for entry in kept if not (key(entry) not in (None, "") and key(entry) == key(entry))]
    return sorted(sorted(known, key=lambda entry: natural(entry.name)), key=key, reverse=down) + rest


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """So that `run-9` stands before `run-10`.

    >>> natural("run-9") < natural("run-10")
    True
    """
    parts, digits = [""], False
    for letter in name.lower():
        is_digit = letter.isascii() and letter.isdigit()
        if is_digit == digits:
            parts[-1] += letter
        else:
            parts.append(letter)
            digits = is_digit
    return tuple((int(part), "") if part.isascii() and part.isdigit() else (0, part) for part in parts)


def below(root: Path, depth: int = 0) -> Iterator[tuple[Path, bool]]:
    """The folders below one, itself included, and of each whether it is a run; what lies within a run is not looked at."""
    is_run = (root / "recipe.yaml").is_file()
    yield root, is_run
    if is_run or depth == DEEPEST:
        return
    try:
        inside = sorted(Path(one.path) for one in os.scandir(root) if one.is_dir() and not one.name.startswith("."))
    except OSError:
        return
    for folder in inside:
        yield from below(folder, depth + 1)


def stamp_of(folder: Path) -> Stamp:
    """When each file that the list is made from was last written, and its size."""
    return tuple(_stat(folder / name) for name in FILES)


def _stat(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def written(folder: Path) -> float:
    """When a run that is under way last wrote anything: its files, or answers as they come."""
    places = [folder, folder / "state", folder / "state" / "answers"]
    times = [_stat(place)[0] for place in places]
    for place in places:
        try:
            times += [_stat(Path(one.path))[0] for one in os.scandir(place) if one.is_file()]
        except OSError:
            continue
    return max(times) / 1e9


def identity(path: Path) -> str:
    """The name of a path that a request may know: the same as long as it lies there."""
    return blake2b(str(path.resolve()).encode(), digest_size=8).hexdigest()


def group_of(folder: Path, root: Path) -> str:
    inside = folder.parent.relative_to(root) if folder != root else Path()
    return (root.name or str(root)) if inside == Path() else str(Path(root.name) / inside)


def read(folder: Path, root: Path, stamp: Stamp) -> Entry:
    """All that the list says of a run. A file that cannot be read is told, and hides no other run."""
    run = Run(folder)
    entry = Entry(identity(folder), run, folder.name, group_of(folder, root), changed=max(time for time, _ in stamp) / 1e9)
    try:
        world = run.world()
        if "method" not in world or "model" not in world:
            world = {**asked(run), **world}
        entry = replace(entry, **told(world), **headline(folder, world), **last_step(folder))
    except (UserError, OSError, ValueError, TypeError, AttributeError) as error:
        entry = replace(entry, fault=f"its files cannot be read: {error}")
    holds: Literal["adapter", "model", ""] = "model" if (folder / "model" / "config.json").is_file() else ""
    return replace(entry, holds="adapter" if (folder / "adapter" / "adapter_config.json").is_file() else holds)


def told(world: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "method": str(world.get("method") or "none"),
        "model": str(world.get("model") or ""),
        "task": str(world.get("main_task") or ""),
        "planned": world.get("planned_steps"),
        "ended": bool(world.get("ended")),
        "failed": str(world.get("failed") or ""),
    }


def asked(run: Run) -> dict[str, Any]:
    """What the recipe says where the run has not yet."""
    tree = run.recipe()
    method = tree.get("method", "")
    tasks = tree.get("tasks") or {}
    return {
        "method": method.get("kind", "") if isinstance(method, Mapping) else str(method),
        "model": (tree.get("model") or {}).get("path", ""),
        "main_task": next(iter(tasks), ""),
    }


def headline(folder: Path, world: Mapping[str, Any]) -> dict[str, Any]:
    """The first metric of the main task, or of the only one."""
    tree = read_json(folder / "scores.json", {})
    task = world.get("main_task") or next(iter(tree), "")
    for metric, score in (tree.get(task) or {}).items():
        return {"metric": metric, "score": score["value"], "higher": bool(score.get("higher_is_better", True))}
    return {}


def last_step(folder: Path) -> dict[str, Any]:
    """Of the last whole line of `steps.jsonl`, wherever the file ends."""
    try:
        with (folder / "steps.jsonl").open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - END))
            lines = file.read().split(b"\n")[:-1]
    except OSError:
        return {}
    for line in reversed(lines):
        try:
            record = json.loads(line)
            return {"step": int(record["step"]), "loss": float(record["loss"]), "seconds": float(record.get("seconds") or 0)}
        except (ValueError, KeyError, TypeError):
            continue
    return {}


def pages_of(folder: Path, root: Path) -> Iterator[Page]:
    for name in PAGES:
        time_, size = _stat(folder / name)
        if size:
            yield Page(identity(folder / name), folder / name, folder.name, group_of(folder, root), time_ / 1e9)
