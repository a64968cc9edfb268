"""What a reward is: examples and what was said to them go in as texts, a number each comes out.

Text is all that crosses, so that a policy and whatever judges it may spell differently.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunesmith.errors import UserError

if TYPE_CHECKING:
    from tunesmith.data.example import Example


@dataclass(frozen=True, kw_only=True)
class Reward(ABC):
    """A subclass is a frozen dataclass; its fields are its settings.

    weight: how much it counts in the sum of several rewards; negative: what should be less.
    """

    weight: float = 1.0

    @abstractmethod
    def score(self, examples: "Sequence[Example]", answers: Sequence[str]) -> list[float]:
        """A number for each answer, the higher the better; it depends on nothing but its example and its text."""


def scored(rewards: Sequence[Reward], examples: "Sequence[Example]", answers: Sequence[str]) -> list[float]:
    """The weighed sum of rewards of each answer.

    Raises:
        UserError: for a reward that is no number.
    """
    sums = [0.0] * len(answers)
    for reward in rewards:
        told = reward.score(examples, answers)
        name = type(reward).__name__
        assert len(told) == len(answers), f"`{name}` gives a number for each answer"
        for number, value in enumerate(told):
            if not math.isfinite(value):
                raise UserError(
                    f"the reward `{name}` of an answer to example `{examples[number].id}` is {value}",
                    f"mend it for such answers: `{answers[number][:60]}`",
                )
            sums[number] += reward.weight * value
    return sums
