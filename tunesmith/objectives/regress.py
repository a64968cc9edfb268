"""A number of a sequence, or of two: squared error of a head; (z - y)^2."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import ClassVar

from tunesmith.data.example import Example
from tunesmith.errors import UserError
from tunesmith.metrics.correlation import read_number
from tunesmith.models.head import Kind
from tunesmith.models.model import Model
from tunesmith.objectives.headed import Headed, learnt
from tunesmith.objectives.objective import Loss
from tunesmith.tokens.batch import Batch
from tunesmith.tokens.reading import Asked
from tunesmith.tokens.sequence import Tokens


@dataclass(frozen=True)
class Regress(Headed):
    """The number that each example's answer is, told by a head."""

    kind: ClassVar[Kind] = "number"
    carries: ClassVar[tuple[str, ...]] = ("value",)

    def constants(self, examples: Iterable[Example]) -> list[float]:
        return [fmean(_number(example) for example in examples)]

    def answered(self, example: Example, rows: Sequence[Asked]) -> list[Tokens]:
        return [learnt(row, places, [0], [1.0], value=_number(example)) for row, places in rows]

    def loss(self, model: Model, batch: Batch) -> Loss:
        return Loss.of((model(batch).values()[:, 0] - batch.extras["value"]).square(), "sequence")


def _number(example: Example) -> float:
    number = read_number(example.target)
    if number is None:
        raise UserError(
            f"example `{example.id}` has the answer `{example.target}`, which is no number",
            "use `objective: classify` for labels",
        )
    return number
