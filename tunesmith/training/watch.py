"""Watching over the steps: a loss that is no number, one that leaps, and what is done then.

A step's loss and the norm of its gradient are known anyway; looking at them costs no pass over weights and waits for nothing.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Annotated, Any, Literal

from pydantic import Field

from tunesmith.data.example import Example
from tunesmith.errors import UserError

WINDOW = 64  # steps whose losses a step's is held against
FEWEST = 32  # and before there are so many, against none
OF_TASK = 16  # of a task of a mixture, its last losses
FLOOR = 0.02  # of the median: the least deviation, so that a curve which lies still is not said to leap

Tasks = Mapping[str, tuple[float, float]]  # task -> (sum of its losses, what they count)


@dataclass(frozen=True)
class Divergence:
    """What happens where training goes astray.

    then:     when loss or gradient of a step is no number: `stop`; `skip` the step, whose update is left out; or go `back` to
              the last checkpoint, and on from there with a lower rate. A step in which no row has anything to learn is left
              out with `skip`, and stops otherwise.
    in_a_row: steps that may be left out one behind the other before it stops.
    times:    how often a run may go back before it stops.
    lower:    what the learning rate is multiplied by each time it goes back.
    spikes:   of a loss that leaps: `warn`, `ignore` it, or `act` as `then` says.
    far:      a loss leaps where it lies so many median absolute deviations above the running median of 64 steps; of a mixture,
              above what the medians of its tasks let expect.
    """

    then: Literal["stop", "skip", "back"] = "stop"
    in_a_row: Annotated[int, Field(gt=0)] = 3
    times: Annotated[int, Field(gt=0)] = 3
    lower: Annotated[float, Field(gt=0, lt=1)] = 0.5
    spikes: Literal["warn", "ignore", "act"] = "warn"
    far: Annotated[float, Field(gt=0)] = 12.0


class DivergedError(UserError):
    """A step that is not learnt from. `step`: its number."""

    def __init__(self, step: int, problem: str, hint: str) -> None:
        super().__init__(problem, hint)
        self.step = step


class BlankError(UserError):
    """A step in which no row has anything to learn."""


@dataclass
class Leaps:
    """Tells losses that leap from those that stray, by medians, which a few leaps do not move."""

    far: float
    strays: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    tasks: dict[str, deque[float]] = field(default_factory=dict)

    def heed(self, loss: float, tasks: Tasks | None = None) -> float | None:
        """Take note of a loss. How many deviations above the median it lies; None where that is no leap, or not known."""
        expected = self._expected(tasks or {})
        if expected is None:
            return None
        stray, found = loss - expected, None
        if len(self.strays) >= FEWEST:
            middle = median(self.strays)
            deviation = median(abs(one - middle) for one in self.strays)
            above = (stray - middle) / max(deviation, FLOOR * abs(middle + expected), 1e-12)
            found = above if above > self.far else None
        self.strays.append(stray)
        return found

    def _expected(self, tasks: Tasks) -> float | None:
        """The step's loss if each of its tasks had its own median; None where one of them is too new to tell."""
        counted = {name: (total / count, count) for name, (total, count) in tasks.items() if count}
        known = all(len(self.tasks.get(name, ())) >= OF_TASK // 2 for name in counted)
        whole = sum(count for _, count in counted.values())
        found = sum(count / whole * median(self.tasks[name]) for name, (_, count) in counted.items()) if known else None
        for name, (loss, _) in counted.items():
            self.tasks.setdefault(name, deque(maxlen=OF_TASK)).append(loss)
        return found


class Watch:
    """What is known of the steps so far.

    made:  the lines of `steps.jsonl` of a run that goes on.
    where: words for where the row of an example stands (file and line); empty where that is not known.
    """

    def __init__(
        self,
        settings: Divergence = Divergence(),
        made: Sequence[Mapping[str, Any]] = (),
        where: Callable[[Example], str] | None = None,
    ) -> None:
        self.settings = settings
        self.where = where or (lambda example: "")
        self.leaps = Leaps(settings.far)
        self.high = False  # whether the last loss had leapt too: a leap is told once
        for line in made:
            if line.get("loss") is not None and line.get("gradient_norm") is not None:
                self.high = self.leaps.heed(line["loss"], sums_of(line)) is not None

    def leap(self, loss: float, tasks: Tasks) -> float | None:
        """Take note of a loss that is a number. By how many deviations it has leapt; None: it has not, or that was told."""
        if self.settings.spikes == "ignore":
            return None
        found = self.leaps.heed(loss, tasks)
        fresh, self.high = not self.high or self.settings.spikes == "act", found is not None
        return found if fresh else None

    def leave_out(self, facts: dict[str, Any], step: int, error: UserError) -> None:
        """Note in a state's facts that a step is left out.

        Raises:
            UserError: `error`, where the settings say otherwise, or too many were left out one behind the other.
        """
        if isinstance(error, DivergedError) and self.settings.then == "stop":
            raise DivergedError(step, f"{error.problem}; the last good checkpoint is kept", error.hint)
        if self.settings.then != "skip":
            raise error
        known = facts.get("left_out", {"all": 0, "row": 0, "last": None})
        row = known["row"] + 1 if known["last"] == step - 1 else 1
        if row > self.settings.in_a_row:
            raise DivergedError(
                step,
                f"{error.problem}; {self.settings.in_a_row} steps before it were left out already (`plan.divergence.in_a_row`)",
                error.hint,
            )
        facts["left_out"] = {"all": known["all"] + 1, "row": row, "last": step}


def lower(facts: Mapping[str, Any]) -> float:
    """What a run that went back multiplies its learning rate by."""
    return float(facts.get("lower", 1.0))


def finite(loss: float, norm: float) -> bool:
    return math.isfinite(loss) and math.isfinite(norm)


def sums_of(line: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """The tasks of a line of `steps.jsonl`, as a step has them."""
    return {name: (told["sum"], told["count"]) for name, told in line.get("tasks", {}).items()}
