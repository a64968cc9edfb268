"""1 where the answer is the example's target or one of its references, else 0: for tasks that can be checked."""

from collections.abc import Sequence
from dataclasses import dataclass

from tunesmith.data.example import Example
from tunesmith.errors import UserError
from tunesmith.metrics.normalise import normalise
from tunesmith.rewards.match import compiled
from tunesmith.rewards.reward import Reward


@dataclass(frozen=True, kw_only=True)
class Exact(Reward):
    """Is the answer right?

    quasi: case, punctuation and articles do not matter, as in the metric `quasi_exact`.
    after: a regular expression whose first group is what is held against the target, such as `the answer is (.*)`; the last one
           found counts, and an answer without it is wrong. Null: the whole answer.
    """

    quasi: bool = False
    after: str | None = None

    def __post_init__(self) -> None:
        if self.after is not None and compiled(self.after).groups < 1:
            raise UserError(f"`{self.after}` has no group in round brackets", "write `the answer is (.*)`")

    def score(self, examples: Sequence[Example], answers: Sequence[str]) -> list[float]:
        return [float(self._right(*pair)) for pair in zip(examples, answers, strict=True)]

    def _right(self, example: Example, answer: str) -> bool:
        said = answer
        if self.after is not None:
            found = list(compiled(self.after).finditer(answer))
            if not found:
                return False
            said = found[-1].group(1) or ""
        alike = normalise if self.quasi else str.strip
        return any(alike(said) == alike(meant) for meant in example.acceptable)
