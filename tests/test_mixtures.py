"""A mixture from its recipe to its folder: exact resume under every way of mixing, sums that add up, what is told before."""

import json
import os

import pytest

from tests.test_experiment import interrupt
from tests.tiny import rows, tiny_model
from tunesmith import verbs
from tunesmith.comparison.overfitting import task_curves
from tunesmith.errors import UserError
from tunesmith.planning.plan import plan
from tunesmith.showing import show

RECIPE = {
    "name": "mixed",
    "model": {"path": "model"},
    "method": {"kind": "lora", "rank": 2},
    "tasks": {"sums.jsonl": 1.0, "more.jsonl": 1.0, "other/more.jsonl": 1.0},
    "replay": {"town/stars": 0.25},
    "judged_by": ["sums.jsonl"],
    "forgetting": "none",
    "plan": {"steps": 6, "examples": 4, "validate_every": 3, "learning_rate": 1e-2},
    "ask": {"tokens": 3, "how": "weigh"},
    "limit": {"train": 30, "validation": 3, "test": 2},
}
WAYS = {
    "weight": [],
    "size": ["mixture={by: size, cap: 8}"],
    "temperature": ["mixture={by: temperature, cap: 20, temperature: 3}"],
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    tiny_model(folder / "model")
    (folder / "other").mkdir()
    rows(folder / "sums.jsonl")
    rows(folder / "more.jsonl", 20)
    rows(folder / "other" / "more.jsonl", 12)
    return folder


@pytest.fixture(autouse=True)
def here(home, monkeypatch):
    monkeypatch.chdir(home)


def train(folder, *overrides):
    return verbs.train(RECIPE, into=folder, overrides=overrides, quiet=True)


def told(run):
    return [{key: value for key, value in record.items() if key != "seconds"} for record in (*run.steps(), *run.validations())]


@pytest.mark.parametrize("order", ["shuffled", "by_length"])
@pytest.mark.parametrize("way", WAYS)
def test_a_mixture_that_was_stopped_ends_as_one_that_was_not(tmp_path, monkeypatch, way, order):
    """Law: whatever the way of mixing and the order, the steps after a stop are those of a run without one, task by task."""
    given = [*WAYS[way], f"plan.order={order}"]
    whole = train(tmp_path / "whole", *given)
    with monkeypatch.context() as pressing:
        interrupt(pressing, 2)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "run", *given)
    run = train(tmp_path / "run", *given)
    assert told(run) == told(whole)
    assert json.loads((run.folder / "mixture.json").read_text()) == json.loads((whole.folder / "mixture.json").read_text())


@pytest.fixture(scope="module")
def run(home, tmp_path_factory):
    os.chdir(home)
    return train(tmp_path_factory.mktemp("runs") / "run", "mixture={by: size, cap: 8}", "plan.scores=true", "plan.room.rows=3")


def test_sums_and_counts_of_tasks_add_up_to_the_loss_to_the_last_digit(run):
    for record in (*run.steps(), *run.validations()):
        sums, counts = ([one[what] for one in record["tasks"].values()] for what in ("sum", "count"))
        assert sum(sums) / sum(counts) == record["loss"]
        assert sum(counts) == record.get("count", record["tokens"])
    names = {name for record in run.steps() for name in record["tasks"]}
    assert names == {"sums", "more.jsonl", "other/more.jsonl", "town/stars"}, "two called alike keep what the recipe says"


def test_a_penalty_of_the_method_is_told_beside_the_tasks(tmp_path):
    run = train(tmp_path / "run", "method={kind: adalora, rank: 2, start_rank: 3}", "plan.steps=2")
    for record in run.steps():
        sums = sum(one["sum"] for one in record["tasks"].values())
        assert record["shown"]["penalty"] > 0
        assert sums / record["count"] + record["shown"]["penalty"] == pytest.approx(record["loss"], rel=1e-12)


def test_how_a_step_is_cut_to_fit_memory_changes_no_tasks_sum(run, tmp_path):
    other = train(tmp_path / "run", "mixture={by: size, cap: 8}", "plan.room.rows=1", "plan.steps=1", "plan.best=last")
    [one], [first, *_] = other.steps(), run.steps()
    for name, sums in first["tasks"].items():
        assert one["tasks"][name]["sum"] == pytest.approx(sums["sum"], rel=1e-5)
        assert one["tasks"][name]["count"] == sums["count"]


def test_validation_tells_loss_and_score_of_each_task_and_not_of_what_is_replayed(run):
    first, *_, last = run.validations()
    assert set(first["tasks"]) == {"sums", "more.jsonl", "other/more.jsonl"}
    assert all({"sum", "count", "scores"} == set(one) for one in last["tasks"].values())
    scores = [next(iter(one["scores"].values())) for one in last["tasks"].values()]
    assert last["score"] == pytest.approx(sum(scores) / 3)


def test_a_task_alone_is_told_as_before(tmp_path):
    run = train(tmp_path / "run", "tasks={sums.jsonl: 1.0}", "replay={}", "plan.steps=2")
    assert all("tasks" not in record for record in (*run.steps(), *run.validations()))
    assert len(json.loads((run.folder / "mixture.json").read_text())["tasks"]) == 1


def test_the_portions_that_are_told_are_those_that_are_shown(run):
    kept = json.loads((run.folder / "mixture.json").read_text())
    assert [one["task"] for one in kept["tasks"]] == ["sums", "more.jsonl", "other/more.jsonl", "town/stars"]
    assert [one["replayed"] for one in kept["tasks"]] == [False, False, False, True]
    assert sum(one["shown"] for one in kept["tasks"]) == 6 * 4
    assert kept["epoch"] == 8 + 8 + 8 + 6
    planned = plan(RECIPE, overrides=["mixture={by: size, cap: 8}"])
    assert [one.shown for one in planned.portions] == [one["shown"] for one in kept["tasks"]]


def test_the_table_is_said_with_what_to_think_about(tmp_path, capfd):
    verbs.train(RECIPE, into=tmp_path / "run", overrides=["plan.steps=60", "replay={}"])
    said = capfd.readouterr().err
    assert "tasks are mixed; an epoch is" in said
    assert "of all tokens" in said
    assert "each row of `other/more.jsonl` is seen" in said


def test_shown_examples_come_with_the_portions():
    shown = show(RECIPE, examples=1)
    assert [one.name for one in shown] == ["sums", "more", "more"]
    assert [one.portion.task for one in shown if one.portion] == ["sums", "more.jsonl", "other/more.jsonl"]


def test_curves_of_tasks_are_drawn_for_the_page(run):
    curves = task_curves(run.steps(), run.validations())
    assert set(curves) == {"sums", "more.jsonl", "other/more.jsonl", "town/stars"}
    assert len(curves["sums"].validation) == 3
    assert not curves["town/stars"].validation


def test_a_setting_that_would_not_be_heard_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UserError, match=r"mixture\.cap"):
        train(tmp_path / "run", "mixture.cap=3")
    assert not (tmp_path / "run").exists()
