"""How numbers and names are written."""

import pytest

from tunesmith.comparison import words


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (words.label("rouge1"), "ROUGE-1"),
        (words.label("rougeLsum"), "ROUGE-Lsum"),
        (words.label("rouge2_stem"), "ROUGE-2 stem"),
        (words.label("bleu"), "BLEU"),
        (words.label("chrf"), "chrF"),
        (words.label("exact_match"), "exact match"),
        (words.score(0.41234), "0.412"),
        (words.score(104.2), "104"),
        (words.score(-0.5), "−0.500"),
        (words.score(float("nan")), "–"),
        (words.signed(0.31), "+0.310"),
        (words.signed(-0.0001), "0.000"),
        (words.count(43_008), "43 k"),
        (words.count(9_999), "9,999"),
        (words.count(1_548_032), "1.55 M"),
        (words.size(999), "999 B"),
        (words.size(342_000_000), "342 MB"),
        (words.size(None), "–"),
        (words.seconds(0.0213), "21.3 ms"),
        (words.seconds(61), "1 min 01 s"),
        (words.seconds(7500), "2 h 05 min"),
        (words.percent(0.028), "2.8 %"),
        (words.percent(1.0), "100 %"),
        (words.percent(0), "0 %"),
        (words.percent(0.000046), "0.0046 %"),
        (words.chance(0.0004), "< .001"),
        (words.chance(0.0321), ".032"),
        (words.chance(1.0), "1"),
    ],
)
def test_written(written, expected):
    assert written == expected
