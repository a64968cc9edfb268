"""Reward model of pairs (Bradley and Terry, 1952; Ouyang et al., 2022): -log sigmoid(r_chosen - r_rejected - margin).

With centred rewards (Eisenstein et al., 2023, arXiv:2312.09244): centre * (r_chosen + r_rejected)^2 is added.

Dimension key: S sequences, P pairs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from pydantic import Field
from torch.nn import functional as F

from tunesmith.data.example import Example
from tunesmith.data.preferences import number
from tunesmith.models.head import Kind
from tunesmith.models.model import Model
from tunesmith.objectives.headed import Headed
from tunesmith.objectives.objective import Loss, Placed
from tunesmith.objectives.preference import both
from tunesmith.tokens.batch import Batch, Per
from tunesmith.tokens.reading import Asked, replied
from tunesmith.tokens.renderer import Renderer
from tunesmith.tokens.sequence import Tokens


@dataclass(frozen=True)
class Reward(Headed):
    """A head gives prompt and answer a number, the higher the better: rewards of a pair differ by its log odds.

    Rows may have a `margin`: by how much the chosen answer's reward should be higher.

    centre: how strongly the two rewards of a pair are drawn towards a sum of 0; 0.01 is a beginning.
    """

    kind: ClassVar[Kind] = "reward"
    per: ClassVar[Per] = "pair"
    carries: ClassVar[tuple[str, ...]] = ("margin",)

    centre: Annotated[float, Field(ge=0)] = 0.0

    def constants(self, examples: Iterable[Example]) -> list[float]:
        return [0.0]  # both answers alike

    def render(self, placed: Placed, renderer: Renderer) -> Sequence[Tokens]:
        example = placed.example
        return self.answered(example, [(replied(renderer, example, answer), ()) for answer in both(example)])

    def answered(self, example: Example, rows: Sequence[Asked]) -> list[Tokens]:
        margin = number(example.meta, "margin") or 0.0
        return [replace(row, extras={**row.extras, "margin": margin}) for row, _ in rows]

    def loss(self, model: Model, batch: Batch) -> Loss:
        chosen_P, rejected_P = model(batch).values()[:, 0].view(-1, 2).unbind(1)
        apart_P = chosen_P - rejected_P
        losses_P = -F.logsigmoid(apart_P - batch.extras["margin"][::2]) + self.centre * (chosen_P + rejected_P).square()
        shown = {"chosen": chosen_P, "rejected": rejected_P, "margin": apart_P, "accuracy": (apart_P > 0).float()}
        return Loss.of(losses_P, "pair", {name: values_P.detach().sum() for name, values_P in shown.items()})
