"""Runs side by side: every system's scores with intervals, and what the differences are worth."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from typing import Any

from tunesmith.comparison.forgetting import Forgetting, forgetting
from tunesmith.comparison.harms import Harm, harms
from tunesmith.comparison.overfitting import Curve, curve, task_curves
from tunesmith.comparison.settings_apart import Setting, settings_apart
from tunesmith.comparison.significance import (
    Array,
    Interval,
    Test,
    fitting_test,
    holm,
    interval,
    paired_p,
    resamples,
    smallest_difference,
    standard_error,
    wins,
)
from tunesmith.comparison.system import System, left_out, paired, systems
from tunesmith.comparison.totals import Column, clusters_of, column
from tunesmith.errors import UserError, did_you_mean
from tunesmith.metrics.metric import Metric
from tunesmith.run import Answer, Run


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric of the main task. `mean` says that it is a mean over answers, so that each answer has a worth of its own."""

    name: str
    higher_is_better: bool
    mean: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """Score of `system` less that of `against`, over the same examples.

    p:        of the paired `test` (`significance.fitting_test`); `corrected` is Holm's over every comparison of the page.
    smallest: the smallest true difference this test would find 8 times in 10.
    wins:     where the metric is a mean: the share of examples of which `system` has the better answer; equal ones by half.
    """

    system: str
    against: str
    metric: str
    value: Interval
    p: float
    corrected: float
    smallest: float
    test: Test
    wins: Interval | None = None

    @property
    def significant(self) -> bool:
        return self.corrected < 0.05


@dataclass(frozen=True, slots=True)
class Row:
    """One example and what every system said to it; `scores` is metric -> one number a system."""

    example: str
    prompt: str
    references: tuple[str, ...]
    said: tuple[str, ...]
    scores: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class Comparison:
    """Everything a report says, and nothing that the run folders do not hold.

    scores:      system -> metric -> score with its interval.
    differences: every system against the baseline under every metric, then the other pairs under the headline metric.
    by_task:     system -> task -> its learning, of systems that learnt a mixture.
    curves:      system -> its learning; `settings` and `rows` keep the order of `systems`.
    clusters:    of the examples; 0 where each stands alone.
    left_out:    examples that did not fit the window of one system or more, and are not compared.
    protocols:   system -> how its scores came about, where its run tells.
    """

    main: str
    baseline: str
    systems: tuple[System, ...]
    measures: tuple[Measure, ...]
    scores: Mapping[str, Mapping[str, Interval]]
    differences: tuple[Difference, ...]
    forgetting: tuple[Forgetting, ...]
    curves: Mapping[str, Curve]
    settings: tuple[Setting, ...]
    rows: tuple[Row, ...]
    draws: int
    seed: int
    clusters: int = 0
    left_out: int = 0
    harms: tuple[Harm, ...] = ()
    protocols: Mapping[str, str] = field(default_factory=dict)
    by_task: Mapping[str, Mapping[str, Curve]] = field(default_factory=dict)

    @property
    def headline(self) -> Measure:
        return self.measures[0]

    def system(self, name: str) -> System:
        return next(system for system in self.systems if system.name == name)

    def difference(self, system: str, against: str | None = None, metric: str | None = None) -> Difference | None:
        """The comparison of two systems (by default with the baseline, under the headline metric), if it was made."""
        against, metric = against or self.baseline, metric or self.headline.name
        for made in self.differences:
            if made.metric == metric and {made.system, made.against} == {system, against}:
                return made if made.system == system else _turned(made)
        return None

    def as_tree(self) -> dict[str, Any]:
        """Plain dictionaries, lists, numbers and texts."""
        return asdict(self)


def compare(
    runs: Sequence[Run],
    main: str | None = None,
    baseline: str | None = None,
    *,
    draws: int = 1000,
    seed: int = 0,
    metrics: Mapping[str, Metric] | None = None,
) -> Comparison:
    """Judge finished runs against each other from their folders alone.

    Args:
        main: the task they were tuned for; by default what the runs say of themselves.
        baseline: name (or folder name) of the system all others are held against; by default the untuned model without shots.
        draws: bootstrap resamples.
        metrics: metrics by name that `tunesmith.metrics` does not hold.

    Raises:
        UserError: no runs, a folder that is no run, no common main task, or runs that answered different examples.
    """
    if not runs:
        raise UserError("there is nothing to compare", "name at least one run's folder")
    found = systems(runs)
    main = main or main_task(runs, found)
    answers = paired(runs, main)
    base = _baseline(found, baseline)
    measures, columns = columns_of(runs, main, answers, base, metrics)
    counts_QN, numbers_N = resamples(answers[0], draws, seed), clusters_of(answers[0])
    drawn = {key: made.resampled(counts_QN) for key, made in columns.items()}
    return Comparison(
        main=main,
        baseline=found[base].name,
        systems=found,
        measures=measures,
        scores={
            system.name: {m.name: interval(columns[i, m.name].value, drawn[i, m.name]) for m in measures}
            for i, system in enumerate(found)
        },
        differences=_differences(found, base, measures, (columns, drawn), seed),
        forgetting=forgetting(runs, found, main, draws=draws, seed=seed, metrics=metrics),
        curves={s.name: curve(run.steps(), run.validations()) for s, run in zip(found, runs, strict=True)},
        by_task={
            s.name: told for s, run in zip(found, runs, strict=True) if (told := task_curves(run.steps(), run.validations()))
        },
        settings=settings_apart(runs),
        rows=_rows(answers, measures, columns, base),
        draws=draws,
        seed=seed,
        clusters=0 if numbers_N is None else int(numbers_N.max()) + 1,
        left_out=len(left_out(runs, main)),
        harms=harms(runs, found, main, draws=draws, seed=seed),
        protocols={
            system.name: next((score.protocol for score in run.scores().get(main, {}).values() if score.protocol), "")
            for system, run in zip(found, runs, strict=True)
        },
    )


