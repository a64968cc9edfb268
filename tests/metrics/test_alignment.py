"""The bit-parallel forms against the tables that define them."""

from hypothesis import given
from hypothesis import strategies as st

from tunesmith.metrics.alignment import (
    common_places,
    edit_distance,
    longest_common_run,
    longest_common_subsequence,
    places,
)

text = st.text("abc", max_size=12) | st.text("ab", min_size=60, max_size=90)


def fill_table(one, other):
    table = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, a in enumerate(one, 1):
        for j, b in enumerate(other, 1):
            table[i][j] = table[i - 1][j - 1] + 1 if a == b else max(table[i - 1][j], table[i][j - 1])
    return table


def walk_back(one, other):
    """Rows of the subsequence, by the rule of rouge_score: left only where that is larger."""
    table, i, j, rows = fill_table(one, other), len(one), len(other), set()
    while i and j:
        if one[i - 1] == other[j - 1]:
            i, j = i - 1, j - 1
            rows.add(i)
        elif table[i][j - 1] > table[i - 1][j]:
            j -= 1
        else:
            i -= 1
    return rows


@given(text, text)
def test_subsequence(one, other):
    assert longest_common_subsequence(one, other) == fill_table(one, other)[-1][-1]


@given(text, text)
def test_rows_of_the_subsequence(one, other):
    taken = common_places(places(one), len(one), other)
    assert {row for row in range(len(one)) if taken >> row & 1} == walk_back(one, other)


@given(text, text)
def test_run(one, other):
    stretches = [one[start:end] for start in range(len(one)) for end in range(start + 1, len(one) + 1)]
    expected = max((len(stretch) for stretch in stretches if stretch in other), default=0)
    assert longest_common_run(one, other) == expected


@given(text, text)
def test_edit_distance(one, other):
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    assert edit_distance(one, other) == row[-1]


@given(text, text, text)
def test_edit_distance_is_a_metric(one, two, three):
    assert (edit_distance(one, two) == 0) == (one == two)
    assert edit_distance(one, two) == edit_distance(two, one)
    assert edit_distance(one, three) <= edit_distance(one, two) + edit_distance(two, three)
