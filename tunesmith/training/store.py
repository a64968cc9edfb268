"""The checkpoints of a run: which are kept, which is taken up again, and what is done where one is damaged or has no room.

state/
    step-000400/          to go on from (`training/state.py`); `plan.checkpoints.last` of them
    best-000300/          the weights of the best validation, and those that the checkpoints which are kept refer to
    damaged-step-000500/  was found damaged; removed when the next checkpoint is whole

What is older is removed when what is newer is whole and on the disk, never before.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunesmith import disk, manifest
from tunesmith.errors import UserError
from tunesmith.manifest import DamagedError
from tunesmith.models.memory import give_back
from tunesmith.training import tensors
from tunesmith.training.plan import Checkpoints
from tunesmith.training.state import RECORD, State, checkpoints

BEST = re.compile(r"best-(\d+)$")


@dataclass
class Store:
    """The folder `state` of a run.

    say: hears what a person should know.
    """

    root: Path
    settings: Checkpoints
    say: Callable[[str], None]
    warned: bool = False

    def save(self, state: State) -> None:
        """Write a checkpoint, then remove what no longer counts.

        Raises:
            DiskError: there is no room, or the folder is gone or shut. What was there before is untouched.
        """
        with self._writing(state, tensors.count(state.kept()) + tensors.count(state.moments())):
            state.save(self.root)
        if state.writes:
            self._tidy(state)
            self._warn(state)

    def keep_best(self, state: State) -> None:
        """Write the weights as they are: they are the best so far."""
        with self._writing(state, tensors.count(state.kept())):
            state.save_weights(self.best(state.step))
        if state.writes:
            self._remove_bests(state)

    def best(self, step: int) -> Path:
        return self.root / f"best-{step:06d}"

    def take_best(self, state: State, step: int) -> None:
        """Put the best weights, which are those of a step, into the model.

        Raises:
            DamagedError: they are not as they were written.
        """
        give_back()  # the file is read into memory, beside all that a step needed
        try:
            state.restore_weights(self.best(step))
        except DamagedError as error:
            raise DamagedError(
                f"the best weights, those of step {step}, are damaged: {error.problem}",
                f"{self.remains()}; the same command goes on from what is whole",
            ) from None

    def restore(self, state: State) -> bool:
        """Take up the newest checkpoint that is whole, with its best weights; False: there are none, it is the beginning.

        Where only its best weights are damaged, an older checkpoint whose own are whole is taken before it, since going on from
        there finds them again; else it goes on without them.

        Raises:
            UserError: there are checkpoints and none is whole, or they belong to another run.
        """
        found = checkpoints(self.root)
        if not found:
            self._begin(state)
            return False
        faults: list[str] = []
        without: tuple[Path, dict[str, Any]] | None = None
        for folder in found:
            try:
                record = state.examine(folder)
            except DamagedError as error:
                faults.append(f"`{folder.name}` is damaged: {error.problem}")
                continue
            fault = self._fault_of_best(record)
            if fault is None:
                return self._take(state, folder, record, faults)
            faults.append(f"the best weights that `{folder.name}` refers to are damaged: {fault}")
            without = without or (folder, record)
        if without is None:
            raise UserError(
                f"no checkpoint in `{self.root}` is whole: {'; '.join(faults)}",
                "take the folder from a backup, or remove it: the same command then begins at the first step again",
            )
        folder, record = without
        for name in ("best", "best_step", "patience"):
            record["facts"].pop(name, None)
        self.say("the best weights are lost; the best of the validations to come is kept")
        return self._take(state, folder, record, faults)

    def _take(self, state: State, folder: Path, record: dict[str, Any], faults: Iterable[str]) -> bool:
        for fault in faults:
            self.say(fault)
        if faults:
            self.say(f"what remains: `{folder.name}` is whole, and the run goes on from there")
        state.take(folder, record)
        found = checkpoints(self.root)
        for one in found[: found.index(folder)] if state.writes else ():
            aside = self.root / f"damaged-{one.name}"
            remove(aside)
            one.replace(aside)
        return True

    def _begin(self, state: State) -> None:
        """Nothing is learnt: best weights of a run that was killed before its first checkpoint do not count."""
        for folder in self._bests() if state.writes else ():
            remove(folder)

    def _fault_of_best(self, record: dict[str, Any]) -> str | None:
        """What is wrong with the best weights that a checkpoint refers to."""
        step = record["facts"].get("best_step")
        if step is None:
            return None
        if not isinstance(step, int):
            return f"`best_step` is `{step}`"
        try:
            manifest.check(self.best(step), alone=True)
        except DamagedError as error:
            return error.problem
        return None

    def remains(self) -> str:
        """What is whole in the folder, in words."""
        whole = [folder for folder in checkpoints(self.root) if _whole(folder)]
        if not whole:
            return "no checkpoint is whole"
        names = ", ".join(f"`{folder.name}`" for folder in whole)
        return f"whole in `{self.root}`: {names}"

    def _tidy(self, state: State) -> None:
        """Remove checkpoints beyond those that are kept; the newest was written just now."""
        for old in (*checkpoints(self.root)[self.settings.last :], *self.root.glob("damaged-*")):
            remove(old)
        self._remove_bests(state)
        for half in self.root.glob(".*.tmp"):  # of a process that was killed
            remove(half)

    def _remove_bests(self, state: State) -> None:
        """Best weights stay while the run, or a checkpoint that is kept, refers to them."""
        wanted = {state.facts.get("best_step"), state.step} | {_best_step(folder) for folder in checkpoints(self.root)}
        for folder in self._bests():
            if int(folder.name.removeprefix("best-")) not in wanted:
                remove(folder)

    def _bests(self) -> list[Path]:
        return [path for path in self.root.glob("best-*") if BEST.search(path.name)]

    def _warn(self, state: State) -> None:
        """Say once that the next checkpoint will find no room."""
        coming = tensors.count(state.kept()) + tensors.count(state.moments()) + tensors.count(state.kept())
        free = disk.free(self.root)
        if free < coming and not self.warned:
            self.warned = True
            self.say(
                f"the disk of `{self.root}` gets short: {disk.size(free)} are free, and the next checkpoint with best weights "
                f"takes {disk.size(coming)}"
            )

    @contextmanager
    def _writing(self, state: State, needed: int) -> Iterator[None]:
        """Tell of a disk that does not take it. Where the folder above is gone, it stays so."""
        with disk.telling(self.root.parent, needed, self.remains):
            if state.writes:
                self.root.mkdir(exist_ok=True)
            yield


def remove(folder: Path) -> None:
    """Take a folder away. It loses its name first, so that a kill leaves no half of it under it."""
    hidden = folder if folder.name.startswith(".") else folder.with_name(f".{folder.name}.old.tmp")
    with suppress(FileNotFoundError):
        if hidden != folder:
            shutil.rmtree(hidden, ignore_errors=True)
            folder.replace(hidden)
    shutil.rmtree(hidden, ignore_errors=True)


def _whole(folder: Path) -> bool:
    try:
        manifest.check(folder, alone=True)
    except DamagedError:
        return False
    return True


def _best_step(folder: Path) -> int | None:
    """The step of the best weights that a checkpoint refers to."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        found = json.loads((folder / RECORD).read_text(encoding="utf-8"))["facts"].get("best_step")
        return found if isinstance(found, int) else None
    return None
