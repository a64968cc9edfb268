"""The study over model sizes: its networks, its figures from runs, its plot; that it runs is what `--brief` is for."""

import importlib.util
import json
import sys
from dataclasses import replace

import pytest
import torch
from transformers import AutoConfig, AutoModelForSeq2SeqLM

from tests.conftest import ROOT
from tunesmith import settings
from tunesmith.recipe import Recipe
from tunesmith.run import Answer, Run, Score

FOLDER = ROOT / "recipes" / "sizes"


def script(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    sys.modules[name] = made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


figures, study = script("figures"), script("study")


@pytest.mark.parametrize("name", study.SIZES)
def test_sizes_are_what_they_are_called(name):
    with torch.device("meta"):
        network = AutoModelForSeq2SeqLM.from_config(AutoConfig.for_model(**study.SIZES[name].config()))
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(float(name.removesuffix("M")) * 1e6, rel=0.1)


def test_the_third_is_the_model_that_comes_along():
    assert study.SIZES["3M"].config() == json.loads((study.ASSET / "config.json").read_text())


def test_every_run_is_a_recipe_of_its_own(tmp_path):
    made = study.Study(tmp_path, "1M", study.SIZES["1M"], study.Amounts(seeds=2))
    runs = list(made.runs())
    assert len(runs) == 2 * (2 * len(study.TASKS) + 1)
    assert len({made.place(way, task, seed) for way, task, seed, _ in runs}) == len(runs)
    for _, _, _, own in runs:
        settings.build(Recipe, own)


def test_steps_and_rate_of_a_base_follow_its_settings(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(study.verbs, "train", lambda tree, into: seen.append(settings.build(Recipe, tree)))
    study.Study(tmp_path, "10M", study.SIZES["10M"], study.Amounts(scale=0.5)).make_base()
    assert [recipe.plan.steps for recipe in seen] == [1100, 3000]
    assert [recipe.plan.learning_rate for recipe in seen] == pytest.approx([1e-3 * 192 / 320] * 2)
    assert [recipe.model.random for recipe in seen] == [True, False]


def test_every_run_is_a_recipe(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(study.verbs, "train", lambda tree, into: seen.append((settings.build(Recipe, tree), into)))
    study.Study(tmp_path, "3M", study.SIZES["3M"], study.Amounts(seeds=1)).tune()
    assert len(seen) == 2 * len(study.TASKS) + 1
    assert all(recipe.name == into.name for recipe, into in seen)


NONE = {way: {"town/sentiment": []} for way in figures.WAYS}


def run_with(folder, task, values):
    answers = [Answer(str(n), "", "", "", stats={"accuracy": (value,)}) for n, value in enumerate(values)]
    run = Run(folder)
    run.keep(task, answers)
    run.keep_scores(task, {"accuracy": Score(sum(values) / len(values), len(values))})
    return run


def test_a_score_is_the_mean_over_seeds_and_its_interval_knows_both(tmp_path):
    alike = [run_with(tmp_path / f"a{seed}", "town/sentiment", [1.0, 0.0] * 50) for seed in range(3)]
    apart = [
        run_with(tmp_path / f"b{seed}", "town/sentiment", [float(n < 20 + 30 * seed) for n in range(100)]) for seed in range(3)
    ]
    found = figures.told({**NONE, "full": {"town/sentiment": alike}, "words": {"town/sentiment": apart}})["ways"]
    one, other = found["full"][figures.MEAN], found["words"][figures.MEAN]
    assert (one["value"], one["seeds"]) == (0.5, 3) and other["value"] == 0.5
    assert one["low"] < 0.5 < one["high"]
    assert other["high"] - other["low"] > 1.5 * (one["high"] - one["low"])


def test_a_mean_waits_for_all_tasks(tmp_path):
    run = run_with(tmp_path / "a", "town/sentiment", [1.0, 0.0])
    own = {"town/sentiment": [run], "town/entities": []}
    assert figures.MEAN not in figures.told({**NONE, "full": own})["ways"]["full"]


def test_gaps_are_paired(tmp_path):
    """Two ways that are right and wrong at the same answers but for ten differ by ten of a hundred, in every draw of theirs."""
    first = [run_with(tmp_path / f"a{seed}", "town/sentiment", [1.0, 0.0] * 50) for seed in range(2)]
    second = [run_with(tmp_path / f"b{seed}", "town/sentiment", [1.0, 0.0] * 40 + [0.0] * 20) for seed in range(2)]
    one_seed = {"town/sentiment": first[:1]}
    ways = {**NONE, "full": {"town/sentiment": first}, "prompt": {"town/sentiment": second}, "words": one_seed}
    gaps = figures.told(ways)["gaps"]
    gap = gaps["full - prompt"]["town/sentiment"]
    assert (gap["value"], gap["seeds"]) == (0.1, 2) and 0 < gap["low"] < 0.1 < gap["high"] < 0.2
    assert gaps["prompt - words"] == gaps["full - together"] == {}, "of other seeds, or of none"


def test_what_stands_is_drawn(tmp_path):
    made = study.Study(tmp_path, "1M", study.SIZES["1M"], study.Amounts(seeds=1))
    assert study.gathered([made]) == {}
    for name in ("text", "base"):
        Run(made.home / name).keep_world(ended=True, steps=4, training_seconds=2.0, total_parameters=10**6)
    run_with(made.place("prompt", "town/sentiment", 0), "town/sentiment", [1.0, 0.0])
    run_with(made.place("together", "all", 0), "town/sentiment", [1.0, 1.0])
    larger = replace(made, name="10M")
    found = study.gathered([made, larger])
    figures.write(found, study.TASKS, tmp_path / "figures.json", tmp_path / "plot.svg")
    ways = json.loads((tmp_path / "figures.json").read_text())["sizes"]["1M"]["ways"]
    assert ways["prompt"]["town/sentiment"]["value"] == 0.5
    assert ways["together"]["town/sentiment"]["value"] == 1.0
    assert ways["full"] == {}
    assert "prompt tuning" in (tmp_path / "plot.svg").read_text()
