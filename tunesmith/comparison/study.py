"""A study's arms side by side: what each choice of settings is worth over seeds, and where more rank brings nothing.

Dimension key: N answers, Q draws, S seeds.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite, nan
from typing import Any, Protocol

import numpy as np

from tunesmith.comparison.crowded import crowded
from tunesmith.comparison.curve import EXAMPLES, Curve, curve
from tunesmith.comparison.significance import Array, Interval, interval, resamples
from tunesmith.comparison.system import paired, systems
from tunesmith.comparison.table import Measure, columns_of, main_task
from tunesmith.errors import UserError
from tunesmith.run import Run

SIZES = ("rank", "virtual_tokens")  # settings of which a smaller value is a cheaper result

RULE = (
    "The plateau begins at the smallest value whose paired difference to the best one has a 95 % interval that reaches nought. "
    "The best one is that with the best mean of the first metric; the draws are over seeds and examples."
)


HELD = (
    "A larger rank still moves the network further in a step, since more products add up: where large ranks are unsteady, take "
    "the rank-stabilised scale, or a learning rate for each."
)


class Varied(Protocol):
    """What differs in some settings: `Tried` and `Arm` fit."""

    @property
    def values(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Tried:
    """One choice of settings, and the runs that were made of it.

    runs:       seed -> run; only those with answers are scored.
    failed:     why runs of it stopped, where they did.
    share:      of the planned steps that its runs were meant to make: 1, or that of the rung at which halving dropped it.
    scale:      what a low-rank change is multiplied by, where the method has such a number.
    """

    name: str
    values: Mapping[str, Any]
    runs: Mapping[int, Run]
    failed: Sequence[str] = ()
    share: float = 1.0
    scale: float | None = None


@dataclass(frozen=True, slots=True)
class Arm:
    """What came of one choice of settings.

    validation: mean over seeds of the lowest validation loss, with the lowest and the highest seed, in nats a token.
    by_seed:    that loss for each seed.
    scores:     metric -> mean over seeds, with its interval; empty where nothing was answered.
    behind:     how much worse the first metric is than the best arm's, by paired draws.
    level:      whether it cannot be told from the best arm.
    seconds:    mean training time of a run.
    answered:   folders of the runs that were asked.
    """

    name: str
    values: Mapping[str, Any]
    seeds: tuple[int, ...]
    validation: Interval
    by_seed: tuple[float, ...]
    scores: Mapping[str, Interval]
    behind: Interval | None
    level: bool
    trained: int | None
    seconds: float | None
    share: float
    scale: float | None
    failed: tuple[str, ...]
    answered: tuple[str, ...]
    curves: tuple[tuple[tuple[int, float], ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Plateau:
    """Along one setting, with all others as `where` says: from which arm on more brings nothing that can be told."""

    setting: str
    where: str
    arm: str
    best: str
    behind: Interval


@dataclass(frozen=True)
class Study:
    """Everything the page of a study says.

    settings: what was varied, the seed aside; seeds are those of all arms.
    best:     the arm with the lowest validation loss: the one to take, since the test examples had no part in choosing it.
    top:      the arm with the best first metric on the test examples; None where nothing was answered.
    warnings: what makes arms unlike in more than what was varied.
    times:    what times do not tell where runs were made side by side.
    """

    name: str
    main: str
    settings: tuple[str, ...]
    seeds: tuple[int, ...]
    measures: tuple[Measure, ...]
    arms: tuple[Arm, ...]
    best: str
    top: str | None
    plateaus: tuple[Plateau, ...]
    scaling: str
    warnings: tuple[str, ...]
    how: str
    examples: int
    draws: int
    curves: tuple[Curve, ...] = ()
    times: str = ""

    def arm(self, name: str) -> Arm:
        return next(arm for arm in self.arms if arm.name == name)

    def as_tree(self) -> dict[str, Any]:
        """Plain dictionaries, lists, numbers and texts."""
        return asdict(self)


def study(
    name: str, tried: Sequence[Tried], settings: Sequence[str], how: str = "", *, draws: int = 1000, seed: int = 0
) -> Study:
    """Judge the arms of a study from their runs' folders.

    Raises:
        UserError: no run was answered or validated, or runs answered different examples.
    """
    answered = [(place, number, run) for place, one in enumerate(tried) for number, run in one.runs.items() if run.answered()]
    runs = [run for _, _, run in answered]
    measures: tuple[Measure, ...] = ()
    values: dict[tuple[int, str], float] = {}
    drawn: dict[tuple[int, str], Array] = {}
    main, examples = "", 0
    if runs:
        main = main_task(runs, systems(runs))
        answers = paired(runs, main)
        examples = len(answers[0])
        measures, columns = columns_of(runs, main, answers, 0, None)
        counts_QN = resamples(answers[0], draws, seed)
        for place in range(len(tried)):
            mine = [number for number, (owner, _, _) in enumerate(answered) if owner == place]
            for measure in measures if mine else ():
                values[place, measure.name] = float(np.mean([columns[number, measure.name].value for number in mine]))
                resampled_SQ = np.stack([columns[number, measure.name].resampled(counts_QN) for number in mine])
                drawn[place, measure.name] = over_seeds(resampled_SQ, seed)
    top = _top(measures, values)
    arms = []
    for place, one in enumerate(tried):
        scores = {m.name: interval(values[place, m.name], drawn[place, m.name]) for m in measures if (place, m.name) in values}
        behind = _behind(place, top, measures, values, drawn)
        arms.append(_arm(one, scores, behind))
    furthest = max(one.share for one in tried)
    judged = [arm for arm in arms if isfinite(arm.validation.value) and arm.share == furthest]
    if not judged and not runs:
        raise UserError("no run of the study was validated or answered", "look at what the runs say, in `logs/`")
    best = min(judged, key=lambda arm: arm.validation.value).name if judged else arms[top or 0].name
    seeds = tuple(dict.fromkeys(number for one in tried for number in one.runs))
    scaling, warnings = _scaling(tried)
    if len(seeds) == 1:
        warnings = (*warnings, "Each arm was run with one seed: the intervals do not tell what another seed would have given.")
    stopped = [arm.name for arm in arms if arm.failed]
    if stopped:
        warnings = (*warnings, f"Runs of {', '.join(stopped)} failed and are left out: {arms_failed(arms)}")
    plateaus = tuple(_plateaus(tried, settings, measures, values, drawn))
    first = None if top is None else arms[top].name
    known = (name, main, tuple(settings), seeds, measures, tuple(arms), best, first, plateaus)
    curves = tuple(_curves(tried, measures, values, drawn)) if EXAMPLES in settings else ()
    times = crowded(run.world() for one in tried for run in one.runs.values())
    return Study(
        *known, scaling=scaling, warnings=warnings, how=how, examples=examples, draws=draws, curves=curves, times=times
    )


def arms_failed(arms: Sequence[Arm]) -> str:
    return "; ".join(dict.fromkeys(reason for arm in arms for reason in arm.failed))


def over_seeds(resampled_SQ: Array, seed: int) -> Array:
    """[Q] means over seeds drawn with replacement; the same seeds are drawn for every arm with as many, so arms are paired."""
    many, draws = resampled_SQ.shape
    chosen_QS = np.random.default_rng(seed).integers(0, many, (draws, many))
    mean_Q: Array = resampled_SQ[chosen_QS, np.arange(draws)[:, None]].mean(axis=1)
    return mean_Q


def _top(
    measures: Sequence[Measure], values: Mapping[tuple[int, str], float], among: Sequence[int] | None = None
) -> int | None:
    """The place with the best first metric."""
    if not measures:
        return None
    sign = 1 if measures[0].higher_is_better else -1
    found = {place: sign * value for (place, name), value in values.items() if name == measures[0].name and isfinite(value)}
    return max((place for place in found if among is None or place in among), key=found.__getitem__, default=None)


def _behind(
    place: int,
    top: int | None,
    measures: Sequence[Measure],
    values: Mapping[tuple[int, str], float],
    drawn: Mapping[tuple[int, str], Array],
) -> Interval | None:
    """How far an arm lies behind another under the first metric; above nought is worse."""
    if top is None or (place, measures[0].name) not in values:
        return None
    name, sign = measures[0].name, 1 if measures[0].higher_is_better else -1
    return interval(sign * (values[top, name] - values[place, name]), sign * (drawn[top, name] - drawn[place, name]))


def _arm(one: Tried, scores: Mapping[str, Interval], behind: Interval | None) -> Arm:
    checked = {seed: _checked(run) for seed, run in one.runs.items()}
    lowest = [min((loss for _, loss in curve), default=nan) for curve in checked.values()]
    known = [loss for loss in lowest if isfinite(loss)]
    worlds = [run.world() for run in one.runs.values()]
    seconds = [_seconds(run) for run in one.runs.values() if run.steps()]
    validation = Interval(float(np.mean(known)), min(known), max(known)) if known else Interval(nan, nan, nan)
    return Arm(
        name=one.name,
        values=dict(one.values),
        seeds=tuple(one.runs),
        validation=validation,
        by_seed=tuple(lowest),
        scores=scores,
        behind=behind,
        level=behind is not None and behind.low <= 0,
        trained=next((world["trained_parameters"] for world in worlds if world.get("trained_parameters")), None),
        seconds=float(np.mean(seconds)) if seconds else None,
        share=one.share,
        scale=one.scale,
        failed=tuple(one.failed),
        answered=tuple(str(run.folder) for run in one.runs.values() if run.answered()),
        curves=tuple(tuple(curve) for curve in checked.values()),
    )


def _seconds(run: Run) -> float:
    return sum(float(step.get("seconds", 0)) for step in run.steps())


def _checked(run: Run) -> list[tuple[int, float]]:
    """Steps and losses of the validations; of a step written twice the last counts."""
    return sorted({int(record["step"]): float(record["loss"]) for record in run.validations()}.items())


def number_axes(arms: Sequence[Varied], settings: Sequence[str]) -> list[str]:
    """The varied settings of which every value is a number, those of size first."""
    found = [name for name in settings if len({arm.values[name] for arm in arms if _number(arm.values.get(name))}) > 1]
    found = [name for name in found if all(_number(arm.values[name]) for arm in arms if name in arm.values)]
    return sorted(found, key=lambda name: (name != EXAMPLES, name.rpartition(".")[2] not in SIZES))


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def grouped(arms: Sequence[Varied], axis: str) -> dict[str, list[int]]:
    """Places of the arms that differ in one setting only, in the order of its values; by what the others are.

    What learnt from no example begins every line of its kind.
    """
    groups: dict[str, list[int]] = {}
    none = [place for place, arm in enumerate(arms) if axis == EXAMPLES and arm.values.get(axis) == 0]
    for place, arm in enumerate(arms):
        if axis in arm.values and place not in none:
            rest = ", ".join(_told(name, value) for name, value in arm.values.items() if name != axis)
            groups.setdefault(rest, []).append(place)
    for place in none:
        own = {name: value for name, value in arms[place].values.items() if name != axis}
        begun = [line for line in groups.values() if own.items() <= dict(arms[line[0]].values).items()]
        for line in begun or [groups.setdefault(", ".join(_told(name, value) for name, value in own.items()), [])]:
            line.append(place)
    return {rest: sorted(places, key=lambda place: arms[place].values[axis]) for rest, places in groups.items()}


def _told(name: str, value: Any) -> str:
    return str(value) if name == "system" else f"{name.rpartition('.')[2]} {value}"


def _plateaus(
    tried: Sequence[Tried],
    settings: Sequence[str],
    measures: Sequence[Measure],
    values: Mapping[tuple[int, str], float],
    drawn: Mapping[tuple[int, str], Array],
) -> list[Plateau]:
    """See `RULE`."""
    found = []
    for axis in number_axes(tried, settings):
        for where, places in grouped(tried, axis).items() if axis.rpartition(".")[2] in SIZES else ():
            best = _top(measures, values, places)
            if best is None or len(places) < 2:
                continue
            behind = {place: _behind(place, best, measures, values, drawn) for place in places}
            place, told = next((p, b) for p, b in behind.items() if b is not None and (p == best or b.low <= 0))
            found.append(Plateau(axis, where, tried[place].name, tried[best].name, told))
    return found


def _curves(
    tried: Sequence[Tried],
    measures: Sequence[Measure],
    values: Mapping[tuple[int, str], float],
    drawn: Mapping[tuple[int, str], Array],
) -> Iterator[Curve]:
    """A curve for each line of sizes of which two or more were answered, by the first metric."""
    first = measures[0] if measures else None
    for where, places in grouped(tried, EXAMPLES).items():
        known = [place for place in places if first and (place, first.name) in values]
        if first and len(known) > 1:
            sizes = [int(tried[place].values[EXAMPLES]) for place in known]
            told = [values[place, first.name] for place in known], [drawn[place, first.name] for place in known]
            yield curve(where, sizes, [tried[place].name for place in known], *told, higher=first.higher_is_better)


def _scaling(tried: Sequence[Tried]) -> tuple[str, tuple[str, ...]]:
    """How the scale of a low-rank change moved with its rank, in words; and a warning where that hides a learning rate."""
    axis = next(
        (name for name in number_axes(tried, sorted({n for t in tried for n in t.values})) if name.endswith("rank")), None
    )
    known = sorted({(one.values[axis], one.scale) for one in tried if axis in one.values and one.scale}) if axis else []
    if len({rank for rank, _ in known}) < 2 or len({rank for rank, _ in known}) < len(known):
        return "", ()
    (low, first), (high, last) = known[0], known[-1]
    if all(abs(scale / first - 1) < 1e-6 for _, scale in known):
        return f"The scale alpha / rank is held at {first:g} for every rank. {HELD}", ()
    if all(abs(scale * rank**0.5 / (first * low**0.5) - 1) < 1e-6 for rank, scale in known):
        return f"Rank-stabilised: the sum is scaled by {first * low**0.5:g} / sqrt(rank) (Kalajdzievski, 2023).", ()
    warning = (
        f"The scale of the change moves with the rank: {first:g} at rank {low}, {last:g} at rank {high}. That changes the "
        "learning rate in secret, so the arms differ in more than their rank. Leave method.alpha null, by which alpha / rank "
        "stays as it is, or set method.rank_stabilised with an alpha."
    )
    return "", (warning,)
