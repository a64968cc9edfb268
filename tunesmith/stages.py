"""Several runs in a row from one recipe: each stage starts from what the one before it has learnt.

stages:
  sft: {objective: sft, tasks: {chats.jsonl: 1}}
  dpo: {objective: dpo, tasks: {pairs.jsonl: 1}}
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tunesmith import settings
from tunesmith.errors import UserError, did_you_mean
from tunesmith.experiment import prepared, run
from tunesmith.recipe import Recipe
from tunesmith.run import Run
from tunesmith.settings import Tree
from tunesmith.sweep import overlay

EARLIER = "stage:"  # before a stage's name: the folder of its run


@dataclass(frozen=True)
class StagedRecipe(Recipe):
    """A recipe with stages: each names the settings in which it differs from the rest.

    stages: name -> settings laid over the common ones. A stage without a `model.path` of its own starts from the one before it.
        Any text `stage:NAME` in it means the folder of that earlier stage.
    """

    stages: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def recipes(tree: Tree, into: Path) -> dict[str, Recipe]:
    """One recipe a stage, in order; every mistake of a setting is found before anything runs."""
    common = settings.build(StagedRecipe, tree)
    if not common.stages:
        raise UserError("`stages` is empty", "name some, or leave it out")
    shared = {key: value for key, value in tree.items() if key != "stages"}
    made: dict[str, Recipe] = {}
    for name, own in common.stages.items():
        began = {"model": {"path": EARLIER + next(reversed(made))}} if made else {}
        whole = overlay(overlay(shared, began), {**own, "name": name})
        made[name] = settings.build(Recipe, placed(whole, made, into), f"stages.{name}.")
    return made


def run_stages(tree: Tree, into: Path, quiet: bool = False) -> Run:
    """Every stage's run below `into`, the last of which is given; finished ones are kept, half-done ones go on."""
    chosen = recipes(tree, into)
    for recipe in chosen.values():
        prepared(recipe)
    for name, recipe in chosen.items():
        made = run(recipe, into / name, quiet)
        if not made.world().get("ended"):  # `plan.stop_after`
            break
    return made


def placed(tree: Any, earlier: Mapping[str, object], into: Path) -> Any:
    """The settings with the folders of earlier stages where these are named."""
    if isinstance(tree, Mapping):
        return {key: placed(value, earlier, into) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [placed(value, earlier, into) for value in tree]
    if not isinstance(tree, str) or not tree.startswith(EARLIER):
        return tree
    name = tree.removeprefix(EARLIER)
    if name not in earlier:
        raise UserError(f"`{tree}` names no stage before this one", did_you_mean(name, list(earlier)))
    return str(into / name)
