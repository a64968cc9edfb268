"""One label of a text, or of a pair: cross-entropy of a head; -w_y log softmax(z)_y, over the sum of w (Devlin et al., 2019).

With label smoothing (Szegedy et al., 2016): a share of the target is spread over all labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from tunesmith.data.example import Example
from tunesmith.models.head import Kind
from tunesmith.models.model import Model
from tunesmith.objectives.headed import Named, learnt
from tunesmith.objectives.objective import Loss
from tunesmith.tokens.batch import Batch
from tunesmith.tokens.reading import Asked
from tunesmith.tokens.sequence import Tokens


@dataclass(frozen=True)
class Classify(Named):
    """One label of each example, told by a head: its answer is the label.

    label_smoothing: share of the target that is spread over all labels.
    """

    kind: ClassVar[Kind] = "label"

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0

    def answered(self, example: Example, rows: Sequence[Asked]) -> list[Tokens]:
        target = self.number(example.target, example)
        return [learnt(row, places, [target], [self.weight(example.target)]) for row, places in rows]

    def loss(self, model: Model, batch: Batch) -> Loss:
        return self.cross_entropy(model(batch).values(), batch, self.label_smoothing)