def main_task(runs: Sequence[Run], found: Sequence[System]) -> str:
    told = list(dict.fromkeys(str(s.world["main_task"]) for s in found if s.world.get("main_task")))
    if len(told) == 1:
        return told[0]
    common = sorted(set.intersection(*(set(run.answered()) for run in runs)))
    if len(common) == 1:
        return common[0]
    if told:
        raise UserError(f"the runs were made for different tasks: {', '.join(told)}", "name the one to compare them on, `main`")
    answered = ", ".join(common) or "none"
    raise UserError("the runs do not say which task they were made for", f"name it, `main`; all answered: {answered}")


def _baseline(found: Sequence[System], name: str | None) -> int:
    if name is not None:
        for place, system in enumerate(found):
            if name in (system.name, system.folder):
                return place
        raise UserError(f"no system is called `{name}`", did_you_mean(name, [system.name for system in found]))
    return next((place for place, system in enumerate(found) if not system.tuned and not system.shots), 0)


Columns = Mapping[tuple[int, str], Column]


def columns_of(
    runs: Sequence[Run], main: str, answers: Sequence[Sequence[Answer]], base: int, metrics: Mapping[str, Metric] | None
) -> tuple[tuple[Measure, ...], Columns]:
    """The metrics that every run has statistics of, in the baseline's order, and one column for each system under each."""
    kept = [run.scores().get(main, {}) for run in runs]
    names = [*kept[base], *(name for name in answers[base][0].stats if name not in kept[base])]
    names = [name for name in names if all(name in answer.stats for told in answers for answer in told)]
    if not names:
        raise UserError(f"the runs have no metric of `{main}` in common", "answer the task again with the same metrics")
    columns = {(i, name): column(name, told, kept[i].get(name), metrics) for i, told in enumerate(answers) for name in names}
    higher = {name: kept[base][name].higher_is_better if name in kept[base] else True for name in names}
    return tuple(Measure(name, higher[name], columns[base, name].values is not None) for name in names), columns


def _differences(
    found: Sequence[System],
    base: int,
    measures: Sequence[Measure],
    known: tuple[Columns, Mapping[tuple[int, str], Array]],
    seed: int,
) -> tuple[Difference, ...]:
    """All comparisons, corrected together: each system with the baseline, and every other pair under the headline metric."""
    columns, drawn = known
    others = [place for place in range(len(found)) if place != base]
    pairs = [(place, base, measure.name) for measure in measures for place in others]
    pairs += [(b, a, measures[0].name) for a, b in combinations(others, 2)]
    draws = len(next(iter(drawn.values())))
    up = {measure.name: 1 if measure.higher_is_better else -1 for measure in measures}
    p_values = paired_p([(columns[a, name], columns[b, name]) for a, b, name in pairs], draws, seed)
    made = []
    for (a, b, name), p, corrected in zip(pairs, p_values, holm(p_values), strict=True):
        ours, theirs = columns[a, name], columns[b, name]
        moved_Q = drawn[a, name] - drawn[b, name]
        smallest = smallest_difference(standard_error(ours, theirs, moved_Q), len(pairs))
        value = interval(ours.value - theirs.value, moved_Q)
        won = wins(ours, theirs, up[name], draws, seed)
        tested = p, corrected, smallest, fitting_test(ours, theirs)
        made.append(Difference(found[a].name, found[b].name, name, value, *tested, won))
    return tuple(made)


def _rows(answers: Sequence[Sequence[Answer]], measures: Sequence[Measure], columns: Columns, base: int) -> tuple[Row, ...]:
    worth = {m.name: [columns[i, m.name].row_values for i in range(len(answers))] for m in measures}
    return tuple(
        Row(
            example=answer.example,
            prompt=answer.prompt,
            references=answer.references or (answer.target,),
            said=tuple(told[place].said for told in answers),
            scores={name: tuple(float(values[place]) for values in told) for name, told in worth.items()},
        )
        for place, answer in enumerate(answers[base])
    )


def _turned(made: Difference) -> Difference:
    value = Interval(0.0 - made.value.value, 0.0 - made.value.high, 0.0 - made.value.low)
    won = made.wins and Interval(1 - made.wins.value, 1 - made.wins.high, 1 - made.wins.low)
    return replace(made, system=made.against, against=made.system, value=value, wins=won)
