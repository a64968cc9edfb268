"""`tunesmith clusters`: leave one cluster of tasks out, learn from the others, and judge what was left out; for each cluster.

Wei et al. 2022 (FLAN), section 2.2: a task counts as unseen only where nothing of any cluster it belongs to was learnt from.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from tunesmith import settings
from tunesmith.comparison import words
from tunesmith.comparison.left_out import ALL as TUNED_ON_ALL
from tunesmith.comparison.left_out import FEW, LeftOut, Unit, left_out
from tunesmith.data.grouping import Grouping, grouping
from tunesmith.errors import UserError, did_you_mean
from tunesmith.planning.attaching import refuse_unattachable
from tunesmith.planning.beside import pool_for
from tunesmith.recipe import Recipe, own
from tunesmith.resume import refuse_other, refuse_other_rows
from tunesmith.run import Run, write_json
from tunesmith.settings import Tree
from tunesmith.studies.overlaps import Overlap, overlaps
from tunesmith.work import prepared, task_of
from tunesmith.workers.job import Job, Say
from tunesmith.workers.pool import Outcomes, Pool

CLUSTERS = Path("clusters")
BASE, ALL = "base", "all"


@dataclass(frozen=True)
class Leaving:
    """How clusters are left out (docs/mixtures.md).

    file:   which data set belongs to which cluster: `flan`, `t0`, or a YAML file; null: the `cluster` of each task.
    only:   clusters to leave out, one after another; empty: each.
    shots:  examples shown before a question in the untuned model's few-shot run; 0: no such run.
    upper:  tune on all tasks too, those that judge included: how far learning the very task would go.
    near:   rows of other clusters that are so like a judged row (Jaccard index of their letters) are told before anything runs;
            null: they are not looked for.
    """

    file: str | None = None
    only: tuple[str, ...] = ()
    shots: Annotated[int, Field(ge=0)] = 2
    upper: bool = True
    near: Annotated[float, Field(ge=0.3, le=1)] | None = 0.8


@dataclass(frozen=True)
class ClustersRecipe(Recipe):
    """A recipe whose tasks are left out cluster by cluster.

    clusters: how; a name alone is that of the file.
    """

    clusters: Leaving = Leaving()


@dataclass(frozen=True)
class Left:
    """What came of it, and the page that shows it."""

    found: LeftOut
    page: Path


def clusters(
    recipe: str | Path | Tree,
    *,
    overrides: Sequence[str] = (),
    into: str | Path | None = None,
    parallel: int | None = None,
    on: str = "here",
    say: Say = lambda text: None,
) -> Left:
    """Tune on all clusters of tasks but one, and judge the one left out; for each. Command: `tunesmith clusters`.

    The same call goes on where it stopped: finished runs are kept, half-done ones continue.

    Args:
        recipe: names the `tasks`, each of a cluster, and under `clusters` how they are left out.
        overrides: `clusters.upper=false`, `plan.steps=100` ...
        into: folder for runs and page; `clusters/NAME` where None.
        parallel: runs at a time, each with its share of the threads; None: one here, on a cluster as many as it has room for.
        on: `here`, or `ray`: a cluster of Ray (docs/spreading.md).
        say: told how it goes.

    Raises:
        UserError: for whatever is wrong in the recipe or the data, before anything runs; and where a run failed.
    """
    from tunesmith.comparison.left_out_page import write_left_out

    tree = settings.override(settings.load(recipe, ()), overrides)
    whole = built(tree)
    units = units_of(whole, grouping(whole.clusters.file), say)
    folder = Path(into or CLUSTERS / whole.name)
    made = recipes(whole, units)
    work = Work(folder, made)
    with Run(folder).holding():
        work.check()
        near = near_rows(whole, units, say)
        write_json(folder / "overlaps.json", [dataclasses.asdict(one) for one in near])
        pool = pool_for(made.values, on=on, parallel=parallel, logs=folder / "logs", say=say)
        work.run(pool, say)
        found = work.result(whole, units, near)
        page = write_left_out(found, folder)
        if work.failed:
            name, reason = next(iter(work.failed.items()))
            raise UserError(
                f"{len(work.failed)} of {len(work.recipes)} runs failed; the first, {name}: {reason}",
                f"mend it and give the same command again: what has ended is kept, and shown in `{page}`",
            )
        return Left(found, page)


def built(tree: Tree) -> ClustersRecipe:
    """The recipe, with what a study of clusters cannot have refused."""
    given = tree.get("clusters")
    whole = settings.build(ClustersRecipe, {**tree, "clusters": {"file": given}} if isinstance(given, str) else tree)
    if whole.judged_by:
        raise UserError("`judged_by` is set, and each cluster is judged by its own tasks", "leave `judged_by` out")
    if whole.method == "none":
        raise UserError("`method` is `none`: nothing would be learnt", "name a method, such as `method: lora`")
    return whole


def units_of(recipe: Recipe, known: Grouping, say: Say = lambda text: None) -> list[Unit]:
    """What is left out, in the order of the recipe's tasks. A task of several clusters is a unit with those like it.

    Raises:
        UserError: fewer than two clusters, an unknown name under `clusters.only`, or nothing to learn from beside a cluster.
    """
    named = {key: task_of(recipe, own(key, setting)) for key, setting in recipe.tasks.items()}
    own_cluster = {key: isinstance(setting, Mapping) and bool(setting.get("cluster")) for key, setting in recipe.tasks.items()}
    of = {key: (task.cluster,) if own_cluster[key] else known.of(task.name) or (task.cluster,) for key, task in named.items()}
    if known.data_sets:
        for key, task in named.items():
            if not own_cluster[key] and not known.of(task.name):
                say(f"`{task.name}` is in no cluster of the file: it stays in its own, `{task.cluster}`")
    units = []
    for clusters in dict.fromkeys(of.values()):
        away = {one for cluster in clusters for one in known.away(cluster)}
        learnt = tuple(key for key, mine in of.items() if not away & {*mine})
        judged = tuple(key for key, mine in of.items() if mine == clusters)
        called = {key: named[key].name for key in (*learnt, *judged)}
        out = tuple(key for key in named if key not in learnt and key not in judged)
        units.append(Unit(" + ".join(clusters), judged, learnt, called, tuple(named[key].name for key in out)))
    if len(units) < 2:
        raise UserError(
            f"all tasks are of one cluster, `{units[0].cluster if units else ''}`: there is nothing to leave out",
            "name tasks of several clusters, or give them a `cluster`, or name a file under `clusters`",
        )
    only: Sequence[str] = recipe.clusters.only if isinstance(recipe, ClustersRecipe) else ()
    for name in only:
        if name not in [unit.cluster for unit in units]:
            raise UserError(
                f"`clusters.only`: no task is of the cluster `{name}`", did_you_mean(name, [u.cluster for u in units])
            )
    units = [unit for unit in units if not only or unit.cluster in only]
    for unit in units:
        if not unit.learnt:
            raise UserError(
                f"nothing is left to learn from where `{unit.cluster}` is left out", "name tasks of further clusters"
            )
    return units


def recipes(whole: ClustersRecipe, units: Sequence[Unit]) -> dict[str, Recipe]:
    """Every run by its name: the untuned model without and with shots, each cluster left out, and tuned on all."""
    every = {field.name: getattr(whole, field.name) for field in dataclasses.fields(Recipe)}
    common = Recipe(**{**every, "forgetting": "none"})
    asked = list(dict.fromkeys(key for unit in units for key in unit.judged))
    judged = tuple(own(key, whole.tasks[key]) for key in asked)
    made = {BASE: dataclasses.replace(common, method="none", judged_by=judged, replay={})}
    if whole.clusters.shots:
        ask = dataclasses.replace(whole.ask, shots=whole.clusters.shots, too_long="leave_out")
        made[shots_run(whole)] = dataclasses.replace(made[BASE], ask=ask)
    for unit in units:
        learnt = {key: whole.tasks[key] for key in unit.learnt}
        mine = tuple(own(key, whole.tasks[key]) for key in unit.judged)
        made[without(unit)] = dataclasses.replace(common, tasks=learnt, judged_by=mine)
    if whole.clusters.upper:
        made[ALL] = dataclasses.replace(common, judged_by=judged)
    return {name: dataclasses.replace(recipe, name=name) for name, recipe in made.items()}


def shots_run(whole: ClustersRecipe) -> str:
    return f"{BASE}-{whole.clusters.shots}-shot"


def without(unit: Unit) -> str:
    return "without-" + re.sub(r"[^\w.-]+", "-", unit.cluster)


def near_rows(whole: ClustersRecipe, units: Sequence[Unit], say: Say) -> list[Overlap]:
    """Rows that judge a cluster and stand nearly so among what is learnt from instead; told, never dropped."""
    if whole.clusters.near is None:
        return []
    tasks = {key: task_of(whole, own(key, setting)) for key, setting in whole.tasks.items()}
    found = overlaps(units, tasks, whole.limit.train, whole.limit.test, whole.clusters.near)
    for one in found:
        many = f"{one.rows} of {one.asked} rows ({words.percent(one.rows / one.asked)}) that judge `{one.judged}`"
        say(f"{many} are nearly rows of `{one.learnt}`, of another cluster")
    if not found:
        say("no row that judges a cluster is nearly one of another cluster")
    return found


@dataclass
class Work:
    """The runs while they are made. failed: run -> why it stopped."""

    folder: Path
    recipes: Mapping[str, Recipe]
    failed: Mapping[str, str] = field(default_factory=dict)

    def of(self, name: str) -> Run:
        return Run(self.folder / "runs" / name)

    def check(self) -> None:
        """Every mistake is found before a run begins."""
        for name, recipe in self.recipes.items():
            refuse_other(self.of(name), recipe)
            refuse_other_rows(self.of(name), prepared(recipe).all)
        refuse_unattachable(recipe for name, recipe in self.recipes.items() if not self.of(name).world().get("ended"))

    def run(self, pool: Pool, say: Say) -> None:
        outcomes = Outcomes(pool, say)
        pool.make(self.jobs(say), outcomes)
        self.failed = outcomes.failed

    def jobs(self, say: Say) -> Iterator[Job]:
        for number, (name, recipe) in enumerate(self.recipes.items(), start=1):
            kept = self.of(name).world().get("ended")
            say(f"[{number}/{len(self.recipes)}] {name}" + (": kept from before" if kept else ""))
            if kept:
                self.of(name).tidy()
            else:
                yield Job(recipe, self.of(name))

    def result(self, whole: ClustersRecipe, units: Sequence[Unit], near: Sequence[Overlap]) -> LeftOut:
        """What came of it, read from the runs' folders."""
        done = {name: self.of(name) for name in self.recipes if self.of(name).world().get("ended")}
        found = [(unit, done[without(unit)]) for unit in units if without(unit) in done]
        if BASE not in done or not found:
            reasons: list[Any] = [f"{name}: {reason}" for name, reason in self.failed.items()]
            raise UserError(f"no cluster can be judged: {'; '.join(reasons)}", "mend it and give the same command again")
        others = {FEW: done.get(shots_run(whole)), TUNED_ON_ALL: done.get(ALL)}
        kept = {name: run for name, run in others.items() if run is not None}
        return left_out(whole.name, done[BASE], found, kept, near, missing=self.failed)
