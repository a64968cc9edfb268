"""Penalties against forgetting: against a plain implementation, resumed, and free of cost where they are off."""

from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import pytest
import torch

from tests.models.methods import EVERY
from tests.models.networks import model
from tests.models.rows import laid, sequences
from tests.training.worlds import Count, Everything, curve, learner, stream
from tunesmith.methods.lora import LoRA, LowRank
from tunesmith.methods.method import Method, Weight
from tunesmith.methods.prompt import PromptTuning
from tunesmith.models.adapter import Adapter
from tunesmith.models.model import Model
from tunesmith.objectives.objective import Objective, Placed
from tunesmith.tokens.packing import Room
from tunesmith.training.guard import Guard, Guarding
from tunesmith.training.loop import backward, train
from tunesmith.training.plan import Plan
from tunesmith.training.state import State, latest
from tunesmith.training.world import World

PLAN = Plan(examples=4, learning_rate=1e-2, warmup=0.0, schedule="constant", clip=None)
BOTH = Guard(distance=0.3, divergence=0.7)
METHODS = {"full": Everything(), "lora": LoRA(rank=2), "prompt": PromptTuning(virtual_tokens=3, init="random")}
NETWORKS = ["llama", "t5", "bert"]


def begun(name: str, method: Method, guard: Guard) -> tuple[Model, Adapter, State, Guarding]:
    made = model(name)
    torch.manual_seed(0)
    adapter = made.attach("a", method)
    return made, adapter, State.new(adapter, PLAN), guard.begin(made, adapter)


def moved(adapter: Adapter) -> None:
    torch.manual_seed(1)
    with torch.no_grad():
        for p in adapter.trained().values():
            p.add_(torch.randn_like(p) * 0.1)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("method", ["full", "lora"])
def test_at_first_nothing_differs(name, method):
    made, adapter, state, guarding = begun(name, METHODS[method], BOTH)
    first, *_, last = train(made, adapter, Count(made.family), stream, PLAN, state, 4, guarding=guarding)
    assert first.shown["divergence"] == pytest.approx(0, abs=1e-6)
    assert first.shown["distance"] == 0
    assert last.shown["divergence"] > 1e-5 and last.shown["distance"] > 1e-2


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("rows", "over"), [(1, "all"), (4, "all"), (1, "replay"), (4, "replay")])
def test_gradients_equal_those_of_a_plain_implementation(name, method, rows, over):
    made, adapter, _, guarding = begun(name, METHODS[method], replace(BOTH, over=over))
    first = {name: p.detach().clone() for name, p in adapter.trained().items()}
    bare = model(name)
    moved(adapter)
    objective = Count(made.family, weights=made.family == "causal")
    placed = [Placed(replace(stream(place), replayed=place % 2 == 1), place) for place in range(4)]
    [batches] = map(list, objective.updates(placed, made, Room(rows=rows)))
    result = backward(made, adapter, objective, batches, PLAN, World(), guarding)
    ours = {name: p.grad for name, p in adapter.trained().items()}

    count = sum(float(batch.weight.sum()) for batch in batches)
    total = divergence = torch.zeros(())
    for batch in batches:
        now = made(batch).logits().log_softmax(1)
        before = bare(batch.plain()).logits().log_softmax(1).detach()
        total = total - (now.gather(1, batch.target_ids[:, None])[:, 0] * batch.weight).sum()
        counted = batch.weight * (batch.numbers[batch.target_seq] % 2 if over == "replay" else 1)
        divergence = divergence + ((before.exp() * (before - now)).sum(1) * counted).sum()
    square = sum((p - first[name]).square().sum() for name, p in adapter.trained().items())
    whole = (total + 0.7 * divergence) / count + 0.3 / 2 * square
    theirs = torch.autograd.grad(whole, list(adapter.trained().values()))
    for (name, mine), own in zip(ours.items(), theirs, strict=True):
        torch.testing.assert_close(mine, own, rtol=1e-4, atol=1e-5, msg=lambda text, n=name: f"{n}: {text}")
    assert result.loss == pytest.approx(float(total.detach()) / count, rel=1e-5), "penalties are shown apart"
    shown = {"divergence": float(divergence.detach()) / count, "distance": float(square.detach()) ** 0.5}
    assert result.shown == pytest.approx(shown, rel=1e-4)


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize("name", ["llama", "t5"])
def test_every_method_is_held_near_the_bare_network(name, kind):
    """Whatever stands in the network's way, or was changed in it: the divergence is that from another copy of it."""
    made, adapter, _, guarding = begun(name, EVERY[kind], BOTH)
    moved(adapter)
    placed = [Placed(stream(place), place) for place in range(3)]
    [[batch]] = map(list, Count(made.family).updates(placed, made, Room()))
    result = backward(made.train(), adapter, Count(made.family), [batch], PLAN, World(), guarding)
    with torch.no_grad():
        now = made.eval()(batch).logits().log_softmax(1)
        before = model(name)(batch.plain()).logits().log_softmax(1)
    assert result.shown["divergence"] == pytest.approx(float((before.exp() * (before - now)).sum(1).mean()), rel=1e-4, abs=1e-6)
    assert result.shown["distance"] == pytest.approx(0.1 * adapter.count() ** 0.5, rel=0.5)
    assert all(p.grad is not None for p in adapter.trained().values())


