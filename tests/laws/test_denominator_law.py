"""One denominator: a step of four examples is the same step as four batches of one, in its loss and in every gradient.

Tools that average the means of batches, or that leave the division to each network's own loss, fail here.
"""

from dataclasses import dataclass, replace

import pytest
import torch
from torch.nn import functional as F

from tests.models.networks import model
from tests.training.worlds import Count, Everything, stream
from tunesmith.models.head import HeadPlan
from tunesmith.objectives.objective import Loss, Placed
from tunesmith.tokens.packing import Room
from tunesmith.training.loop import Result, backward
from tunesmith.training.plan import Plan
from tunesmith.training.world import World

PLAN = Plan(learning_rate=1e-3)
OUTPUTS = 3


@dataclass(frozen=True)
class Sort(Count):
    """Classify whole sequences by a head; the label is told by the last token."""

    per = "sequence"

    def loss(self, model, batch):
        labels_S = batch.input_ids[batch.last_rows, batch.last_columns] % OUTPUTS
        return Loss(F.cross_entropy(model(batch).values(), labels_S, reduction="sum"))


class Some(Count):
    """Learns nothing of every second example."""

    def render(self, placed, renderer):
        [tokens] = super().render(placed, renderer)
        masked = placed.place % 2 == 1
        return (replace(tokens, weights=(), targets=(-100,) * len(tokens.targets)) if masked else tokens,)


def step(name: str, objective: Count, rows: int, plan: HeadPlan | None = None) -> tuple[Result, dict[str, torch.Tensor], int]:
    """A whole step, the gradients that it leaves, and the number of its batches."""
    made = model(name, plan=plan)
    torch.manual_seed(0)
    adapter = made.attach("a", Everything())
    placed = [Placed(stream(place), place) for place in range(4)]
    [batches] = map(list, objective.updates(placed, made, Room(rows=rows)))
    result = backward(made, adapter, objective, batches, PLAN, World())
    gradients = {name: p.grad.to_dense() for name, p in adapter.trained().items() if p.grad is not None}
    return result, gradients, len(batches)


def assert_same(one, other) -> None:
    assert one[0].loss == pytest.approx(other[0].loss, rel=1e-6)
    assert one[0].count == other[0].count
    assert one[1].keys() == other[1].keys()
    assert len(one[1]) > 10
    for name, gradient in one[1].items():
        torch.testing.assert_close(gradient, other[1][name], rtol=1e-5, atol=1e-6, msg=lambda text, n=name: f"{n}: {text}")


@pytest.mark.parametrize(("name", "family"), [("llama", "causal"), ("gpt2", "causal"), ("t5", "seq2seq"), ("bert", "masked")])
def test_four_at_once_are_four_by_one(name, family):
    at_once, by_one = (step(name, Count(family), rows) for rows in (4, 1))
    assert (at_once[2], by_one[2]) == (1, 4)
    assert_same(at_once, by_one)


@pytest.mark.parametrize(("name", "family"), [("llama", "causal"), ("t5", "seq2seq"), ("bert", "masked")])
def test_four_at_once_are_four_by_one_for_a_classifier(name, family):
    at_once, by_one = (step(name, Sort(family), rows, HeadPlan(labels=tuple("abc"))) for rows in (4, 1))
    assert by_one[2] == 4
    assert at_once[0].count == 4
    biased = {"head.bias"} if family != "causal" else set()  # as transformers has it: no bias on a last token
    assert {"head.weight"} | biased <= at_once[1].keys()
    assert_same(at_once, by_one)


@pytest.mark.parametrize("name", ["llama", "t5", "bert"])
def test_a_batch_with_nothing_to_learn_adds_a_connected_zero(name):
    family = model(name).family
    at_once, by_one = (step(name, Some(family), rows) for rows in (4, 1))
    assert_same(at_once, by_one)
    assert all(gradient.isfinite().all() for gradient in by_one[1].values())
    assert by_one[0].count < step(name, Count(family), 1)[0].count
