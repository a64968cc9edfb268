"""Law of the direct way: whatever rows a network speaks, it says what transformers' own forward says."""

import pytest
import torch

from tests.models.methods import BESIDE
from tests.models.networks import NETWORKS, V, network
from tests.models.speakers import attached, prompts, speaker
from tunesmith.methods.lora import LoRA
from tunesmith.models import speech
from tunesmith.models.direct import direct
from tunesmith.models.model import Model
from tunesmith.models.speech import Speech

# name in tests/models/networks.py, and settings that are changed there
LLAMA3 = {"rope_type": "llama3", "rope_theta": 100.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
DIRECT = {
    "llama": {},
    "llama-tied": {},
    "llama with biases": {"attention_bias": True, "mlp_bias": True},
    "llama with 4 heads on 2": {"num_attention_heads": 4, "num_key_value_heads": 2},
    "llama in eager attention": {"attn_implementation": "eager"},
    "llama with scaled turns": {"rope_parameters": {**LLAMA3, "original_max_position_embeddings": 16}},
    "mistral without a window": {"sliding_window": None},
    "qwen2": {},
    "t5": {},
    "t5-gated": {},
    "t5-gated-tied": {},
    "t5 in eager attention": {"attn_implementation": "eager"},
}
METHODS = BESIDE | {
    "lora of the decoder": LoRA(rank=2, stack="decoder"),
    "lora of some maps": LoRA(rank=2, on=("query", "mlp_down")),
}


def made(name: str) -> Model:
    return speaker(name.split(" ", 1)[0], **DIRECT[name])


def play(model: Model, directly: bool, names: list[str]) -> list[torch.Tensor]:
    """Logits of a play in which rows enter, speak, leave and enter again."""
    rows = Speech(model, 3)
    if directly:
        assert rows.direct is not None, "nothing would be proved"
    else:
        rows.direct = None
    asked = prompts([17, 5, 5, 12, 30, 2, 8, 4, 9, 11, 3, 1])
    dice = torch.Generator().manual_seed(2)
    said = [rows.enter(asked[:10], names[:10])]
    for gone, entering in (([], []), ([1, 8], []), ([], [10, 11]), ([0, 2, 3, 4, 5, 6, 9], []), ([], []), ([0], []), ([], [2])):
        if gone:
            rows.leave(gone)
        if entering:
            said.append(rows.enter([asked[n] for n in entering], [names[n] for n in entering]))
        said += [rows.step(torch.randint(3, V, (rows.rows,), generator=dice)) for _ in range(2)]
    return said


def same(model: Model, names: list[str]) -> None:
    with torch.no_grad():
        for ours, theirs in zip(play(model, True, names), play(model, False, names), strict=True):
            assert ours.shape == theirs.shape
            assert (ours - theirs).abs().max() < 1e-4


@pytest.mark.parametrize("together", [7, 1000])
@pytest.mark.parametrize("name", DIRECT)
def test_the_direct_way_is_the_networks_own(name, together, monkeypatch):
    monkeypatch.setattr(speech, "TOGETHER", together)
    same(made(name), [""] * 12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["llama", "qwen2", "t5", "t5-gated"])
def test_adapters_stand_in_the_direct_way(name, method):
    model = attached(made(name), "a", METHODS[method])
    same(model, ["a"] * 12)
    same(attached(model, "b", METHODS["LoRA"], seed=2), ["a", "a", "b", ""] * 3)


@pytest.mark.parametrize("name", ["llama", "t5", "t5-gated"])
def test_a_hook_at_an_mlp_is_honoured(name):
    model = made(name)
    part = "model.layers.1.mlp" if name == "llama" else "decoder.block.1.layer.2.DenseReluDense"
    with torch.no_grad():
        before = play(model, True, [""] * 12)
        model.network.get_submodule(part).register_forward_hook(lambda module, args, said: said * 1.5)
        assert not torch.allclose(before[1], play(model, True, [""] * 12)[1])
    same(model, [""] * 12)


def test_networks_that_are_not_proved_take_their_own_way():
    assert {name for name in NETWORKS if direct(network(name))} == {
        "llama",
        "llama-tied",
        "qwen2",
        "t5",
        "t5-gated",
        "t5-gated-tied",
    }
    assert direct(network("llama", rope_parameters={"rope_type": "dynamic", "rope_theta": 100.0, "factor": 2.0})) is None
    assert direct(network("llama").to(torch.bfloat16)) is None
    assert direct(network("qwen2", use_sliding_window=True, sliding_window=4, max_window_layers=1)) is None


def test_what_was_put_into_a_network_is_not_passed_by():
    hooked = network("llama")
    handle = hooked.model.layers[0].self_attn.register_forward_hook(lambda module, args, said: None)
    assert direct(hooked) is None
    handle.remove()
    assert direct(hooked) is not None
    hooked.model.norm.forward = lambda x: x
    assert direct(hooked) is None
    of_another_kind = network("t5")
    of_another_kind.decoder.block[0].layer[0].SelfAttention.q = type("Mine", (torch.nn.Linear,), {})(16, 16, bias=False)
    assert direct(of_another_kind) is None
