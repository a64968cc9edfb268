"""A study's arms side by side: what each choice of settings is worth over seeds, and where more rank brings nothing.

Dimension key: N answers, Q draws, S seeds.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite, nan
from typing import Any

import numpy as np

from tunesmith.comparison.axes import SIZES, grouped, number_axes, scaling
from tunesmith.comparison.choosing import Record, by_score, kept, unlike
from tunesmith.comparison.crowded import crowded
from tunesmith.comparison.curve import EXAMPLES, Curve, curve
from tunesmith.comparison.significance import Array, Interval, interval, resamples
from tunesmith.comparison.system import paired, systems
from tunesmith.comparison.table import Measure, columns_of, main_task
from tunesmith.errors import UserError
from tunesmith.run import Run

RULE = (
    "The plateau is the best value with those below and above it, without a gap, whose paired difference to it has a 95 % "
    "interval that reaches nought. The best one is that with the best mean of the first metric; the draws are over seeds and "
    "examples."
)


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

    validation: mean over seeds of the validation loss of the weights that are kept, with the lowest and the highest seed, in
                nats a token.
    by_seed:    that loss for each seed.
    validated:  mean over seeds of their validation score, higher is better; None where it was not asked for.
    scores:     metric -> mean over seeds, with its interval; empty where nothing was answered.
    behind:     how much worse the first metric is than the best arm's, by paired draws; None where runs of it failed.
    level:      whether it cannot be told from the best arm.
    seconds:    mean training time of a run.
    answered:   folders of the runs that were asked.
    """

    name: str
    values: Mapping[str, Any]
    seeds: tuple[int, ...]
    validation: Interval
    by_seed: tuple[float, ...]
    validated: float | None
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
    """Along one setting, with all others as `where` says: the arms that cannot be told from the best.

    arm, until: the first and the last of them.
    beyond:     what comes above: `worse`, `mixed` where not all of it is, `not known` where some did not come to the end, or
                nothing.
    """

    setting: str
    where: str
    arm: str
    best: str
    until: str
    beyond: str
    behind: Interval


@dataclass(frozen=True)
class Study:
    """Everything the page of a study says.

    settings: what was varied, the seed aside; seeds are those of all arms.
    best:     the arm to take, by its validation, since the test examples had no part in it; None where that cannot be said.
    chosen:   what it was chosen by: the lowest validation `loss`, or the best `score` where runs keep the weights of that.
    top:      the arm with the best first metric on the test examples, of those without a failed run; None: none was answered.
    warnings: what makes arms unlike in more than what was varied.
    times:    what times do not tell where runs were made side by side.
    """

    name: str
    main: str
    settings: tuple[str, ...]
    seeds: tuple[int, ...]
    measures: tuple[Measure, ...]
    arms: tuple[Arm, ...]
    best: str | None
    chosen: str
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
    sound = [place for place, one in enumerate(tried) if not one.failed] or list(range(len(tried)))
    top = _top(measures, values, sound)
    records = [[kept(run) for run in one.runs.values()] for one in tried]
    arms = []
    for place, one in enumerate(tried):
        scores = {m.name: interval(values[place, m.name], drawn[place, m.name]) for m in measures if (place, m.name) in values}
        behind = _behind(place, top, measures, values, drawn) if place in sound else None
        arms.append(_arm(one, records[place], scores, behind))
    furthest = max(tried[place].share for place in sound)
    judged = [arms[place] for place in sound if isfinite(arms[place].validation.value) and arms[place].share == furthest]
    if not any(isfinite(arm.validation.value) for arm in arms) and not runs:
        raise UserError("no run of the study was validated or answered", "look at what the runs say, in `logs/`")
    best, chosen, why_not = _chosen(tried, judged)
    seeds = tuple(dict.fromkeys(number for one in tried for number in one.runs))
    told, warnings = scaling(tried)
    warnings = (*warnings, why_not) if why_not else warnings
    if len(seeds) == 1:
        warnings = (*warnings, "Each arm was run with one seed: the intervals do not tell what another seed would have given.")
    stopped = [arm.name for arm in arms if arm.failed]
    if stopped:
        warnings = (
            *warnings,
            f"Runs of {', '.join(stopped)} failed, so these arms are not chosen among: {arms_failed(arms)}",
        )
    if idle := [one.name for one, some in zip(tried, records, strict=True) if some and all(r.get("step") == 0 for r in some)]:
        begun = f"Every run of {', '.join(idle)} kept the weights that it began with: no validation after step 0 was better."
        warnings = (*warnings, begun)
    plateaus = tuple(_plateaus(tried, sound, settings, measures, values, drawn))
    first = None if top is None else arms[top].name
    known = (name, main, tuple(settings), seeds, measures, tuple(arms), best, chosen, first, plateaus)
    curves = tuple(_curves(tried, measures, values, drawn)) if EXAMPLES in settings else ()
    times = crowded(run.world() for one in tried for run in one.runs.values())
    return Study(*known, scaling=told, warnings=warnings, how=how, examples=examples, draws=draws, curves=curves, times=times)


