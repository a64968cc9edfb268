"""Heads end to end: a run learns one, and every command knows its labels; what a body without words cannot do."""

import json
import shutil

import pytest
from safetensors.torch import load_file, save_file

from tests.tiny import tiny_model
from tunesmith import answering, showing, verbs
from tunesmith.errors import UserError
from tunesmith.models.load import ModelSettings, load

PLAN = {"steps": 3, "epochs": None, "examples": 4, "learning_rate": 1e-2}
FEW = {"train": 24, "validation": 8, "test": 8}


def recipe(base, task, objective, method="frozen", **changed):
    tree = {"name": "made", "model": {"path": str(base)}, "tasks": {task: 1.0}, "objective": objective, "method": method}
    return {**tree, "plan": PLAN, "limit": FEW, "forgetting": "none", **changed}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("base"), "bert")


@pytest.mark.parametrize(
    ("task", "objective"),
    [
        ("town/sentiment", "classify"),
        ("town/tags", {"kind": "tag", "class_weights": "balanced"}),
        ("town/kinds", {"kind": "multilabel", "hidden": True}),
        ("town/similarity", "regress"),
        ("town/choice", "multiple_choice"),
    ],
)
def test_a_head_learns_and_is_judged_by_itself(base, task, objective, tmp_path):
    for method in ("none", "frozen"):
        run = verbs.train(recipe(base, task, objective, method), into=tmp_path / method, quiet=True)
        answers = run.answers(task)
        assert {answer.how for answer in answers} == {"classify"}
        if method == "none":
            assert "no head was learnt" in run.world()["notes"][0]
            assert len({answer.scores for answer in answers}) == 1 or task in ("town/choice", "town/tags")
    again = verbs.train(recipe(base, task, objective), into=tmp_path / "frozen", quiet=True)
    assert again.answers(task) == answers, "the same recipe is the same run"
    judged = verbs.evaluate(str(run.folder), [task], into=tmp_path / "judged", overrides=["limit.test=8"], quiet=True)
    assert [a.said for a in judged.answers(task)] == [a.said for a in answers]


def test_labels_and_probabilities_come_out_of_every_command(base, tmp_path):
    tree = recipe(base, "town/sentiment", "classify", {"kind": "lora", "rank": 2}, limit={**FEW, "test": 60})
    run = verbs.train(tree, into=tmp_path / "run", quiet=True)
    told = dict(line.rsplit(" ", 1) for line in answering.answer(str(run.folder), "What a good day!").splitlines())
    assert told.keys() == {"positive", "negative"} and sum(map(float, told.values())) == pytest.approx(1, abs=2e-4)
    rows = [{"text": "good"}, {"text": "bad and cold"}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found = {}
    for given in ([], ["calibrated=true"]):
        lines = answering.predict(str(run.folder), tmp_path / "rows.jsonl", overrides=given).read_text().splitlines()
        found[len(given)] = [json.loads(line) for line in lines]
    for plain, calibrated in zip(found[0], found[1], strict=True):
        assert plain["answer"] == calibrated["answer"] == max(plain["probabilities"], key=plain["probabilities"].get)
        assert plain["probabilities"] != calibrated["probabilities"]
    [table] = showing.mistaken([str(run.folder)])
    assert table.row_count == 2
    with pytest.raises(UserError, match="`calibrated` is for heads"):
        answering.answer(str(base), "hello", overrides=["calibrated=true"])


def test_a_body_without_words_learns_a_head_and_says_nothing(base, tmp_path):
    bare = shutil.copytree(base, tmp_path / "bare")
    weights = load_file(bare / "model.safetensors")
    body = {name: value for name, value in weights.items() if not name.startswith("cls.")}
    save_file(body, bare / "model.safetensors", metadata={"format": "pt"})
    (bare / "1_Pooling").mkdir()
    (bare / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    with pytest.raises(UserError, match="without a vocabulary head"):
        load(ModelSettings(path=str(bare)), None, "cpu")
    tree = recipe(bare, "town/sentiment", "classify", "full", forgetting="auto")
    run = verbs.train(tree, into=tmp_path / "run", quiet=True)
    assert run.answered() == ["town/sentiment"], "words that it never had cannot be forgotten"
    saved = load_file(run.folder / "model" / "model.safetensors")
    assert not any("cls" in name or "predictions" in name for name in saved), "random words are not saved"
    again = load(ModelSettings(path=str(run.folder)), None, "cpu")
    assert again.wordless and again.head.plan.pooling == "first"
    assert run.world()["trained_parameters"] == sum(v.numel() for v in body.values()) + sum(
        p.numel() for p in again.head.parameters()
    )
    with pytest.raises(UserError, match="has no words"):
        verbs.evaluate(str(run.folder), ["town/acceptability"], into=tmp_path / "other", overrides=["limit.test=2"], quiet=True)


def test_what_cannot_be_learnt_is_told_before_anything_runs(base, tmp_path):
    with pytest.raises(UserError, match=r"words and .* tags"):
        verbs.train(recipe(base, "town/entities", "tag"), into=tmp_path / "tags", quiet=True)
    with pytest.raises(UserError, match="is no number"):
        verbs.train(recipe(base, "town/sentiment", "regress"), into=tmp_path / "numbers", quiet=True)
    with pytest.raises(UserError, match="finds nothing to train"):
        verbs.train(recipe(base, "town/sentiment", "sft"), into=tmp_path / "sft", quiet=True)
