"""Many recipes that differ in a few settings: the systems of a comparison, each trained and judged by a worker of a pool."""

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tunesmith import settings
from tunesmith.comparison.table import Comparison, compare
from tunesmith.errors import UserError, did_you_mean
from tunesmith.recipe import Recipe
from tunesmith.resume import refuse_other, refuse_other_rows
from tunesmith.run import Run
from tunesmith.settings import Tree
from tunesmith.tasks.own import told
from tunesmith.work import prepared
from tunesmith.workers.job import Job, Say, timed_beside
from tunesmith.workers.pool import Outcomes, Pool
from tunesmith.workers.processes import Processes


@dataclass(frozen=True)
class ComparisonRecipe(Recipe):
    """A recipe with systems: each names the settings in which it differs from the rest.

    systems:  name -> settings laid over the common ones.
    baseline: the system that the others are compared with; null: the first.
    sweep:    dotted setting -> the values it takes in a study (`tunesmith sweep`): a list, or a range such as `1e-5..1e-3:log`.
              Of numbers of examples (`limit.examples`) `same` says what all arms make as many of: `steps`, or `epochs`.
    """

    systems: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    baseline: str | None = None
    sweep: Mapping[str, Any] = field(default_factory=dict)


def recipes(tree: Tree) -> dict[str, Recipe]:
    """One recipe a system; every mistake is found before anything runs."""
    common = settings.build(ComparisonRecipe, tree)
    if common.sweep:
        raise UserError("the recipe names a `sweep`: it is a study", "use `tunesmith sweep`")
    if not common.systems:
        raise UserError("the recipe names no `systems`", "name some under `systems`, or use `tunesmith train` for a single run")
    if common.baseline is not None and common.baseline not in common.systems:
        raise UserError(f"`baseline` names no system: `{common.baseline}`", did_you_mean(common.baseline, common.systems))
    shared = {key: value for key, value in tree.items() if key not in ("systems", "baseline", "sweep")}
    return {
        name: settings.build(Recipe, overlay(shared, {**own, "name": name}), f"systems.{name}.")
        for name, own in common.systems.items()
    }


def overlay(under: Any, over: Any) -> Any:
    """Settings laid over settings; a plug-in of another kind replaces the one below it whole."""
    if isinstance(under, str) and isinstance(over, Mapping) and "kind" not in over:
        under = {"kind": under}  # `method: lora` is short for `method: {kind: lora}`
    if not isinstance(under, Mapping) or not isinstance(over, Mapping):
        return copy.deepcopy(over)
    if "kind" in over and over["kind"] != under.get("kind"):
        return copy.deepcopy(dict(over))
    own = {key: key for key in over}  # a mistake is told with the line where the system's own setting stands
    return {own.get(key, key): overlay(under.get(key), over[key]) if key in over else under[key] for key in {**under, **over}}


@dataclass(frozen=True)
class Made:
    """The runs of a comparison that have ended, and why others stopped, by their system's name."""

    runs: Mapping[str, Run]
    failed: Mapping[str, str]


def run_all(tree: Tree, into: Path, say: Say, pool: Pool | None = None) -> Made:
    """Every system's run under `into/runs/`; finished ones are kept, half-done ones go on. All are checked before one runs.

    pool: who makes them; None: one after another, each in a process of its own, so that its peak memory is its own.
    """
    chosen = recipes(tree)
    runs = {name: Run(into / "runs" / name) for name in chosen}
    lines: dict[str, str] = {}
    for name, recipe in chosen.items():
        refuse_other(runs[name], recipe)
        tasks = prepared(recipe).all
        refuse_other_rows(runs[name], tasks)
        lines |= told(tasks)
    for line in lines.values():
        say(line)
    pool = pool or Pool(Processes(1, into / "logs"), into / "logs", say)

    def jobs() -> Iterator[Job]:
        for number, (name, recipe) in enumerate(chosen.items(), start=1):
            kept = runs[name].world().get("ended")
            say(f"[{number}/{len(chosen)}] {name}" + (": kept from before" if kept else ""))
            if kept:
                runs[name].tidy()
            else:
                yield Job(recipe, runs[name])

    outcomes = Outcomes(pool, say)
    pool.make(jobs(), outcomes)
    if isinstance(pool.place, Processes):  # where else it was made, it was timed too
        time_alone([Job(recipe, runs[name]) for name, recipe in chosen.items()], into, say)
    return Made({name: run for name, run in runs.items() if name not in outcomes.failed}, outcomes.failed)


def time_alone(jobs: Sequence[Job], into: Path, say: Say) -> None:
    """Measure the latency of runs again that was measured beside other runs on this machine; one after another."""
    crowded = [job for job in jobs if timed_beside(job.run)]
    if crowded:
        say(f"the latency of {len(crowded)} runs is measured again, each alone")
        pool = Pool(Processes(1, into / "logs"), into / "logs", say)
        pool.make(iter(crowded), Outcomes(pool, say))


def compare_systems(tree: Tree, into: Path, say: Say, pool: Pool | None = None) -> tuple[Comparison, Mapping[str, str]]:
    """Train and judge every system, then compare those that ended; and why the others stopped.

    Raises:
        UserError: no system ended, or not the baseline, with which the others are compared.
    """
    made = run_all(tree, into, say, pool)
    baseline = tree.get("baseline")
    missing = baseline if baseline in made.failed else None if made.runs else next(iter(made.failed))
    if missing is not None:
        raise UserError(
            f"system `{missing}` failed: {made.failed[missing]}",
            "mend it and give the same command again: finished systems are not repeated",
        )
    return compare(list(made.runs.values()), baseline=baseline), made.failed


def for_models(tree: Tree, models: Sequence[str]) -> Tree:
    """The systems of a recipe, for each of several models; the baseline is that of the first."""
    if len(models) == 1:
        whole: Tree = overlay(tree, {"model": {"path": models[0]}})
        return whole
    called = dict(zip(models, labels(models), strict=True))
    systems = {
        f"{called[model]}-{name}": overlay(own, {"model": {"path": model}})
        for model in called
        for name, own in tree.get("systems", {}).items()
    }
    first = {"baseline": f"{called[models[0]]}-{tree['baseline']}"} if tree.get("baseline") else {}
    return {**tree, **first, "systems": systems}


def labels(paths: Sequence[str]) -> list[str]:
    """Short names for models or data, to call folders and systems by: the last word of each path, or all of it."""
    short = [Path(path).resolve().name if path in (".", "..") else Path(path).name for path in paths]
    long = [re.sub(r"[^\w.-]+", "-", path).strip("-.") for path in paths]
    return [whole if short.count(last) > 1 else last for last, whole in zip(short, long, strict=True)]
