"""What objectives of preference pairs have in common: both answers' log-probabilities, those of the reference, what is shown.

Nothing is dropped while learning, in policy and reference; so at the first step the two are the same.

Dimension key: N targets, S sequences, P pairs. Log-probabilities are of whole answers with their ends, in nats.
"""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from tunesmith.data.example import Example
from tunesmith.errors import UserError
from tunesmith.models.dropout import without_dropout
from tunesmith.models.model import Model
from tunesmith.models.reference import References
from tunesmith.objectives.objective import Loss, Objective, Placed
from tunesmith.tokens.batch import Batch, Per
from tunesmith.tokens.packing import Group, Room
from tunesmith.tokens.renderer import Renderer
from tunesmith.tokens.sequence import Tokens, forked
from tunesmith.tokens.tally import marked

TOGETHER = 256  # examples whose reference is computed and kept at once


@dataclass(frozen=True, slots=True)
class Answers:
    """Some answers of a batch, [P] each.

    logprobs:  under the policy; reference: under the reference, or zeros where an objective reads none.
    tokens:    of each answer.
    """

    logprobs: Tensor
    reference: Tensor
    tokens: Tensor

    @property
    def ratios(self) -> Tensor:
        """log p / p_reference."""
        return self.logprobs - self.reference

    def of(self, part: Tensor | slice) -> "Answers":
        return Answers(self.logprobs[part], self.reference[part], self.tokens[part])


@dataclass(frozen=True)
class Compared(Objective):
    """Answers are compared with what the model gave them before it learnt.

    reference: log-probabilities of the model as it started: `precomputed` once, before the first step, and kept in the run's
        folder; or `live`, read anew in every step.
    """

    carries: ClassVar[tuple[str, ...]] = ("reference",)
    reads_reference: ClassVar[bool] = True
    of_preset: ClassVar[float] = 0.03
    looks_again: ClassVar[bool] = False  # reads the reference in every step, whatever was computed before

    reference: Literal["precomputed", "live"] = "precomputed"

    @property
    def looks_back(self) -> bool:
        return self.reads_reference and (self.looks_again or self.reference == "live")

    def begin(self, model: Model, examples: Iterable[Example], room: Room, folder: Path | None) -> str:
        without_dropout(model)
        if not self.reads_reference:
            return ""
        if model.adapter().freed:
            model.remember()
        if self.reference == "live":
            return ""
        model.references = known = References(model, folder)
        computed, seen = 0, set[int]()
        waiting: list[Tokens] = []
        for example in examples:
            if (told := hash((example.messages, example.target, example.rejected))) not in seen:
                seen.add(told)
                waiting += known.missing(self.render(Placed(example), model.renderer))
            if len(waiting) >= TOGETHER:
                computed += len(known.of(model, waiting, room))
                waiting = []
        computed += len(known.of(model, waiting, room))
        if not self.looks_back:
            model.forget()
        return f"log-probabilities of the reference: {computed} answers computed, the others were kept"

    def spelled(self, example: Example, answer: str, renderer: Renderer) -> Tokens:
        """A whole answer to the prompt, all of it learnt alike."""
        if renderer.family == "masked":
            raise UserError(
                "preferences need a network that speaks, and a masked one gives whole answers no probability",
                "use `objective: reward`, or a causal or an encoder-decoder network",
            )
        tokens = renderer.render(replace(example, weights=()), answer)
        return replace(tokens, extras={"reference": float("nan")} if self.reads_reference else {})

    def foreseen(self, groups: Sequence[Group], branches: bool) -> list[Group]:
        if not branches:
            return super().foreseen(groups, branches)
        return [(first, forked(first, second) or second) for first, second in groups]

    def updates(self, examples: Sequence[Placed], model: Model, room: Room) -> Iterator[Iterable[Batch]]:
        without_dropout(model)
        groups: list[Group] = [self.render(placed, model.renderer) for placed in examples]
        if self.reads_reference and self.reference == "precomputed":
            groups = referred(groups, model, room)
        groups = marked(groups, [placed.example for placed in examples])
        if model.branches():  # the prompt of both answers is computed once
            groups = self.foreseen(groups, True)
        yield (batch.to(model.device) for batch in model.pack(groups, room))

    def answers(self, model: Model, batch: Batch) -> Answers:
        """All answers of a batch."""
        logprobs_N = model(batch).logprobs()
        sums_S = batch.by_sequence(logprobs_N)
        if not self.reads_reference:
            reference_S = torch.zeros_like(sums_S)
        elif self.reference == "live":
            reference_S = batch.by_sequence(model.reference(batch).logprobs())
        else:
            reference_S = batch.extras["reference"]
        return Answers(sums_S, reference_S, batch.by_sequence(torch.ones_like(logprobs_N)))


@dataclass(frozen=True)
class Preference(Compared):
    """The chosen answer of a pair is made likelier than the rejected one.

    beta: how strongly; where there is a reference, the higher, the nearer the model stays to it.
    """

    per: ClassVar[Per] = "pair"

    beta: Annotated[float, Field(gt=0)] = 0.1

    def render(self, placed: Placed, renderer: Renderer) -> Sequence[Tokens]:
        example = placed.example
        return [self.spelled(example, answer, renderer) for answer in both(example)]

    def rewards(self, answers: Answers) -> Tensor:
        """[P] what an answer is worth to the policy."""
        return self.beta * answers.ratios

    @abstractmethod
    def cost(self, chosen: Answers, rejected: Answers) -> Tensor:
        """[P] the loss of each pair."""

    def loss(self, model: Model, batch: Batch) -> Loss:
        answers = self.answers(model, batch)
        chosen, rejected = answers.of(slice(0, None, 2)), answers.of(slice(1, None, 2))
        losses_P = self.cost(chosen, rejected)
        shown: dict[str, Tensor] = {}
        for name, side in (("chosen", chosen), ("rejected", rejected)):
            shown[f"{name}_logprob"] = side.logprobs
            shown[f"{name}_reward"] = self.rewards(side)
            shown[f"{name}_tokens"] = side.tokens
        shown["margin"] = shown["chosen_reward"] - shown["rejected_reward"]
        shown["accuracy"] = (shown["margin"] > 0).float()
        return Loss.of(losses_P, "pair", {name: values_P.detach().sum() for name, values_P in shown.items()})


def both(example: Example) -> tuple[str, str]:
    """The chosen and the rejected answer of a pair."""
    if example.rejected is None:
        raise UserError(
            f"example `{example.id}` is no preference pair: it has no rejected answer",
            "rows need `prompt`, `chosen` and `rejected`, or a template that names its `rejected`",
        )
    return example.target, example.rejected


def referred(groups: Sequence[Group], model: Model, room: Room) -> list[Group]:
    """The sequences with the reference's log-probability of each beside it."""
    known = model.references if isinstance(model.references, References) else References(model)
    model.references = known
    found = iter(known.of(model, [tokens for group in groups for tokens in group], room))
    return [[replace(tokens, extras={**tokens.extras, "reference": next(found)}) for tokens in group] for group in groups]
