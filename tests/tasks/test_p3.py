"""Renderings of P3 as tasks: rows of every wording fall into the splits together, and few answers are choices."""

import json

import pytest

from tunesmith.data.published import VARIABLE
from tunesmith.errors import UserError
from tunesmith.resume import fingerprints
from tunesmith.tasks.own import task_from
from tunesmith.tasks.p3 import END


def write(folder, name, said, count=40):
    lines = [json.dumps({"prompt": f"{name}: row {n}?", "completion": said(n) + END}) for n in range(count)]
    (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    made = tmp_path / "p3_t0_rendered"
    made.mkdir()
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    write(made, "glue_mrpc_generate", lambda n: f"sentence {n}", 17)
    write(made, "glue_mrpc_tell", lambda n: f"they say {n % 30}")
    write(made, "glue_mrpc_same", lambda n: "yes" if n % 3 else "no")
    write(made, "xsum_tldr", lambda n: f"once upon a time there were {n} goats in a boat")
    return made


def test_wordings_of_a_data_set_are_one_task():
    task = task_from("p3/glue_mrpc")
    assert [wording.name for wording in task.templates] == ["same", "tell"], "choices first; no shorter file"
    assert (task.cluster, task.ask, task.metrics[0].name) == ("paraphrase", "choose", "accuracy")
    splits = {split: list(task.source.rows(split)) for split in task.source.splits()}
    assert sum(map(len, splits.values())) == 40
    for rows in splits.values():
        assert all(row["prompts"][0].split(": ")[1] == row["prompts"][1].split(": ")[1] for row in rows)
    test = list(task.examples("test"))
    assert all(example.choices == ("no", "yes") and example.target in example.choices for example in test)
    learnt = [example.messages[0].content.split(":")[0] for example in task.examples("train", None)]
    assert {"glue_mrpc_same", "glue_mrpc_tell"} == set(learnt)


def test_a_wording_alone_and_a_task_that_speaks():
    assert task_from("p3/glue_mrpc_generate").ask == "speak"
    task = task_from("p3/xsum")
    assert (task.cluster, task.ask) == ("summarization", "speak")
    assert not next(task.examples("test")).target.endswith(END)


def test_what_is_not_there_is_told(folder, monkeypatch):
    with pytest.raises(UserError, match="no task `p3/glue_mrcp`") as error:
        task_from("p3/glue_mrcp")
    assert "p3/glue_mrpc" in error.value.hint
    monkeypatch.setenv(VARIABLE, str(folder.parent / "nowhere"))
    with pytest.raises(UserError, match="p3_t0_rendered"):
        task_from("p3/glue_mrpc")


def test_files_that_change_are_noticed_by_a_run_that_goes_on(folder):
    whole, capped = task_from("p3/xsum_tldr"), task_from({"data": "p3/xsum_tldr", "limit": 5})
    before = fingerprints([whole])
    assert before and fingerprints([capped]) == before
    write(folder, "xsum_tldr", lambda n: f"once upon a time there were {n} foxes in a boat")
    assert fingerprints([whole]) != before
