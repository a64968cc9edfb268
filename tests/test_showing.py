"""`tunesmith show`: what is learnt is marked; special tokens, white space, shots and tools are seen."""

import json

import pytest
from rich.console import Console

from tunesmith import showing
from tunesmith.shown import rendered


def write(path, rows) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def printed(shown, colours=False) -> str:
    console = Console(width=100, force_terminal=colours, color_system="truecolor" if colours else None, record=True)
    with console.capture() as captured:
        console.print(rendered(shown, colours))
    return captured.get()


def test_what_is_learnt_and_special_and_white_is_marked(tmp_path):
    data = write(
        tmp_path / "a.jsonl", [{"prompt": f"Say  {n}\tnow. \n", "completion": f"It is {n}.\n\nYes "} for n in range(30)]
    )
    text = printed(showing.show(None, model="town/llama", data=data, examples=1))
    assert "<s><|user|>Say··0⇥now.·↵" in text
    assert "⟦It is 0.↵" in text
    assert "Yes·</s>⟧" in text
    assert "its chat template; an answer ends with `</s>`" in text


def test_colours_tell_the_same(tmp_path):
    data = write(tmp_path / "a.jsonl", [{"prompt": f"Say {n}", "completion": f"It is {n}."} for n in range(30)])
    shown = showing.show(None, model="town/llama", data=data, examples=1)
    text = printed(shown, colours=True)
    assert "\x1b[1;4;32mIt is 1.\x1b[0m\x1b[1;4;35m</s>" in text
    assert "\x1b[35m<s><|user|>\x1b[0mSay 1" in text
    assert "⟦" not in text


def test_an_unknown_letter_is_shown_as_what_the_network_reads(tmp_path):
    data = write(tmp_path / "a.jsonl", [{"prompt": f"Say {n} 漢", "completion": "x"} for n in range(30)])
    [task] = showing.show(None, model="town/bert", data=data, examples=1, overrides=["method=lora"])
    assert task.marks["[UNK]"] == "unknown"
    assert "[UNK]" in [piece for piece, _ in task.examples[0].pieces]


@pytest.mark.parametrize(("put", "asked"), [("turns", "<|assistant|>"), ("text", "\n\n")])
def test_shots_are_shown_as_they_will_be_asked(tmp_path, put, asked):
    data = write(tmp_path / "a.jsonl", [{"prompt": f"Say {n}", "completion": f"It is {n}."} for n in range(40)])
    tree = {"model": {"path": "town/llama"}, "tasks": {data: {"shots": {"count": 2, "put": put}}}}
    [task] = showing.show(tree, examples=1)
    [question] = task.asked
    text = "".join(piece for piece, _ in question.pieces)
    assert (text.count("Say "), text.count("It is ")) == (3, 2)
    assert text.count("<|user|>") == (3 if put == "turns" else 1)
    assert asked in text
    assert f"asked: {question.id}, behind 2 shots" in printed([task])
    assert f"⟶ {question.asked}" in printed([task])


def test_pairs_are_named_and_shapes_told(tmp_path):
    data = write(tmp_path / "a.jsonl", [{"prompt": f"p{n}", "chosen": "yes", "rejected": "no"} for n in range(20)])
    [task] = showing.show(None, model="town/llama", data=data, examples=1, overrides=["objective=dpo"])
    assert [example.id.split(": ")[1] for example in task.examples] == ["chosen", "rejected"]
    assert task.told.startswith(
        "a: preference pairs (columns `prompt`, `chosen`, `rejected`), put by the wording `preferences`."
    )
    [task] = showing.show(None, model="town/llama", data=data, template="{{prompt}} ||| {{chosen}}", examples=1)
    assert task.told == ""
