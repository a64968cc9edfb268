"""Resume is exact, and a checkpoint is plain files, whole or absent."""

from itertools import islice
from pathlib import Path

import pytest
import torch

from tests.training.worlds import Count, learner, stream
from tunesmith.errors import UserError
from tunesmith.training.loop import train
from tunesmith.training.plan import Plan
from tunesmith.training.state import State, latest

PLAN = Plan(steps=8, examples=3, learning_rate=1e-2, weight_decay=0.1)


def steps(parts: tuple, count: int | None = None) -> list[tuple[float, float]]:
    made, adapter, state = parts
    records = train(made, adapter, Count(made.family), stream, PLAN, state, 8)
    return [(record.loss, record.gradient_norm) for record in islice(records, count)]


@pytest.mark.parametrize("stop", [1, 3, 7])
def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(stop: int, tmp_path: Path) -> None:
    whole = steps(learner("llama", PLAN))
    first = learner("llama", PLAN)
    begun = steps(first, stop)
    torch.rand(3)
    first[2].save(tmp_path)
    second = learner("llama", PLAN, seed=0)
    for parameter in second[2].trained.values():
        parameter.data.normal_()
    found = latest(tmp_path)
    assert found is not None
    second[2].restore(found)
    assert begun + steps(second) == whole


def test_random_states_come_back(tmp_path: Path) -> None:
    _, _, state = learner("llama", PLAN)
    state.save(tmp_path)
    wanted = torch.rand(4)
    torch.rand(9)
    state.restore(tmp_path / "step-000000")
    assert torch.equal(torch.rand(4), wanted)


def test_only_safetensors_and_json(tmp_path: Path) -> None:
    parts = learner("t5", PLAN)
    steps(parts, 2)
    folder = parts[2].save(tmp_path)
    assert folder.name == "step-000002"
    assert {path.suffix for path in folder.iterdir()} == {".json", ".safetensors"}


def test_half_written_and_older_checkpoints_are_not_chosen(tmp_path: Path) -> None:
    parts = learner("llama", PLAN)
    parts[2].save(tmp_path)
    steps(parts, 2)
    newest = parts[2].save(tmp_path)
    (tmp_path / ".step-000009.tmp").mkdir()
    (tmp_path / "step-000010").mkdir()
    assert latest(tmp_path) == newest
    assert latest(tmp_path / "nowhere") is None


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    folder = learner("llama", PLAN)[2].save(tmp_path)
    with pytest.raises(UserError, match="does not belong to this recipe"):
        learner("gpt2", PLAN)[2].restore(folder)


def test_weight_decay_moves_matrices_only() -> None:
    _, adapter, state = learner("llama", Plan(steps=1, weight_decay=0.1))
    decay = {id(p): group["weight_decay"] for group in state.optimizer.param_groups for p in group["params"]}
    by_name = {name: decay[id(p)] for name, p in adapter.trained().items()}
    assert by_name["model.layers.0.mlp.up_proj.weight"] == 0.1
    assert by_name["model.embed_tokens.weight"] == by_name["model.norm.weight"] == 0.0
    assert isinstance(state, State)
