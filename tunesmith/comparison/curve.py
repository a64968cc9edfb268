"""Quality against the number of examples: where more bring nothing that can be told, and what twice as many would bring.

Dimension key: K sizes, Q draws, C exponents.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np

from tunesmith.comparison.significance import Array, Interval, interval

EXAMPLES = "limit.examples"
FEWEST = 4  # sizes above nought from which a power law is fitted: it has three numbers of its own
EXPONENTS = np.geomspace(0.05, 3.0, 60)
CLOSE = 0.9  # share of what moves between sizes that a fit must explain

RULE = (
    "The curve flattens at the smallest number of examples from which on no size can be told from the largest: the paired "
    "95 % interval of the gain to the largest reaches nought. That is no proof that more bring nothing, only that this "
    "study could not tell it: more test examples, or more seeds, tell smaller gains. "
)
LAW = (
    "The dashed line is a power law, a - b n^-c, fitted by least squares, each size weighted by how sure its score is; its "
    "prediction for twice the examples has an interval from fits to every bootstrap draw. It holds as long as the curve keeps "
    "its form."
)


@dataclass(frozen=True, slots=True)
class Fit:
    """quality(n) = a - b n^-c, as higher is better; `sign` is -1 for a metric of which less is better.

    doubling: the gain that twice the largest number of examples is predicted to bring.
    """

    a: float
    b: float
    c: float
    sign: int
    doubling: Interval

    def __call__(self, examples: float) -> float:
        """The metric at a number of examples above nought."""
        return self.sign * float(self.a - self.b * examples**-self.c)


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of quality against numbers of examples, all other settings as `where` says.

    sizes:  numbers of examples in order, the first may be 0; `arms`: their names.
    gains:  how much better the largest size is than each, by paired draws.
    flat:   the size from which on none can be told from the largest; None: the largest itself can be told from all others.
    fit:    None where a power law would say nothing: few sizes, no gain, or a curve of another form.
    """

    where: str
    sizes: tuple[int, ...]
    arms: tuple[str, ...]
    gains: tuple[Interval, ...]
    flat: int | None
    fit: Fit | None

    @property
    def arm(self) -> str | None:
        """The arm where it flattens."""
        return None if self.flat is None else self.arms[self.sizes.index(self.flat)]

    @property
    def learns(self) -> bool:
        """Whether the largest size can be told from the smallest."""
        return self.gains[0].low > 0


def curve(
    where: str, sizes: Sequence[int], arms: Sequence[str], values: Sequence[float], drawn: Sequence[Array], higher: bool
) -> Curve:
    """The curve of scores, one a size, and their draws [Q], the same draws for all."""
    sign = 1 if higher else -1
    gains = [
        interval(sign * (values[-1] - value), sign * (drawn[-1] - drawn_Q))
        for value, drawn_Q in zip(values, drawn, strict=True)
    ]
    level = len(sizes) - 1
    while level and gains[level - 1].low <= 0:
        level -= 1
    flat = sizes[level] if level < len(sizes) - 1 else None
    made = Curve(where, tuple(sizes), tuple(arms), tuple(gains), flat, None)
    return Curve(where, made.sizes, made.arms, made.gains, flat, fitted(made, values, drawn, sign))


def fitted(made: Curve, values: Sequence[float], drawn: Sequence[Array], sign: int) -> Fit | None:
    """The power law of a curve, where it is one: enough sizes, a gain that can be told, and a form that fits."""
    kept = [place for place, size in enumerate(made.sizes) if size > 0]
    if len(kept) < FEWEST or made.gains[kept[0]].low <= 0:
        return None
    n_K = np.array([made.sizes[place] for place in kept], float)
    y_K = sign * np.array([values[place] for place in kept])
    y_QK = sign * np.stack([drawn[place] for place in kept], axis=1)
    sure = np.isfinite(y_QK).all(axis=1)
    if not np.isfinite(y_K).all() or sure.sum() < 2:
        return None
    spread_K = y_QK[sure].std(axis=0)
    weights_K = 1 / np.maximum(spread_K, 0.1 * spread_K.max() or 1.0) ** 2
    a_Q, b_Q, c_Q = power_laws(n_K, np.vstack([y_K, y_QK[sure]]), weights_K)
    a, b, c = float(a_Q[0]), float(b_Q[0]), float(c_Q[0])
    missed_K, moved_K = y_K - (a - b * n_K**-c), y_K - np.average(y_K, weights=weights_K)
    explained = 1 - float((weights_K * missed_K**2).sum() / max((weights_K * moved_K**2).sum(), 1e-30))
    gain_Q = b_Q * n_K[-1] ** -c_Q * (1 - 2**-c_Q)
    if b <= 0 or explained < CLOSE or not EXPONENTS[0] < c < EXPONENTS[-1] or not isfinite(a):
        return None
    return Fit(a, b, c, sign, interval(float(gain_Q[0]), gain_Q[1:]))


def power_laws(n_K: Array, y_QK: Array, weights_K: Array) -> tuple[Array, Array, Array]:
    """a, b and c [Q] of a - b n^-c by weighted least squares: a line for each of `EXPONENTS`, and the best of them."""
    x_CK = n_K ** -EXPONENTS[:, None]
    share_K = weights_K / weights_K.sum()
    x_CK = np.asarray(x_CK)
    mean_C, mean_Q = x_CK @ share_K, y_QK @ share_K
    centred_CK, centred_QK = x_CK - mean_C[:, None], y_QK - mean_Q[:, None]
    both_QC = (centred_QK * share_K) @ centred_CK.T
    own_C = (centred_CK**2) @ share_K
    best_Q = np.argmax(both_QC**2 / own_C, axis=1)  # what a line explains
    slope_Q = both_QC[np.arange(len(y_QK)), best_Q] / own_C[best_Q]
    return mean_Q - slope_Q * mean_C[best_Q], -slope_Q, EXPONENTS[best_Q]
