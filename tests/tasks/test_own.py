"""A person's own data as a task."""

import json

import pytest

from tunesmith.errors import UserError
from tunesmith.tasks.own import own_task, task_from, tasks_from


def write(path, rows) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def names(task) -> list[str]:
    return [metric.name for metric in task.metrics]


def test_the_shape_of_the_data_chooses_the_metrics(tmp_path):
    long = write(tmp_path / "long.jsonl", [{"dialogue": f"d{n}", "summary": "one two three four five six"} for n in range(40)])
    short = write(tmp_path / "short.jsonl", [{"question": f"q{n}", "answer": "yes"} for n in range(40)])
    label = write(tmp_path / "label.jsonl", [{"text": f"t{n}", "label": "good" if n % 3 else "bad"} for n in range(40)])
    text = tmp_path / "plain.txt"
    text.write_text("\n\n".join(f"Paragraph {n}." for n in range(40)))
    tasks = [own_task(str(data)) for data in (long, short, label, text)]
    assert [names(task) for task in tasks] == [
        ["rouge1", "rouge2", "rougeL", "rougeLsum"],
        ["exact_match", "token_f1"],
        ["accuracy"],
        ["cross_entropy", "perplexity", "bits_per_byte"],
    ]
    assert [task.ask for task in tasks] == ["speak", "speak", "choose", "weigh"]
    assert [task.name for task in tasks] == ["long", "short", "label", "plain"]
    assert next(tasks[2].examples("train")).choices == ("bad", "good")
    for task in tasks:
        assert task.source.splits() == ("train", "validation", "test")
        assert sum(len(list(task.examples(split))) for split in task.source.splits()) == 40


def test_settings_of_a_recipe(tmp_path):
    data = write(tmp_path / "a.jsonl", [{"q": f"q{n}", "a": f"a{n}"} for n in range(60)])
    task = task_from(
        {"data": data, "metrics": ["rouge1"], "cluster": "c", "name": "n", "tokens": 9, "limit": {"train": 10}}
        | {"template": ["{{q}} ||| {{a}}", "Say: {{q}} ||| {{a}}"]}
    )
    assert (task.name, task.cluster, task.tokens, names(task)) == ("n", "c", 9, ["rouge1"])
    told = [example.messages[0].content for example in task.examples("train", None)]
    assert len(told) == 10
    assert [text.startswith("Say") for text in told] == [False, True] * 5


def test_questions_that_are_equal_fall_together(tmp_path):
    data = write(tmp_path / "a.jsonl", [{"question": f"q{n % 50}", "answer": f"a{n}"} for n in range(200)])
    task = own_task(data)
    asked = [{example.messages for example in task.examples(split)} for split in task.source.splits()]
    assert sum(map(len, asked)) == len(set().union(*asked)) == 50


