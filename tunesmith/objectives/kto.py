"""KTO (Ethayarajh et al., 2024, arXiv:2402.01306): w * (1 - sigmoid(s * beta * (log p/p_ref - z))), s 1 for good, -1 for bad.

z is what log p/p_ref is on average, not below 0, of answers put to prompts that are not theirs: those of one step, each to the
next prompt. No gradient goes through it.

Dimension key: S sequences.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from tunesmith.data.preferences import desirable
from tunesmith.errors import UserError
from tunesmith.generation.quiet import quiet
from tunesmith.models.dropout import without_dropout
from tunesmith.models.model import Model
from tunesmith.objectives.objective import Loss, Placed
from tunesmith.objectives.preference import Compared, referred
from tunesmith.tokens.batch import Batch, Per
from tunesmith.tokens.packing import Group, Room
from tunesmith.tokens.renderer import Renderer
from tunesmith.tokens.sequence import Tokens
from tunesmith.tokens.tally import marked


@dataclass(frozen=True)
class KTO(Compared):
    """Single answers, each found good or bad, are made likelier or less likely. A pair is one of each.

    beta: how near the model stays to its reference.
    good: how much a good answer counts. Where one kind is rarer, let it count more.
    bad:  how much a bad answer counts.
    """

    per: ClassVar[Per] = "sequence"
    shared: ClassVar[Literal["examples", "batches", "nothing"]] = "batches"
    carries: ClassVar[tuple[str, ...]] = ("reference", "good", "divergence")
    looks_again: ClassVar[bool] = True

    beta: Annotated[float, Field(gt=0)] = 0.1
    good: Annotated[float, Field(ge=0)] = 1.0
    bad: Annotated[float, Field(ge=0)] = 1.0

    def render(self, placed: Placed, renderer: Renderer) -> Sequence[Tokens]:
        example = placed.example
        said = [(example.target, True), (example.rejected, False)]
        if example.rejected is None:
            said = [(example.target, desirable(example))]
        rows = [(self.spelled(example, answer or "", renderer), good) for answer, good in said]
        return [replace(row, extras={**row.extras, "good": float(good), "divergence": 0.0}) for row, good in rows]

    def updates(self, examples: Sequence[Placed], model: Model, room: Room) -> Iterator[Iterable[Batch]]:
        without_dropout(model)
        groups: list[Group] = [self.render(placed, model.renderer) for placed in examples]
        if self.reference == "precomputed":
            groups = referred(groups, model, room)
        apart = max(0.0, self.divergence(examples, model, room))
        groups = [[replace(row, extras={**row.extras, "divergence": apart}) for row in group] for group in groups]
        groups = marked(groups, [placed.example for placed in examples])
        yield (batch.to(model.device) for batch in model.pack(groups, room))

    @torch.no_grad()
    def divergence(self, examples: Sequence[Placed], model: Model, room: Room) -> float:
        """The mean log p/p_ref of the answers of a step, each put to the prompt after its own."""
        # The chosen answers of all pairs, then the rejected ones: neighbours have different prompts.
        said = [(placed.example, placed.example.target) for placed in examples]
        said += [(placed.example, worse) for placed in examples if (worse := placed.example.rejected) is not None]
        if len(said) < 2:
            raise UserError(
                "KTO compares answers with other prompts, and a step has one answer", "set `plan.examples` to 2 or more"
            )
        prompts = [example for example, _ in said]
        crossed = [
            [self.spelled(prompt, answer, model.renderer)]
            for prompt, (_, answer) in zip(prompts, [said[-1], *said[:-1]], strict=True)
        ]
        total = 0.0
        with quiet(model):
            for batch in model.pack(crossed, room):
                moved = batch.to(model.device)
                total += float((model(moved).logprobs() - model.reference(moved).logprobs()).double().sum())
        return total / len(said)

    def loss(self, model: Model, batch: Batch) -> Loss:
        answers = self.answers(model, batch)
        good_S, apart_S = batch.extras["good"], batch.extras["divergence"]
        weight_S = torch.where(good_S > 0, self.good, self.bad)
        away_S = self.beta * (answers.ratios - apart_S) * (2 * good_S - 1)
        losses_S = weight_S * (1 - torch.sigmoid(away_S))
        shown: dict[str, Tensor] = {"divergence": apart_S}
        for name, part_S in (("good", good_S), ("bad", 1 - good_S)):
            shown[f"{name}_logprob"] = answers.logprobs * part_S
            shown[f"{name}_reward"] = self.beta * answers.ratios * part_S
            shown[f"{name}_share"] = part_S
        return Loss.of(losses_S, "sequence", {name: values_S.detach().sum() for name, values_S in shown.items()})
