"""Runs on the disk: what they are, what they reached, and the room they take. Reading alone; `removing.py` takes away."""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from tunesmith.errors import UserError, did_you_mean
from tunesmith.run import Run

PLACES = ("runs", "comparisons", "sweeps")  # where runs lie that nobody put elsewhere
Sort = Literal["name", "method", "model", "state", "score", "time", "disk"]


@dataclass(frozen=True)
class Listed:
    """One run.

    state:   `writing` (a process is at it), `ended`, `learnt` (answers are missing), `step 40 of 100`, or `begun`.
    score:   headline of the main task; None where it was not judged. task, metric: which that is.
    seconds: of training. changed: seconds since the epoch, of the last change in the folder.
    disk:    bytes on the disk, links not followed. checkpoints: those of `state/`; held: those of unnamed files that the
             process at it holds open (activations of the frozen part, which are gone when it ends).
    """

    folder: str
    name: str
    method: str
    model: str
    state: str
    task: str
    metric: str
    score: float | None
    seconds: float | None
    changed: float
    disk: int
    checkpoints: int
    held: int

    def tree(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Shown:
    """A run with its settings (flat), all scores, and its files with their bytes."""

    run: Listed
    settings: dict[str, Any]
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)

    def tree(self) -> dict[str, Any]:
        return asdict(self)


def runs(folders: Sequence[str | Path] = (), *, sort: Sort = "time") -> list[Listed]:
    """All runs below some folders; of those that stand here where none is named. Command: `tunesmith runs list`.

    Args:
        folders: where to look, at any depth; links are not followed. A run's own folder is that run.
        sort: names ascend; scores and room descend, and of times the last change is first.
    """
    places = [Path(one) for one in folders] or [Path(one) for one in PLACES if Path(one).is_dir()]
    for place in places:
        if not place.is_dir():
            beside = [one.name for one in place.parent.iterdir()] if place.parent.is_dir() else []
            raise UserError(f"there is no folder `{place}`", did_you_mean(place.name, beside))
    found = {path.resolve(): looked_at(Run(path)) for place in places for path in below(place)}
    return sorted(found.values(), key=lambda one: order(one, sort))


def order(one: Listed, sort: Sort) -> tuple[Any, ...]:
    """What runs are sorted by."""
    downward = {"score": -(one.score if one.score is not None else float("-inf")), "time": -one.changed, "disk": -one.disk}
    return (downward[sort] if sort in downward else getattr(one, sort), one.folder)


def below(place: Path) -> Iterator[Path]:
    """Folders of runs in a folder, or itself. What lies inside a run belongs to it, but for runs made of it."""
    for root, folders, files in os.walk(place):
        folders.sort()
        if "recipe.yaml" in files:
            yield Path(root)
            folders[:] = [name for name in folders if name not in OWN]


OWN = {"state", "adapter", "model", "answers", "seven", "inspection", "tensorboard", "wandb"}


def looked_at(run: Run) -> Listed:
    """What a run's small files tell, and what the folder takes."""
    world, writer = run.world(), run.writer()
    known = {name: str(world[name]) for name in ("method", "model") if world.get(name)}
    if len(known) < 2:
        known = asked_for(run) | known
    task, metric, score = headline(run, world)
    sizes = files(run.folder)
    seconds = world.get("training_seconds")
    return Listed(
        folder=str(run.folder),
        name=str(world.get("system") or run.name),
        method=known["method"],
        model=known["model"],
        state=state(run, world, writer),
        task=task,
        metric=metric,
        score=score,
        seconds=float(seconds) if seconds is not None else None,
        changed=changed(run.folder),
        disk=sum(sizes.values()),
        checkpoints=sum(size for name, size in sizes.items() if name.startswith("state/")),
        held=held(run.folder, writer) if writer else 0,
    )


def asked_for(run: Run) -> dict[str, str]:
    """Method and model by the recipe, before the network was read."""
    tree = run.recipe()
    tree = tree if isinstance(tree, dict) else {}
    method, model = tree.get("method", "none"), tree.get("model", {})
    kind = method.get("kind", "") if isinstance(method, dict) else method
    return {"method": str(kind), "model": str(model.get("path", "") if isinstance(model, dict) else model)}


def headline(run: Run, world: dict[str, Any]) -> tuple[str, str, float | None]:
    """Task, metric and value of the main score."""
    scores = run.scores()
    task = world.get("main_task") if world.get("main_task") in scores else next(iter(scores), None)
    if task is None:
        return "", "", None
    metric, score = next(iter(scores[str(task)].items()))
    return str(task), metric, score.value


