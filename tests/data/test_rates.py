"""How often each task is shown: rates by size with a cap and by temperature, worked out by hand and as properties."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.data.example import Example
from tunesmith.data.mixture import ByLength, Mixture
from tunesmith.data.rates import Mixing, cautions, portions, table, whole
from tunesmith.errors import UserError

SIZES = st.lists(st.integers(1, 400), min_size=1, max_size=6)
MIXINGS = [Mixing(), Mixing("size", cap=30), Mixing("temperature", cap=50, temperature=3.0), Mixing("temperature")]


def sets(sizes):
    return [
        [Example((), "x" * (1 + (7 * n + place) % 23), id=f"{n}-{place}") for place in range(size)]
        for n, size in enumerate(sizes)
    ]


def mixture(sizes, mixing, seed=0, weights=None):
    return Mixture(sets(sizes), mixing.weights(sizes, weights or [1.0] * len(sizes)), seed)


def test_examples_proportional_with_a_cap_by_hand():
    """Raffel et al. 2020, 3.5.2: r_m = min(e_m, K) / sum of min(e_n, K)."""
    made = mixture([1000, 40, 200], Mixing("size", cap=100))
    assert made.shares == (100, 40, 100)
    assert made.epoch == 240
    seen = Counter(made.where(place) for place in range(10 * 240))
    assert {number: sum(seen[number, n] for n in range(size)) for number, size in enumerate((1000, 40, 200))} == {
        0: 1000,
        1: 400,
        2: 1000,
    }
    assert {seen[0, n] for n in range(1000)} == {1}, "a large set goes on where the epoch before stopped"
    assert {seen[1, n] for n in range(40)} == {10}


def test_temperature_by_hand():
    """Rates .64 and .36 to the power 1/2 are .8 and .6: renormalised 4/7 and 3/7 of as many places."""
    made = mixture([640, 360], Mixing("temperature", temperature=2.0))
    assert made.shares == (571, 429)
    assert mixture([640, 360], Mixing("temperature", temperature=1.0)).shares == (640, 360)
    assert mixture([640, 360], Mixing("temperature", temperature=float("inf"))).shares == (500, 500)
    assert mixture([900, 100], Mixing("temperature", cap=100, temperature=5.0)).shares == (100, 100), "the cap comes first"
    assert mixture([640, 360], Mixing("temperature")).shares == (571, 429), "2 where none is set"


def test_a_weight_multiplies_a_rate_and_nought_leaves_a_task_out():
    assert mixture([100, 100], Mixing("size", cap=50), weights=[2.0, 1.0]).shares == (100, 50)
    assert mixture([100, 100], Mixing("temperature"), weights=[0.0, 1.0]).shares == (0, 100)
    assert Mixing("size").weights([10, 20, 0], [1, 1, 1]) == [1, 1, 0], "without a cap it is weight 1"


@given(SIZES, st.floats(0.3, 20), st.integers(1, 300))
def test_a_higher_temperature_brings_rates_together_and_keeps_their_order(sizes, temperature, cap):
    cool, warm = (mixture(sizes, Mixing("temperature", cap, t)).shares for t in (temperature, 2 * temperature))
    assert max(warm) - min(warm) <= max(cool) - min(cool) + 1
    order = [min(size, cap) for size in sizes]
    assert all(warm[a] >= warm[b] - 1 for a in range(len(sizes)) for b in range(len(sizes)) if order[a] >= order[b])
    assert all(share >= 1 for share in (*cool, *warm))


@given(st.lists(st.floats(0, 50), min_size=1, max_size=8))
def test_whole_numbers_keep_the_sum(numbers):
    made = whole(numbers)
    some = sum(1 for number in numbers if number)
    assert sum(made) == max(round(sum(numbers)), some)
    assert all((number == 0) == (one == 0) for number, one in zip(numbers, made, strict=True))


@pytest.mark.parametrize("mixing", MIXINGS, ids=lambda mixing: mixing.by)
@settings(max_examples=20)
@given(SIZES, st.integers(0, 3), st.integers(0, 1000))
def test_a_place_is_a_number_under_every_way_of_mixing_and_in_both_orders(mixing, sizes, seed, begin):
    """Exact resume: what stands at a place does not depend on what was asked for before."""
    made, again = mixture(sizes, mixing, seed), mixture(sizes, mixing, seed)
    assert [made(place) for place in range(begin, begin + 5)] == [again(place) for place in reversed(range(begin, begin + 5))][
        ::-1
    ]
    ordered, late = ByLength(made, 4), ByLength(again, 4)
    whole_way = [ordered(place).id for place in range(2 * made.epoch)]
    from_there = begin % (2 * made.epoch)
    assert [late(place).id for place in range(from_there, 2 * made.epoch)] == whole_way[from_there:]
    assert sorted(whole_way[: made.epoch]) == sorted(made(place).id for place in range(made.epoch)), "an order, not a choice"


@settings(max_examples=40)
@given(SIZES, st.integers(0, 2000), st.sampled_from(MIXINGS))
def test_what_is_shown_is_counted_before_it_is_shown(sizes, places, mixing):
    made = mixture(sizes, mixing)
    met = Counter(made(place).task for place in range(places))
    assert made.shown(places) == [met[number] for number in range(len(sizes))]


def test_of_a_long_unfinished_epoch_the_part_is_told_by_rate(monkeypatch):
    monkeypatch.setattr("tunesmith.data.mixture.COUNTED", 10)
    made = mixture([300, 100], Mixing())
    assert made.shown(3 * 400 + 100) == [3 * 300 + 75, 3 * 100 + 25]


def test_a_setting_that_would_not_be_heard_is_refused():
    for mixing, said in ((Mixing(cap=3), "mixture.cap"), (Mixing("size", temperature=2.0), "mixture.temperature")):
        with pytest.raises(UserError, match=said):
            mixing.weights([1, 2], [1, 1])


def test_a_weight_below_nought_is_refused_under_every_way():
    for mixing in MIXINGS:
        with pytest.raises(UserError, match="weight of set 1 is `-1`"):
            mixture([5, 5], mixing, weights=[-1, 1])


def test_portions_add_up_and_warn_of_what_is_seen_too_often_or_never():
    found = portions(["a", "b", "c"], [10, 100, 50], [50, 150, 0], [4.0, 2.0, 9.0])
    assert [one.rate for one in found] == [0.25, 0.75, 0.0]
    assert [one.epochs for one in found] == [5.0, 1.5, 0.0]
    assert [one.share for one in found] == [0.4, 0.6, 0.0]
    assert ["`a` is seen 5.0 times" in cautions(found)[0], "`c` is never shown" in cautions(found)[1]] == [True, True]
    assert len(cautions(found)) == 2
    lines = table(found)
    assert len({len(line) for line in lines}) == 1
    assert lines[1].split() == ["a", "10", "25.0", "%", "50", "5.00", "4", "40.0", "%"]
