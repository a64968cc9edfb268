"""Near duplicates against brute force; texts made comparable."""

import random
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.data.quality.similar import SLOTS, bands_for, jaccard, jaccard_of, letter_runs, near_duplicates
from tunesmith.data.quality.texts import digest, plain, words_of
from tunesmith.errors import UserError


def varied(count, seed, alike=4):
    """(id, text): texts of random words, and copies of them with some words changed."""
    rng = random.Random(seed)
    words = ["".join(rng.choice("abcdefghijklmnop") for _ in range(rng.randint(2, 9))) for _ in range(2000)]
    texts = []
    while len(texts) < count:
        first = [rng.choice(words) for _ in range(rng.randint(3, 80))]
        texts.append(" ".join(first))
        for _ in range(rng.randrange(alike)):
            copy = list(first)
            for _ in range(rng.randrange(7)):
                copy[rng.randrange(len(copy))] = rng.choice(words)
            texts.append(" ".join(copy))
    return [(str(number), text) for number, text in enumerate(texts[:count])]


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8, 0.95])
def test_pairs_are_those_of_brute_force(threshold):
    texts = varied(400, seed=int(100 * threshold))
    sets = [(name, letter_runs(plain(text))) for name, text in texts]
    wanted = {(a, b): found for (a, x), (b, y) in combinations(sets, 2) if (found := jaccard_of(x, y)) >= threshold}
    found = {(a, b): index for a, b, index in near_duplicates(iter(texts), threshold=threshold)}
    assert len(wanted) > 40
    assert found.items() <= wanted.items()  # nothing that is told is wrong, nor any index
    assert len(found) >= 0.99 * len(wanted)


def test_two_sides_and_every_kind_of_iterable():
    texts = varied(300, seed=3)
    left, right = texts[::2], texts[1::2]
    wanted = {(a, b) for (a, x), (b, y) in product(left, right) if jaccard(x, y) >= 0.8}
    for first, second in ((left, right), (iter(left), iter(right)), (iter(left), right)):
        found = [(a, b) for a, b, _ in near_duplicates(first, second)]
        assert len(found) == len(set(found)) and set(found) == wanted


def test_recall_at_the_threshold_itself():
    """Sets of 180 runs of which 160 are shared have an index of 0.8 exactly: the worst that must be found."""
    rng = random.Random(5)
    letters = [chr(code) for code in range(0x4E00, 0x9000)]

    def text(count):
        return "".join(rng.choice(letters) for _ in range(count))

    pairs = []
    for number in range(600):
        shared = text(164)  # 160 runs of five letters
        pairs.append(((f"a{number}", shared + text(20)), (f"b{number}", shared + text(20))))
    assert {round(jaccard(a[1], b[1]), 6) for a, b in pairs} == {0.8}
    found = set(near_duplicates([a for a, _ in pairs], [b for _, b in pairs]))
    assert len(found) >= 0.985 * len(pairs)
    bands, width = bands_for(0.8)
    assert 1 - (1 - 0.8**width) ** bands >= 0.99 and bands * width <= SLOTS


def test_equal_texts_make_every_pair():
    texts = [("a", "One row."), ("b", "one  ROW."), ("c", "other words"), ("d", "One row."), ("e", ""), ("f", " ")]
    assert sorted(near_duplicates(texts)) == [("a", "b", 1.0), ("a", "d", 1.0), ("b", "d", 1.0)]
    assert sorted(near_duplicates(texts[:2], texts[3:])) == [("a", "d", 1.0), ("b", "d", 1.0)]
    assert not list(near_duplicates([]))
    assert not list(near_duplicates([], texts))


@settings(max_examples=60)
@given(st.lists(st.text("ab é\n猫", max_size=12), max_size=12))
def test_short_texts_as_brute_force(texts):
    named = [(str(number), text) for number, text in enumerate(texts)]
    wanted = {(a, b) for (a, x), (b, y) in combinations(named, 2) if jaccard(x, y) >= 0.95}
    assert {(a, b) for a, b, _ in near_duplicates(named, threshold=0.95)} == wanted


def test_thresholds_that_cannot_be_found_are_refused():
    with pytest.raises(UserError, match=r"0\.1"):
        list(near_duplicates([], threshold=0.1))
    assert bands_for(1.0) == (4, 32)


def test_texts_made_comparable():
    assert plain("Ａ  b\tC\n") == "a b c"
    assert words_of("It's 5 o'clock: 東京 and ไทย_x") == ["it", "s", "5", "o", "clock", "東", "京", "and", "ไ", "ท", "ย", "x"]
    assert digest("a", "b") != digest("ab") and digest("a\ud800")
    assert letter_runs("abcdef") == {"abcde", "bcdef"} and letter_runs("ab") == {"ab"} and not letter_runs("")
