"""Stages that make votes, and comparisons that begin with stages."""

import json
from pathlib import Path

import pytest

from tests.tiny import tiny_model
from tunesmith import settings, stages, verbs
from tunesmith.errors import UserError
from tunesmith.run import Run

SHORT = {"train": 12, "validation": 2, "test": 2, "forgetting": 1}


def circle(folder: Path) -> settings.Tree:
    """Answers of a tiny network, voted on by their length, learnt from in one stage and in two systems."""
    tiny_model(folder / "model")
    return {
        "name": "circle",
        "model": {"path": str(folder / "model")},
        "judged_by": ["town/replies"],
        "forgetting": "none",
        "limit": SHORT,
        "ask": {"tokens": 4},
        "plan": {"steps": 2, "examples": 2},
        "stages": {
            "sft": {"method": "full", "tasks": {"town/replies": 1.0}},
            "votes": {
                "label": {
                    "prompts": "town/replies",
                    "judge": "length",
                    "limit": 12,
                    "sampling": {"tokens": 6, "temperature": 1.0},
                }
            },
        },
        "baseline": "sft",
        "systems": {
            "sft": {"model": {"path": "stage:sft"}, "method": "none"},
            "dpo": {
                "model": {"path": "stage:sft"},
                "method": {"kind": "lora", "rank": 2},
                "objective": "dpo",
                "tasks": {"stage:votes": 1.0},
            },
        },
    }


def test_a_comparison_begins_with_its_stages(tmp_path):
    tree = circle(tmp_path)
    into = tmp_path / "page"
    made = verbs.compare(tree, into=into)
    assert made.page.is_file()
    votes = into / "stages" / "votes.jsonl"
    rows = [json.loads(line) for line in votes.read_text().splitlines()]
    assert rows and {row["annotator"] for row in rows} == {"Length"}
    assert all(len(row["chosen"].split()) > len(row["rejected"].split()) for row in rows)
    assert {row["chosen_model"] for row in rows} == {str(into / "stages" / "sft")}
    assert set(Run(into / "runs" / "dpo").world()["clusters"]) == {"town/replies"}
    before = votes.stat().st_mtime_ns, (into / "stages" / "sft" / "scores.json").stat().st_mtime_ns
    verbs.compare(tree, into=into)  # all is kept
    assert before == (votes.stat().st_mtime_ns, (into / "stages" / "sft" / "scores.json").stat().st_mtime_ns)
    tree["stages"]["votes"]["label"]["limit"] = 10
    with pytest.raises(UserError, match="by other settings than those of stage `votes`"):
        verbs.compare(tree, into=into)


def test_a_judge_without_a_preference_is_told(tmp_path):
    tree = circle(tmp_path)
    tree["stages"]["votes"]["label"]["judge"] = {"kind": "match", "pattern": "never said by anybody"}
    with pytest.raises(UserError, match="calls all answers equally good"):
        verbs.compare(tree, into=tmp_path / "page")


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        (("systems", "dpo", "tasks"), {"stage:vote": 1.0}, "`stage:vote` names no stage"),
        (("stages", "votes", "label", "judge"), {"kind": "kindness"}, "kindness"),
        (("stages", "votes", "label", "prompt"), "x", "stages.votes.label.prompt"),
    ],
)
def test_mistakes_are_told_before_anything_runs(tmp_path, place, value, told):
    tree = circle(tmp_path)
    part = tree
    for name in place[:-1]:
        part = part[name]
    part[place[-1]] = value
    with pytest.raises(UserError) as error:
        stages.without_stages(tree, tmp_path / "runs")
    assert told in str(error.value)
    assert not (tmp_path / "runs").exists()
