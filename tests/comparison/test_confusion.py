"""Tables of labels taken for others."""

from tunesmith.comparison.confusion import OTHER, confusion


def test_a_row_a_label_and_a_column_an_answer():
    pairs = [("a", "a")] * 4 + [("a", "b")] * 2 + [("b", " b ")] * 3 + [("b", "who knows")]
    found = confusion(pairs)
    assert found.columns == ("a", "b", OTHER)
    assert found.rows() == [("a", [4, 2, 0]), ("b", [0, 3, 1])]


def test_what_is_no_label_has_no_table():
    assert confusion([("a", "a")] * 10) is None, "nothing to take it for"
    assert confusion([(str(n), str(n)) for n in range(40)]) is None, "too many"
    assert confusion([("a" * 50, "a"), ("b", "b")] * 10) is None, "too long"
    assert confusion([("0", "0.12"), ("1", "0.97")] * 10) is None, "numbers are near, not right"
