"""Preference pairs in rows: strings, conversations, whole dialogues, votes beside them, and rows that are no pair."""

import json

import pytest

from tunesmith.data.example import Message
from tunesmith.data.preferences import desirable, parted_text
from tunesmith.data.shapes import guess
from tunesmith.errors import UserError
from tunesmith.tasks.own import own_task
from tunesmith.tasks.town import politeness


def user(text):
    return {"role": "user", "content": text}


def said(text):
    return {"role": "assistant", "content": text}


def example_of(row):
    return guess(row).apply(row, "one")


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "u", "chosen": "c d", "rejected": "c r"},
        {"prompt": [user("u")], "chosen": [said("c d")], "rejected": [said("c r")]},
        {"prompt": "u", "chosen": [user("u"), said("c d")], "rejected": [user("u"), said("c r")]},
        {"chosen": [user("u"), said("c d")], "rejected": [user("u"), said("c r")]},
        {"chosen": "\n\nHuman: u\n\nAssistant: c d", "rejected": "\n\nHuman: u\n\nAssistant: c r"},
        {
            "chosen": "\n\nHuman: u\n\nAssistant: c d\n\nHuman: more\n\nAssistant: end",
            "rejected": "\n\nHuman: u\n\nAssistant: c r",
        },
    ],
)
def test_one_pair_in_every_layout(row):
    example = example_of({**row, "margin": "0.5", "share": 0.75, "annotator": "eve"})
    assert (example.messages, example.target, example.rejected) == ((Message("user", "u"),), "c d", "c r")
    assert set(example.choices) == {"c d", "c r"}
    assert example.meta == {"margin": "0.5", "share": 0.75, "annotator": "eve"}


def test_the_prompt_of_two_texts_is_what_they_share_in_whole_words():
    assert parted_text("The sky is blue.", "The sky is black.") == ("The sky is ", "blue.", "black.")
    assert parted_text("yes", "no") == ("", "yes", "no")
    assert parted_text("so it", "so it is") == ("so ", "it", "it is")
    example = example_of({"chosen": "The sky is blue.", "rejected": "The sky is green."})
    assert (example.messages[0].content, example.target, example.rejected) == ("The sky is ", "blue.", "green.")


def test_an_empty_answer_is_an_answer():
    row = {"chosen": "\n\nHuman: u\n\nAssistant: c", "rejected": "\n\nHuman: u\n\nAssistant:"}
    assert example_of(row).rejected == ""


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"prompt": "u", "chosen": "same ", "rejected": "same"}, "are the same"),
        ({"chosen": [user("u"), said("c")], "rejected": [user("u"), said("c")]}, "are the same"),
        ({"chosen": [user("u"), said("c")], "rejected": [user("v"), said("r")]}, "first differ in turn 1"),
        ({"chosen": [user("u"), said("c")], "rejected": [user("u")]}, "first differ in turn 2"),
        ({"prompt": "u", "chosen": "c", "rejected": "r", "margin": "much"}, "`margin` is `much`"),
        ({"prompt": "u", "chosen": "c", "rejected": "r", "share": 3}, "`share` is `3`"),
        ({"prompt": "u", "chosen": "c", "rejected": None}, "has no `rejected`"),
    ],
)
def test_a_row_that_is_no_pair_is_told_with_its_file_and_number(row, problem, tmp_path):
    good = {"prompt": "u", "chosen": "c", "rejected": "r"} if "prompt" in row else {"chosen": "a b", "rejected": "a c"}
    rows = [*({name: f"{text}{n}" for name, text in good.items()} for n in range(30)), row]
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    with pytest.raises(UserError) as told:
        own_task(str(file))
    assert f"{file}` line 31" in str(told.value)
    assert problem in str(told.value)


def test_a_file_of_pairs_is_a_task_that_chooses(tmp_path):
    file = tmp_path / "pairs.jsonl"
    rows = [{"prompt": f"p{n}", "chosen": f"c{n}", "rejected": f"r{n}"} for n in range(200)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    task = own_task(str(file))
    assert (task.ask, [metric.name for metric in task.metrics]) == ("choose", ["accuracy"])
    first = [example.choices[0] == example.target for example in task.examples("train")]
    assert 0.35 < sum(first) / len(first) < 0.65, "the order of the choices tells nothing"


def test_politeness_is_a_task_of_pairs():
    examples = list(politeness.examples("train"))
    assert all(set(example.choices) == {example.target, example.rejected} for example in examples)
    assert 0.4 < sum(example.choices[0] == example.target for example in examples) / len(examples) < 0.6


def test_an_answer_found_good_or_bad():
    for label, wanted in ((True, True), ("false", False), (1, True), (0.0, False)):
        assert desirable(example_of({"prompt": "p", "completion": "c", "label": label})) is wanted
    with pytest.raises(UserError, match="has no `label`"):
        desirable(example_of({"prompt": "p", "completion": "c"}))
    with pytest.raises(UserError, match="the label `maybe`"):
        desirable(example_of({"prompt": "p", "completion": "c", "label": "maybe"}))


def test_real_dialogues_become_pairs(shared):
    task = own_task(str(shared("data/hh_rlhf")))
    examples = [example for split in task.source.splits() for example in task.examples(split)]
    assert len(examples) == 2312
    assert all(example.messages[-1].role == "user" and example.rejected != example.target for example in examples)
