"""The town's rule of politeness, standing in for people: 1 for a polite answer, else 0."""

from collections.abc import Sequence
from dataclasses import dataclass

from tunesmith.data.example import Example
from tunesmith.rewards.reward import Reward
from tunesmith.town.manners import is_polite


@dataclass(frozen=True, kw_only=True)
class Politeness(Reward):
    """Has the answer a courteous phrase and no rude one?"""

    def score(self, examples: Sequence[Example], answers: Sequence[str]) -> list[float]:
        return [float(is_polite(answer)) for answer in answers]
