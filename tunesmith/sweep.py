"""Many recipes that differ in a few settings: the systems of a comparison, each trained and judged in a process of its own.

A process of its own, so that its peak memory is its own.
"""

import copy
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tunesmith import settings
from tunesmith.comparison.table import Comparison, compare
from tunesmith.errors import UserError, did_you_mean
from tunesmith.experiment import Recipe
from tunesmith.run import Run
from tunesmith.settings import Tree


@dataclass(frozen=True)
class ComparisonRecipe(Recipe):
    """A recipe with systems: each names the settings in which it differs from the rest.

    systems:  name -> settings laid over the common ones.
    baseline: the system that the others are compared with; null: the first.
    """

    systems: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    baseline: str | None = None


def recipes(tree: Tree) -> dict[str, Recipe]:
    """One recipe a system; every mistake is found before anything runs."""
    common = settings.build(ComparisonRecipe, tree)
    if not common.systems:
        raise UserError("the recipe names no `systems`", "see `tunesmith list systems`, or use `tunesmith train` for a single run")
    if common.baseline is not None and common.baseline not in common.systems:
        raise UserError(f"`baseline` names no system: `{common.baseline}`", did_you_mean(common.baseline, common.systems))
    shared = {key: value for key, value in tree.items() if key not in ("systems", "baseline")}
    return {
        name: settings.build(Recipe, overlay(shared, {**own, "name": name}), f"systems.{name}.")
        for name, own in common.systems.items()
    }


def overlay(under: Any, over: Any) -> Any:
    """Settings laid over settings; a plug-in of another kind replaces the one below it whole."""
    if not isinstance(under, Mapping) or not isinstance(over, Mapping):
        return copy.deepcopy(over)
    if "kind" in over and over["kind"] != under.get("kind"):
        return copy.deepcopy(dict(over))
    return {key: overlay(under.get(key), over[key]) if key in over else under[key] for key in (*under, *(k for k in over if k not in under))}


def run_all(tree: Tree, into: Path, say: Callable[[str], None]) -> list[Run]:
    """Every system's run under `into/runs/`; finished ones are kept, half-done ones go on."""
    runs = []
    chosen = recipes(tree)
    for number, (name, recipe) in enumerate(chosen.items(), start=1):
        run = Run(into / "runs" / name)
        if run.world().get("ended"):
            say(f"[{number}/{len(chosen)}] {name}: kept from before")
        else:
            say(f"[{number}/{len(chosen)}] {name}")
            run_apart(recipe, run.folder)
        runs.append(run)
    return runs


def run_apart(recipe: Recipe, folder: Path) -> None:
    """One run in a process of its own; its talk goes to our stderr."""
    import yaml

    path = folder.parent / f"{folder.name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(settings.dump(recipe), sort_keys=False, allow_unicode=True), encoding="utf-8")
    command = [sys.executable, "-m", "tunesmith", "train", str(path), "--into", str(folder), "--brief"]
    done = subprocess.run(command, check=False)
    if done.returncode != 0:
        raise UserError(
            f"system `{recipe.name}` stopped with exit status {done.returncode}; the systems before it are kept",
            "mend what it says above and give the same command again: finished systems are not repeated",
        )
    path.unlink()


def compare_systems(tree: Tree, into: Path, say: Callable[[str], None]) -> Comparison:
    """Train and judge every system, then compare them."""
    runs = run_all(tree, into, say)
    return compare(runs, baseline=tree.get("baseline"))




def for_models(tree: Tree, models: Sequence[str]) -> Tree:
    """The systems of a recipe, for each of several models."""
    if len(models) == 1:
        return overlay(tree, {"model": {"path": models[0]}})
    systems = {
        f"{Path(model).name}-{name}": overlay(own, {"model": {"path": model}})
        for model in models
        for name, own in tree["systems"].items()
    }
    return {**tree, "systems": systems}
