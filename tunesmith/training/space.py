"""The room on the disk that a run needs while it learns: told before the first step, in numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from tunesmith import disk
from tunesmith.errors import UserError
from tunesmith.methods.full import Full
from tunesmith.models.adapter import Adapter
from tunesmith.training import tensors
from tunesmith.training.plan import Plan
from tunesmith.training.state import State

RECORD = 40_000  # bytes of a checkpoint's `state.json` and manifest
LINE = 600  # of a step in the log
ANSWER = 4_000  # of an answer with its prompt
EIGHT_BITS = 2.04  # bytes that both moments of a number take there, with the scales of blocks


@dataclass(frozen=True)
class Needed:
    """Bytes on the disk of the run's folder.

    weights, moments: of a checkpoint. checkpoints, bests: how many of them there are when most are.
    result: of the adapter or the network in the end. besides: log and answers.
    """

    weights: int
    moments: int
    checkpoints: int
    best: int
    bests: int
    result: int
    besides: int

    @property
    def checkpoint(self) -> int:
        return self.weights + self.moments + RECORD

    @property
    def total(self) -> int:
        return self.checkpoints * self.checkpoint + self.bests * self.best + self.result + self.besides

    @property
    def largest(self) -> int:
        """Of one file."""
        return max(self.weights, self.moments, self.result)

    def told(self) -> str:
        size = disk.size
        return (
            f"{self.checkpoints} checkpoints of {size(self.checkpoint)}, best weights {self.bests} times {size(self.best)}, "
            f"the result {size(self.result)}, log and answers {size(self.besides)}"
        )


def needed(state: State, adapter: Adapter, network: nn.Module, plan: Plan, steps: int, answers: int = 0) -> Needed:
    """Counted over the tensors that will be written.

    answers: how many will be given.
    """
    trained, kept = tensors.count(state.trained), tensors.count(state.kept())
    numbers = sum(parameter.numel() for parameter in state.trained.values())
    whole = isinstance(adapter.method, Full)
    return stored(
        plan,
        steps,
        weights=kept,
        moments=tensors.count(state.moments()) or moments(plan, numbers, trained),
        result=sum(p.numel() * p.element_size() for p in network.parameters()) if whole else trained,
        besides=(steps - state.step) * LINE + answers * ANSWER,
    )


def moments(plan: Plan, numbers: int, size: int) -> int:
    """Bytes of the optimizer's two moments of so many trained numbers, which take `size` bytes themselves."""
    return round(EIGHT_BITS * numbers) if plan.optimizer == "adamw_8bit" else 2 * size


def stored(plan: Plan, steps: int, *, weights: int, moments: int, result: int, besides: int) -> Needed:
    """What a run of so many steps has on the disk when it has most.

    A new checkpoint is written before the oldest goes, and so are new best weights: of each there is one more than is kept.
    """
    most = plan.checkpoints.last + 1
    saves, validations = (steps - 1) // plan.saving_every(steps), steps // plan.validating_every(steps) + 1
    return Needed(
        weights=weights,
        moments=moments,
        checkpoints=max(1, min(most, saves)),
        best=weights,
        bests=min(most, validations),
        result=result,
        besides=besides,
    )


def reserve(wanted: Needed, plan: Plan, folder: Path, say: Callable[[str], None]) -> int:
    """Compare with what the disk has; what the run has there already is not needed twice.

    Returns:
        bytes that are free beyond it.

    Raises:
        UserError: there is too little, and `plan.checkpoints.short` does not let it go.
    """
    stands = sum(path.stat().st_size for path in (folder / "state").rglob("*.safetensors"))
    missing, free = max(0, wanted.total - stands), disk.free(folder)
    limit = disk.largest()
    if limit is not None and limit < wanted.largest:
        problem = f"this process may write files of {disk.size(limit)}, and the run's largest takes {disk.size(wanted.largest)}"
        hint = "raise the limit (`ulimit -f unlimited`)"
    elif free < missing:
        problem = (
            f"the disk of `{folder}` has {disk.size(free)} free, and the run is estimated to need {disk.size(missing)} "
            f"while it learns: {wanted.told()}"
        )
        hint = f"make room, choose a folder on another disk with `--into`, or train fewer weights{_fewer(plan)}"
    else:
        return free - missing
    if plan.checkpoints.short == "refuse":
        raise UserError(problem, f"{hint}; `plan.checkpoints.short: say` tries it all the same")
    say(f"{problem}; it goes on, as `plan.checkpoints.short` says")
    return max(0, free - missing)


def _fewer(plan: Plan) -> str:
    return "; `plan.checkpoints.last: 1` keeps one checkpoint less" if plan.checkpoints.last > 1 else ""
