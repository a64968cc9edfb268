"""Words that come piece by piece are the words of the whole."""

import random

import pytest

from tunesmith.generation.streaming import Words
from tunesmith.models.load import ModelSettings, load_renderer

TEXTS = [
    "Anna sold  two loaves.\nThe cat 🦉 sat, 𝒳 was there — why?",
    "  leading and trailing  ",
    "",
    "naïve café\n\n\n",
    "日本語のテキスト",
]


@pytest.mark.parametrize("name", ["llama", "t5"])
@pytest.mark.parametrize("text", TEXTS)
def test_pieces_make_the_whole(name, text):
    renderer, _ = load_renderer(ModelSettings(f"town/{name}"))
    ids = renderer.spell(text)
    for seed in range(5):
        dice, words, told = random.Random(seed), Words(renderer.say), ""
        place = 0
        while place < len(ids):
            step = dice.randint(1, 3)
            told += words.more(ids[place : place + step])
            place += step
            assert renderer.say(ids).startswith(told)
        assert told + words.rest(renderer.say(ids)) == renderer.say(ids)


def test_a_stop_text_is_never_told_in_part():
    letters = dict(enumerate("the end. STOP more"))
    say = lambda ids: "".join(letters[id_] for id_ in ids)  # noqa: E731
    words = Words(say, ["STOP", "end!"])
    told = [words.more([id_]) for id_ in letters]
    assert "".join(told) == "the end. "
    assert told[4:8] == ["", "", "", "end."]
    assert words.rest("the end. ") == ""
