"""ROUGE as lecture notes and older papers have it; for teaching, not for comparing with published ROUGE.

Some lectures call the longest common *run* of words "ROUGE-L". The run breaks at "very", the subsequence does not:

>>> def show(metric):
...     print(*(f"{score:.2f}" for score in metric.compare("It is very cold outside", "It is cold outside.")))
>>> show(longest_run)  # precision, recall, F
0.40 0.50 0.44
"""

# ruff: noqa: N816 (metrics bear the names by which the world knows them)

from dataclasses import dataclass

from tunesmith.data.example import Example
from tunesmith.metrics.alignment import longest_common_run
from tunesmith.metrics.metric import Metric, Stats
from tunesmith.metrics.rouge import Rouge, f_measure, split_words
from tunesmith.run import Answer


@dataclass(frozen=True)
class LongestRun(Metric):
    """Longest unbroken stretch of words common to answer and reference: precision, recall and F; total: the mean of F."""

    name: str = "longest_run"

    def measure(self, answer: Answer, example: Example) -> tuple[float, float, float]:
        return max((self.compare(answer.said, meant) for meant in example.acceptable), key=lambda scores: scores[2])

    def total(self, stats_NK: Stats) -> float:
        return float(stats_NK[:, 2].mean()) if len(stats_NK) else float("nan")

    def compare(self, said: str, meant: str) -> tuple[float, float, float]:
        """Precision, recall and F of one text against one reference."""
        words_said, words_meant = split_words(said), split_words(meant)
        run = longest_common_run(words_said, words_meant)
        precision, recall = run / max(len(words_said), 1), run / max(len(words_meant), 1)
        return precision, recall, f_measure(precision, recall)


longest_run = LongestRun()
rouge1_recall = Rouge("1", part="recall")
rouge2_recall = Rouge("2", part="recall")
rougeL_recall = Rouge("L", part="recall")
