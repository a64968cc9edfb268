"""Clusters of tasks that a model never learnt from: what learning the others was worth there, cluster by cluster.

Dimension key: N answers, Q draws, C clusters.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from tunesmith.comparison.board import scaled
from tunesmith.comparison.forgetting import headline
from tunesmith.comparison.significance import Array, Interval, holm, interval, resamples, sign_flip, summed
from tunesmith.comparison.system import paired
from tunesmith.comparison.totals import Column, column, known_metrics
from tunesmith.run import Answer, Run

BASE, FEW, OTHERS, ALL = "zero-shot", "few-shot", "tuned on the others", "tuned on all"
RULE = (
    "Each cluster is judged by a model that was tuned on no task of it, and on none of those that are left out with it; a task "
    "of several clusters is judged where nothing of any of them was learnt. A cluster's score is the mean over its tasks of "
    "each task's first metric, on a scale where 1 is best (BLEU 30 is .3)."
)
TESTS = (
    "Gains are paired, example by example, with 95 % percentile intervals of bootstrap draws of the examples of each task "
    "(clusters of answers whole). A cluster's p is that of the paired randomisation test of its mean, signs of the examples' "
    "differences changed at random (of metrics that are no means: two-sided, by the draws), and is Holm's over the clusters. "
    "Overall the clusters are the sample: the signs of their gains are changed, so few clusters can show little."
)


@dataclass(frozen=True)
class Unit:
    """A cluster to leave out, or several that tasks belong to together.

    judged, learnt: names by which the recipe calls tasks; `called`: those of the tasks themselves.
    away:           tasks that neither judge nor are learnt from: those of clusters that are left out with it.
    """

    cluster: str
    judged: tuple[str, ...]
    learnt: tuple[str, ...]
    called: Mapping[str, str] = field(default_factory=dict)
    away: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gain:
    """How much better the model tuned on the others is than another, as its scores are scaled; `corrected` p is Holm's."""

    value: Interval
    p: float
    corrected: float


@dataclass(frozen=True, slots=True)
class TaskLeft:
    """One task that was left out. scores: system -> score as its metric has it; chance: of choosing blindly, where known."""

    task: str
    cluster: str
    metric: str
    higher_is_better: bool
    answers: int
    counted: bool
    scores: Mapping[str, Interval]
    gain: Interval
    chance: float | None


@dataclass(frozen=True, slots=True)
class ClusterLeft:
    """One cluster that was left out. scores: system -> mean over tasks; gains: over which system -> gain."""

    cluster: str
    tasks: tuple[str, ...]
    learnt: tuple[str, ...]
    away: tuple[str, ...]
    scores: Mapping[str, Interval]
    gains: Mapping[str, Gain]
    folder: str


@dataclass(frozen=True)
class LeftOut:
    """Everything the page of left-out clusters says. overall: over which system -> mean gain over clusters."""

    name: str
    systems: tuple[str, ...]
    clusters: tuple[ClusterLeft, ...]
    tasks: tuple[TaskLeft, ...]
    overall: Mapping[str, Gain]
    means: Mapping[str, Interval]
    near: tuple[Any, ...]
    missing: Mapping[str, str]
    seed: int
    draws: int

    def as_tree(self) -> dict[str, Any]:
        """Plain dictionaries, lists, numbers and texts."""
        return asdict(self)


@dataclass(frozen=True)
class _Asked:
    """A task's columns by system, each with its draws, scaled so that 1 is best."""

    told: TaskLeft
    columns: Mapping[str, Column]
    drawn_Q: Mapping[str, Array]

    def value(self, system: str) -> float:
        return float(scaled(self.told.metric, self.told.higher_is_better, np.array(self.columns[system].value)))


def left_out(
    name: str,
    base: Run,
    found: Sequence[tuple[Unit, Run]],
    others: Mapping[str, Run],
    near: Sequence[Any] = (),
    *,
    missing: Mapping[str, str] | None = None,
    draws: int = 1000,
) -> LeftOut:
    """Judge clusters from their runs' folders.

    Args:
        base: the untuned model, that answered every task.
        found: each cluster with the run that was tuned on the others.
        others: further runs that answered every task, by what they are called: few-shot, tuned on all.
        near: near duplicates across clusters, shown as they are.
        missing: runs that failed, and why.

    Raises:
        UserError: runs answered different examples.
    """
    clusters, tasks, drawn = [], [], {}
    for number, (unit, run) in enumerate(found):
        runs = {BASE: base, **others, OTHERS: run}
        asked = [_asked(unit, unit.called[key], runs, 1000 * number + place, draws) for place, key in enumerate(unit.judged)]
        tasks += [one.told for one in asked]
        cluster, draws_of = _cluster(unit, run, asked, list(runs))
        clusters.append(cluster)
        drawn[unit.cluster] = draws_of
    systems = (BASE, *(one for one in others if one != ALL), OTHERS, *(one for one in others if one == ALL))
    clusters = _corrected(clusters)
    judged = [one for one in clusters if one.scores]
    overall, means = {}, {}
    for system in systems:
        own = [one.scores[system].value for one in judged if system in one.scores]
        if own:
            means[system] = interval(float(np.mean(own)), np.mean([drawn[one.cluster][system] for one in judged], axis=0))
    for system in (one for one in systems if one != OTHERS and one in means):
        gains_C = np.array([one.gains[system].value.value for one in judged])
        moved_Q = np.mean([drawn[one.cluster][OTHERS] - drawn[one.cluster][system] for one in judged], axis=0)
        p = sign_flip(gains_C)
        overall[system] = Gain(interval(float(gains_C.mean()), moved_Q), p, p)
    seed = int(base.world().get("seed", 0))
    known = tuple(clusters), tuple(tasks), overall, means, tuple(near), dict(missing or {})
    return LeftOut(name, systems, *known, seed, draws)


