"""Selective fine-tuning: some of the weights; with `only: biases` BitFit (Ben Zaken et al., 2021, arXiv:2106.10199)."""

import re
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tunesmith.errors import UserError
from tunesmith.methods.method import Delta, Method, Weight

VECTOR = re.compile(r"bias$|norm[^.]*\.weight$|ln_\w+\.weight$", re.IGNORECASE)
VECTOR_RATE = 12.0
Part = Literal["attention", "mlp", "norm", "embedding", "head", "other"]


@dataclass(frozen=True)
class Selective(Method):
    """Train the weights that every one of these settings lets through; at least one is set.

    parts:   kinds of modules; empty: all. An embedding that serves as the head too is an `embedding`.
    only:    `biases`: nothing but biases (BitFit); `matrices`: nothing but what has two dimensions or more.
    last:    only the last so many layers of each stack; what stands outside the layers is left out.
    every:   only the last layer and every so-manieth before it.
    pattern: a regular expression that is searched in the weight's name.
    """

    rate_times_width: ClassVar[float] = 0.5

    parts: tuple[Part, ...] = ()
    only: Literal["all", "biases", "matrices"] = "all"
    last: Annotated[int, Field(gt=0)] | None = None
    every: Annotated[int, Field(gt=0)] | None = None
    pattern: str = ""

    def __post_init__(self) -> None:
        if not (self.parts or self.only != "all" or self.last or self.every or self.pattern):
            raise UserError(
                "`selective` selects nothing: none of its settings is set",
                "name `parts`, `only`, `last`, `every` or `pattern`, or train everything with `method=full`",
            )
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise UserError(f"`pattern` is `{self.pattern}`, which is no regular expression: {error}") from None

    def trains(self, weight: Weight) -> bool:
        return (
            (not self.parts or weight.part in self.parts)
            and (self.only != "biases" or weight.is_bias)
            and (self.only != "matrices" or weight.dimensions > 1)
            and self._in_layer(weight)
            and re.search(self.pattern, weight.name) is not None
        )

    def rate_of(self, delta: Delta | None, parameter: str) -> float:
        """Biases and norms take far larger steps than matrices."""
        return VECTOR_RATE if VECTOR.search(parameter) else 1.0

    def _in_layer(self, weight: Weight) -> bool:
        if self.last is None and self.every is None:
            return True
        if weight.layer is None:
            return False
        from_end = weight.layers - 1 - weight.layer
        return (self.last is None or from_end < self.last) and (self.every is None or from_end % self.every == 0)
