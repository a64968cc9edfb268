"""Which of several choices is right: a head gives each a value, softmax over them (GPT: Radford et al., 2018, 3.3)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from tunesmith.data.example import Example
from tunesmith.errors import UserError
from tunesmith.models.head import Kind
from tunesmith.models.model import Model
from tunesmith.objectives.headed import Headed, learnt
from tunesmith.objectives.objective import Loss
from tunesmith.tokens.batch import Batch
from tunesmith.tokens.reading import Asked
from tunesmith.tokens.sequence import Tokens


@dataclass(frozen=True)
class MultipleChoice(Headed):
    """The right one of each example's own choices: the prompt is read with each of them, and a head gives each a value."""

    kind: ClassVar[Kind] = "choice"

    def constants(self, examples: Iterable[Example]) -> list[float]:
        return [0.0]  # all choices alike: the first is taken

    def answered(self, example: Example, rows: Sequence[Asked]) -> list[Tokens]:
        if example.target not in example.choices:
            raise UserError(f"the answer of example `{example.id}` is none of its choices", "mend the row or the template")
        # Only the first has a target, so that a mean is taken over examples.
        return [
            learnt(row, places[: not number], [0] * (not number), [1.0] * (not number), right=float(number == example.label))
            for number, (row, places) in enumerate(rows)
        ]

    def loss(self, model: Model, batch: Batch) -> Loss:
        values_S = model(batch).values()[:, 0]
        starts = batch.by_sequence(torch.ones_like(batch.weight)).nonzero()[:, 0].tolist()
        sizes = [end - start for start, end in zip(starts, [*starts[1:], batch.sequences], strict=True)]
        logprobs_S = torch.cat([values.log_softmax(0) for values in values_S.split(sizes)])
        return Loss.of(-(logprobs_S * batch.extras["right"]), "sequence")
