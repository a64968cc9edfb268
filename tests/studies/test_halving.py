"""Which arms go on, and how far."""

import math

import pytest

from tunesmith.studies.halving import rungs, survivors


@pytest.mark.parametrize(
    ("arms", "keep", "shares"),
    [
        (1, 2, [1.0]),
        (2, 2, [0.5, 1.0]),
        (6, 2, [0.25, 0.5, 1.0]),
        (64, 2, [0.125, 0.25, 0.5, 1.0]),
        (9, 3, [1 / 9, 1 / 3, 1.0]),
    ],
)
def test_each_rung_is_as_many_times_the_one_before(arms, keep, shares):
    assert rungs(arms, keep) == shares


def test_the_better_part_goes_on_in_its_order():
    assert survivors([3.0, 1.0, 2.0, 4.0], 2) == [1, 2]
    assert survivors([3.0, 1.0, 2.0], 2) == [1, 2]
    assert survivors([math.inf, math.nan, 2.0, 1.0], 3) == [2, 3]
    assert survivors([1.0, 1.0, 1.0], 3) == [0]
