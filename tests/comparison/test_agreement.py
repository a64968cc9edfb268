"""Agreement of annotators: textbook values, an oracle, real judgements."""

import json
from itertools import combinations
from random import Random

import numpy as np
import pytest
from scipy.stats import binomtest

from tunesmith.comparison.agreement import binomial_interval, cohen_kappa, fleiss_kappa, krippendorff_alpha, raw_agreement

# Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section C: four observers, twelve units, gaps.
OBSERVERS = {
    "A": "1 2 3 3 2 1 4 1 2 . . .",
    "B": "1 2 3 3 2 2 4 1 2 5 . 3",
    "C": ". 3 3 3 2 3 4 2 2 5 1 .",
    "D": "1 2 3 3 2 4 4 1 2 5 1 .",
}
# Fleiss (1971) as Wikipedia works it: ten subjects, fourteen raters, five categories.
SUBJECTS = """0 0 0 0 14
0 2 6 4 2
0 0 3 5 6
0 3 9 2 0
2 2 8 1 1
7 7 0 0 0
3 2 6 3 0
2 5 3 2 2
6 5 2 1 0
0 2 2 3 7"""


def units():
    columns = {name: line.split() for name, line in OBSERVERS.items()}
    return [{name: values[unit] for name, values in columns.items() if values[unit] != "."} for unit in range(12)]


def test_krippendorffs_own_example():
    assert krippendorff_alpha(units(), "12345").value == pytest.approx(0.743, abs=5e-4)
    assert krippendorff_alpha(units(), "12345", "ordinal").value == pytest.approx(0.815, abs=5e-4)


def test_fleiss_worked_example():
    subjects = [
        {
            str(number): value
            for number, value in enumerate("".join(v * int(n) for v, n in zip("abcde", line.split(), strict=True)))
        }
        for line in SUBJECTS.splitlines()
    ]
    assert fleiss_kappa(subjects, "abcde").value == pytest.approx(0.210, abs=5e-4)


def drawn(items=80, seed=1):
    random = Random(seed)
    return [{name: random.choice("xxyz") for name in "ab" if random.random() < 0.9} for _ in range(items)]


def test_cohens_kappa_equals_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    for seed in range(5):
        ratings = drawn(seed=seed)
        both = [(item["a"], item["b"]) for item in ratings if len(item) == 2]
        wanted = metrics.cohen_kappa_score(*zip(*both, strict=True))
        assert cohen_kappa(ratings, "xyz", "a", "b").value == pytest.approx(wanted, abs=1e-12)


def test_two_annotators_without_gaps_are_scotts_pi():
    """Fleiss' kappa of two annotators is Scott's pi, and nominal alpha is pi with its correction for few judgements."""
    ratings = [item for item in drawn() if len(item) == 2]
    n = len(ratings)
    shares = np.array([sum(v == k for item in ratings for v in item.values()) for k in "xyz"]) / (2 * n)
    seen = sum(item["a"] == item["b"] for item in ratings) / n
    pi = (seen - (shares**2).sum()) / (1 - (shares**2).sum())
    assert raw_agreement(ratings, "xyz").value == pytest.approx(seen)
    assert fleiss_kappa(ratings, "xyz").value == pytest.approx(pi)
    assert krippendorff_alpha(ratings, "xyz").value == pytest.approx(1 - (1 - pi) * (2 * n - 1) / (2 * n))


def test_an_ordinal_scale_of_two_values_is_nominal():
    ratings = [{name: "x" if value == "x" else "y" for name, value in item.items()} for item in drawn()]
    assert krippendorff_alpha(ratings, "xy", "ordinal").value == pytest.approx(krippendorff_alpha(ratings, "xy").value)


def test_what_is_not_defined_is_nan():
    for ratings in ([], [{"a": "x"}], [{"a": "x", "b": "x"}] * 3):
        for found in (
            fleiss_kappa(ratings, "xy"),
            krippendorff_alpha(ratings, "xy"),
            cohen_kappa(ratings, "xy", "a", "b"),
        ):
            assert np.isnan([found.value, found.low, found.high]).all()
    assert raw_agreement([{"a": "x", "b": "x"}], "xy").value == 1
    assert np.isnan(raw_agreement([{"a": "x"}], "xy").value)


def test_intervals_hold_the_value_and_shrink():
    few, many = drawn(60), drawn(60) * 9
    for measure in (fleiss_kappa, krippendorff_alpha, raw_agreement):
        wide, narrow = measure(few, "xyz"), measure(many, "xyz")
        assert wide.low < wide.value < wide.high
        assert narrow.value == pytest.approx(wide.value, abs=0.02)
        assert narrow.high - narrow.low < 0.5 * (wide.high - wide.low)


@pytest.mark.parametrize(("hits", "tries"), [(0, 9), (3, 9), (50, 81), (7, 7)])
def test_the_binomial_interval_is_wilsons(hits, tries):
    wanted = binomtest(hits, tries).proportion_ci(method="wilson")
    found = binomial_interval(hits, tries)
    assert (found.low, found.high) == (pytest.approx(wanted.low), pytest.approx(wanted.high))


def test_pandalms_three_annotators(shared):
    """999 pairs of answers, judged by three people: 1, 2 or 0 for a tie. Fleiss and alpha are spelled out here by hand."""
    file = shared("data/pandalm_preferences") / "testset-v1.json"
    people = ("annotator1", "annotator2", "annotator3")
    ratings = [{one: str(row[one]) for one in people} for row in json.loads(file.read_text(encoding="utf-8"))]
    assert len(ratings) == 999
    table = np.array([[list(item.values()).count(value) for value in "102"] for item in ratings])
    shares = table.sum(axis=0) / table.sum()
    seen = ((table * (table - 1)).sum(axis=1) / 6).mean()
    kappa = (seen - (shares**2).sum()) / (1 - (shares**2).sum())
    assert fleiss_kappa(ratings, "102").value == pytest.approx(kappa, abs=1e-12)
    judgements = table.sum()
    totals = table.sum(axis=0)
    chance = (totals * (totals - 1)).sum() / (judgements * (judgements - 1))
    alpha = krippendorff_alpha(ratings, "102")
    assert alpha.value == pytest.approx((seen - chance) / (1 - chance), abs=1e-12)
    assert alpha.low < alpha.value < alpha.high
    assert raw_agreement(ratings, "102").value == pytest.approx(0.9199, abs=5e-5)
    assert fleiss_kappa(ratings, "102").value == pytest.approx(0.8642, abs=5e-5)
    assert krippendorff_alpha(ratings, "102", "ordinal").value == pytest.approx(0.8775, abs=5e-5)
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    for (one, other), golden in zip(combinations(people, 2), (0.8520, 0.8789, 0.8617), strict=True):
        wanted = metrics.cohen_kappa_score([item[one] for item in ratings], [item[other] for item in ratings])
        assert cohen_kappa(ratings, "102", one, other).value == pytest.approx(wanted, abs=1e-12)
        assert wanted == pytest.approx(golden, abs=5e-5)
