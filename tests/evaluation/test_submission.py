"""Files for leaderboards: every task's, row by row in the published form, from likelihoods, spoken numbers and heads."""

import json
from zipfile import ZipFile

import pytest

import tunesmith
from tests.tiny import tiny_model
from tunesmith import verbs
from tunesmith.errors import UserError
from tunesmith.evaluation.submission import FORMS, Form, labelled
from tunesmith.tasks import glue, superglue


@pytest.fixture
def model(tmp_path):
    tiny_model(tmp_path / "model")
    return str(tmp_path / "model")


def test_a_whole_submission_of_both(model, rows, tmp_path):
    made = tunesmith.submit(model, tmp_path / "out", ["glue", "superglue"], quiet=True)
    assert not made.missing and {one.task for one in made.files} == set(FORMS)
    assert set(FORMS) == {*glue.family.members, *superglue.family.members}
    for archive, count in zip(made.archives, (11, 10), strict=True):
        with ZipFile(archive) as zipped:
            assert len(zipped.namelist()) == count
    read = {one.task: one.file.read_text(encoding="utf-8").splitlines() for one in made.files}
    for task, lines in read.items():
        form, count = FORMS[task], 6 if task == "superglue/axg" else 2 if task == "superglue/multirc" else 5
        if task.startswith("glue"):
            assert lines[0] == "index\tprediction" and [line.split("\t")[0] for line in lines[1:]] == list("01234")
            said = [line.split("\t")[1] for line in lines[1:]]
        else:
            assert len(lines) == count
            said = [json.loads(line).get("label") for line in lines]
            assert [json.loads(line)["idx"] for line in lines] == list(range(count))
        if form.labels and task != "superglue/multirc":
            assert set(said) <= set(form.labels)
    assert all(0 <= float(line.split("\t")[1]) <= 5 for line in read["glue/stsb"][1:])
    passage = json.loads(read["superglue/multirc"][0])["passage"]["questions"]
    assert [[answer["idx"] for answer in question["answers"]] for question in passage] == [[0, 1, 2], [3, 4]]
    assert {answer["label"] for question in passage for answer in question["answers"]} <= {0, 1}
    assert json.loads(read["superglue/record"][0])["label"] in ("Nina Berg", "Oslo", "Ada Lund")


def test_labels_are_the_leaderboards(rows):
    asked = {
        name: task.templates[0].ask(next(task.source.rows("unlabelled")))
        for name, task in vars(glue).items()
        if name in ("mnli", "rte")
    }
    assert [labelled(FORMS["glue/mnli"], asked["mnli"], said) for said in ("yes", "maybe", "no", "?")] == [
        "entailment",
        "neutral",
        "contradiction",
        "entailment",
    ]
    assert labelled(FORMS["glue/rte"], asked["rte"], "no") == "not_entailment"
    cb = superglue.cb.templates[0].ask(next(superglue.cb.source.rows("unlabelled")))
    assert [labelled(FORMS["superglue/cb"], cb, said) for said in cb.choices] == ["entailment", "contradiction", "neutral"]
    for said, told in (("3.14159", "3.142"), ("7", "5.000"), ("-1", "0.000"), ("much", "0.000")):
        assert labelled(FORMS["glue/stsb"], asked["rte"], said) == told
    assert labelled(Form("ReCoRD.jsonl"), cb, "Oslo") == "Oslo"


def test_a_run_answers_by_its_head_and_by_its_recipe(rows, tmp_path, monkeypatch):
    for task, objective in (("glue/cola", "classify"), ("glue/stsb", "regress")):
        monkeypatch.setenv("TUNESMITH_DATA", str(tmp_path))  # the recipe names the folder
        tree = {
            "name": task.replace("/", "-"),
            "model": {"path": "town/bert"},
            "objective": objective,
            "method": {"kind": "frozen"},
            "tasks": {task: {"folder": str(rows)}},
            "forgetting": "none",
            "plan": {"steps": 2, "examples": 2},
        }
        run = verbs.train(tree, into=tmp_path / objective, quiet=True)
        made = tunesmith.submit(str(run.folder), tmp_path / "out", quiet=True)
        [one] = made.files
        assert one.task == task and one.rows == 5 and len(made.missing) == (10 if task == "glue/cola" else 9)
        said = [line.split("\t")[1] for line in one.file.read_text().splitlines()[1:]]
        assert len(said) == 5 and (set(said) <= {"0", "1"} or "." in said[0])


def test_what_cannot_be_submitted_is_told(model, rows, tmp_path):
    with pytest.raises(UserError, match="no task of GLUE or SuperGLUE"):
        tunesmith.submit(model, tmp_path / "out", quiet=True)
    with pytest.raises(UserError, match="no leaderboard's form for the task `town/stars`"):
        tunesmith.submit(model, tmp_path / "out", ["town/stars"], quiet=True)
    with pytest.raises(UserError, match="`plan` says nothing here"):
        tunesmith.submit(model, tmp_path / "out", ["glue/cola"], overrides=["plan.steps=3"], quiet=True)


def test_a_row_that_does_not_fit_gets_the_commonest_answer(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNESMITH_DATA", str(tmp_path))
    path = tmp_path / "BoolQ" / "test.jsonl"
    path.parent.mkdir()
    passages = ["A mill.", "A ferry.", "bread " * 300]
    path.write_text(
        "".join(json.dumps({"passage": text, "question": "is it", "idx": n}) + "\n" for n, text in enumerate(passages))
    )
    folder = tiny_model(tmp_path / "short", "llama")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 128}))
    made = tunesmith.submit(str(folder), tmp_path / "out", ["superglue/boolq"], quiet=True)
    [one] = made.files
    assert "1 of 3 examples" in one.notes[0] and "commonest" in one.notes[-1]
    assert len(one.file.read_text().splitlines()) == one.rows == 3
