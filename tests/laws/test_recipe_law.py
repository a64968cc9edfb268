"""Every recipe builds, and the main job runs: each system of the comparison that comes along makes two steps on a tiny network.

That two copies of a run compare without a difference is tested in tests/comparison/test_report.py.
"""

import math
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.tiny import tiny_model
from tunesmith import experiment, settings, stages, sweep
from tunesmith.comparison.table import compare
from tunesmith.data.grouping import grouping
from tunesmith.errors import UserError
from tunesmith.recipe import Recipe
from tunesmith.studies import clusters, grid

MAIN = ROOT / "tunesmith" / "assets" / "compare.yaml"
RECIPES = [path.relative_to(ROOT) for path in sorted([*ROOT.glob("recipes/**/*.yaml"), MAIN])]
SHORT = [
    *("plan.epochs=null", "plan.steps=2", "plan.examples=2", "ask.tokens=4"),
    *("limit.train=20", "limit.validation=2", "limit.test=2", "limit.forgetting=1"),
]


@pytest.mark.parametrize("path", RECIPES, ids=str)
def test_every_recipe_builds_and_is_the_same_written_down(path):
    tree = settings.load(ROOT / path)
    if "stages" in tree and "systems" in tree:
        tree = stages.without_stages(tree, Path("runs"))
    if "stages" in tree:
        made = stages.recipes(tree, Path("runs")).values()
    elif "clusters" in tree:
        made = recipes_of_clusters(tree)
    elif "sweep" in tree:
        space = grid.space(tree, [])
        made = [recipe for values in grid.grid(space) for recipe in grid.arm(space, values).recipes.values()]
    else:
        made = sweep.recipes(tree).values() if "systems" in tree else [settings.build(Recipe, tree)]
    for recipe in made:
        assert settings.build(Recipe, settings.dump(recipe)) == recipe
        recipe.plan.total_steps(100)


def recipes_of_clusters(tree):
    whole = clusters.built(tree)
    try:
        return clusters.recipes(whole, clusters.units_of(whole, grouping(whole.clusters.file))).values()
    except UserError as error:
        pytest.skip(f"its rows are not here: {error.problem}")


def test_the_main_job_makes_two_steps(tmp_path):
    tiny_model(tmp_path / "model")
    tree = settings.override(settings.load(MAIN), [*SHORT, f"model.path={tmp_path / 'model'}"])
    runs = [experiment.run(recipe, tmp_path / name, quiet=True) for name, recipe in sweep.recipes(tree).items()]
    assert {run.name for run in runs} == {"base", "few-shot", "full", "lora", "prompt"}
    for run in runs:
        world = run.world()
        assert world["main_task"] == "town/dialogues"
        assert len(world["clusters"]) > 8
        assert set(run.scores()) == set(world["clusters"])
        assert [record["step"] for record in run.steps()] == ([1, 2] if world["role"] == "tuned" else [])
        assert all(math.isfinite(record["loss"]) for record in (*run.steps(), *run.validations()))
    compared = compare(runs, baseline=tree["baseline"])
    assert compared.baseline == "base"
    assert {lost.system for lost in compared.forgetting if lost.tasks} == {"full", "lora", "prompt"}
