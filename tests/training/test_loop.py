"""The loop against a plain loop written out by hand, and what it says when things go wrong."""

from dataclasses import replace

import pytest
import torch

from tests.training.worlds import Count, curve, learner, stream
from tunesmith.data.rows import Made
from tunesmith.errors import UserError
from tunesmith.objectives.objective import Placed
from tunesmith.tokens import packing
from tunesmith.tokens.batch import collate
from tunesmith.tokens.packing import Room
from tunesmith.training.loop import train, validate
from tunesmith.training.plan import Plan

PLAN = Plan(examples=4, learning_rate=1e-2, warmup=0.0, schedule="constant", clip=1.0)


def test_steps_equal_a_plain_loop_with_torchs_own_adamw() -> None:
    made, _, _ = learner("llama", PLAN)
    named = dict(made.network.named_parameters())
    matrices = [p for n, p in named.items() if p.ndim == 2 and "embed" not in n]
    others = [p for p in named.values() if all(p is not m for m in matrices)]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others}]
    optimizer = torch.optim.AdamW(groups, lr=1e-2, weight_decay=0.0)
    wanted = []
    for step in range(4):
        rows = [Count().render(Placed(stream(place)), None)[0] for place in range(4 * step, 4 * step + 4)]
        total, count = torch.zeros(()), 0
        for row in rows:
            [batch] = next(Count().updates([Placed(stream(4 * step + rows.index(row)))], made, Room()))
            total = total - made(batch).logprobs().sum()
            count += batch.target_ids.numel()
        loss = total / count
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(named.values()), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        wanted.append(float(loss.detach()))
    got = [step.loss for step in curve("llama", replace(PLAN, weight_decay=0.1), 4)]
    assert got == pytest.approx(wanted, rel=1e-5)


def test_the_loss_falls() -> None:
    steps = curve("llama", PLAN, 40)
    assert steps[-1].loss < 0.7 * steps[0].loss
    assert [step.step for step in steps] == list(range(1, 41))


def test_validation_is_by_token_and_changes_nothing() -> None:
    made, adapter, state = learner("llama", PLAN)
    examples = [stream(place) for place in range(9)]
    records = train(made, adapter, Count(), stream, PLAN, state, 5)
    losses = []
    for record in records:
        losses.append(record.loss)
        by_room = [validate(made, Count(), examples, replace(PLAN, room=Room(rows=rows))) for rows in (1, 4, 9)]
        assert [one.loss for one in by_room] == pytest.approx([by_room[0].loss] * 3, rel=1e-5)
        torch.manual_seed(record.step)
    assert losses == [record.loss for record in curve("llama", PLAN, 5)]


def test_validation_lays_rows_out_one_batch_after_another(monkeypatch) -> None:
    made, _, _ = learner("llama", PLAN)
    seen = []

    class Seen(Count):
        def loss(self, model, batch):
            seen.append("asked")
            return super().loss(model, batch)

    monkeypatch.setattr(packing, "collate", lambda *given, **more: seen.append("laid") or collate(*given, **more))
    plan = replace(PLAN, room=Room(rows=2))
    validate(made, Seen(), Made(lambda _, place: stream(place), range(5)), plan)
    assert seen == ["laid", "asked"] * 3
    examples = [stream(place) for place in range(5)]
    placed = [Placed(example, place) for place, example in enumerate(examples)]
    batches = list(next(Count().updates(placed, made, plan.room)))
    with torch.no_grad():
        total = sum(float(Count().loss(made.eval(), batch).total) for batch in batches)
    assert validate(made, Count(), examples, plan)[0] == total / sum(batch.count("target") for batch in batches)


def test_divergence_stops_with_step_examples_and_cause() -> None:
    made, adapter, state = learner("llama", PLAN)
    next(iter(train(made, adapter, Count(), stream, PLAN, state, 5)))
    good = {name: p.detach().clone() for name, p in state.trained.items()}
    made.network.model.norm.weight.data.fill_(float("nan"))
    with pytest.raises(UserError, match=r"(?s)diverged at step 2.*plan\.learning_rate"):
        list(train(made, adapter, Count(), stream, PLAN, state, 5))
    kept = [torch.equal(p, good[name]) for name, p in state.trained.items() if name != "model.norm.weight"]
    assert all(kept), "the weights are those of the last good step"


def test_a_step_without_anything_to_learn_is_an_error_that_says_so() -> None:
    class Nothing(Count):
        def render(self, placed, renderer):
            [tokens] = super().render(placed, renderer)
            return (replace(tokens, targets=(-100,) * len(tokens.targets)),)

    with pytest.raises(UserError, match="nothing to learn"):
        curve("llama", PLAN, 1, Nothing())


def test_a_plan_takes_steps_or_epochs() -> None:
    assert Plan(steps=7).total_steps(100) == 7
    assert Plan(epochs=2, examples=8).total_steps(100) == 25
    with pytest.raises(UserError, match="both set"):
        Plan(steps=7, epochs=1).total_steps(100)


def test_bfloat16_arithmetic_keeps_float32_parameters_and_learns() -> None:
    made, adapter, state = learner("llama", PLAN)
    losses = [s.loss for s in train(made, adapter, Count(), stream, replace(PLAN, precision="bfloat16"), state, 30)]
    assert losses[-1] < 0.8 * losses[0]
    assert {p.dtype for p in state.trained.values()} == {torch.float32}
