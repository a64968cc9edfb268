"""Runs that learn from their own answers: stopped and gone on with, planned, shown; what stays of them."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tiny import rows, tiny_model
from tunesmith import experiment, settings
from tunesmith.models.load import ModelSettings, load
from tunesmith.planning.plan import of_recipe
from tunesmith.recipe import Recipe
from tunesmith.run import Run

PPO: dict[str, Any] = {
    "kind": "ppo",
    "rewards": [{"kind": "match", "pattern": "e"}],
    "sampling": {"tokens": 5, "temperature": 1.0},
    "kl_target": 0.01,
    "kl_horizon": 50,
}
SHORT: dict[str, Any] = {
    "plan": {"steps": 12, "examples": 4, "learning_rate": 1.0e-2, "validate_every": 3},
    "limit": {"train": 20, "validation": 4, "test": 3},
    "ask": {"tokens": 4},
    "forgetting": "none",
}


@pytest.fixture(scope="module", params=["llama", "t5"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    place = tmp_path_factory.mktemp(request.param)
    tiny_model(place / "model", request.param)
    return {"model": {"path": str(place / "model")}, "tasks": {str(rows(place / "sums.jsonl")): 1.0}, **SHORT}


def recipe(world: dict[str, Any], method: Any, **changed: Any) -> Recipe:
    return settings.build(Recipe, {**world, "method": method, "objective": PPO, **changed})


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_run_that_was_stopped_between_rollouts_ends_as_one_that_was_not(
    world: dict[str, Any], method: str, tmp_path: Path
) -> None:
    """A rollout is good for four updates: validation every third step becomes every fourth, and the copy of the base stays."""
    whole = experiment.run(recipe(world, method), tmp_path / "whole", quiet=True)
    part = experiment.run(recipe(world, method, plan={**world["plan"], "stop_after": 0.3}), tmp_path / "part", quiet=True)
    assert [step["step"] for step in part.steps()] == [1, 2, 3, 4]
    part = experiment.run(recipe(world, method), tmp_path / "part", quiet=True)
    kept = [{name: one for name, one in step.items() if name != "seconds"} for step in whole.steps()]
    assert [{name: one for name, one in step.items() if name != "seconds"} for step in part.steps()] == kept
    assert [one["step"] for one in whole.validations()] == [0, 4, 8, 12]
    assert part.validations() == whole.validations()
    assert len({step["shown"]["kl_weight"] for step in whole.steps()}) == 3, "it moves once a rollout"
    samples = [json.loads(line) for line in (whole.folder / "samples.jsonl").read_text().splitlines()]
    assert [one["step"] for one in samples] == [step for step in (0, 4, 8, 12) for _ in range(4)]
    assert samples == [json.loads(line) for line in (part.folder / "samples.jsonl").read_text().splitlines()]


def test_the_highest_reward_is_kept_and_no_value_head_stays(world: dict[str, Any], tmp_path: Path) -> None:
    run = experiment.run(recipe(world, {"kind": "lora", "rank": 2}), tmp_path / "run", quiet=True)
    best = max(run.validations(), key=lambda one: one["shown"]["reward"] - 0.05 * one["shown"]["kl"])
    assert run.world()["best_step"] == best["step"]
    assert not list(run.folder.rglob("head.*"))
    model = load(ModelSettings(path=str(run.folder)), None, "cpu")
    assert model.head is None
    assert run.answers(run.world()["main_task"])[0].how.startswith("speak")


def test_the_base_beside_it_has_no_head_either(world: dict[str, Any], tmp_path: Path) -> None:
    run = experiment.run(recipe(world, "none"), tmp_path / "run", quiet=True)
    assert run.answers(run.world()["main_task"])[0].how.startswith("speak")


def test_a_run_twice_in_one_process_is_the_same_run(world: dict[str, Any], tmp_path: Path) -> None:
    """What adapts belongs to a run, not to the recipe."""
    made = recipe(world, "lora")
    first, second = (experiment.run(made, tmp_path / name, quiet=True) for name in ("first", "second"))
    assert [step["loss"] for step in first.steps()] == [step["loss"] for step in second.steps()]


def test_bfloat16_looks_first_as_it_learns(world: dict[str, Any], tmp_path: Path) -> None:
    run = experiment.run(recipe(world, "lora", plan={**world["plan"], "precision": "bfloat16"}), tmp_path / "run", quiet=True)
    assert [step["shown"]["ratio"] for step in run.steps()[::4]] == [pytest.approx(1.0, abs=1e-6)] * 3
    assert run.steps()[0]["shown"]["kl"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("kind", ["ppo", "grpo", "rloo"])
def test_it_is_planned_without_speaking(world: dict[str, Any], kind: str) -> None:
    """The value head is in a step's memory, and neither in what stays nor in where that can be served."""
    objective = {name: one for name, one in PPO.items() if kind == "ppo" or not name.startswith("kl_")} | {"kind": kind}
    planned = of_recipe(recipe(world, {"kind": "lora", "rank": 2}, objective=objective), False)
    assert any("speaking" in note for note in planned.notes)
    assert "modules_to_save" not in planned.served["vLLM"]


def test_a_rule_of_ones_own_file(world: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def score(answer, target):\n    return len(set(answer) & set(target))\n")
    objective = {**PPO, "kind": "grpo", "rewards": [{"kind": "rule", "path": str(tmp_path / "mine.py")}], "answers": 3}
    objective = {name: one for name, one in objective.items() if name not in ("kl_target", "kl_horizon")}
    run = experiment.run(recipe(world, "lora", objective=objective), tmp_path / "run", quiet=True)
    assert len(Run(run.folder).steps()) == 12
    assert torch.tensor([step["shown"]["reward"] for step in run.steps()]).isfinite().all()
