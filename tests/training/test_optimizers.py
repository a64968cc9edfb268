"""Optimizers that are a GPU's are refused elsewhere; what they keep is saved and taken up like AdamW's."""

from itertools import islice

import pytest
import torch

from tests.training.worlds import Count, learner, stream
from tunesmith.errors import UserError
from tunesmith.training import optimizers, state
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
