"""Which settings to try where ranges are searched: drawn at random, or proposed by Optuna."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Protocol

from tunesmith.errors import UserError
from tunesmith.run import end_lines, read_jsonl
from tunesmith.studies.grid import DIGITS, Range, Space, Values


class Engine(Protocol):
    """Proposes values, and is told what they were worth."""

    def ask(self) -> Values: ...
    def tell(self, values: Values, loss: float) -> None: ...


def engine(kind: str, made: Space, seed: int, folder: Path) -> Engine:
    """An engine by its name.

    Raises:
        UserError: the recipe has systems, or Optuna is asked for and not installed.
    """
    if made.tree.get("systems"):
        raise UserError("a recipe with `systems` is searched", "search for one system at a time, or give lists of values")
    return Drawn(made, seed) if kind == "random" else Optuna.begin(made, seed, folder)


@dataclass
class Drawn:
    """Random search (Bergstra and Bengio, 2012): the same seed draws the same values in the same order."""

    made: Space
    seed: int
    asked: int = 0

    def ask(self) -> Values:
        random = Random(f"{self.seed} {self.asked}")
        self.asked += 1
        return {name: self._one(axis, random) for name, axis in self.made.axes.items()}

    def tell(self, values: Values, loss: float) -> None:
        """Random search learns nothing."""

    def _one(self, axis: Any, random: Random) -> Any:
        if not isinstance(axis, Range):
            return random.choice(axis)
        ends = (math.log(axis.low), math.log(axis.high)) if axis.log else (axis.low, axis.high)
        if axis.whole and not axis.log:
            return random.randint(int(axis.low), int(axis.high))
        drawn = random.uniform(*ends)
        return rounded(math.exp(drawn) if axis.log else drawn, axis)


def rounded(value: float, axis: Range) -> float | int:
    """A number as it stands in a recipe: few digits, within its range."""
    if axis.whole:
        return round(value)
    return min(max(float(f"{value:.{DIGITS}g}"), axis.low), axis.high)


@dataclass
class Optuna:
    """Optuna's sampler (TPE; Akiba et al., 2019). What it proposed is kept in a file: a study goes on where it stopped."""

    made: Space
    study: Any
    file: Path
    open: list[tuple[Values, Any]] = field(default_factory=list)
    again: Iterator[dict[str, Any]] = field(default_factory=lambda: iter(()))

    @classmethod
    def begin(cls, made: Space, seed: int, folder: Path) -> "Optuna":
        try:
            import optuna
        except ImportError:
            raise UserError(
                "the engine `optuna` needs the package optuna", "`pip install optuna`, or `--engine random`"
            ) from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        file = folder / "optuna.jsonl"
        end_lines(file)
        before = list(read_jsonl(file))
        # What was proposed before uses up none of the sampler's numbers: begun with the same, it would propose that again.
        own = Random(f"{seed} {len(before)}").getrandbits(32) if before else seed
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=own))
        return cls(made, study, file, again=iter(before))

    def ask(self) -> Values:
        before = next(self.again, None)
        if before is not None:
            self.study.enqueue_trial(before)
        trial = self.study.ask()
        values = {name: self._one(trial, name, axis) for name, axis in self.made.axes.items()}
        if before is None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(trial.params) + "\n")
        self.open.append((values, trial))
        return values

    def tell(self, values: Values, loss: float) -> None:
        from optuna.trial import TrialState

        place = next(place for place, (asked, _) in enumerate(self.open) if asked is values)
        _, trial = self.open.pop(place)
        if math.isfinite(loss):
            self.study.tell(trial, loss)
        else:
            self.study.tell(trial, state=TrialState.FAIL)

    def _one(self, trial: Any, name: str, axis: Any) -> Any:
        if not isinstance(axis, Range):  # choices are told by their places: Optuna takes no lists as values
            return axis[trial.suggest_categorical(name, list(range(len(axis))))]
        if axis.whole:
            return trial.suggest_int(name, int(axis.low), int(axis.high), log=axis.log)
        return rounded(trial.suggest_float(name, axis.low, axis.high, log=axis.log), axis)
