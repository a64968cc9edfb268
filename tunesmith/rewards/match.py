"""1 where a regular expression is found in the answer, else 0."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tunesmith.data.example import Example
from tunesmith.errors import UserError
from tunesmith.rewards.reward import Reward


@dataclass(frozen=True, kw_only=True)
class Match(Reward):
    """Does the answer look as it should?

    pattern: a regular expression of Python's; a dot stands for a line's end too.
    whole:   the whole answer has to match, not some part of it.
    """

    pattern: str
    whole: bool = False

    def __post_init__(self) -> None:
        compiled(self.pattern)

    def score(self, examples: Sequence[Example], answers: Sequence[str]) -> list[float]:
        found = compiled(self.pattern)
        look = found.fullmatch if self.whole else found.search
        return [float(look(answer) is not None) for answer in answers]


def compiled(pattern: str) -> re.Pattern[str]:
    """The expression, or word of what is wrong with it."""
    try:
        return re.compile(pattern, re.DOTALL)
    except re.error as error:
        raise UserError(f"`{pattern}` is no regular expression: {error}", "write a plain dot as `\\.`") from None
