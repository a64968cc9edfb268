"""A task as one YAML file: keys, paths, what stands before a question; faults name file, key and remedy."""

import pytest

from tests.tiny import tiny_model
from tunesmith import verbs
from tunesmith.errors import UserError
from tunesmith.tasks.own import task_from


@pytest.fixture
def place(tmp_path):
    """A folder with rows, a wording and a task in it."""
    (tmp_path / "mine").mkdir()
    rows = "".join(f'{{"question": "How much is {n} and {n}?", "answer": "{2 * n}"}}\n' for n in range(40))
    (tmp_path / "mine" / "sums.jsonl").write_text(rows)
    (tmp_path / "mine" / "words.yaml").write_text("templates:\n  plain:\n    jinja: '{{question}} ||| {{answer}}'\n")
    return tmp_path / "mine"


def write(place, text):
    path = place / "my-sums.yaml"
    path.write_text(text)
    return str(path)


WHOLE = """\
data: sums.jsonl
template: words.yaml:plain
metrics: [exact_match, token_f1]
tokens: 4
shots: {count: 2, pick: first, header: "Add.\\n\\n", between: "\\n"}
stop: ["\\n"]
reads: "[0-9]+"
"""


def test_the_file_says_it_all(place):
    task = task_from(write(place, WHOLE))
    assert (task.name, task.templates[0].name, [one.name for one in task.metrics]) == (
        "my-sums",
        "plain",
        ["exact_match", "token_f1"],
    )
    assert (task.shots.count, task.shots.pick, task.shots.header, task.stop, task.tokens) == (
        2,
        "first",
        "Add.\n\n",
        ("\n",),
        4,
    )
    assert task.read("It is 12, I think.") == "12"
    assert {example.target for split in task.source.splits() for example in task.examples(split)} == {
        str(2 * n) for n in range(40)
    }


def test_it_is_asked_by_the_command_and_may_be_changed_in_a_recipe(place, tmp_path):
    tiny_model(tmp_path / "model")
    file = write(place, WHOLE)
    run = verbs.evaluate(str(tmp_path / "model"), [file], into=tmp_path / "run", quiet=True)
    [answer, *_] = run.answers("my-sums")
    assert answer.prompt.count("How much") == 3 or answer.prompt.startswith("How much")
    assert set(run.scores()["my-sums"]) == {"exact_match", "token_f1"}
    assert task_from({"data": file, "metrics": ["token_f1"], "name": "sums"}).name == "sums"


def test_it_is_learnt_from(place, tmp_path):
    file = write(place, WHOLE)
    tree = {"name": "sums", "model": {"path": "town/t5"}, "method": "lora", "tasks": {file: {"weight": 0.5, "limit": 20}}}
    run = verbs.train(tree | {"plan": {"steps": 1, "examples": 2}, "forgetting": "none"}, into=tmp_path / "run", quiet=True)
    assert list(run.scores()) == ["my-sums"]


def test_a_registered_task_may_stand_behind_it(place, rows):
    task = task_from(write(place, "data: glue/cola\ntemplate: [grammar, judge]\nname: acceptable\nshots: 3\n"))
    assert (task.name, [one.name for one in task.templates], task.shots.count) == ("acceptable", ["grammar", "judge"], 3)
    assert len(list(task.examples("test"))) == 5
    with pytest.raises(UserError, match=r"`limit` .*line 2\): found .+many.+, expected a valid integer"):
        task_from(write(place, "data: glue/cola\nlimit: many\n"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("data: sums.jsonl\nmetric: [f1]\n", r"my-sums.yaml`: a task has no setting `metric`(.|\n)*metrics"),
        ("template: a\n", r"my-sums.yaml` has no `data`(.|\n)*data: questions.csv"),
        ("data: sum.jsonl\n", r"my-sums.yaml`: there is no file or folder `.*mine/sum.jsonl`(.|\n)*sums.jsonl"),
        ("data: sums.jsonl\nmetrics: [exact]\n", r"my-sums.yaml`: there is no metric `exact`(.|\n)*quasi_exact"),
        ("data: sums.jsonl\nshots: {cuont: 2}\n", r"shots.cuont(.|\n)*my-sums.yaml line 2(.|\n)*count"),
        ("data: sums.jsonl\nshots: many\n", r"my-sums.yaml`: (.|\n)*shots"),
        ("data: sums.jsonl\nstop: 3\n", r"my-sums.yaml`: `stop`: found `3`"),
        ("data: sums.jsonl\nreads: '('\n", r"my-sums.yaml`: `reads`(.|\n)*regular expression"),
        ("data: [\n", r"my-sums.yaml` line"),
        ("data: sums.jsonl\ntemplate: '{{quest}} ||| {{answer}}'\n", r"my-sums.yaml`: .*quest(.|\n)*question"),
    ],
)
def test_faults_name_file_key_and_remedy(place, text, told):
    with pytest.raises(UserError, match=told):
        task_from(write(place, text))


def test_a_file_that_is_not_there(place):
    with pytest.raises(UserError, match=r"absent\.yaml"):
        task_from(str(place / "absent.yaml"))
