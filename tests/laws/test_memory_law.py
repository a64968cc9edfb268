"""Law 3: memory never changes the maths. The curve is the same however a step is cut into batches, recomputed or packed."""

from dataclasses import replace

import pytest

from tests.training.worlds import Count, curve
from tunesmith.tokens.packing import Room
from tunesmith.training.guard import Guard
from tunesmith.training.plan import Plan

PLAN = Plan(examples=6, learning_rate=1e-2)
GUARD = Guard(distance=0.3, divergence=0.7)
ROOMS = [Room(rows=1), Room(rows=2), Room(rows=4, tokens=24), Room(rows=32)]


@pytest.mark.parametrize("name", ["llama", "gpt2", "t5", "bart", "bert"])
def test_the_curve_is_the_same_for_any_room(name: str) -> None:
    curves = [[(s.loss, s.gradient_norm) for s in curve(name, replace(PLAN, room=room))] for room in ROOMS]
    for other in curves[1:]:
        for (loss, norm), (wanted_loss, wanted_norm) in zip(other, curves[0], strict=True):
            assert loss == pytest.approx(wanted_loss, rel=2e-5)
            assert norm == pytest.approx(wanted_norm, rel=2e-4)


def test_weighted_tokens_share_one_denominator() -> None:
    curves = [[s.loss for s in curve("llama", replace(PLAN, room=room), objective=Count(weights=True))] for room in ROOMS]
    for other in curves[1:]:
        assert other == pytest.approx(curves[0], rel=2e-5)


@pytest.mark.parametrize("name", ["llama", "t5", "bert"])
def test_penalties_against_forgetting_are_the_same_for_any_room(name: str) -> None:
    """A weight that a token has counts in its divergence too; the distance is there once a step, however many batches."""
    objective = Count("causal", weights=True) if name == "llama" else None
    curves = [curve(name, replace(PLAN, room=room), objective=objective, guard=GUARD) for room in ROOMS]
    for steps in curves[1:]:
        for step, wanted in zip(steps, curves[0], strict=True):
            assert step.loss == pytest.approx(wanted.loss, rel=2e-5)
            assert step.gradient_norm == pytest.approx(wanted.gradient_norm, rel=2e-4)
            assert step.shown == pytest.approx(wanted.shown, rel=2e-4, abs=1e-6)
    assert curves[0][-1].shown["divergence"] > 1e-4
    assert curves[0][-1].shown["distance"] > 1e-2


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_packed_learns_the_same_curve(name: str) -> None:
    padded = [s.loss for s in curve(name, replace(PLAN, room=Room(layout="padded")))]
    packed = [s.loss for s in curve(name, replace(PLAN, room=Room(layout="packed", width=40)))]
    assert packed == pytest.approx(padded, rel=2e-5)


@pytest.mark.parametrize("name", ["llama", "t5", "bert"])
def test_recomputing_activations_changes_nothing(name: str) -> None:
    from tests.training.worlds import learner, stream
    from tunesmith.training.loop import train

    losses = []
    for recompute in (False, True):
        made, adapter, state = learner(name, PLAN)
        made.checkpointing(recompute)
        losses.append([s.loss for s in train(made, adapter, Count(made.family), stream, PLAN, state, 4)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