def _chosen(tried: Sequence[Tried], judged: Sequence[Arm]) -> tuple[str | None, str, str]:
    """(the arm to take, what it is chosen by, why none is)."""
    if not judged:
        return None, "", ""
    if all(arm.validated is not None for arm in judged):
        return max(judged, key=lambda arm: arm.validated or 0.0).name, "score", ""
    names = {arm.name for arm in judged}
    if reason := unlike(one.runs for one in tried if one.name in names):
        more = "No arm is named the one to take by its validation loss: " + reason
        return None, "", more + ". With plan.best: score, arms are chosen by their score on the validation examples."
    return min(judged, key=lambda arm: arm.validation.value).name, "loss", ""


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


def _arm(one: Tried, records: Sequence[Record], scores: Mapping[str, Interval], behind: Interval | None) -> Arm:
    checked = {seed: _checked(run) for seed, run in one.runs.items()}
    lowest = [float(record.get("loss", nan)) for record in records]
    known = [loss for loss in lowest if isfinite(loss)]
    scored = bool(records) and by_score(one.runs.values()) and all("score" in record for record in records)
    worlds = [run.world() for run in one.runs.values()]
    seconds = [_seconds(run) for run in one.runs.values() if run.steps()]
    validation = Interval(float(np.mean(known)), min(known), max(known)) if known else Interval(nan, nan, nan)
    return Arm(
        name=one.name,
        values=dict(one.values),
        seeds=tuple(one.runs),
        validation=validation,
        by_seed=tuple(lowest),
        validated=float(np.mean([record["score"] for record in records])) if scored else None,
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


def _plateaus(
    tried: Sequence[Tried],
    sound: Sequence[int],
    settings: Sequence[str],
    measures: Sequence[Measure],
    values: Mapping[tuple[int, str], float],
    drawn: Mapping[tuple[int, str], Array],
) -> list[Plateau]:
    """See `RULE`; of the arms without a failed run."""
    found = []
    for axis in number_axes(tried, settings):
        for where, all_places in grouped(tried, axis).items() if axis.rpartition(".")[2] in SIZES else ():
            places = [place for place in all_places if place in sound]
            best = _top(measures, values, places)
            if best is None or len(places) < 2:
                continue
            behind = [_behind(place, best, measures, values, drawn) for place in places]
            level = [(one is not None and one.low <= 0) or place == best for place, one in zip(places, behind, strict=True)]
            first = last = places.index(best)
            while first and level[first - 1]:
                first -= 1
            while last + 1 < len(places) and level[last + 1]:
                last += 1
            above = all_places[all_places.index(places[last]) + 1 :]
            beyond = _beyond([_behind(p, best, measures, values, drawn) if p in sound else None for p in above])
            told = behind[first]
            assert told is not None
            ends = tried[places[first]].name, tried[best].name, tried[places[last]].name
            found.append(Plateau(axis, where, *ends, beyond, told))
    return found


def _beyond(behind: Sequence[Interval | None]) -> str:
    """What `Plateau.beyond` says of arms above it."""
    if any(one is None for one in behind):
        return "not known"
    if any(one is not None and one.low <= 0 for one in behind):
        return "mixed"
    return "worse" if behind else ""


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
