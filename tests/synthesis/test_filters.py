"""Each filter refuses what it is for, and nothing near to it."""

import pytest

from tunesmith.data.seeds import Instance
from tunesmith.synthesis.filters import instance_refusal, instance_refusals, instruction_refusal, repeats
from tunesmith.synthesis.settings import Filters

FILTERS = Filters()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Sing a song.", "short"),
        ("Sing a song now.", None),
        ("word " * 150 + "end", "long"),
        (" ".join(f"word{n}" for n in range(150)), None),
        ("- Sing a song now.", "punctuation"),
        ('"Sing" is which part of speech?', "punctuation"),
        ("3 reasons to sing a song", None),
        ("Übersetze diesen Satz ins Englische.", None),
        ("Спойте песню о зиме сейчас", "letters"),
        ("List these songs by length:", "unfinished"),
        ("Describe the image in words.", "unusable"),
        ("Describe the imagery in words.", None),
        ("Go to the shop and describe it.", "unusable"),
        ("Write a program that sings songs.", "unusable"),
        ("Say why people write a program.", None),
        ("sing it again and " * 10, "repetition"),
    ],
)
def test_instructions(text, name):
    refusal = instruction_refusal(text, FILTERS)
    assert (refusal.filter if refusal else None) == name


def test_a_list_of_words_of_ones_own(tmp_path):
    file = tmp_path / "mine.txt"
    file.write_text("song\n^say\n")
    filters = Filters(words=str(file))
    told = [
        instruction_refusal(text, filters)
        for text in ("Sing a song now.", "Say it once more.", "Now say it again.", "Draw a big map.")
    ]
    assert [refusal.told if refusal else None for refusal in told] == ["song", "Say", None, None]


@pytest.mark.parametrize(
    ("instance", "name"),
    [
        (Instance("1 2", "3"), None),
        (Instance("", ""), "empty"),
        (Instance("", " . "), "empty"),
        (Instance("The  same text.", "the same text"), "echo"),
        (Instance("", "Add the numbers"), "echo"),
        (Instance("1", "The sum is:"), "unfinished"),
        (Instance("Numbers:", "3"), "unfinished"),
        (Instance("", " ".join(f"w{n}" for n in range(501))), "long_output"),
        (Instance("", "and so on and so on " * 9), "repetition"),
        (Instance("na " * 30, "yes"), "repetition"),
    ],
)
def test_instances(instance, name):
    refusal = instance_refusal("Add the numbers.", instance, FILTERS)
    assert (refusal.filter if refusal else None) == name


def names(instances, most=5):
    return [refusal and refusal.filter for refusal in instance_refusals("Add the numbers.", instances, FILTERS, most)]


def test_equal_inputs_with_different_outputs_refuse_all():
    assert names([Instance("1 2", "3"), Instance("2 2", "4"), Instance("1  2", "5")]) == ["contradictory"] * 3
    assert names([Instance("1 2", "3"), Instance("1 2", "3."), Instance("2", "2 ")]) == [None, "twice", "echo"]
    assert names([Instance("", "a"), Instance("", "b")]) == [None, None]  # without an input, answers may differ
    assert names([Instance("1 2", "3"), Instance("1 2", "")]) == [None, "empty"]  # what is refused contradicts nothing


def test_enough_is_enough():
    assert names([Instance(str(n), f"is {n}") for n in range(4)], most=2) == [None, None, "many", "many"]


def test_repetition_is_measured_in_runs_of_three():
    assert repeats("a b c " * 6, 0.5) == ""  # 18 words: too short to tell
    assert repeats("a b c " * 7, 0.5) != ""
    half = " ".join(f"w{n % 11}" for n in range(22))  # 20 runs, 11 of them different
    assert repeats(half, 0.55) == "" and repeats(half, 0.56) != ""
