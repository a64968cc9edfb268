"""Texts much like one that stands: the quick way finds what comparing with all finds."""

from random import Random

import pytest

from tunesmith.metrics.alignment import longest_common_subsequence
from tunesmith.metrics.rouge import rouge_scores
from tunesmith.serving.alike import Pool, words_of

LETTERS = ["ash", "birch", "cedar", "elm", "fir", "hazel", "larch", "maple", "oak", "pine", "rowan", "willow"]


def test_it_finds_what_comparing_with_all_finds():
    random = Random(7)
    texts = {f"r{n}": " ".join(random.choices(LETTERS, k=random.randint(4, 14))) for n in range(150)}
    pool = Pool()
    for row, text in texts.items():
        pool.put(row, text)
    found = 0
    for _ in range(150):
        text = " ".join(random.choices(LETTERS, k=random.randint(4, 14)))
        scores = {}
        for row, other in texts.items():
            one, two = text.split(), other.split()
            scores[row] = 2 * longest_common_subsequence(one, two) / (len(one) + len(two))
        best = max(scores.values())
        near = pool.nearest(text, 0.6)
        assert (near is not None) == (best >= 0.6)
        if near is not None:
            found += 1
            assert near.score == pytest.approx(best) == pytest.approx(scores[near.row])
            assert near.score == pytest.approx(rouge_scores(text, near.text, "L")[2])
    assert 10 < found < 150


def test_a_row_stands_with_its_last_text_and_is_not_held_against_itself():
    pool = Pool()
    pool.put("a", "one two three four five")
    assert pool.nearest("one two three four six", 0.7).row == "a"
    assert pool.nearest("one two three four six", 0.7, but={"a"}) is None
    pool.put("a", "something else altogether is here")
    assert pool.nearest("one two three four six", 0.7) is None
    pool.take("a")
    assert pool.nearest("something else altogether is here", 0.7) is None


def test_short_texts_are_alike_by_chance_and_other_scripts_have_words_too():
    pool = Pool()
    pool.put("a", "Yes, of course")
    assert pool.nearest("Yes, of course", 0.7) is None
    pool.put("b", "Где стоит самый старый дуб?")
    assert pool.nearest("Где же стоит самый старый дуб", 0.7).row == "b"
    pool.put("c", "这是一个很好的例子")
    assert pool.nearest("这是一个很坏的例子", 0.7).row == "c"
    assert words_of("これは本 isn't") == ["こ", "れ", "は", "本", "isn", "t"]
