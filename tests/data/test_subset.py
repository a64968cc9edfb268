"""Some examples of several sets: nested, shared out by size, whatever their order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.data.example import Example, Message
from tunesmith.data.subset import shares, subset
from tunesmith.errors import UserError


def examples(name, count):
    return [Example((Message("user", f"{name} {number}"),), "yes", id=str(number)) for number in range(count)]


def words(sets):
    return [{example.messages[0].content for example in one} for one in sets]


@given(st.lists(st.integers(0, 60), min_size=1, max_size=5))
def test_more_examples_never_cost_a_set_one_and_all_are_all(sizes):
    before = [0] * len(sizes)
    for count in range(sum(sizes) + 2):
        found = shares(sizes, count)
        assert sum(found) == min(count, sum(sizes))
        assert all(a <= b <= size for a, b, size in zip(before, found, sizes, strict=True))
        assert all(abs(b - count * size / max(sum(sizes), 1)) <= len(sizes) for b, size in zip(found, sizes, strict=True))
        before = found


def test_a_smaller_number_is_a_part_of_a_larger_one_in_every_set():
    sets = [examples("a", 90), examples("b", 30)]
    found = {count: words(subset(sets, count, seed=3)) for count in (4, 40, 80, 120)}
    assert [len(one) for one in found[40]] == [30, 10]
    for small, large in ((4, 40), (40, 80), (80, 120)):
        assert all(a <= b for a, b in zip(found[small], found[large], strict=True))
    assert found[120] == words(sets)


def test_what_is_drawn_hangs_on_words_and_seed_not_on_order_or_ids():
    one = examples("a", 50)
    turned = [Example(example.messages, example.target, id=f"x{example.id}") for example in reversed(one)]
    assert words(subset([one], 10, 1)) == words(subset([turned], 10, 1))
    assert words(subset([one], 10, 1)) != words(subset([one], 10, 2))
    assert list(subset([one], 10)[0]) == [example for example in one if example in list(subset([one], 10)[0])]


def test_more_than_there_are_is_refused():
    with pytest.raises(UserError, match="there are 5 examples"):
        subset([examples("a", 5)], 6)