def state(run: Run, world: dict[str, Any], writer: int | None) -> str:
    """How far a run is."""
    step, planned = last_step(run), world.get("planned_steps")
    told = f"step {step}" + (f" of {planned}" if planned else "") if step else "begun"
    if writer is not None:
        return f"writing, {told}" if not world.get("best_step") else "writing, answers"
    if world.get("ended"):
        return "ended"
    return "learnt" if "best_step" in world else told


def last_step(run: Run) -> int:
    """Of `steps.jsonl`, by its last lines alone."""
    path = run.folder / "steps.jsonl"
    if not path.is_file():
        return 0
    import json

    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 8192))
        for line in reversed(file.read().splitlines()):
            try:
                return int(json.loads(line)["step"])
            except (ValueError, KeyError, TypeError):
                continue
    return 0


def files(folder: Path) -> dict[str, int]:
    """Name below the folder -> bytes on the disk. A link counts as itself; a file of several names counts once."""
    found, seen = {}, set()
    for root, _, names in os.walk(folder):
        for name in sorted(names):
            path = Path(root) / name
            try:
                told = path.lstat()
            except FileNotFoundError:  # gone in between
                continue
            if (told.st_dev, told.st_ino) not in seen:
                seen.add((told.st_dev, told.st_ino))
                found[path.relative_to(folder).as_posix()] = getattr(told, "st_blocks", -(-told.st_size // 512)) * 512
    return found


def held(folder: Path, writer: int) -> int:
    """Bytes of unnamed files in a folder that a process holds open; 0 where the system does not tell (Linux does)."""
    place, found = str(folder.resolve()), 0
    try:
        entries = list(Path(f"/proc/{writer}/fd").iterdir())
    except OSError:
        return 0
    for entry in entries:
        try:
            target = str(entry.readlink())
            if target.startswith(f"{place}/") and target.endswith("(deleted)"):
                found += entry.stat().st_blocks * 512
        except OSError:
            continue
    return found


def changed(folder: Path) -> float:
    """The last change of the folder or of what stands directly in it."""
    times = [folder.stat().st_mtime]
    with os.scandir(folder) as entries:
        times += [entry.stat(follow_symlinks=False).st_mtime for entry in entries]
    return max(times)


def show_run(folder: str | Path) -> Shown:
    """Settings, scores and files of a run. Command: `tunesmith runs show RUN`."""
    from tunesmith.resume import flat

    run = Run(Path(folder))
    scores = {task: {metric: one.value for metric, one in row.items()} for task, row in run.scores().items()}
    return Shown(looked_at(run), flat(run.recipe()), scores, files(run.folder))


def table(found: Sequence[Listed]) -> Table:
    """Runs for the terminal."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("run", "method", "model", "state"):
        made.add_column(name, overflow="fold")
    for name in ("score", "training", "disk", "changed"):
        made.add_column(name, justify="right")
    for one in found:
        score = "" if one.score is None else f"{one.metric} {one.score:.4f}"
        more = one.checkpoints + one.held
        room = size(one.disk + one.held) + (f" ({size(more)} to go on)" if more else "")
        told = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.changed))
        took = "" if one.seconds is None else f"{one.seconds:,.0f} s"
        made.add_row(*map(Text, (one.folder, one.method, one.model, one.state, score, took, room, told)))
    made.add_section()
    made.add_row(Text(f"{len(found)} runs"), "", "", "", "", "", Text(size(sum(one.disk + one.held for one in found))), "")
    return made


def shown_tables(shown: Shown) -> list[RenderableType]:
    """One run for the terminal."""
    settings, scores, room = (
        Table(box=None, pad_edge=False, show_header=False, title=title, title_justify="left")
        for title in ("settings", "scores", "files")
    )
    for name, value in shown.settings.items():
        settings.add_row(Text(name), Text(str(value)))
    for task, row in shown.scores.items():
        for metric, score in row.items():
            scores.add_row(Text(task), Text(metric), Text(f"{score:.4f}"))
    for name, bytes_ in shown.files.items():
        room.add_row(Text(size(bytes_)), Text(name))
    return [table([shown.run]), "", settings, "", scores, "", room]


def size(count: int) -> str:
    """Bytes for people."""
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count / 1024:.0f} KiB"