def _asked(unit: Unit, task: str, runs: Mapping[str, Run], seed: int, draws: int) -> _Asked:
    answers = dict(zip(runs, paired(list(runs.values()), task), strict=True))
    name, higher = headline(next(iter(runs.values())), task, answers[BASE])
    counts_QN = resamples(answers[BASE], draws, seed)
    columns = {system: column(name, told, runs[system].scores().get(task, {}).get(name)) for system, told in answers.items()}
    drawn = {system: one.resampled(counts_QN) for system, one in columns.items()}
    up = 1 if higher else -1
    gain = interval(up * (columns[OTHERS].value - columns[BASE].value), up * (drawn[OTHERS] - drawn[BASE]))
    scores = {system: interval(one.value, drawn[system]) for system, one in columns.items()}
    metric = known_metrics().get(name)
    counted = metric is None or bool(np.isfinite([metric.best, metric.worst]).all())
    told = TaskLeft(task, unit.cluster, name, higher, len(answers[BASE]), counted, scores, gain, chance(name, answers[BASE]))
    return _Asked(told, columns, {system: scaled(name, higher, draw_Q) for system, draw_Q in drawn.items()})


def chance(metric: str, answers: Sequence[Answer]) -> float | None:
    """The accuracy of choosing blindly: the mean of one over the number of choices."""
    if metric != "accuracy" or not all(answer.how.startswith("choose") and answer.scores for answer in answers):
        return None
    return float(np.mean([1 / len(answer.scores) for answer in answers]))


def _cluster(unit: Unit, run: Run, asked: Sequence[_Asked], systems: Sequence[str]) -> tuple[ClusterLeft, dict[str, Array]]:
    """A cluster's figures, and the draws of its score under each system."""
    counted = [one for one in asked if one.told.counted]
    names = tuple(one.told.task for one in asked)
    rest = names, tuple(unit.called[key] for key in unit.learnt), unit.away
    if not counted:
        return ClusterLeft(unit.cluster, *rest, {}, {}, str(run.folder)), {}
    drawn = {system: np.mean([one.drawn_Q[system] for one in counted], axis=0) for system in systems}
    values = {system: float(np.mean([one.value(system) for one in counted])) for system in systems}
    scores = {system: interval(values[system], drawn[system]) for system in systems}
    gains = {}
    for system in (one for one in systems if one != OTHERS):
        moved_Q = drawn[OTHERS] - drawn[system]
        p = _p(counted, system, moved_Q)
        gains[system] = Gain(interval(values[OTHERS] - values[system], moved_Q), p, p)
    return ClusterLeft(unit.cluster, *rest, scores, gains, str(run.folder)), drawn


def _p(asked: Sequence[_Asked], system: str, moved_Q: Array) -> float:
    """Of the mean over tasks of the mean over answers; each answer weighs what its task has for it."""
    parts = []
    for one in asked:
        ours, theirs = one.columns[OTHERS], one.columns[system]
        if ours.values is None or theirs.values is None:
            kept_Q = moved_Q[np.isfinite(moved_Q)]
            reached = min(int((kept_Q <= 0).sum()), int((kept_Q >= 0).sum()))
            return min(1.0, 2 * (reached + 1) / (len(kept_Q) + 1))
        metric, higher = one.told.metric, one.told.higher_is_better
        moved_N = scaled(metric, higher, ours.values) - scaled(metric, higher, theirs.values)
        parts.append(summed(moved_N / len(moved_N), ours.clusters))
    return sign_flip(np.concatenate(parts))


def _corrected(clusters: Sequence[ClusterLeft]) -> list[ClusterLeft]:
    """Holm's correction over the clusters, for each system that the gain is over."""
    judged = [one for one in clusters if one.gains]
    corrected: dict[str, dict[str, Gain]] = {one.cluster: {} for one in judged}
    for system in judged[0].gains if judged else ():
        told = [one.gains[system] for one in judged]
        for one, gain, p in zip(judged, told, holm([gain.p for gain in told]), strict=True):
            corrected[one.cluster][system] = Gain(gain.value, gain.p, p)
    return [
        ClusterLeft(one.cluster, one.tasks, one.learnt, one.away, one.scores, corrected.get(one.cluster, {}), one.folder)
        for one in clusters
    ]
