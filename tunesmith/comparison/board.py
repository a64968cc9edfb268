"""Runs ranked over tasks: their means and mean win rates, with intervals; and how far each is from the first.

Dimension key: M runs, T tasks, N answers, Q draws.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from tunesmith.comparison.families import Totalled, totalled
from tunesmith.comparison.forgetting import headline
from tunesmith.comparison.significance import Array, Interval, holm, interval, resamples
from tunesmith.comparison.system import paired, systems
from tunesmith.comparison.totals import Column, column, known_metrics
from tunesmith.errors import UserError, did_you_mean
from tunesmith.metrics.family import Family
from tunesmith.run import Run

By = Literal["mean", "wins"]
RULE = (
    "The mean is over the tasks that every run answered under a metric with two ends, each by its headline metric on a scale "
    "where 1 is best (BLEU 30 is .3; where lower is better, 1 less the share of the worst). The win rate in a task is the "
    "share of other runs that a run beats, equal ones by half; the mean win rate is its mean over the tasks that a run "
    "answered, as HELM counts it. It says who is ahead, not by how much, and depends on who else stands on the board. "
    "Intervals are 95 % percentiles of bootstrap draws of the examples of each task (clusters whole), the same for every run."
)


@dataclass(frozen=True, slots=True)
class Place:
    """One run on the board.

    mean, wins: None where there is nothing to take them over.
    behind:     mean of the first run less this one's, with its paired interval; None for the first. `p` is two-sided from
                the same draws, `corrected` Holm's over the board.
    scores:     a score a task, in the order of `Board.tasks`; None where it was not answered.
    totals:     averages as the benchmarks publish them.
    """

    name: str
    folder: str
    mean: Interval | None
    wins: Interval | None
    behind: Interval | None
    p: float
    corrected: float
    scores: tuple[Interval | None, ...]
    totals: tuple[Totalled, ...]


@dataclass(frozen=True, slots=True)
class BoardTask:
    """One task on the board; `counted` in the mean."""

    task: str
    metric: str
    higher_is_better: bool
    answers: int
    counted: bool


@dataclass(frozen=True)
class Board:
    """The runs from the first to the last, `by` the mean or the mean win rate."""

    by: By
    tasks: tuple[BoardTask, ...]
    places: tuple[Place, ...]
    draws: int

    def as_tree(self) -> dict[str, Any]:
        """Plain dictionaries, lists, numbers and texts."""
        return asdict(self)


def board(
    runs: Sequence[Run], tasks: Sequence[str] = (), by: By = "mean", families: Sequence[Family] = (), *, draws: int = 1000
) -> Board:
    """Rank runs from their folders alone.

    Args:
        tasks: those that count; by default all that at least two runs answered (all, of a single run).
        by: what ranks them.
        families: whose averages are told beside.

    Raises:
        UserError: no runs, a task that nobody answered, or runs that answered different examples of one.
    """
    if not runs:
        raise UserError("there is nothing to rank", "name folders of runs")
    found, answered = systems(runs), [set(run.answered()) for run in runs]
    names = _tasks(answered, tasks)
    table = [_column(runs, task, [task in one for one in answered], number, draws) for number, task in enumerate(names)]
    columns = tuple(column for column, *_ in table)
    value_MT = np.array([value_M for _, value_M, _ in table]).T
    drawn_MTQ = np.stack([drawn_MQ for *_, drawn_MQ in table], axis=1)
    up_T = np.array([1.0 if one.higher_is_better else -1.0 for one in columns])
    means = _means(columns, value_MT, drawn_MTQ)
    told = mean_win_rate(
        {one.task: dict(zip(map(str, range(len(runs))), value_MT[:, t], strict=True)) for t, one in enumerate(columns)},
        [one.task for one in columns if not one.higher_is_better],
    )
    rates_MQ = drawn_win_rates(drawn_MTQ * up_T[:, None])
    wins = [interval(told[str(m)], rates_MQ[m]) if told[str(m)] == told[str(m)] else None for m in range(len(runs))]
    ranked = means if by == "mean" and means[0] is not None else wins
    order = sorted(range(len(runs)), key=lambda m: -(one.value if (one := ranked[m]) is not None else -1.0))
    behind = _behind(order, means, columns, drawn_MTQ)
    corrected = dict(zip(behind, holm([p for _, p in behind.values()]), strict=True))
    places = []
    for m in order:
        apart, p = behind.get(m, (None, 1.0))
        scores = tuple(
            interval(value_MT[m, t], drawn_MTQ[m, t]) if np.isfinite(value_MT[m, t]) else None for t in range(len(columns))
        )
        totals = tuple(totalled(runs[m], families))
        own = means[m], wins[m], apart, p, corrected.get(m, 1.0)
        places.append(Place(found[m].name, str(runs[m].folder), *own, scores, totals))
    return Board(by if means[0] is not None else "wins", columns, tuple(places), draws)


def _tasks(answered: Sequence[set[str]], wanted: Sequence[str]) -> list[str]:
    every = sorted(set.union(*answered))
    for name in wanted:
        if name not in every:
            raise UserError(f"no run answered `{name}`", did_you_mean(name, every))
    shared = [task for task in every if sum(task in one for one in answered) > 1 or len(answered) == 1]
    if not wanted and not shared:
        raise UserError("no two runs answered the same task", f"answered: {', '.join(every) or 'nothing'}")
    return list(wanted) or shared


def _column(runs: Sequence[Run], task: str, has: Sequence[bool], number: int, draws: int) -> tuple[BoardTask, Array, Array]:
    """A task with its scores [M] and their draws [M, Q]; nan where a run did not answer it. Tasks are apart, so draws are."""
    having = [run for run, yes in zip(runs, has, strict=True) if yes]
    told = paired(having, task)
    name, higher = headline(having[0], task, told[0])
    missing = [run for run, answers in zip(having, told, strict=True) if name not in answers[0].stats]
    if missing:
        raise UserError(f"`{missing[0].folder}` has no `{name}` of `{task}`", "judge it again by the same metrics")
    counts_QN = resamples(told[0], draws, number)
    made: list[Column] = [
        column(name, answers, run.scores().get(task, {}).get(name)) for run, answers in zip(having, told, strict=True)
    ]
    values, drawn = iter(one.value for one in made), iter(one.resampled(counts_QN) for one in made)
    value_M = np.array([next(values) if yes else np.nan for yes in has])
    drawn_MQ = np.stack([next(drawn) if yes else np.full(draws, np.nan) for yes in has])
    counted = all(has) and metric_ends(name) is not None
    return BoardTask(task, name, higher, len(told[0]), counted), value_M, drawn_MQ


def metric_ends(metric: str) -> tuple[float, float] | None:
    """Best and worst value, where both are finite; of a metric that is not known here, 1 and 0."""
    known = known_metrics().get(metric)
    found = (1.0, 0.0) if known is None else (known.best, known.worst)
    return found if all(map(np.isfinite, found)) else None


def scaled(metric: str, higher: bool, value: Array) -> Array:
    """Values of a metric where 1 is best: its share of the best one, or, where lower is better, 1 less that of the worst."""
    best, worst = metric_ends(metric) or (1.0, 0.0)
    made: Array = value / (abs(best) or 1.0) if higher else 1 - value / (abs(worst) or 1.0)
    return made


def _means(columns: Sequence[BoardTask], value_MT: Array, drawn_MTQ: Array) -> list[Interval | None]:
    counted = [t for t, one in enumerate(columns) if one.counted]
    if not counted:
        return [None] * len(value_MT)
    mean_M, mean_MQ = (_mean(columns, table, counted) for table in (value_MT, drawn_MTQ))
    return [interval(float(mean), mean_Q) for mean, mean_Q in zip(mean_M, mean_MQ, strict=True)]


def _mean(columns: Sequence[BoardTask], table: Array, counted: Sequence[int]) -> Array:
    """[M, ...] over tasks."""
    found = [scaled(columns[t].metric, columns[t].higher_is_better, table[:, t]) for t in counted]
    mean: Array = np.mean(found, axis=0)
    return mean


def _behind(
    order: Sequence[int], means: Sequence[Interval | None], columns: Sequence[BoardTask], drawn_MTQ: Array
) -> dict[int, tuple[Interval, float]]:
    """Of each run but the first: how much less its mean is, and the two-sided p of that by the draws."""
    first, counted = order[0], [t for t, one in enumerate(columns) if one.counted]
    top = means[first]
    if top is None:
        return {}
    mean_MQ, found = _mean(columns, drawn_MTQ, counted), {}
    for m in order[1:]:
        own = means[m]
        assert own is not None
        apart_Q = mean_MQ[first] - mean_MQ[m]
        reached = min(int((apart_Q <= 0).sum()), int((apart_Q >= 0).sum()))
        found[m] = interval(top.value - own.value, apart_Q), min(1.0, 2 * (reached + 1) / (len(apart_Q) + 1))
    return found


def drawn_win_rates(figures_MTQ: Array) -> Array:
    """[M, Q] mean win rates of every draw, higher being better; nan is no figure."""
    known_MTQ = np.isfinite(figures_MTQ)
    rivals_TQ = known_MTQ.sum(axis=0) - 1
    with np.errstate(invalid="ignore"):
        beaten_MTQ = np.stack([((one > figures_MTQ) + (one == figures_MTQ) / 2).sum(axis=0) - 0.5 for one in figures_MTQ])
        counted_MTQ = known_MTQ & (rivals_TQ > 0)
        rate_MTQ = np.where(counted_MTQ, beaten_MTQ / np.maximum(rivals_TQ, 1), 0.0)
        mean_MQ: Array = rate_MTQ.sum(axis=1) / counted_MTQ.sum(axis=1)
    return mean_MQ


def win_rates(column: Mapping[str, float], higher_is_better: bool = True) -> dict[str, float]:
    """Model -> the share of other models that it beats; equal ones count by half. Models without a number take no part.

    >>> win_rates({"a": 0.9, "b": 0.5, "c": 0.5})
    {'a': 1.0, 'b': 0.25, 'c': 0.25}
    """
    sign = 1 if higher_is_better else -1
    known = {model: sign * value for model, value in column.items() if np.isfinite(value)}
    if len(known) < 2:
        return {}
    return {
        model: sum((value > other) + 0.5 * (value == other) for rival, other in known.items() if rival != model)
        / (len(known) - 1)
        for model, value in known.items()
    }


def mean_win_rate(table: Mapping[str, Mapping[str, float]], lower_is_better: Collection[str] = ()) -> dict[str, float]:
    """Model -> the mean of its win rates over the columns that it has a number in; a column of one model tells nothing.

    Args:
        table: column (such as a metric of a scenario) -> model -> number.
        lower_is_better: columns in which the lower number wins.
    """
    rates = [win_rates(column, name not in lower_is_better) for name, column in table.items()]
    models = dict.fromkeys(model for column in table.values() for model in column)
    found = {model: [one[model] for one in rates if model in one] for model in models}
    return {model: sum(own) / len(own) if own else float("nan") for model, own in found.items()}
