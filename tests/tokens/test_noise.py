"""Hidden spans and tokens: nothing is lost, shares are as stated, the papers' examples come out."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tunesmith.tokens.noise import hide, masked_spans, sentinelled, spans, words
from tunesmith.tokens.sequence import IGNORED

SENTINELS = list(range(900, 932))
MASK = 4


def test_the_worked_example_of_t5():
    """Raffel et al., 2020, figure 2: `for inviting` and `last` are hidden."""
    text = ["Thank", "you", "for", "inviting", "me", "to", "your", "party", "last", "week", "."]
    source, answer = sentinelled(text, ["<X>", "<Y>", "<Z>"], ([2, 4, 2], [2, 1]))  # type: ignore[arg-type]
    assert " ".join(source) == "Thank you <X> me to your party <Y> week ."
    assert " ".join(answer) == "<X> for inviting <Y> last <Z>"


def test_the_example_of_transformers_t5_page():
    text = ["The", "cute", "dog", "walks", "in", "the", "park"]
    source, answer = sentinelled(text, ["<0>", "<1>", "<2>"], ([1, 2, 1], [2, 1]))  # type: ignore[arg-type]
    assert " ".join(source) == "The <0> walks in <1> park"
    assert " ".join(answer) == "<0> cute dog <1> the <2>"


def test_nothing_follows_a_span_at_the_end():
    """As T5's own code has it, which always hides the end."""
    assert sentinelled([1, 2, 3], SENTINELS, ([1, 0], [2])) == ([1, 900], [900, 2, 3])


@given(some.integers(1, 200), some.floats(0.05, 0.6), some.floats(1, 6), some.integers(0, 99))
def test_span_corruption_loses_nothing(length, noise, span, seed):
    ids = list(range(10, 10 + length))
    source, answer = sentinelled(ids, SENTINELS, spans(length, noise, span, len(SENTINELS) - 1, random.Random(seed)))
    hidden: dict[int, list[int]] = {}
    for id_ in answer:
        if id_ in SENTINELS:
            last = hidden.setdefault(id_, [])
        else:
            last.append(id_)
    assert [x for id_ in source for x in (hidden[id_] if id_ in SENTINELS else [id_])] == ids
    assert list(hidden) == SENTINELS[: len(hidden)], "sentinels in order"
    closing = source[-1] not in SENTINELS
    assert all(hidden[id_] for id_ in list(hidden)[: len(hidden) - closing]), "no empty span"
    assert (answer[-1] in SENTINELS) == closing


@pytest.mark.parametrize(("noise", "span"), [(0.15, 3.0), (0.5, 3.0), (0.15, 8.0), (0.5, 1.0)])
def test_shares_and_mean_lengths_are_t5s(noise, span):
    dice, length = random.Random(0), 512
    hidden = [spans(length, noise, span, length, dice)[1] for _ in range(50)]
    assert {sum(gone) for gone in hidden} == {round(length * noise)}
    assert {len(gone) for gone in hidden} == {round(round(length * noise) / span)}


def test_span_corruption_knows_no_favourite_place():
    dice, counts = random.Random(0), Counter()
    for _ in range(3000):
        kept, gone = spans(20, 0.15, 3.0, 30, dice)
        counts.update(range(kept[0], kept[0] + gone[0]))
    # One span of three among twenty: the ends can be hit by one place of the span only, the middle by all three.
    inner = [counts[place] for place in range(2, 18)]
    assert max(inner) / min(inner) < 1.4


def test_a_span_is_one_mask_for_bart():
    assert masked_spans([1, 2, 3, 5, 6, 7], MASK, ([1, 1, 0], [2, 2])) == [1, MASK, 5, MASK]


def test_masking_follows_bert():
    dice, fates, ids = random.Random(0), Counter(), list(range(10, 110))
    units = [[place] for place in range(5, 100)]
    for _ in range(300):
        shown, targets = hide(ids, units, MASK, 3000, 0.15, dice)
        assert targets[:5] == [IGNORED] * 5 and shown[:5] == ids[:5]
        for now, target, true in zip(shown, targets, ids, strict=True):
            if target == IGNORED:
                assert now == true
            else:
                assert target == true
                fates["mask" if now == MASK else "same" if now == true else "other"] += 1
    assert sum(fates.values()) == 300 * round(95 * 0.15)
    assert abs(fates["mask"] / 4200 - 0.8) < 0.03
    assert abs(fates["same"] / 4200 - 0.1) < 0.03


def test_words_are_hidden_whole():
    begins = [n % 3 == 0 for n in range(30)]
    units = words(begins, range(30))
    assert units == [[n, n + 1, n + 2] for n in range(0, 30, 3)]
    assert words(begins, [1, 2, 3, 5]) == [[1, 2], [3], [5]], "a place between that is none of them parts a word"
    for seed in range(20):
        _, targets = hide(range(30), units, MASK, 3000, 0.3, random.Random(seed))
        gone = {place for place, target in enumerate(targets) if target != IGNORED}
        assert len(gone) == 9 and all({*unit} <= gone or not {*unit} & gone for unit in units)


def test_a_word_longer_than_the_share_is_hidden_where_there_is_no_other():
    _, targets = hide(range(8), [list(range(8))], MASK, 3000, 0.15, random.Random(0))
    assert IGNORED not in targets
    assert hide([], [], MASK, 3000, 0.15, random.Random(0)) == ([], [])
