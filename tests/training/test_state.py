"""Resume is exact, and a checkpoint is plain files, whole or absent."""

from itertools import islice
from pathlib import Path

import pytest
import torch

from tests.training.worlds import Count, learner, stream
from tunesmith.errors import UserError
from tunesmith.methods.adalora import AdaLoRA
from tunesmith.methods.bottleneck import Bottleneck
from tunesmith.methods.dora import DoRA
from tunesmith.methods.ia3 import IA3
from tunesmith.methods.prompt import PromptTuning
from tunesmith.training.loop import train
from tunesmith.training.plan import Plan
from tunesmith.training.state import State, decays, latest

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


@pytest.mark.parametrize("kind", ["IA3", "AdaLoRA", "DoRA", "Prompt", "Bottleneck"])
def test_learnt_vectors_do_not_decay(kind: str) -> None:
    methods = {
        "IA3": IA3(),
        "AdaLoRA": AdaLoRA(rank=2, start_rank=3),
        "DoRA": DoRA(rank=1),
        "Prompt": PromptTuning(virtual_tokens=2),
        "Bottleneck": Bottleneck(size=1),
    }
    _, adapter, state = learner("llama", Plan(steps=1, weight_decay=0.1), method=methods[kind])
    decay = {id(p): group["weight_decay"] for group in state.optimizer.param_groups for p in group["params"]}
    matrices = {name.rpartition(":")[2] for name, p in adapter.trained().items() if decay[id(p)]}
    assert (
        matrices
        == {
            "IA3": set(),
            "AdaLoRA": {"a_RI", "b_OR"},
            "DoRA": {"a_RI", "b_OR"},  # of rank 1 too
            "Prompt": set(),
            "Bottleneck": {"down_MD", "up_DM"},
        }[kind]
    )


@pytest.mark.parametrize(
    ("name", "decaying"),
    [
        ("model.layers.0.mlp.shared_expert.up_proj.weight", True),
        ("model.layers.0.mlp.shared_expert_gate.weight", True),
        ("model.layers.0.mlp.shared_experts.down_proj:a_RI", True),
        ("shared.weight", False),
        ("model.shared.weight", False),
        ("shared:vectors_PD", False),
        ("shared:a_RV", False),
        ("encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", False),
        ("transformer.wpe.weight", False),
    ],
)
def test_matrices_decay_whatever_they_share(name: str, decaying: bool) -> None:
    assert decays(name, torch.zeros(2, 3)) == decaying
