"""Many pairs at once against one pair at a time, where the two could part: odd letters, long words, the edges of integers."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.data.example import Example
from tunesmith.metrics import rouge_many
from tunesmith.metrics.rouge import KINDS, Rouge, rouge_scores, split_words
from tunesmith.metrics.rouge_many import _numbered, align, spell
from tunesmith.run import Answer

ODD = "aAb \n\x00\x01\x02.\u0130\u212a\u017f\u00df\u00e9\u03a3\ud800\U0001d400\uff21"


def many(kind, pairs, **settings):
    answers = [Answer("", "", said, meant) for said, meant in pairs]
    return Rouge(kind, **settings).measure_all(answers, [Example((), meant) for _, meant in pairs])


def test_words_are_the_same_on_all_of_unicode():
    texts = tuple("".join(f"x{chr(code + low)}Y " for low in range(256)) for code in range(0, 0x110000, 256))
    plain = tuple(" ".join(split_words(text)) for text in texts)
    spelt = spell((*texts, *plain))
    theirs, ours = np.split(spelt.ids, 2)
    assert (theirs == ours).all() and (np.split(spelt.sizes, 2)[0] == np.split(spelt.sizes, 2)[1]).all()
    oracle = pytest.importorskip("rouge_score.tokenizers").DefaultTokenizer(False)
    assert " ".join(plain).split() == oracle.tokenize(" ".join(texts))


@settings(max_examples=150)
@given(st.lists(st.tuples(st.text(ODD, max_size=60), st.text(ODD, max_size=60)), min_size=1, max_size=6), st.booleans())
def test_odd_letters_are_scored_as_alone(pairs, stem):
    for kind in ("1", "2", "L", "Lsum"):
        assert many(kind, pairs, stem=stem) == [rouge_scores(*pair, kind, stem=stem) for pair in pairs]


def test_words_of_any_length_are_told_apart():
    """Eight letters fit an integer; longer words that begin or end alike are still different ones."""
    words = [letter * length for letter in "ab0" for length in range(1, 20)]
    words += ["a" * 8 + "b", "b" + "a" * 8, "a" * 7 + "b", "abcdefgh", "abcdefghi", "abcdefghj", "z" * 5000]
    spelt = spell((" ".join(words), *words))
    assert spelt.distinct == len(words) == len(set(spelt.ids.tolist()))
    assert (spelt.ids[: len(words)] == spelt.ids[len(words) :]).all()
    assert spelt.sizes.tolist() == [len(words), *[1] * len(words)]


@pytest.mark.parametrize("together", [1, 3, 7, 8])
@pytest.mark.parametrize("stem", [False, True])
def test_how_many_are_numbered_together_changes_nothing(monkeypatch, together, stem):
    monkeypatch.setattr(rouge_many, "_TOGETHER", together)
    align.cache_clear()
    draw = random.Random(together)
    texts = [" ".join(draw.choices(["running", "runs", "cat", "", "x", "."], k=size)) for size in (0, 3, 300, 9, 70, 1, 12, 2)]
    pairs = list(zip(texts, reversed(texts), strict=True))
    for kind in ("1", "2", "L"):
        assert many(kind, pairs, stem=stem) == [rouge_scores(*pair, kind, stem=stem) for pair in pairs]
    align.cache_clear()


@pytest.mark.parametrize("words", [1, 2, 63, 64, 65, 127, 128, 129, 192, 255, 256, 257, 300])
@pytest.mark.parametrize("distinct", [1, 2, 20])
def test_rows_longer_than_an_integer(words, distinct):
    """One word over and over carries from integer to integer at every step."""
    draw = random.Random(words * distinct)
    texts = [" ".join(f"w{draw.randrange(distinct)}" for _ in range(words + more)) for more in (0, 0, 1, 40, 300)]
    pairs = [(said, meant) for said in texts for meant in texts]
    for kind in KINDS:
        assert many(kind, pairs) == [rouge_scores(*pair, kind) for pair in pairs]


def test_only_pairs_of_two_long_texts_are_left_over():
    long, short = " ".join(["a"] * 257), " ".join(["a"] * 256)
    assert align((long, long, short), (long, short, long)).done_P.tolist() == [False, True, True]


@settings(max_examples=100)
@given(st.lists(st.integers(0, 40).map(lambda place: place << 40) | st.integers(0, 2**64 - 1), max_size=200))
def test_numbers_are_equal_where_keys_are(keys):
    """Keys that differ only in high bits, so that many want the same place in the table."""
    ids, distinct = _numbered(np.array(keys, np.uint64))
    assert distinct == len(set(keys)) == len(set(zip(keys, ids.tolist(), strict=True)))
    assert sorted(set(ids.tolist())) == list(range(distinct))
