"""Where a curve flattens and what a power law says, on draws made by hand."""

import numpy as np
import pytest

from tests.comparison.test_study import run, share
from tunesmith.comparison.curve import EXAMPLES, curve
from tunesmith.comparison.study import Tried, grouped, study
from tunesmith.comparison.study_page import markdown, page, terminal_table, verdict
from tunesmith.comparison.study_panels import groups

DRAWS = 400


def drawn(values, noise, seed=0):
    """Draws around values; what all sizes share is large, as with paired examples, and `noise` is each one's own."""
    random = np.random.default_rng(seed)
    shared = random.normal(0, 0.05, DRAWS)
    return [value + shared + random.normal(0, noise, DRAWS) for value in values]


def test_it_flattens_where_no_later_size_can_be_told_from_the_largest():
    sizes, values = [0, 10, 100, 1000, 2000], [0.1, 0.5, 0.7, 0.71, 0.71]
    made = curve("", sizes, list("abcde"), values, drawn(values, 0.01), higher=True)
    assert made.flat == 100
    assert made.arm == "c"
    assert made.learns
    assert made.gains[0].value == pytest.approx(0.61)


def test_a_size_that_is_level_by_chance_before_a_worse_one_does_not_count():
    values = [0.1, 0.7, 0.5, 0.7]
    assert curve("", [0, 10, 20, 40], list("abcd"), values, drawn(values, 0.01), higher=True).flat is None


def test_of_a_metric_of_which_less_is_better_a_fall_is_a_gain():
    sizes, values = [0, 10, 20, 40], [3.0, 2.0, 1.0, 0.5]
    made = curve("", sizes, list("abcd"), values, drawn(values, 0.01), higher=False)
    assert made.flat is None
    assert made.gains[2].value == pytest.approx(0.5)


def test_a_power_law_is_found_again_with_what_twice_as_many_bring():
    sizes = [25, 50, 100, 200, 400, 800]
    values = [0.9 - 2 * n**-0.5 for n in sizes]
    fit = curve("", sizes, [str(n) for n in sizes], values, drawn(values, 0.002), higher=True).fit
    assert fit is not None
    assert (fit.a, fit.b, fit.c) == pytest.approx((0.9, 2, 0.5), rel=0.05)
    gain = (0.9 - 2 * 1600**-0.5) - values[-1]
    assert fit.doubling.value == pytest.approx(gain, rel=0.05)
    assert fit.doubling.low < gain < fit.doubling.high
    assert fit(400) == pytest.approx(values[4], abs=0.005)
    lower = curve("", sizes, [str(n) for n in sizes], [-one for one in values], [-one for one in drawn(values, 0.002)], False)
    assert lower.fit(400) == pytest.approx(-values[4], abs=0.005)
    assert lower.fit.doubling.value == pytest.approx(gain, rel=0.05)


@pytest.mark.parametrize(
    ("sizes", "values", "noise"),
    [
        ([10, 20, 40], [0.1, 0.3, 0.4], 0.001),  # too few sizes
        ([10, 20, 40, 80], [0.5, 0.5, 0.5, 0.5], 0.01),  # no gain
        ([10, 20, 40, 80, 160], [0.1, 0.5, 0.2, 0.6, 0.3], 0.001),  # another form
    ],
)
def test_no_power_law_where_it_would_say_nothing(sizes, values, noise):
    assert curve("", sizes, [str(n) for n in sizes], values, drawn(values, noise), higher=True).fit is None


def tried(folder):
    """Two ranks from one base: the first flattens, the second does not."""
    worth = {(2, 10): 20, (2, 40): 35, (2, 160): 35, (4, 10): 12, (4, 40): 24, (4, 160): 38}
    base = Tried("base", {EXAMPLES: 0}, {0: run(folder / "base", share(5), 9.0)})
    return [
        base,
        *(
            Tried(f"{n} {rank}", {EXAMPLES: n, "method.rank": rank}, {0: run(folder / f"{rank}-{n}", share(right), 1.0)})
            for (rank, n), right in worth.items()
        ),
    ]


def test_the_base_begins_every_line_and_the_page_says_where_each_flattens(tmp_path):
    arms = tried(tmp_path)
    assert grouped(arms, EXAMPLES) == {"rank 2": [0, 1, 2, 3], "rank 4": [0, 4, 5, 6]}
    made = study("s", arms, [EXAMPLES, "method.rank"])
    assert [(one.where, one.flat, one.sizes) for one in made.curves] == [
        ("rank 2", 40, (0, 10, 40, 160)),
        ("rank 4", None, (0, 10, 40, 160)),
    ]
    said = verdict(made)
    assert "Rank 2: the curve flattens at 40 examples: what 160 gain over them" in said
    assert "rank 4: the curve has not flattened at 160 examples" in said
    panel = groups(made)["quality"][1]
    assert "examples to learn from" in repr(panel.frame.x_name)
    assert [tick[1] for tick in panel.frame.x_ticks] == ["0", "10", "40", "160"]
    assert "curve flattens" in page(made, tmp_path)
    assert "Where the curve flattens" in markdown(made)
    assert terminal_table(made)


def test_a_base_that_nothing_beats_is_said(tmp_path):
    arms = [
        Tried("base", {EXAMPLES: 0}, {0: run(tmp_path / "base", share(20), 9.0)}),
        *(Tried(str(n), {EXAMPLES: n}, {0: run(tmp_path / str(n), share(20), 1.0)}) for n in (10, 20)),
    ]
    made = study("s", arms, [EXAMPLES])
    assert made.curves[0].flat == 0
    assert "No number of examples up to 20 can be told from none" in verdict(made)
