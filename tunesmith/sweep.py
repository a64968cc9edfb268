"""Many recipes that differ in a few settings: the systems of a comparison, each trained and judged in a process of its own.

A process of its own, so that its peak memory is its own.
"""

import copy
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tunesmith import settings
from tunesmith.comparison.table import Comparison, compare
from tunesmith.errors import UserError, did_you_mean
from tunesmith.interruption import ended
from tunesmith.recipe import Recipe
from tunesmith.resume import refuse_other, refuse_other_rows
from tunesmith.run import Run, write_text
from tunesmith.settings import Tree
from tunesmith.tasks.own import told
from tunesmith.work import prepared


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


def run_all(tree: Tree, into: Path, say: Callable[[str], None]) -> list[Run]:
    """Every system's run under `into/runs/`; finished ones are kept, half-done ones go on. All are checked before one runs."""
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
    for number, (name, recipe) in enumerate(chosen.items(), start=1):
        kept = runs[name].world().get("ended")
        say(f"[{number}/{len(chosen)}] {name}" + (": kept from before" if kept else ""))
        if not kept:
            run_apart(recipe, runs[name].folder)
    return list(runs.values())


def run_apart(recipe: Recipe, folder: Path) -> None:
    """One run in a process of its own; its talk goes to our stderr."""
    path = folder.parent / f"{folder.name}.yaml"
    write_text(path, yaml.safe_dump(settings.dump(recipe), sort_keys=False, allow_unicode=True))
    try:
        status = ended([sys.executable, "-m", "tunesmith", "train", str(path), "--into", str(folder), "--brief"])
    finally:
        path.unlink(missing_ok=True)
    if status != 0:
        raise UserError(
            f"system `{recipe.name}` stopped with exit status {status}; the systems before it are kept",
            "mend what it says above and give the same command again: finished systems are not repeated",
        )


def compare_systems(tree: Tree, into: Path, say: Callable[[str], None]) -> Comparison:
    """Train and judge every system, then compare them."""
    return compare(run_all(tree, into, say), baseline=tree.get("baseline"))


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
