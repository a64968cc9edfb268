"""Statistics against scipy, and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tunesmith.comparison.significance import (
    bootstrap_counts,
    fitting_test,
    holm,
    interval,
    mcnemar,
    paired_p,
    resamples,
    sign_flip,
    sign_flips,
    smallest_difference,
    standard_error,
    swap_test,
    wins,
)
from tunesmith.comparison.totals import Column, clusters_of, column
from tunesmith.metrics.bleu import bleu
from tunesmith.metrics.correlation import matthews
from tunesmith.metrics.cross_entropy import cross_entropy, perplexity
from tunesmith.metrics.f1 import macro_f1
from tunesmith.run import Answer, Score

RANDOM = np.random.default_rng(11)


def mean(stats_NK):
    return float(stats_NK[:, 0].mean())


def plain(values_N):
    return Column(values_N[:, None], mean)


def ratio(stats_NK):
    return float(stats_NK[:, 0].sum() / stats_NK[:, 1].sum())


def test_bootstrap_interval_agrees_with_scipy():
    values = RANDOM.gamma(2.0, 1.0, 80)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1))
    counts = bootstrap_counts(80, 20_000, seed=2)
    ours = interval(float(values.mean()), counts @ values / 80)
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.02)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.02)


def test_resamples_draw_as_many_rows_as_there_are():
    counts = bootstrap_counts(13, 50, seed=0)
    assert counts.shape == (50, 13)
    assert (counts.sum(axis=1) == 13).all()


@pytest.mark.parametrize("answers", [6, 9, 12])
def test_exact_sign_flip_equals_scipy(answers):
    ours, theirs = RANDOM.normal(0.3, 1, answers), RANDOM.normal(0, 1, answers)
    oracle = stats.permutation_test(
        (ours, theirs),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=True,
    )
    assert sign_flip(ours - theirs) == pytest.approx(oracle.pvalue, abs=1e-12)


def test_random_sign_flip_is_near_scipy_and_a_t_test():
    ours, theirs = RANDOM.normal(0.25, 1, 100), RANDOM.normal(0, 1, 100)
    oracle = stats.permutation_test(
        (ours, theirs),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        n_resamples=10_000,
        vectorized=True,
        rng=np.random.default_rng(5),
    )
    assert sign_flip(ours - theirs) == pytest.approx(oracle.pvalue, abs=0.02)
    assert sign_flip(ours - theirs) == pytest.approx(stats.ttest_rel(ours, theirs).pvalue, abs=0.02)


def test_sign_flip_by_hand():
    """Three ones: of the 8 patterns only +++ and --- reach the sum of 3."""
    assert sign_flip(np.array([1.0, 1.0, 1.0, 0.0])) == 2 / 8
    assert sign_flip(np.zeros(5)) == 1.0


@pytest.mark.parametrize(("better", "worse"), [(0, 0), (0, 1), (3, 0), (7, 7), (4, 12), (41, 17), (300, 410), (4000, 3800)])
def test_mcnemar_equals_scipys_binomial_test(better, worse):
    oracle = stats.binomtest(better, better + worse).pvalue if better + worse else 1.0
    assert mcnemar(better, worse) == pytest.approx(oracle, rel=1e-9)
    assert mcnemar(worse, better) == mcnemar(better, worse)


def test_mcnemar_by_hand():
    """Of 10, 2 or fewer in 56 of 1024 ways, twice; and near the chi square with its correction where there are many."""
    assert mcnemar(2, 8) == pytest.approx(2 * (1 + 10 + 45) / 1024)
    assert mcnemar(121, 59) == pytest.approx(stats.chi2.sf((abs(121 - 59) - 1) ** 2 / 180, 1), rel=0.3)


def test_right_or_wrong_is_tested_exactly_and_is_the_test_of_signs():
    ours, theirs = (RANDOM.random(400) < 0.7) * 1.0, (RANDOM.random(400) < 0.6) * 1.0
    better, worse = int((ours > theirs).sum()), int((ours < theirs).sum())
    pair = plain(ours), plain(theirs)
    assert fitting_test(*pair) == "McNemar"
    assert paired_p([pair], 10) == [mcnemar(better, worse)]
    exact = mcnemar(9, 2)  # of 11 the signs can all be tried
    moved_M = np.array([1.0] * 9 + [-1.0] * 2)
    patterns = 1 - 2 * (np.arange(2**11)[:, None] >> np.arange(11) & 1)
    assert exact == pytest.approx(np.mean(np.abs(patterns @ moved_M) >= 7), abs=1e-15)
    assert fitting_test(plain(ours / 2), plain(theirs)) == "signs"
    clustered = Column(ours[:, None], mean, np.arange(400) // 2)
    assert fitting_test(clustered, clustered) == "signs"
    whole = Column(RANDOM.uniform(1, 2, (40, 2)), ratio)
    assert fitting_test(whole, whole) == "sides"


def test_swapping_sides_equals_flipping_signs_for_a_mean():
    ours = RANDOM.normal(0.3, 1, (60, 1))
    theirs = RANDOM.normal(0, 1, (60, 1))
    swapped = swap_test(Column(ours, mean), Column(theirs, mean), 4000)
    assert swapped == pytest.approx(sign_flip((ours - theirs)[:, 0]), abs=0.03)


def test_a_ratio_is_tested_by_swapping_and_sees_a_large_difference():
    ours = np.stack([RANDOM.uniform(5, 6, 40), RANDOM.uniform(9, 11, 40)], axis=1)
    theirs = np.stack([RANDOM.uniform(1, 2, 40), RANDOM.uniform(9, 11, 40)], axis=1)
    assert Column(ours, ratio).values is None
    assert paired_p([(Column(ours, ratio), Column(theirs, ratio))], 200) == [1 / 201]
    assert paired_p([(Column(ours, ratio), Column(ours.copy(), ratio))], 200) == [1.0]


def test_many_tests_at_once_are_those_of_each_alone():
    """Exact ones (few answers differ), random ones and tests of a ratio, each in its place."""
    random = np.random.default_rng(7)
    one, other, few = (random.uniform(1, 2, (50, 2)) for _ in range(3))
    few[:-3] = one[:-3]
    pairs = [(Column(a, total), Column(b, total)) for a, b in ((one, other), (one, few)) for total in (mean, ratio)]
    alone = [paired_p([pair], 300)[0] for pair in pairs]
    assert paired_p(pairs, 300) == alone and len(set(alone)) == 4
    assert alone[2] == sign_flip(one[:, 0] - few[:, 0]) == 2 * round(alone[2] * 4) / 8
    rows = random.normal(0.1, 1, (5, 40))
    assert sign_flips(list(rows)) == [sign_flip(row) for row in rows]


def test_a_ratio_of_sums_is_resampled_and_swapped_as_its_rows_are():
    """The short way through sums gives what the total of the rows themselves gives."""
    ours, theirs = Column(RANDOM.uniform(1, 2, (60, 2)), ratio), Column(RANDOM.uniform(1, 2, (60, 2)), ratio)
    assert ours.of_sums and ours.values is None
    rows, others = Column(ours.stats, ratio), Column(theirs.stats, ratio)
    vars(rows)["of_sums"] = vars(others)["of_sums"] = False
    counts = bootstrap_counts(60, 50, 0)
    assert ours.resampled(counts) == pytest.approx(rows.resampled(counts), rel=1e-12)
    assert swap_test(ours, theirs, 300) == swap_test(rows, others, 300)


@pytest.mark.parametrize("metric", [bleu, cross_entropy, perplexity, macro_f1, matthews], ids=lambda metric: metric.name)
def test_what_a_total_depends_on_is_found_out(metric):
    rows = RANDOM.integers(0, 9, (200, 10)).astype(float)
    rows = {"bleu": rows, "macro_f1": rows[:, :3], "matthews": rows[:, :4]}.get(metric.name, rows[:, :2] + 1)
    assert Column(rows, metric.total).of_sums
    assert not Column(rows, lambda stats_NK: float(np.median(stats_NK[:, 0]))).of_sums
    assert not Column(rows, mean).of_sums and Column(rows, mean).values is not None


def test_total_of_a_resample_is_the_total_of_its_rows():
    rows = RANDOM.uniform(1, 2, (5, 2))
    counts = np.array([[2, 0, 0, 3, 0], [1, 1, 1, 1, 1]], dtype=float)
    resampled = Column(rows, ratio).resampled(counts)
    assert resampled[0] == pytest.approx(ratio(rows[[0, 0, 3, 3, 3]]))
    assert resampled[1] == pytest.approx(ratio(rows))


def test_a_mean_is_found_out_and_a_mean_of_another_column_too():
    rows = RANDOM.uniform(0, 1, (20, 3))
    column = Column(rows, lambda stats_NK: float(stats_NK[:, 2].mean()))
    assert column.values == pytest.approx(rows[:, 2])


def test_holm_by_hand():
    """Holm 1979: .01*4, .02*3, .03*2 and .04*1, made monotone."""
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@settings(max_examples=60)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_lies_between_none_and_bonferroni(p_values):
    adjusted = holm(p_values)
    for p, corrected in zip(p_values, adjusted, strict=True):
        assert p <= corrected <= min(1.0, p * len(p_values)) + 1e-12
    assert np.argsort(p_values, kind="stable").tolist() == sorted(
        range(len(p_values)), key=lambda i: (adjusted[i], p_values[i], i)
    )


def test_smallest_difference_is_found_four_times_in_five():
    """Power by simulation: differences of that size, tested at alpha .05 over one comparison."""
    spread, answers = 1.0, 50
    size = smallest_difference(spread / answers**0.5, 1)
    assert size == pytest.approx((1.959964 + 0.841621) / answers**0.5, rel=1e-5)
    random = np.random.default_rng(3)
    found = [sign_flip(random.normal(size, spread, answers), 400) < 0.05 for _ in range(400)]
    assert 0.72 < np.mean(found) < 0.87


def test_more_comparisons_need_a_larger_difference():
    assert smallest_difference(0.01, 20) > smallest_difference(0.01, 4) > smallest_difference(0.01, 1)
    assert np.isnan(smallest_difference(0.0, 4))


def test_wins_are_shares_of_examples_and_equal_answers_count_half():
    ours, theirs = np.array([1.0, 0.0, 1.0, 1.0, 0.5]), np.array([0.0, 1.0, 1.0, 0.0, 0.5])
    won = wins(plain(ours), plain(theirs), 1, 500)
    assert won.value == pytest.approx((1 + 0 + 0.5 + 1 + 0.5) / 5)
    lost = wins(plain(ours), plain(theirs), -1, 500)
    assert lost.value == pytest.approx(1 - won.value)
    assert 0 <= won.low < won.value < won.high <= 1
    assert (lost.low, lost.high) == (pytest.approx(1 - won.high), pytest.approx(1 - won.low))
    assert wins(Column(RANDOM.uniform(1, 2, (5, 2)), ratio), plain(theirs), 1, 10) is None
    random = np.random.default_rng(0)
    covered = 0
    for seed in range(200):  # the interval holds the true share about 95 times in 100
        better = random.random(120) < 0.6
        found = wins(plain(better * 1.0), plain(1.0 - better), 1, 300, seed)
        covered += found.low <= 0.6 <= found.high
    assert covered / 200 > 0.88


def told(rows_NK, name, clusters=None):
    return [
        Answer(f"test-{place}", "", "", "", stats={name: tuple(row)}, cluster=clusters[place] if clusters else "")
        for place, row in enumerate(rows_NK.tolist())
    ]


@pytest.mark.parametrize("total", [mean, ratio])
def test_items_copied_four_times_in_clusters_leave_interval_and_tests_as_they_were(total):
    """Copies bring no evidence. Drawn one by one they would halve the interval."""
    ours, theirs = RANDOM.uniform(1, 2, (60, 2)) + np.array([[0.2, 0]]), RANDOM.uniform(1, 2, (60, 2))
    shuffled = RANDOM.permutation(np.repeat(np.arange(60), 4))
    names = [f"passage {number}" for number in shuffled]

    def columns(rows, others, clusters):
        return [Column(one, total, clusters_of(told(one, "any", clusters))) for one in (rows, others)]

    once, copied = columns(ours, theirs, None), columns(ours[shuffled], theirs[shuffled], names)
    first = list(dict.fromkeys(shuffled.tolist()))  # clusters are numbered as they are met
    once = columns(ours[first], theirs[first], None)
    alone, again = (resamples(told(c[0].stats, "any", n), 2000, 0) for c, n in ((once, None), (copied, names)))
    one, four = interval(once[0].value, once[0].resampled(alone)), interval(copied[0].value, copied[0].resampled(again))
    assert (four.low, four.high) == pytest.approx((one.low, one.high), rel=1e-12)
    apart = interval(copied[0].value, copied[0].resampled(bootstrap_counts(240, 2000, 0)))
    assert (apart.high - apart.low) / (four.high - four.low) == pytest.approx(0.5, abs=0.06)
    assert paired_p([tuple(copied)], 400) == paired_p([tuple(once)], 400)
    moved_Q = once[0].resampled(alone) - once[1].resampled(alone)
    again_Q = copied[0].resampled(again) - copied[1].resampled(again)
    assert standard_error(*copied, again_Q) == pytest.approx(standard_error(*once, moved_Q), rel=1e-9)
    if total is mean:
        assert wins(*copied, 1, 500).high == pytest.approx(wins(*once, 1, 500).high, rel=1e-12)


def test_clusters_of_one_answer_change_nothing():
    rows = RANDOM.uniform(0, 1, (30, 1))
    answers = told(rows, "any", [f"own {place}" for place in range(30)])
    assert clusters_of(answers) is None
    assert (resamples(answers, 50, 3) == bootstrap_counts(30, 50, 3)).all()
    some = told(rows, "any", ["one", "one", *[""] * 28])
    assert clusters_of(some).tolist() == [0, 0, *range(1, 29)]
    assert column("any", some, Score(mean(rows), 30)).clusters is not None


def test_the_error_of_clusters_by_hand():
    """Differences 1, 1, 0, -1 in clusters a, a, b, b: mean .25, sums of what is left 1.5 and -1.5; sqrt(2 * 4.5) / 4."""
    ours = Column(np.array([[1.0], [1.0], [0.0], [0.0]]), mean, np.array([0, 0, 1, 1]))
    theirs = Column(np.array([[0.0], [0.0], [0.0], [1.0]]), mean, np.array([0, 0, 1, 1]))
    assert standard_error(ours, theirs, np.zeros(1)) == pytest.approx(0.75)


def test_a_false_alarm_of_clusters_is_as_rare_as_said():
    """40 passages of 10 questions, two systems alike, luck by passage: by cluster 5 in 100 are found, one by one many."""
    random, found, naive = np.random.default_rng(4), 0, 0
    clusters = np.repeat(np.arange(40), 10)
    for seed in range(200):
        moved = random.normal(0, 1, 40)[clusters] + random.normal(0, 0.5, 400)
        zero = plain(np.zeros(400))
        found += paired_p([(Column(moved[:, None], mean, clusters), zero)], 400, seed)[0] < 0.05
        naive += sign_flip(moved, 400, seed) < 0.05
    assert found / 200 < 0.09 and naive / 200 > 0.4
