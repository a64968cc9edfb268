"""A tiny thing to learn, for the tests of the loop: a task of numbers on a tiny random network."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from tests.models.networks import V, model
from tunesmith.data.example import Example
from tunesmith.methods.method import Method, Weight
from tunesmith.models.adapter import Adapter
from tunesmith.models.model import Model
from tunesmith.objectives.objective import Loss, Objective, Placed
from tunesmith.tokens.batch import Batch
from tunesmith.tokens.sequence import IGNORED, Tokens, causal, masked, seq2seq
from tunesmith.training.guard import Guard
from tunesmith.training.loop import Step, train
from tunesmith.training.plan import Plan
from tunesmith.training.state import State


@dataclass(frozen=True)
class Everything(Method):
    """Every weight is trained."""

    def trains(self, weight: Weight) -> bool:
        return True


@dataclass(frozen=True)
class Count(Objective):
    """Learn to count on, in the way of the family. The id of an example tells its length and where it begins."""

    family: str = "causal"
    weights: bool = False

    def render(self, placed: Placed, renderer: Any) -> Sequence[Tokens]:
        begin, length = (int(part) for part in placed.example.id.split("-"))
        ids = [3 + (begin + i) % (V - 3) for i in range(length)]
        if self.family == "seq2seq":
            return (seq2seq(ids, ids[::-1], 0),)
        if self.family == "masked":
            hidden = [i % 3 == 1 for i in range(length)]
            shown = [3 if hide else x for x, hide in zip(ids, hidden, strict=True)]
            return (masked(shown, [x if hide else IGNORED for x, hide in zip(ids, hidden, strict=True)]),)
        return (causal(ids, [0.0, *((0.5 + i % 2) if self.weights else 1.0 for i in range(length - 1))]),)

    def loss(self, model: Model, batch: Batch) -> Loss:
        return Loss(-(model(batch).logprobs() * batch.weight).sum())


def stream(place: int) -> Example:
    """Lengths from 3 to 11, so that rows are unlike."""
    return Example((), "", id=f"{place * 7 % 50}-{3 + place * 5 % 9}")


def learner(name: str, plan: Plan, seed: int = 0, method: Method | None = None) -> tuple[Model, Adapter, State]:
    made = model(name, seed)
    torch.manual_seed(seed)
    adapter = made.attach("a", method or Everything())
    return made, adapter, State.new(adapter, plan)


def curve(name: str, plan: Plan, steps: int = 5, objective: Objective | None = None, guard: Guard = Guard()) -> list[Step]:
    made, adapter, state = learner(name, plan)
    guarding = guard.begin(made, adapter)
    return list(train(made, adapter, objective or Count(made.family), stream, plan, state, steps, guarding=guarding))
