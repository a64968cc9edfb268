"""Optimizers that are a GPU's are refused elsewhere; what they keep is saved and taken up like AdamW's."""

from contextlib import nullcontext
from itertools import islice

import pytest
import torch

from tests.tiny import Made
from tests.training.worlds import Count, learner, stream
from tunesmith.errors import UserError
from tunesmith.objectives.objective import Placed
from tunesmith.tokens.packing import Room
from tunesmith.training import loop, optimizers, state
from tunesmith.training.loop import train
from tunesmith.training.plan import Plan

NAMES = sorted(optimizers.BITSANDBYTES)


@pytest.mark.parametrize("name", NAMES)
def test_a_gpus_optimizer_is_refused_elsewhere(name):
    with pytest.raises(UserError, match=f"`plan.optimizer` is `{name}`, which saves memory of a GPU") as told:
        learner("llama", Plan(optimizer=name, learning_rate=1e-2))
    assert "`adamw`" in told.value.hint


@pytest.mark.filterwarnings("ignore:Paged optimizers")
@pytest.mark.parametrize("name", NAMES)
def test_a_stopped_run_goes_on(name, tmp_path, monkeypatch):
    """bitsandbytes computes on a CPU too, slowly: enough to try what is saved and read."""
    bitsandbytes = pytest.importorskip("bitsandbytes")
    kind = getattr(bitsandbytes.optim, optimizers.BITSANDBYTES[name])
    small = {"min_8bit_size": 256} if name == "adamw_8bit" else {}
    monkeypatch.setattr(state, "optimizer_of", lambda plan, groups: kind(groups, lr=0.0, **small))
    plan = Plan(steps=6, examples=3, learning_rate=1e-2, weight_decay=0.1)

    def steps(parts, most=None):
        made, adapter, kept = parts
        return [step.loss for step in islice(train(made, adapter, Count("causal"), stream, plan, kept, 6), most)]

    whole = steps(learner("llama", plan))
    first, second = learner("llama", plan), learner("llama", plan)
    begun = steps(first, 3)
    kinds = {part.dtype for kept in first[2].optimizer.state.values() for part in kept.values() if torch.is_tensor(part)}
    assert (torch.uint8 in kinds) == (name == "adamw_8bit")
    second[2].restore(first[2].save(tmp_path))
    assert begun + steps(second) == whole


@pytest.mark.parametrize("name", ["llama", "llama-tied", "bert", "t5"])
def test_rows_never_read_cost_nothing_and_change_nothing(name, monkeypatch, tmp_path):
    plan = Plan(steps=6, examples=2, learning_rate=1e-2, weight_decay=0.1, clip=0.5)

    def learnt(parts, most=None):
        made, adapter, kept = parts
        told = list(islice(train(made, adapter, Count(made.family), stream, plan, kept, 6), most))
        return [(step.loss, step.gradient_norm) for step in told], {n: p.detach().clone() for n, p in kept.trained.items()}

    sparse = learner(name, plan)
    by_rows = learnt(sparse)
    table = sparse[0].network.get_input_embeddings().weight
    tied = table is sparse[0].vocabulary.weight
    found = sparse[2].optimizer.state[table]
    assert ("rows" in found) == (not tied)
    if not tied:
        assert len(found["rows"]) == len(found["exp_avg"]) == len(found["exp_avg_sq"]) < len(table)
    begun, second = learner(name, plan), learner(name, plan)
    first, _ = learnt(begun, 3)
    second[2].restore(begun[2].save(tmp_path))
    assert first + learnt(second)[0] == by_rows[0]
    monkeypatch.setattr(loop, "into_place", lambda *_: nullcontext())
    whole = learner(name, plan)
    dense = learnt(whole)
    for (loss, norm), (own, all_) in zip(by_rows[0], dense[0], strict=True):
        assert loss == pytest.approx(own, rel=1e-6)
        assert norm == pytest.approx(all_, rel=1e-6)
    for key, value in dense[1].items():
        if value.ndim > 1:  # biases of keys have no gradient but rounding, of which AdamW makes whole steps
            torch.testing.assert_close(by_rows[1][key], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["llama", "llama-tied", "bert", "t5"])
def test_the_gradient_of_a_vocabulary_is_made_once_a_step(name):
    """By torch's own ways three stand beside each other where the embedding is tied to the head."""
    made, _, _ = learner(name, Plan(learning_rate=1e-2))
    head, objective, counts = made.vocabulary.weight, Count(made.family), []
    tied = head is made.network.get_input_embeddings().weight
    for place in range(3):
        rows = objective.render(Placed(stream(place), place, 0), made.renderer)
        [batch] = made.pack([tuple(rows)], Room())
        with Made(head.shape) as fresh:
            with optimizers.into_place(made):
                loss = objective.loss(made, batch)
            loss.total.backward()
        counts.append(fresh.count)
    assert counts == [1, 0, 0], f"tied: {tied}"
    assert not made.vocabulary.adds


def test_a_gradient_of_all_rows_after_some_of_few():
    torch.manual_seed(0)
    ours, theirs = (torch.nn.Embedding(7, 3, sparse=sparse) for sparse in (True, False))
    theirs.load_state_dict(ours.state_dict())
    for kind, network in ((optimizers.AdamW, ours), (torch.optim.AdamW, theirs)):
        optimizer = kind(network.parameters(), lr=0.1, weight_decay=0.0, fused=True)
        for ids in ([1, 1, 4], [2, 4], None, [5]):
            loss = network.weight.square().sum() if ids is None else network(torch.tensor(ids)).square().sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    torch.testing.assert_close(ours.weight, theirs.weight)


@pytest.mark.parametrize("most", [0.5, 1e6, float("inf")])
def test_gradients_are_clipped_as_torch_clips_them(most):
    torch.manual_seed(0)
    ours, theirs = (torch.nn.Embedding(7, 3, sparse=sparse) for sparse in (True, False))
    theirs.load_state_dict(ours.state_dict())
    for network in (ours, theirs):
        network(torch.tensor([1, 2, 2])).square().sum().backward()
    norm = torch.nn.utils.clip_grad_norm_(theirs.parameters(), most)
    assert optimizers.clip(list(ours.parameters()), most) == pytest.approx(float(norm))
    torch.testing.assert_close(ours.weight.grad.to_dense(), theirs.weight.grad)
