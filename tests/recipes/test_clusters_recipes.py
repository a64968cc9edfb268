"""The recipes of clusters that are left out: on the town all runs are there; on P3's real files one of them makes two steps."""

import dataclasses

import pytest

from tests.conftest import ROOT
from tunesmith import experiment, settings
from tunesmith.data.grouping import grouping
from tunesmith.data.published import VARIABLE
from tunesmith.studies.clusters import built, recipes, units_of

SHORT = ["plan.steps=2", "plan.epochs=null", "plan.examples=2", "limit.train=8", "limit.validation=2", "limit.test=4"]


def units(name, *overrides):
    whole = built(settings.override(settings.load(ROOT / "recipes" / f"{name}.yaml"), overrides))
    return whole, units_of(whole, grouping(whole.clusters.file))


def test_the_town_has_ten_clusters_and_thirteen_runs():
    whole, found = units("clusters-town")
    assert len(found) == 10
    assert len(recipes(whole, found)) == 13
    for unit in found:
        assert len(unit.learnt) + len(unit.judged) == len(whole.tasks) == 12
    assert {unit.cluster: unit.judged for unit in found}["reading"] == ("town/choice", "town/question")


@pytest.fixture
def p3(shared, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(shared("data/p3_t0_rendered").parent))


def test_clusters_of_p3_are_those_of_t0(p3):
    whole, found = units("clusters-p3")
    assert {unit.cluster: len(unit.judged) for unit in found} == {
        "sentiment": 3,
        "topic_classification": 1,
        "paraphrase": 3,
        "multiple_choice_qa": 3,
        "closed_book_qa": 1,
        "structure_to_text": 1,
    }
    assert len(recipes(whole, found)) == 8


def test_one_cluster_of_p3_is_left_out_in_two_steps(p3, tmp_path):
    whole, found = units("clusters-p3", *SHORT)
    made = recipes(whole, found)["without-paraphrase"]
    run = experiment.run(dataclasses.replace(made, judged_by=made.judged_by[:1]), tmp_path / "run", quiet=True)
    assert run.world()["steps"] == 2
    assert run.scores()["p3/glue_mrpc"]["accuracy"].answers > 0
    assert not any("mrpc" in name or "qqp" in name or "paws" in name for name in run.recipe()["tasks"])
