"""Speed of the bootstrap and of the paired tests: intervals of every kind of total beside `scipy.stats.bootstrap`.

    python benchmarks/bootstrap_speed.py [--brief] [--answers 14000] [--draws 1000] [--rounds 5]

Both sides make the same number of resamples of the same answers, in turns in one process, and give the 95 % percentile
interval of a mean (ROUGE, accuracy), of corpus BLEU, of a ratio of sums (cross-entropy) and of a correlation. The peer is
vectorised over as many resamples at once as it likes best. Before any timing the ends of both intervals must agree within what
chance does to them: five standard errors of a quantile. Our seconds include drawing the resamples, which a report of many
metrics draws only once.

`report` has no peer: five systems under three means and BLEU, with intervals, row values and all paired tests.
"""

import gc
import time
from itertools import combinations

import numpy as np
from record import OURS, arguments, keep, paired
from scipy import stats

from tunesmith.comparison.significance import bootstrap_counts, interval, paired_p
from tunesmith.comparison.totals import Column
from tunesmith.metrics.accuracy import accuracy
from tunesmith.metrics.bleu import bleu
from tunesmith.metrics.correlation import pearson
from tunesmith.metrics.cross_entropy import cross_entropy
from tunesmith.metrics.rouge import rouge1

PEER = "scipy.stats.bootstrap"


def make_rows(answers: int, seed: int) -> dict[str, tuple[np.ndarray, object]]:
    """Statistics [N, K] as answers of about twenty words have them, and the metric that totals them."""
    draw = np.random.default_rng(seed)
    said = draw.integers(5, 40, answers)
    matches = [said - 1]
    for _ in range(4):
        matches.append(draw.binomial(np.maximum(matches[-1] - 1, 0), 0.6))
    ngrams = [np.maximum(said - order, 0) for order in range(4)]
    truth = draw.normal(size=answers)
    return {
        "rouge1": (draw.beta(2, 4, (answers, 3)), rouge1),
        "accuracy": (draw.binomial(1, 0.7, (answers, 1)).astype(float), accuracy),
        "bleu": (np.column_stack([said, draw.integers(5, 40, answers), *matches[1:], *ngrams]).astype(float), bleu),
        "cross_entropy": (np.column_stack([said * draw.gamma(4, 0.5, answers), said]).astype(float), cross_entropy),
        "pearson": (np.column_stack([truth + draw.normal(size=answers), truth]), pearson),
    }


def ours(rows, metric, draws):
    column = Column(rows, metric.total)
    bootstrap_counts.cache_clear()
    return interval(column.value, column.resampled(bootstrap_counts(len(rows), draws, 0)))


def theirs(rows, metric, draws):
    """As a user of scipy would write each statistic so that it takes many resamples at once."""
    statistic = {
        "rouge1": lambda f, axis: f.mean(axis=axis),
        "accuracy": lambda right, axis: right.mean(axis=axis),
        "cross_entropy": lambda nats, tokens, axis: nats.sum(axis=axis) / tokens.sum(axis=axis),
        "bleu": lambda *columns, axis: corpus_bleu(*(column.sum(axis=axis) for column in columns)),
        "pearson": lambda said, meant, axis: stats.pearsonr(said, meant, axis=axis).statistic,
    }[metric.name]
    data = (rows[:, 2],) if metric.name == "rouge1" else tuple(rows.T)
    made = stats.bootstrap(
        data,
        statistic,
        paired=len(data) > 1,
        n_resamples=draws,
        batch=50,
        vectorized=True,
        method="percentile",
        rng=np.random.default_rng(1),
    )
    return made.confidence_interval, made.bootstrap_distribution


def corpus_bleu(said, meant, *counts):
    precisions = np.stack(counts[:4]) / np.stack(counts[4:])
    return 100 * np.exp(np.minimum(0, 1 - meant / said)) * np.exp(np.log(precisions).mean(axis=0))


def check(rows, metric, draws) -> None:
    mine, (their, drawn) = ours(rows, metric, draws), theirs(rows, metric, draws)
    spread = np.std(drawn)
    error = spread * np.sqrt(2 * 0.025 * 0.975 / draws) / stats.norm.pdf(1.96)  # of the difference of two such quantiles
    for one, other in ((mine.low, their.low), (mine.high, their.high)):
        assert abs(one - other) < 5 * error, f"{metric.name}: {one} and {other} are further apart than chance ({error})"


def report(answers, draws):
    """All that a comparison of five systems computes from the rows of its main task."""
    columns = {}
    for system in range(5):
        for name, (rows, metric) in make_rows(answers, system).items():
            if name in ("rouge1", "bleu"):
                parts = ((f"{name}-{place}", part) for place, part in enumerate([0, 1, 2] if name == "rouge1" else [None]))
                for key, part in parts:
                    columns[system, key] = Column(rows if part is None else rows[:, [part] * 3], metric.total)
    bootstrap_counts.cache_clear()
    start = time.perf_counter()
    counts = bootstrap_counts(answers, draws, 0)
    for column in columns.values():
        interval(column.value, column.resampled(counts))
        column.row_values  # noqa: B018
    names = sorted({name for _, name in columns})
    pairs = [(columns[system, name], columns[0, name]) for name in names for system in range(1, 5)]
    pairs += [(columns[a, names[-1]], columns[b, names[-1]]) for a, b in combinations(range(1, 5), 2)]
    paired_p(pairs, draws)
    return time.perf_counter() - start


def clock(side, *given) -> float:
    gc.collect()
    start = time.perf_counter()
    side(*given)
    return time.perf_counter() - start


def main() -> None:
    parser = arguments(__doc__, rounds=5, device=False)
    parser.add_argument("--answers", type=int, default=14_000)
    parser.add_argument("--draws", type=int, default=1_000)
    given = parser.parse_args()
    answers, draws, rounds = (400, 200, 2) if given.brief else (given.answers, given.draws, given.rounds)
    pairs = {}
    for name, made in make_rows(answers, 0).items():
        check(*made, draws)
        sides = {OURS: ours, PEER: theirs}
        pairs[name] = {
            "agree": True,
            **paired({side: lambda call=call, made=made: clock(call, *made, draws) for side, call in sides.items()}, rounds),
        }
    pairs["report of five systems, 4 metrics, 22 tests"] = paired({OURS: lambda: report(answers, draws)}, rounds)
    keep("bootstrap_speed", given, {"answers": answers, "draws": draws}, pairs)


if __name__ == "__main__":
    main()
