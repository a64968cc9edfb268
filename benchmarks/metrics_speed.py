"""Speed of ROUGE and BLEU against rouge_score and sacreBLEU: the same answers, in the same process, in turn.

    python benchmarks/metrics_speed.py [--brief] [--answers 10000] [--rounds 5]

Each round times both sides one after the other, each first in every other round, and empties every cache before (sacreBLEU's
too), so nothing is remembered from one round to the next. Reported: the median seconds of each side, and the median and range
over rounds of their ratio. Before any timing the figures are compared: ROUGE of every answer must be equal to the last bit,
BLEU of the whole corpus to 1e-9.

Texts: dialogue summaries from the real data where it is at hand, else sentences drawn from a seeded list of words. "Answers"
are the references with words dropped, doubled and exchanged, so that they overlap as a model's answers do.
"""

import csv
import functools
import gc
import json
import random
import statistics
import time

import numpy as np
from record import OURS, SHARED, arguments, keep, paired

from tunesmith.data.example import Example
from tunesmith.metrics.bleu import Bleu
from tunesmith.metrics.rouge import Rouge
from tunesmith.run import Answer

KINDS = ("1", "2", "3", "L", "Lsum")


def read_references(count: int) -> tuple[str, list[str]]:
    """Where the texts come from, and `count` of them."""
    for path in sorted((SHARED / "data/dialogsum").rglob("*train*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            return f"summaries of {path.name}", [
                row["summary"] for row, _ in zip(csv.DictReader(file), range(count), strict=False)
            ]
    for path in sorted((SHARED / "data/dialogsum").rglob("*train*.jsonl")):
        with path.open(encoding="utf-8") as file:
            return f"summaries of {path.name}", [
                json.loads(line)["summary"] for line, _ in zip(file, range(count), strict=False)
            ]
    draw = random.Random(0)
    words = [f"word{number}" for number in range(2000)]
    lengths = (draw.randrange(8, 40) for _ in range(count))
    return "seeded random words", [" ".join(draw.choices(words, k=length)) + "." for length in lengths]


def blur(text: str, draw: random.Random, others: list[str]) -> str:
    words = []
    for word in text.split():
        chance = draw.random()
        words += [] if chance < 0.2 else [word, word] if chance < 0.25 else [draw.choice(others)] if chance < 0.5 else [word]
    return " ".join(words)


def empty_caches() -> None:
    """Forget all that any `lru_cache` of either side remembers."""
    for thing in gc.get_objects():
        if isinstance(thing, functools._lru_cache_wrapper) and thing.__module__.startswith(("tunesmith", "sacrebleu")):
            thing.cache_clear()


def score_ours(metrics, answers, examples):
    return [metric.measure_all(answers, examples) for metric in metrics]


def rouge_sides(stem, answers, examples):
    from rouge_score.rouge_scorer import RougeScorer

    metrics = [Rouge(kind, stem=stem) for kind in KINDS]
    names = [f"rouge{kind}" for kind in KINDS]

    def theirs():
        scorer = RougeScorer(names, use_stemmer=stem)
        rows = [scorer.score_multi(example.acceptable, answer.said) for answer, example in zip(answers, examples, strict=True)]
        return [[tuple(row[name]) for row in rows] for name in names]

    return (lambda: score_ours(metrics, answers, examples)), theirs, lambda one, other: one == other


def bleu_sides(answers, examples):
    from sacrebleu.metrics import BLEU

    metric = Bleu()
    said, meant = [answer.said for answer in answers], [[example.target for example in examples]]
    ours = lambda: metric.total(np.array(score_ours([metric], answers, examples)[0]))  # noqa: E731
    return ours, lambda: BLEU(force=True).corpus_score(said, meant).score, lambda one, other: abs(one - other) < 1e-9


def clock(side) -> float:
    empty_caches()
    gc.collect()
    start = time.perf_counter()
    side()
    return time.perf_counter() - start


def compare(ours, theirs, equal, peer: str, rounds: int) -> dict[str, object]:
    assert equal(ours(), theirs()), "the two sides differ"
    return {"equal": True, **paired({OURS: lambda: clock(ours), peer: lambda: clock(theirs)}, rounds)}


def main() -> None:
    parser = arguments(__doc__, rounds=5, device=False)
    parser.add_argument("--answers", type=int, default=10_000)
    given = parser.parse_args()
    count, rounds = (50, 2) if given.brief else (given.answers, given.rounds)
    source, references = read_references(count)
    draw, others = random.Random(1), " ".join(references).split()
    examples = [Example((), text) for text in references]
    answers = [Answer("", "", blur(text, draw, others), text) for text in references]
    pairs = {
        "rouge 1 2 3 L Lsum": compare(*rouge_sides(False, answers, examples), "rouge_score", rounds),
        "rouge 1 2 3 L Lsum, stemmed": compare(*rouge_sides(True, answers, examples), "rouge_score", rounds),
        "corpus BLEU": compare(*bleu_sides(answers, examples), "sacrebleu", rounds),
    }
    words = statistics.mean(len(text.split()) for text in references)
    keep("metrics_speed", given, {"texts": source, "answers": len(answers), "mean_words": round(words, 1)}, pairs)


if __name__ == "__main__":
    main()
