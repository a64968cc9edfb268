"""Stop texts in long answers: found at the same id as when the whole answer is put in words at every id."""

import random

import pytest

from tunesmith.generation import slots
from tunesmith.generation.slots import Ends, Slot
from tunesmith.models.load import ModelSettings, load_renderer

FOUR_BYTES = "𝒳🦉"  # letters of several ids each
SPACES = " \n\n  x\n y"


def heard(said, ids, texts):
    """The id at which an answer ends."""
    ends, slot = Ends(frozenset(), texts, None, None, said), Slot(0, (), "", 10**6)
    for id_ in ids:
        slot.ids.append(id_)
        if ends.reason(slot):
            break
    return len(slot.ids)


def heard_in_the_whole(said, ids, texts):
    found = (n for n in range(1, len(ids) + 1) if any(text in said(ids[:n]) for text in texts))
    return next(found, len(ids))


@pytest.mark.parametrize("near", [4, 16, slots.NEAR])
@pytest.mark.parametrize("name", ["llama", "t5", "bert"])
def test_a_stop_text_ends_an_answer_of_any_length_at_the_same_id(monkeypatch, name, near):
    monkeypatch.setattr(slots, "NEAR", near)
    renderer, _ = load_renderer(ModelSettings(f"town/{name}"))
    late = 0
    for seed in range(25):
        dice = random.Random(seed)
        ids = dice.choices(sorted(set(range(3, 3000)) - renderer.stops), k=5 * near)
        for piece in (FOUR_BYTES, SPACES, FOUR_BYTES):
            place = dice.randrange(len(ids))
            ids[place:place] = [id_ for id_ in renderer.spell(piece) if id_ not in renderer.stops]
        whole = renderer.say(ids)
        begin = dice.randrange(len(whole))
        texts = (whole[begin : begin + dice.randrange(2, 30)] or "x", "not in there")
        ended = heard_in_the_whole(renderer.say, ids, texts)
        assert heard(renderer.say, ids, texts) == ended
        late += ended > 3 * near
    assert late > 3


def bytes_said(ids):
    """As llama's first tokenizer says them: a run of bytes is letters or, where one of these is cut, all of it unknown."""
    try:
        return bytes(ids).decode()
    except UnicodeDecodeError:
        return "\ufffd" * len(ids)


def numbered(ids):
    return " ".join(f"{place}:{id_}" for place, id_ in enumerate(ids))


@pytest.mark.parametrize("near", [5, 6, 7])
@pytest.mark.parametrize(
    ("said", "ids", "text"),
    [(bytes_said, list((FOUR_BYTES * 10 + "x" + FOUR_BYTES).encode()), "🦉x"), (numbered, list(range(40)), "30:30")],
)
def test_an_end_that_reads_otherwise_alone_is_not_trusted(monkeypatch, near, said, ids, text):
    monkeypatch.setattr(slots, "NEAR", near)
    assert heard(said, ids, (text,)) == heard_in_the_whole(said, ids, (text,)) < len(ids)


def test_an_answer_is_put_in_words_a_little_at_a_time():
    counted = 0

    def say(ids):
        nonlocal counted
        counted += len(ids)
        return " ".join(f"w{id_}" for id_ in ids)

    assert heard(say, range(2000), ("never",)) == 2000
    assert counted < 2000 * 2 * slots.NEAR + 2000**2 / slots.NEAR, "not the square of the answer's length"
