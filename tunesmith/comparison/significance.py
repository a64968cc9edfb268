"""What chance could have done: intervals, paired tests, and the correction for many of them.

Dimension key: N answers, Q draws, C columns (systems).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from tunesmith.comparison.totals import Column

Array = NDArray[np.float64]

PERMUTATIONS = 10_000
POWER = 0.8
ALPHA = 0.05
CHUNK = 1_000  # permutations held in memory at once


@dataclass(frozen=True, slots=True)
class Interval:
    """A number and the ends of its 95 % bootstrap percentile interval."""

    value: float
    low: float
    high: float


def bootstrap_counts(answers: int, draws: int, seed: int) -> Array:
    """How often each of N answers is drawn in each of Q resamples with replacement: [Q, N], rows sum to N."""
    counts = np.random.default_rng(seed).multinomial(answers, np.full(answers, 1 / answers), size=draws)
    return counts.astype(np.float64)


def interval(value: float, resampled_Q: Array) -> Interval:
    """The percentile interval (Efron 1979) around a value; nan ends where no resample gives a number."""
    kept = resampled_Q[np.isfinite(resampled_Q)]
    if not len(kept):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(kept, [0.025, 0.975])
    return Interval(value, float(low), float(high))


def sign_flip(differences_N: Array, permutations: int = PERMUTATIONS, seed: int = 0) -> float:
    """Two-sided p of the paired randomisation test for a mean (Fisher 1935): were the signs of the differences chance?

    Exact where all sign patterns of the non-zero differences number at most `permutations`, else by that many random patterns,
    counting the observed one. No difference at all gives 1.
    """
    moved = differences_N[differences_N != 0]
    observed = abs(moved.sum())
    edge = observed - 1e-9 * np.abs(moved).sum()  # patterns equal to the observed one count whatever the order of adding
    if 2 ** min(len(moved), 60) <= permutations:
        patterns = np.arange(2 ** len(moved))[:, None] >> np.arange(len(moved)) & 1
        return float(np.mean(np.abs((1 - 2 * patterns) @ moved) >= edge))
    random = np.random.default_rng(seed)
    beaten = 0
    for start in range(0, permutations, CHUNK):
        signs = random.integers(0, 2, (min(CHUNK, permutations - start), len(moved)), dtype=np.int8) * 2.0 - 1.0
        beaten += int((np.abs(signs @ moved) >= edge).sum())
    return (beaten + 1) / (permutations + 1)


def swap_test(ours: Column, theirs: Column, permutations: int, seed: int = 0) -> float:
    """Two-sided p of the paired randomisation test for any total (Noreen 1989): answers change sides at random."""
    if np.array_equal(ours.stats, theirs.stats):
        return 1.0
    observed = abs(ours.value - theirs.value)
    random = np.random.default_rng(seed)
    beaten = 0
    for _ in range(permutations):
        swap_N1 = random.random((len(ours.stats), 1)) < 0.5
        here = ours.total(np.where(swap_N1, theirs.stats, ours.stats))
        there = ours.total(np.where(swap_N1, ours.stats, theirs.stats))
        beaten += abs(here - there) >= observed - 1e-12
    return (beaten + 1) / (permutations + 1)


def paired_p(ours: Column, theirs: Column, draws: int, seed: int = 0) -> float:
    """The randomisation test that fits: of signs where the metric is a mean, of sides (with `draws` patterns) elsewhere."""
    if ours.values is not None and theirs.values is not None:
        return sign_flip(ours.values - theirs.values, seed=seed)
    return swap_test(ours, theirs, draws, seed)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) step-down adjustment: the chance of even one false alarm stays below alpha."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def smallest_difference(standard_error: float, comparisons: int) -> float:
    """The smallest true difference that a two-sided test would find 8 times in 10, at alpha .05 over all comparisons.

    Holm's strictest step tests at alpha / comparisons: (z(1 - alpha / 2m) + z(power)) standard errors. Answers that do not
    differ at all say nothing about their spread: nan.
    """
    if not standard_error > 0:
        return float("nan")
    normal = NormalDist()
    return (normal.inv_cdf(1 - ALPHA / (2 * max(comparisons, 1))) + normal.inv_cdf(POWER)) * standard_error


def standard_error(ours: Column, theirs: Column, resampled_Q: Array) -> float:
    """Of a paired difference: from its spread where the metric is a mean, else from its bootstrap draws."""
    if ours.values is not None and theirs.values is not None and len(ours.values) > 1:
        return float((ours.values - theirs.values).std(ddof=1) / np.sqrt(len(ours.values)))
    return float(np.std(resampled_Q))
