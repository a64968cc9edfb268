"""Sequences that fetch what they are asked for are equal to lists of the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.data.rows import Chosen, Joined, Made

places = st.one_of(st.none(), st.integers(-9, 9))


@given(st.lists(st.lists(st.integers(), max_size=4), max_size=4), places, places, st.sampled_from([None, 1, 2, -1]))
def test_as_lists(parts, start, stop, step):
    whole = [item for part in parts for item in part]
    numbers = list(range(len(whole)))[::-1]
    for lazy, items in (
        (Joined(parts), whole),
        (Chosen(whole, numbers), whole[::-1]),
        (Chosen(Joined(parts), numbers), whole[::-1]),
        (Made(lambda place, item: (place, item), Joined(parts)), list(enumerate(whole))),
    ):
        assert lazy == items
        assert list(lazy) == [lazy[place] for place in range(len(lazy))] == items
        assert lazy[start:stop:step] == items[start:stop:step]
        assert lazy != [*items, 0]
        assert all(lazy[place] == items[place] for place in range(-len(items), 0))
        for place in (len(items), -len(items) - 1):
            with pytest.raises(IndexError):
                lazy[place]
