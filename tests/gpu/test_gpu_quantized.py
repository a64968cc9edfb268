"""A base in four bits on a GPU: the numbers of the CPU, bitsandbytes' products, its optimizers, and the memory saved."""

import os

import pytest
import torch

from tests.models.networks import NETWORKS, Speller, network
from tests.models.rows import laid, sequences
from tests.training.worlds import Count, stream
from tunesmith.methods.lora import LoRA
from tunesmith.models import nf4
from tunesmith.models.model import Model
from tunesmith.models.nf4 import NF4Linear, pack
from tunesmith.models.quantize import quantise
from tunesmith.training.loop import train
from tunesmith.training.plan import Plan
from tunesmith.training.state import State

DEVICE = os.environ.get("TUNESMITH_TEST_DEVICE", "cuda")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(DEVICE == "cuda" and not torch.cuda.is_available(), reason="there is no CUDA device here"),
]
WIDE = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 2, "num_key_value_heads": 2}
theirs = pytest.mark.skipif(not nf4.BITSANDBYTES or DEVICE != "cuda", reason="it needs bitsandbytes and a GPU")


def learner(device: str, dtype: torch.dtype = torch.float32, name: str = "llama") -> Model:
    made = network(name, **(WIDE if name == "llama" else {})).to(dtype)
    quantise(made, torch.device(device))
    family = NETWORKS[name][0]
    model = Model(made.to(device), Speller(family), family)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.attach("a", LoRA(rank=2)).trained().values():
            parameter.add_(torch.randn(parameter.shape).to(parameter) * 0.1)
    return model.train()


def gradients(made: Model, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    said = made(laid(sequences(made.family)).to(device)).logprobs()
    found = torch.autograd.grad(said.sum(), list(made.adapter().trained().values()))
    return said.detach().cpu(), torch.cat([one.flatten().float().cpu() for one in found])


def test_a_weight_is_packed_alike():
    given = torch.randn(256, 512)
    ours, there = pack(given), pack(given.to(DEVICE))
    assert torch.equal(there.codes.cpu(), ours.codes)
    assert (there.scales.cpu() != ours.scales).float().mean() < 0.01  # the mean of the blocks is summed in another order
    torch.testing.assert_close(there.spreads.cpu(), ours.spreads)


@pytest.mark.parametrize("lookup", [True, False], ids=["our lookup", "bitsandbytes"])
@pytest.mark.parametrize("name", ["llama", "t5", "gpt2"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_read_and_learnt_is_that_of_the_cpu(name, dtype, lookup, monkeypatch):
    if not lookup and not nf4.BITSANDBYTES:
        pytest.skip("bitsandbytes is not installed")
    monkeypatch.setattr(nf4, "BITSANDBYTES", not lookup)
    found, wanted = gradients(learner(DEVICE, dtype, name), DEVICE), gradients(learner("cpu", dtype, name), "cpu")
    near = {"rtol": 1e-4, "atol": 1e-3} if dtype == torch.float32 else {"rtol": 0.1, "atol": 0.5}
    torch.testing.assert_close(found[0], wanted[0], **near)
    alike = torch.nn.functional.cosine_similarity(found[1], wanted[1], dim=0)
    assert alike > (0.9999 if dtype == torch.float32 else 0.97)


@theirs
def test_codes_are_those_of_linear4bit():
    import bitsandbytes

    given = torch.randn(256, 512, dtype=torch.bfloat16)
    made = bitsandbytes.nn.Linear4bit(512, 256, bias=False, quant_type="nf4", compute_dtype=torch.bfloat16)
    made.weight = bitsandbytes.nn.Params4bit(given.clone(), requires_grad=False, quant_type="nf4")
    made = made.to(DEVICE)
    ours = NF4Linear(given.to(DEVICE))
    assert torch.equal(ours.codes, made.weight.data.flatten())
    x = torch.randn(3, 512, dtype=torch.bfloat16, device=DEVICE)
    torch.testing.assert_close(ours(x), made(x), rtol=0.02, atol=0.05)


@theirs
def test_a_network_in_four_bits_takes_less():
    made = network("llama", hidden_size=1024, intermediate_size=2816, num_attention_heads=8).to(torch.bfloat16)
    whole = sum(p.numel() * p.element_size() for p in made.parameters())
    before = torch.cuda.memory_allocated()
    quantise(made, torch.device(DEVICE))
    made.to(DEVICE)
    assert torch.cuda.memory_allocated() - before < 0.35 * whole


@theirs
@pytest.mark.parametrize("optimizer", ["adamw_8bit", "adamw_paged"])
def test_their_optimizers_learn_and_go_on(optimizer, tmp_path):
    plan = Plan(steps=30, examples=4, learning_rate=1e-2, optimizer=optimizer)

    def parts() -> tuple[Model, State]:
        made = learner(DEVICE)
        return made, State.new(made.adapter(), plan)

    made, state = parts()
    losses = [step.loss for step in train(made, made.adapter(), Count("causal"), stream, plan, state, 30)]
    assert sum(losses[-5:]) < sum(losses[:5])
    again = parts()[1]
    again.restore(state.save(tmp_path))
    for one, other in zip(state.optimizer.state.values(), again.optimizer.state.values(), strict=True):
        assert one["step"] == other["step"] and torch.equal(one["state1"], other["state1"])
