"""Splits by a hash of content."""

from hypothesis import given
from hypothesis import strategies as st

from tunesmith.data.splits import cap, cut, divide, share


def test_the_hash_is_fixed_for_all_time():
    assert share("a", 0) == share(" A\n", 0) == 0.08533998760926992
    assert share("a", 1) != share("a", 0)


@given(st.lists(st.text(max_size=3), max_size=300), st.integers(0, 3))
def test_every_row_once_and_duplicates_together(rows, seed):
    found = cut(rows, str, seed=seed)
    assert sorted(row for part in found.values() for row in part) == sorted(rows)
    kinds = [{" ".join(row.casefold().split()) for row in part} for part in found.values()]
    assert not any(kinds[a] & kinds[b] for a in range(3) for b in range(a))


def test_shares_are_near_the_fractions_and_rows_stay_where_they_are():
    rows = [str(n) for n in range(5000)]
    found = cut(rows, str)
    assert abs(len(found["train"]) - 4000) < 120
    assert abs(len(found["test"]) - 500) < 80
    more = cut([*rows, *(str(n) for n in range(5000, 6000))], str)
    assert all(set(found[name]) <= set(more[name]) for name in found)


def test_few_rows_leave_no_split_empty():
    for size in (10, 30, 99):
        assert {name: len(part) for name, part in cut([str(n) for n in range(size)], str).items()} == {
            "train": size - 2 * round(size * 0.1),
            "validation": round(size * 0.1),
            "test": round(size * 0.1),
        }


def test_what_the_source_has_stays():
    train = [str(n) for n in range(1000)]
    found = divide({"train": train, "test": ["x", "y"]}, str)
    assert found["test"] == ["x", "y"]
    assert sorted([*found["train"], *found["validation"]]) == sorted(train)
    assert 60 < len(found["validation"]) < 140
    whole = {"train": train, "validation": ["v"], "test": ["t"]}
    assert divide(whole, str) == whole
    assert list(divide({"": train}, str)) == ["train", "validation", "test"]
    assert divide({"validation": train}, str) == {"test": train}
    assert divide({"test": train}, str) == {"test": train}


def test_a_cap_takes_from_everywhere_and_keeps_the_order():
    rows = [f"{n:04d}" for n in range(1000)]
    kept = cap(rows, 100, str)
    assert len(kept) == 100
    assert kept == sorted(kept)
    assert 30 < sum(row < "0500" for row in kept) < 70
    assert set(cap(rows, 50, str)) <= set(kept)
    assert cap(rows, None, str) == rows
