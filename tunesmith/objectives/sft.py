"""Supervised fine-tuning: make the answer likely, given the prompt. Loss: -sum over answer tokens of weight * log p."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Annotated, Literal

from pydantic import Field

from tunesmith.data.example import Example
from tunesmith.models.model import Model
from tunesmith.objectives.objective import Loss, Objective, Placed
from tunesmith.tokens.batch import Batch
from tunesmith.tokens.renderer import Renderer
from tunesmith.tokens.sequence import Tokens


@dataclass(frozen=True)
class SFT(Objective):
    """Cross-entropy of the answer; of the prompt too where it is given a weight.

    prompt_weight: how much a token of the prompt counts beside a token of the answer (refused for encoder-decoder networks,
        where the prompt is no target).
    turns: of a chat, learn the `last` assistant turn or `all` of them.
    """

    prompt_weight: Annotated[float, Field(ge=0)] = 0.0
    turns: Literal["last", "all"] = "last"

    def render(self, placed: Placed, renderer: Renderer) -> Sequence[Tokens]:
        return (renderer.render(placed.example, prompt_weight=self.prompt_weight, turns=self.turns),)

    def most(self, example: Example, renderer: Renderer) -> float:
        plain = type(self).render is SFT.render and not self.prompt_weight and self.turns == "last"
        return renderer.most(example) if plain else inf

    def loss(self, model: Model, batch: Batch) -> Loss:
        return Loss.of(-(model(batch).logprobs() * batch.weight))
