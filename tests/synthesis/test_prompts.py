"""What is asked in words, and what answers in the ways of base models and of chat models say."""

import pytest

from tunesmith.data.seeds import Instance
from tunesmith.errors import UserError
from tunesmith.synthesis.prompts import (
    Read,
    Wordings,
    continued,
    inputs_first,
    instructions,
    is_classification,
    outputs_first,
    tidy,
    triplets,
)

ITEMS = ("Name a tree.", "Why is 3.5 larger than 2?", "Sing. Then 4 more.")


@pytest.mark.parametrize(
    "text",
    [
        " name a tree.\n10. Why is 3.5 larger\nthan 2?\n11. Sing. Then 4 more.",
        "9. Name a tree.\n10. Why is 3.5 larger than 2?\n11. Sing. Then 4 more.\n",
        'Sure! Here they are:\n\n9. **Name a tree.**\n\n10) "Why is 3.5 larger than 2?"\n\n11. Sing. Then 4 more.\n\nEnjoy!',
    ],
)
def test_lists_are_read(text):
    assert instructions(text, False).pieces == ITEMS


def test_one_instruction_without_a_number():
    assert instructions("Name a tree.\nAnd that is all.", False).pieces == ("Name a tree.",)
    assert instructions(" \n", False).pieces == ()


def test_what_is_cut_is_only_what_was_not_ended():
    assert instructions("Name a tree.\nAnd then", True).cut is False
    assert instructions("Name a tree", True).cut is True
    assert instructions("Name a tree.\n10. Why is", True) == Read(("Name a tree.", "Why is"), True)
    assert instructions("Name a tree.\n10. Why is it?\n\nThis li", True).cut is False


def test_an_answer_goes_on_in_the_field_in_which_its_prompt_ends():
    assert continued("Task: Sing.\nExample 1\nInput: <none>\nOutput:", " la") == "Output:  la"
    assert continued("Task: Sing.\nOutput:", "\nOutput: la") == "\nOutput: la"
    assert continued("Task: Sing.\nExample 1", "Input: x") == "Input: x"
    assert inputs_first(continued("a\nOutput:", "la\nlo"), False).pieces == (Instance("", "la\nlo"),)


def test_instructions_are_tidied():
    assert tidy('"say it"') == "Say it"
    assert tidy("“Say it” or “sing it”") == "“Say it” or “sing it”"
    assert tidy('"Hi" is "bye" in') == '"Hi" is "bye" in'


@pytest.mark.parametrize(
    ("text", "told"), [(" yes", True), ("No.", False), ("**Yes**, it is", True), ("Perhaps", None), ("", None)]
)
def test_yes_and_no(text, told):
    assert is_classification(text) is told


PAIRS = (Instance("a line\nand another", "out: 1"), Instance("", "out 2"))


@pytest.mark.parametrize(
    "text",
    [
        "\nInput: a line\nand another\nOutput: out: 1\nExample 2\nInput: <none>\nOutput: out 2\n",
        "**Example 1**\n**Input:** a line\nand another\n**Output:** out: 1\n\n### Example 2\nOutput:\nout 2",
        "Example 1:\nInput: a line\nand another\nOutput: out: 1\nInput: left out\nExample 2:\nInput: N/A\nOutput: out 2",
    ],
)
def test_inputs_first(text):
    assert inputs_first(text, False).pieces == PAIRS


def test_inputs_first_without_an_output():
    assert inputs_first("I cannot do that.", False).pieces == ()


@pytest.mark.parametrize(
    "text",
    [
        " good\nInput: I liked it.\nLabel: bad\nInput: I did\nnot.",
        "Label: good\nI liked it.\nLabel: bad\nInput: I did\nnot.",
        "**Label:** good\n**Input:** I liked it.\n\n**Label:** bad\n**Input:** I did\nnot.",
    ],
)
def test_outputs_first(text):
    assert outputs_first(text, False).pieces == (Instance("I liked it.", "good"), Instance("I did\nnot.", "bad"))


@pytest.mark.parametrize(
    "text",
    [
        " name a tree.\nInput: <none>\nOutput: oak\n\nTask 5\nInstruction: Add.\nInput: 1, 2\nOutput: 3\n",
        "Task 4\nInstruction: name a tree.\nInput:\nOutput: oak\n**Task 5**\n**Instruction:** Add.\n**Input:** 1, 2\n**Output:**3",  # noqa: E501
    ],
)
def test_triplets(text):
    assert triplets(text, False).pieces == (("Name a tree.", Instance("", "oak")), ("Add.", Instance("1, 2", "3")))


def test_wordings_ask_as_they_are_read():
    """The shipped wordings show the layout that is read: their own examples come back out of them."""
    for name in ("grow", "grow-brief"):
        wordings = Wordings.read(name)
        prompt = wordings.put("instructions", shown=["Name a tree.", "Sing."])
        assert prompt.endswith("1. Name a tree.\n2. Sing.\n3.")
        assert wordings.put("classification", instruction="Sing.").endswith("Task: Sing.\nLabels:")
        asked = wordings.put("inputs_first", instruction="Sing.", instances=5)
        assert asked.endswith("Task: Sing.\nExample 1")
        for block in asked.split("\nTask: ")[1:-1]:
            read = inputs_first(block.partition("\n")[2], False).pieces
            assert read and all(one.output for one in read)
        asked = wordings.put("outputs_first", instruction="Sing.", instances=5)
        assert asked.endswith("Task: Sing.\nLabel:")
        for block in asked.split("\nTask: ")[1:-1]:
            read = outputs_first(block.partition("\n")[2], False).pieces
            assert len({one.output for one in read}) == len(read) >= 2
        shown = [
            {"instruction": "Name a tree.", "input": "", "output": "oak"},
            {"instruction": "Add.", "input": "1", "output": "2"},
        ]
        asked = wordings.put("triplets", shown=shown, asked=20)
        assert asked.endswith("Task 3\nInstruction:") and "20" in asked
        read = triplets(asked.partition("Task 1\n")[2].removesuffix("Task 3\nInstruction:"), False).pieces
        assert read == (("Name a tree.", Instance("", "oak")), ("Add.", Instance("1", "2")))


def test_own_wordings(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text('templates: {classification: {jinja: "Labels for {{instruction}}?"}}')
    wordings = Wordings.read(str(file))
    assert wordings.put("classification", instruction="X") == "Labels for X?"
    assert wordings.put("instructions", shown=["a"]) == Wordings.read("grow").put("instructions", shown=["a"])
    assert wordings.hash != Wordings.read("grow").hash
    file = tmp_path / "wrong.yaml"
    file.write_text('templates: {clasification: {jinja: "Labels for {{instruction}}?"}}')
    with pytest.raises(UserError, match=r"did you mean `classification`"):
        Wordings.read(str(file))
