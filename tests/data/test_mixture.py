"""A mixture is a function of a place."""

import pickle
import random
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.data.example import Example, Message
from tunesmith.data.mixture import ByLength, Mixture, by_length, permuted, with_replay
from tunesmith.errors import UserError


def examples(name: str, size: int) -> list[Example]:
    return [Example((), name + "x" * n, id=f"{name}{n}") for n in range(size)]


@given(st.integers(1, 300), st.integers(0, 2**32), st.integers(0, 5))
def test_a_shuffle_is_a_permutation(size, seed, epoch):
    assert sorted(permuted(place, size, seed, epoch) for place in range(size)) == list(range(size))


def test_the_order_is_fixed_for_all_time():
    assert [permuted(place, 10, 7, 0) for place in range(10)] == [8, 3, 5, 1, 7, 2, 6, 9, 4, 0]


def test_each_example_once_an_epoch_in_another_order():
    mixture = Mixture([examples("a", 7), examples("b", 5)], [1, 1], seed=3)
    assert len(mixture) == 12
    epochs = [[mixture(place).id for place in range(12 * e, 12 * e + 12)] for e in range(4)]
    assert all(len(set(epoch)) == 12 for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    assert mixture(5_000_000_000).id == mixture(5_000_000_000).id
    assert [pickle.loads(pickle.dumps(mixture))(place) for place in range(30)] == [mixture(place) for place in range(30)]


@given(st.lists(st.tuples(st.integers(1, 20), st.floats(0.1, 4)), min_size=1, max_size=4), st.integers(0, 9))
def test_sets_are_shown_by_weight_and_evenly_within(parts, seed):
    sources = [examples(f"{number}-", size) for number, (size, _) in enumerate(parts)]
    mixture = Mixture(sources, [weight for _, weight in parts], seed)
    epochs = 3
    seen = Counter(mixture.where(place) for place in range(epochs * mixture.epoch))
    for number, source in enumerate(sources):
        counts = [seen[number, n] for n in range(len(source))]
        assert sum(counts) == epochs * mixture.shares[number]
        assert max(counts) - min(counts) <= 1


def test_order_differs_by_seed_and_looks_shuffled():
    first = [Mixture([examples("a", 100)], [1], 0)(place).id for place in range(100)]
    assert first != [Mixture([examples("a", 100)], [1], 1)(place).id for place in range(100)]
    assert sum(int(a[1:]) < int(b[1:]) for a, b in pairwise(first)) in range(35, 65)


def test_a_set_of_weight_nought_is_never_shown_and_nothing_at_all_is_an_error():
    assert Mixture([examples("a", 3), examples("b", 3), []], [1, 0, 1]).shares == (3, 0, 0)
    with pytest.raises(UserError, match="no example to learn from"):
        Mixture([[], []], [1, 1])
    with pytest.raises(UserError, match="weight of set 1 is `-1`"):
        Mixture([examples("a", 3)], [-1])


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0.05, 3))
def test_what_is_replayed_is_a_share_of_what_is_learnt_whatever_the_sizes(own, more, share):
    bare = Mixture([examples("a", own)], [2.0], 1)
    mixture = with_replay(bare, [examples("b", more)], [share])
    assert mixture.shares[0] == bare.epoch == 2 * own
    assert mixture.shares[1] == max(1, round(share * 2 * own))
    told = [mixture(place) for place in range(len(mixture))]
    assert all(example.replayed == example.id.startswith("b") for example in told)


def test_nothing_replayed_changes_nothing_and_an_empty_set_is_told():
    bare = Mixture([examples("a", 7)], [1], 1)
    assert [with_replay(bare, [], [])(place).id for place in range(20)] == [bare(place).id for place in range(20)]
    with pytest.raises(UserError, match="replayed has no example"):
        with_replay(bare, [[]], [0.5])


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 3))
def test_by_length_keeps_every_place_and_like_lengths_together(size, window, seed):
    mixture = Mixture([examples("a", size)], [1], seed)
    places = by_length(mixture, range(size), lambda example: len(example.target), window, seed)
    assert sorted(places) == list(range(size))
    steps = [places[at : at + window] for at in range(0, size, window)]
    assert all(max(spread) - min(spread) < window for spread in ([len(mixture(p).target) for p in step] for step in steps))


@pytest.mark.parametrize(
    "example",
    [
        lambda size: Example((), "1", texts=("a" * size,)),
        lambda size: Example((), "1", texts=("a", "b" * size)),
        lambda size: Example((Message("user", "a" * size),), "1"),
        lambda size: Example((), "a" * size),
        lambda size: Example((Message("user", "a"),), "b", rejected="c" * size),
    ],
    ids=["text", "pair", "conversation", "plain", "preference"],
)
def test_whatever_is_read_counts_for_an_order_by_length(example):
    dice = random.Random(0)
    rows = [replace(example(dice.randrange(1, 400)), id=str(number)) for number in range(64)]
    stream = ByLength(Mixture([rows], [1.0]), 8)
    steps = [[stream(at + place).letters for place in range(8)] for at in range(0, 64, 8)]
    assert sorted(sorted(step) for step in steps) == [
        sorted(row.letters for row in rows)[at : at + 8] for at in range(0, 64, 8)
    ]
