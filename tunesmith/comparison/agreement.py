"""How far people agree who judged the same items: raw, Cohen (1960), Fleiss (1971) and Krippendorff (2011), with intervals.

Every measure is a total over rows of statistics, a row an item; so one bootstrap over items serves them all. A measure that is
not defined (nobody judged an item twice, or all judgements are one value) is nan.

Dimension key: N items, K values, C statistics, Q draws (or 1: the sums themselves).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from scipy.special import ndtri

from tunesmith.comparison.significance import Array, Interval, bootstrap_counts, interval

Ratings = Sequence[Mapping[str, str]]
"""An item each: annotator -> value. Anybody may have left out any item."""
Level = Literal["nominal", "ordinal"]
Total = Callable[[Array], Array]
DRAWS = 1000


def raw_agreement(ratings: Ratings, values: Sequence[str], draws: int = DRAWS, seed: int = 0) -> Interval:
    """Of all pairs of judgements of one item, the share that are equal."""
    counts_NK = _counts(ratings, values)
    judged_N = counts_NK.sum(axis=1)
    equal_N = (counts_NK * (counts_NK - 1)).sum(axis=1)
    stats_NC = np.stack([equal_N, judged_N * (judged_N - 1)], axis=1)
    return measured(stats_NC, lambda sums_QC: _divided(sums_QC[:, 0], sums_QC[:, 1]), draws, seed)


def cohen_kappa(ratings: Ratings, values: Sequence[str], one: str, other: str, draws: int = DRAWS, seed: int = 0) -> Interval:
    """Of two annotators, over the items that both have judged: (p_o - p_e) / (1 - p_e), p_e by each one's own shares."""
    number, size = {value: place for place, value in enumerate(values)}, len(values)
    both = [item for item in ratings if one in item and other in item]
    stats_NC = np.zeros((len(both), size * size))
    for row, item in enumerate(both):
        stats_NC[row, number[item[one]] * size + number[item[other]]] = 1

    def total(sums_QC: Array) -> Array:
        shares_QKK = _divided(sums_QC, sums_QC.sum(axis=1, keepdims=True)).reshape(-1, size, size)
        seen_Q = shares_QKK.trace(axis1=1, axis2=2)
        chance_Q = (shares_QKK.sum(axis=1) * shares_QKK.sum(axis=2)).sum(axis=1)
        return _divided(seen_Q - chance_Q, 1 - chance_Q)

    return measured(stats_NC, total, draws, seed)


def fleiss_kappa(ratings: Ratings, values: Sequence[str], draws: int = DRAWS, seed: int = 0) -> Interval:
    """Of any annotators: (P - P_e) / (1 - P_e), where P is the mean over items of the share of equal pairs.

    Fleiss has as many judgements of every item; where they differ, an item's share is over its own pairs, and P_e is by the
    shares of all judgements. Items judged once are left out.
    """
    counts_NK = _counts(ratings, values)
    judged_N = counts_NK.sum(axis=1)
    equal_N = (counts_NK * (counts_NK - 1)).sum(axis=1) / (judged_N * (judged_N - 1))
    stats_NC = np.column_stack([equal_N, np.ones(len(counts_NK)), counts_NK])

    def total(sums_QC: Array) -> Array:
        seen_Q = _divided(sums_QC[:, 0], sums_QC[:, 1])
        chance_Q = (_divided(sums_QC[:, 2:], sums_QC[:, 2:].sum(axis=1, keepdims=True)) ** 2).sum(axis=1)
        return _divided(seen_Q - chance_Q, 1 - chance_Q)

    return measured(stats_NC, total, draws, seed)


def krippendorff_alpha(
    ratings: Ratings, values: Sequence[str], level: Level = "nominal", draws: int = DRAWS, seed: int = 0
) -> Interval:
    """Of any annotators, and items left out by some: 1 - D_observed / D_expected from the matrix of coincidences.

    At the level `ordinal` the values stand in their order, and a disagreement weighs by how many judgements lie between.
    """
    counts_NK, size = _counts(ratings, values), len(values)
    pairs_NKK = counts_NK[:, :, None] * counts_NK[:, None, :] - counts_NK[:, :, None] * np.eye(size)
    stats_NC = (pairs_NKK / (counts_NK.sum(axis=1) - 1)[:, None, None]).reshape(-1, size * size)

    def total(sums_QC: Array) -> Array:
        coincident_QKK = sums_QC.reshape(-1, size, size)
        shown_QK = coincident_QKK.sum(axis=2)
        apart_QKK = _apart(shown_QK, level)
        seen_Q = (coincident_QKK * apart_QKK).sum(axis=(1, 2))
        chance_Q = (shown_QK[:, :, None] * shown_QK[:, None, :] * apart_QKK).sum(axis=(1, 2))
        return 1 - _divided((shown_QK.sum(axis=1) - 1) * seen_Q, chance_Q)

    return measured(stats_NC, total, draws, seed)


def _apart(shown_QK: Array, level: Level) -> Array:
    """[Q, K, K] the squared difference of two values: 1, or the judgements from the middle of one to that of the other."""
    if level == "nominal":
        apart_KK: Array = 1 - np.eye(shown_QK.shape[1])
        return np.broadcast_to(apart_KK, (len(shown_QK), *apart_KK.shape))
    middle_QK = shown_QK.cumsum(axis=1) - shown_QK / 2
    squared: Array = (middle_QK[:, :, None] - middle_QK[:, None, :]) ** 2
    return squared


def measured(stats_NC: Array, total: Total, draws: int = DRAWS, seed: int = 0) -> Interval:
    """The total of a table of statistics, with its bootstrap interval over rows. `total`: sums [Q, C] -> [Q]."""
    if not len(stats_NC):
        return Interval(float("nan"), float("nan"), float("nan"))
    value = float(total(stats_NC.sum(axis=0)[None])[0])
    return interval(value, total(bootstrap_counts(len(stats_NC), draws, seed) @ stats_NC))


def binomial_interval(hits: int, tries: int) -> Interval:
    """A share with its 95 % interval after Wilson (1927), which holds for few tries and for shares of 0 and 1 too."""
    if not tries:
        return Interval(float("nan"), 0.0, 1.0)
    z = float(ndtri(0.975))
    share, over = hits / tries, 1 + z * z / tries
    middle = (share + z * z / (2 * tries)) / over
    half = z / over * float(np.sqrt(share * (1 - share) / tries + z * z / (4 * tries * tries)))
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))


def _counts(ratings: Ratings, values: Sequence[str]) -> Array:
    """[N, K] how often an item was given each value, of the items that were judged twice or more."""
    number = {value: place for place, value in enumerate(values)}
    several = [item for item in ratings if len(item) > 1]
    counts_NK = np.zeros((len(several), len(values)))
    for row, item in enumerate(several):
        for value in item.values():
            counts_NK[row, number[value]] += 1
    return counts_NK


def _divided(above: Array, below: Array) -> Array:
    """A quotient; nan where it divides by nothing."""
    missing = np.abs(below) < 1e-12
    shared: Array = np.where(missing, np.nan, above / np.where(missing, 1.0, below))
    return shared