def test_where_nothing_is_replayed_nothing_is_read_again(monkeypatch):
    made, adapter, state, guarding = begun("llama", LoRA(rank=2), Guard(divergence=1.0, over="replay"))
    monkeypatch.setattr(Model, "reference", lambda *given: pytest.fail("read for nothing"))
    assert next(train(made, adapter, Count(), stream, PLAN, state, 5, guarding=guarding)).shown == {}


def test_processes_share_the_pull():
    """The gradients of all processes are summed: each adds its part of what is there once."""
    _, adapter, _, guarding = begun("llama", Everything(), BOTH)
    moved(adapter)
    parts = []
    for processes in (1, 4):
        guarding.pull(adapter, processes)
        parts.append({name: p.grad.clone() for name, p in adapter.trained().items()})
        for p in adapter.trained().values():
            p.grad = None
    for name, whole in parts[0].items():
        torch.testing.assert_close(4 * parts[1][name], whole)


def test_a_stronger_pull_stays_nearer():
    guards = [Guard(), *(Guard(distance=weight) for weight in (0.1, 10.0))]
    far = [curve("llama", PLAN, 20, guard=replace(guard, divergence=1e-9)) for guard in guards]
    strong, weak, off = (steps[-1].shown["divergence"] for steps in reversed(far))
    assert strong < weak < off
    near = [curve("llama", PLAN, 20, guard=Guard(divergence=weight))[-1].shown["divergence"] for weight in (0.1, 10.0)]
    assert near[1] < near[0] < off


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("stop", [1, 3])
def test_a_stopped_run_goes_on_with_the_first_values_it_began_with(method: str, stop: int, tmp_path: Path) -> None:
    def steps(parts: tuple, count: int | None = None) -> list:
        made, adapter, state, guarding = parts
        records = train(made, adapter, Count(made.family), stream, PLAN, state, 6, guarding=guarding)
        return [(record.loss, record.gradient_norm, record.shown) for record in islice(records, count)]

    whole = steps(begun("t5", METHODS[method], BOTH))
    first = begun("t5", METHODS[method], BOTH)
    made = steps(first, stop)
    first[2].save(tmp_path)
    second = begun("t5", METHODS[method], BOTH)
    found = latest(tmp_path)
    assert found is not None
    second[2].restore(found)
    assert made + steps(second) == whole


def test_what_is_off_costs_nothing(monkeypatch):
    made, adapter, state = learner("llama", PLAN)
    guarding = Guard().begin(made, adapter)
    monkeypatch.setattr(Model, "reference", lambda *given: pytest.fail("read for nothing"))
    step = next(train(made, adapter, Count(), stream, PLAN, state, 5, guarding=guarding))
    assert made._first is None and not guarding.first
    assert step.shown == {}


def test_what_starts_at_zero_is_not_copied_and_full_tuning_is_copied_once():
    _, adapter, _, guarding = begun("llama", LoRA(rank=2), BOTH)
    for path, delta in adapter.deltas.items():
        assert isinstance(delta, LowRank)
        assert guarding.first[f"{path}:b_OR"] is None
        assert torch.equal(guarding.first[f"{path}:a_RI"], delta.a_RI)
    made, _, _, guarding = begun("llama", Everything(), BOTH)
    assert all(guarding.first[name] is kept for name, kept in made._first.items())


def test_a_batch_is_read_once_with_gradients_and_once_as_it_was():
    calls = []

    made, adapter, state, guarding = begun("llama", LoRA(rank=2), BOTH)
    forward = made.forward
    made.forward = lambda *given, **named: calls.append(torch.is_grad_enabled()) or forward(*given, **named)
    next(train(made, adapter, Count(), stream, PLAN, state, 1, guarding=guarding))
    assert sorted(calls) == [False, True]


def test_an_objective_that_reads_something_else_is_guarded_too():
    @dataclass(frozen=True)
    class Other(Count):
        def loss(self, model, batch):
            return super().loss(model, replace(batch))

    wanted, found = (curve("llama", PLAN, 3, objective, BOTH) for objective in (Count(), Other()))
    for one, other in zip(wanted, found, strict=True):
        assert one.gradient_norm == pytest.approx(other.gradient_norm, rel=1e-5)
        assert one.shown == pytest.approx(other.shown, rel=1e-5, abs=1e-9)
    assert issubclass(Other, Objective)


def test_the_reference_of_a_method_with_both_is_the_bare_network():
    class Mixed(LoRA):
        def trains(self, weight: Weight) -> bool:
            return "norm" in weight.name

    made, adapter, _, _ = begun("llama", Mixed(rank=2), BOTH)
    moved(adapter)
    batch = laid(sequences("causal"))
    assert torch.equal(made.reference(batch).logprobs(), model("llama")(batch).logprobs())
    assert not torch.equal(made(batch).logprobs(), model("llama")(batch).logprobs())