def test_ids_are_made_unique_and_rows_left_out_by_a_wording_are_skipped(tmp_path):
    data = write(tmp_path / "a_test.jsonl", [{"id": n // 2, "q": f"q{n}", "label": n % 4 - 1} for n in range(12)])
    task = own_task(
        data, template="{% if label != -1 %}{{q}} ||| {{answer_choices[label]}}{% endif %}", choices="x ||| y ||| z"
    )
    examples = list(task.examples("test"))
    assert len(examples) == 9
    assert len({example.id for example in examples}) == 9
    assert names(task) == ["accuracy"]


def test_mistakes_are_told(tmp_path):
    data = write(tmp_path / "a.jsonl", [{"q": "q", "a": "a"}] * 3)
    for setting, part in [
        ({"data": data, "tempalte": "x"}, "did you mean `template`"),
        ({"data": data}, "no wording fits"),
        ({"data": data, "template": "{{q}} ||| {{b}}"}, "needs a column `b`"),
        ({"data": data, "template": "{{q}} ||| {{a}}", "metrics": "rouge11"}, "did you mean"),
        ({"template": "x"}, "`data` is missing"),
        ("nothing-of-that-name", "there is no task"),
        (str(tmp_path / "b.jsonl"), "there is no file"),
        ({"data": "town/dialogues", "columns": ["a"]}, "cannot be set for the registered task"),
    ]:
        with pytest.raises(UserError) as caught:
            task_from(setting)
        assert part in str(caught.value)


def test_a_registered_task_can_be_named_and_changed():
    task = task_from("town/dialogues")
    changed = task_from({"data": "town/dialogues", "limit": 3, "metrics": "rouge1", "template": "summarize"})
    assert task.name == changed.name == "town/dialogues"
    assert names(changed) == ["rouge1"]
    assert len(list(changed.examples("test"))) == 3
    assert task in tasks_from("town")


def test_dialogsum_needs_no_setting_but_its_folder(shared):
    task = own_task(str(shared("data/dialogsum")))
    examples = list(task.examples("test"))
    assert (len(examples), task.ask, task.templates[0].name) == (500, "speak", "summarize")
    assert len(examples[0].references) == 3
    assert examples[0].target == examples[0].references[0]
    assert examples[0].meta["topic"]


NO_YES = {"choices": "no ||| yes"}


@pytest.mark.parametrize(
    ("path", "settings", "ask", "first"),
    [
        ("mmlu", {}, "choose", "accuracy"),
        ("bbh/bbh", {}, "speak", "exact_match"),
        ("hh_rlhf", {}, "choose", "accuracy"),
        ("g2p_en_us", {"template": "{{key}} ||| {{value if value is string else value.DEFAULT}}"}, "speak", "exact_match"),
        ("alpaca_seed", {"template": "{{instruction}} {{instances[0].input}} ||| {{instances[0].output}}"}, "speak", "rouge1"),
        ("superglue/val/BoolQ", {"template": "{{question}} ||| {{answer_choices[label|int]}}"} | NO_YES, "choose", "accuracy"),
    ],
)  # fmt: skip
def test_real_data_becomes_a_task(shared, path, settings, ask, first):
    task = own_task(str(shared(f"data/{path}")), limit=50, **settings)
    assert (task.ask, task.metrics[0].name) == (ask, first)
    for split in task.source.splits():
        assert all(example.target for example in task.examples(split))


def test_a_limit_counts_only_rows_that_the_wording_takes(tmp_path):
    path = tmp_path / "words.csv"
    path.write_text("word,sound\n" + "".join(f"{'W' if n % 2 else 'w'}{n},s{n}\n" for n in range(400)), encoding="utf-8")
    wording = "{% if word is lower %}{{word}} ||| {{sound}}{% endif %}"
    task = own_task(str(path), template=wording, limit={"train": 100, "test": 10})
    found = {split: [example.messages[0].content for example in task.examples(split)] for split in ("train", "test")}
    assert {split: len(words) for split, words in found.items()} == {"train": 100, "test": 10}
    assert all(word.islower() for words in found.values() for word in words)


def test_examples_can_be_asked_for_in_any_order(tmp_path):
    rows = [{"id": str(n % 5) if n < 9 else f"r{n}", "q": f"{n}?" * (n % 4 != 1), "a": "y" * (n % 4 != 1)} for n in range(40)]
    path = tmp_path / "x_train.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    for wording in (
        ["{% if q %}{{q}}|||{{a}}{% endif %}", "{% if q %}Say: {{q}}|||{{a}}{% endif %}"],
        ["{% if q %}{{q}}|||{{a}}{% endif %}"],
    ):
        task = own_task(str(path), template=wording)
        for split in task.source.splits():
            every = list(task.examples(split, None))
            found = task.sequence(split, None)
            assert found == every
            assert [found[n] for n in reversed(range(len(every)))] == every[::-1]
            assert len({example.id for example in found}) == len(every)
            assert task.sequence(split, None, limit=3) == every[:3]
    registered = task_from("town/sentiment")
    assert registered.sequence("test", 0, 4) == list(registered.examples("test"))[:4]


def test_a_missing_column_names_file_or_row(tmp_path):
    data = write(tmp_path / "a.jsonl", [{"text": f"t{n}"} for n in range(4)])
    with pytest.raises(UserError, match=r"`.*a\.jsonl` line 1: template `inline` needs a column `body`"):
        own_task(data, template="||| {{body}}")
    data = write(tmp_path / "b.jsonl", [{"text": f"t{n}"} if n != 251 else {"body": "t"} for n in range(500)])
    task = own_task(data, template="||| {{text}}", splits={"test": "b.jsonl"}, name="b")
    with pytest.raises(
        UserError, match=r"line 252 \(task `b`, row 252 of its test rows\): template `inline` needs a column `text`"
    ):
        task.sequence("test")
