"""Room made on the disk: whole runs, parts of them, or checkpoints that nothing goes on from.

What may go is decided first and shown (`to_remove`, `to_prune`); `remove` then takes exactly that. Only entries that a run
writes are ever taken, links are unlinked and never followed, and a run that a process writes into is refused: that process
holds the lock of `Run.writing`, and `remove` takes it itself while it works.
"""

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tunesmith import manifest
from tunesmith.errors import UserError
from tunesmith.housekeeping import changed, files, runs
from tunesmith.manifest import DamagedError
from tunesmith.run import LOCK, Run

Part = Literal["state", "weights", "answers", "tracking"]
PARTS: dict[str, tuple[str, ...]] = {
    "state": ("state",),
    "weights": ("adapter", "model"),
    "answers": ("answers", "seven"),
    "tracking": ("tensorboard", "wandb", "tracking.json"),
}
RECORDS = ("recipe.yaml", "world.json", "steps.jsonl", "validation.jsonl", "samples.jsonl", "scores.json")
MADE = ("inspection", "forgetting", LOCK)
WRITTEN = {*RECORDS, *MADE, *(name for names in PARTS.values() for name in names)}
DAY = 86400.0


@dataclass(frozen=True)
class Removal:
    """What would be taken of one run: entries of its folder, and their bytes; kept: others' files there, which stay."""

    folder: Path
    entries: tuple[Path, ...]
    bytes: int
    kept: tuple[str, ...] = ()


def to_remove(folders: Sequence[str | Path], *, only: Part | None = None) -> list[Removal]:
    """What `remove` would take of runs: all that a run writes, or one part of it.

    Raises:
        UserError: a folder is no run's, is a link, or a process writes into it.
    """
    found = []
    for folder in dict.fromkeys(Path(one) for one in folders):
        refuse(folder)
        entries = sorted(one for one in folder.iterdir() if one.name in (PARTS[only] if only else WRITTEN))
        others = () if only else tuple(sorted(one.name for one in folder.iterdir() if one.name not in WRITTEN))
        found.append(Removal(folder, tuple(entries), room(entries), others))
    return found


def to_prune(folders: Sequence[str | Path] = (), *, older: float | None = None) -> list[Removal]:
    """Checkpoints that no run goes on from: those of runs that ended, half-written ones, and all but the newest whole one.

    Args:
        folders: where runs lie, as of `runs`.
        older: also all checkpoints of unfinished runs that nothing has changed for so many days; they begin again then.
    """
    found = []
    for one in runs(folders):
        run = Run(Path(one.folder))
        if run.writer() is not None or run.folder.is_symlink() or (run.folder / "state").is_symlink():
            continue
        entries = unused(run, older)
        found.append(Removal(run.folder, tuple(entries), room(entries)))
    return [one for one in found if one.entries]


def unused(run: Run, older: float | None) -> list[Path]:
    """Checkpoints of one run that may go."""
    state = run.folder / "state"
    if not state.is_dir():
        return []
    resting = older is not None and time.time() - max(changed(run.folder), changed(state)) > older * DAY
    if run.world().get("ended") or resting:
        return [state]
    whole = sorted(path for path in state.glob("step-*") if (path / "state.json").is_file())
    half = [path for path in state.glob("step-*") if path not in whole] + [*state.glob(".*.tmp"), *state.glob("damaged-*")]
    newest = next((path for path in reversed(whole) if sound(path)), None)
    return sorted([*(path for path in whole if newest is not None and path != newest), *half])


def sound(checkpoint: Path) -> bool:
    """Whether a checkpoint's files are as they were written."""
    try:
        manifest.intact(checkpoint)
    except DamagedError:
        return False
    return True


def refuse(folder: Path) -> None:
    """Refuse what is not a run's folder, what stands elsewhere than it seems, and what is being written."""
    if folder.is_symlink():
        raise UserError(f"`{folder}` is a link to `{folder.resolve()}`", "name the folder itself")
    if not folder.is_dir():
        raise UserError(f"there is no folder `{folder}`", "`tunesmith runs list` names the runs")
    run = Run(folder)
    tree = run.recipe()
    if not isinstance(tree, dict) or "model" not in tree or not {"tasks", "judged_by"} & set(tree):
        raise UserError(f"`{folder}` is not a run: its `recipe.yaml` is none of a run", "remove it by hand, if you mean it")
    here = Path.cwd().resolve()
    if folder.resolve() in (here, *here.parents):
        raise UserError(f"`{folder}` is where you stand", "go elsewhere first")
    writer = run.writer()
    if writer is not None:
        raise UserError(f"process {writer or ''} writes into `{folder}` at this moment", "stop it, or wait")


def remove(removal: Removal) -> None:
    """Take what a removal names, and the folder where nothing stays in it."""
    with Run(removal.folder).writing():
        for entry in removal.entries:
            taken(removal.folder, entry)
    if not any(removal.folder.iterdir()):
        removal.folder.rmdir()


def taken(folder: Path, entry: Path) -> None:
    """One entry: a link itself, a file, or a folder, whose own links `rmtree` does not follow either."""
    inside = os.path.commonpath([folder.resolve(), entry.parent.resolve()]) == str(folder.resolve())
    assert inside, f"`{entry}` leads out of `{folder}`"
    if entry.is_symlink() or entry.is_file():
        entry.unlink(missing_ok=True)
    elif entry.is_dir():
        shutil.rmtree(entry)


def room(entries: Sequence[Path]) -> int:
    """Bytes on the disk."""
    return sum(
        sum(files(one).values()) if one.is_dir() and not one.is_symlink() else one.lstat().st_blocks * 512 for one in entries
    )
