"""Exact match: 1 where the answer is one of the references, else 0; total: the share of such answers.

`exact_match` ignores space at the ends only; `quasi_exact` also case, punctuation and articles (HELM; Liang et al. 2022).
"""

from dataclasses import dataclass

from tunesmith.data.example import Example
from tunesmith.metrics.metric import Metric
from tunesmith.metrics.normalise import normalise
from tunesmith.run import Answer


@dataclass(frozen=True)
class ExactMatch(Metric):
    """quasi: compare after `normalise`, as HELM's quasi-exact match."""

    name: str
    quasi: bool = False

    def measure(self, answer: Answer, example: Example) -> tuple[float, ...]:
        alike = normalise if self.quasi else str.strip
        said = alike(answer.said)
        return (float(any(said == alike(meant) for meant in example.acceptable)),)


exact_match = ExactMatch("exact_match")
quasi_exact = ExactMatch("quasi_exact", quasi=True)
