"""Clusters that were left out, judged from folders made by hand: gains, tests, corrections, and the page."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tunesmith.comparison.left_out import ALL, BASE, FEW, OTHERS, Unit, left_out
from tunesmith.comparison.left_out_page import terminal_table, verdict, write_left_out
from tunesmith.comparison.significance import holm, mcnemar
from tunesmith.run import Answer, Run, Score

SIZES = {"a": 40, "b": 40, "c": 20}


def run_of(folder, right):
    """A run whose first so many answers to each task are right; two choices each."""
    run = Run(folder)
    run.keep_recipe({"name": folder.name})
    run.keep_world(system=folder.name, ended=True)
    for task, many in right.items():
        answers = [
            Answer(f"{n}", "?", "yes", "yes", scores=(0.1, 0.2), how="choose norm=none", stats={"accuracy": (float(n < many),)})
            for n in range(SIZES[task])
        ]
        run.keep(task, answers)
        run.keep_scores(task, {"accuracy": Score(many / SIZES[task], SIZES[task])})
    return run


@pytest.fixture
def made(tmp_path):
    base = run_of(tmp_path / "base", {"a": 10, "b": 30, "c": 10})
    others = {
        FEW: run_of(tmp_path / "few", {"a": 12, "b": 28, "c": 10}),
        ALL: run_of(tmp_path / "all", {"a": 40, "b": 40, "c": 20}),
    }
    units = [
        (Unit("first", ("a", "c"), ("b",), {"a": "a", "b": "b", "c": "c"}), run_of(tmp_path / "x", {"a": 30, "c": 12})),
        (Unit("second", ("b",), ("a", "c"), {"a": "a", "b": "b", "c": "c"}), run_of(tmp_path / "y", {"b": 29})),
    ]
    return left_out("made", base, units, others)


def test_scores_and_gains_are_means_over_tasks(made):
    first, second = made.clusters
    assert made.systems == (BASE, FEW, OTHERS, ALL)
    assert first.scores[BASE].value == pytest.approx((10 / 40 + 10 / 20) / 2)
    assert first.scores[OTHERS].value == pytest.approx((30 / 40 + 12 / 20) / 2)
    assert first.gains[BASE].value.value == pytest.approx(0.3)
    assert first.gains[ALL].value.value == pytest.approx((30 / 40 - 1 + 12 / 20 - 1) / 2)
    assert first.gains[BASE].value.low > 0.15
    assert second.gains[BASE].value.value == pytest.approx(-1 / 40)
    assert made.overall[BASE].value.value == pytest.approx((0.3 - 1 / 40) / 2)
    assert made.means[ALL].value == 1.0
    assert {one.task: one.chance for one in made.tasks} == {"a": 0.5, "c": 0.5, "b": 0.5}


def test_p_is_that_of_the_paired_test_and_corrected_over_clusters(made):
    first, second = made.clusters
    assert second.gains[BASE].p == mcnemar(0, 1) == 1.0, "one task alone: McNemar's"
    assert second.gains[ALL].p == pytest.approx(mcnemar(0, 11))
    for system in (BASE, FEW, ALL):
        told = [one.gains[system] for one in made.clusters]
        assert [gain.corrected for gain in told] == pytest.approx(holm([gain.p for gain in told]))
    # 20 answers of a weigh 1 / 80 each and 2 of c 1 / 40: of 2^22 patterns of signs, those whose sum reaches .3 either way
    weights = np.array([1 / 80] * 20 + [1 / 40] * 2)
    random = np.random.default_rng(1).choice([-1, 1], (200_000, 22))
    chance = float((np.abs(random @ weights) >= 0.3 - 1e-9).mean())
    assert first.gains[BASE].p == pytest.approx(max(chance, 1e-4), abs=3e-4)
    assert made.overall[BASE].p == 1.0, "two clusters, one up and one down"


def test_the_page_says_no_more_than_the_tests(made, tmp_path):
    assert "is shown to be better on 1 of 2 clusters" in verdict(made)
    page = write_left_out(made, tmp_path / "page")
    tree = json.loads((tmp_path / "page" / "report.json").read_text())
    assert tree["clusters"][0]["gains"][BASE]["corrected"] == made.clusters[0].gains[BASE].corrected
    text = page.read_text()
    for word in ("first", "second", "tuned on the others", "Near rows"):
        assert word in text
    assert "<script src" not in text and "http://" not in text.replace("http://www.w3.org", "")
    assert (tmp_path / "page" / "plots" / "clusters.png").is_file()
    markdown = (tmp_path / "page" / "report.md").read_text()
    assert "| first |" in markdown and "**Seeds.**" in markdown
    assert terminal_table(made)


def test_a_run_that_failed_is_told(made, tmp_path):
    page = write_left_out(replace(made, missing={"all": "the disk is full"}), tmp_path / "page")
    assert "The run all failed and is left out: the disk is full" in page.read_text()
