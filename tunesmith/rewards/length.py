"""Words of an answer, or those beyond a number; with a negative weight what keeps answers short."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from tunesmith.data.example import Example
from tunesmith.rewards.reward import Reward


@dataclass(frozen=True, kw_only=True)
class Length(Reward):
    """Words between blanks.

    beyond: words that do not count.
    """

    beyond: Annotated[int, Field(ge=0)] = 0

    def score(self, examples: Sequence[Example], answers: Sequence[str]) -> list[float]:
        return [float(max(0, len(answer.split()) - self.beyond)) for answer in answers]
