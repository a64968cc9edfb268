"""Successive halving (Jamieson and Talwalkar, 2016, arXiv:1502.07943): every arm learns a little, the better part goes on.

A rung is a share of the steps. A run stops there under the schedule of its whole length and goes on from where it stopped, so
the runs that reach the end are those that would have been made without halving.
"""

import math
from collections.abc import Sequence

LEAST = 0.1  # a run is validated ten times: an earlier rung would judge nothing


def rungs(arms: int, keep: int) -> list[float]:
    """Shares of the steps at which arms are judged, the last being 1: each is `keep` times the one before.

    >>> rungs(8, 2)
    [0.125, 0.25, 0.5, 1.0]
    """
    most = math.floor(math.log(max(arms, 1), keep) + 1e-9)
    return [share for rung in range(most, -1, -1) if (share := float(keep) ** -rung) >= LEAST]


def survivors(losses: Sequence[float], keep: int) -> list[int]:
    """Places of the better 1 / `keep` of the arms, rounded up, in their order. What is no number never survives another."""
    ranked = sorted(range(len(losses)), key=lambda place: (not math.isfinite(losses[place]), losses[place], place))
    return sorted(ranked[: math.ceil(len(losses) / keep)])
