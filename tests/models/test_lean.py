"""Lean forms beside transformers' own: the same numbers and gradients."""

import pytest
import torch

from tests.models.networks import model, network
from tunesmith.models.lean import GATED, ROOT_MEAN_SQUARE, slim


@pytest.mark.parametrize("name", ["llama", "t5"])
def test_parts_say_and_learn_what_transformers_parts_do(name):
    made = network(name)
    slim(made)
    found = [part for part in made.modules() if type(part).__name__ in ROOT_MEAN_SQUARE | GATED]
    assert found
    for part in found:
        torch.manual_seed(0)
        x = torch.randn(2, 5, made.config.hidden_size, requires_grad=True)
        for parameter in part.parameters():
            torch.nn.init.normal_(parameter)
            parameter.requires_grad_(True)
        back = torch.randn(2, 5, made.config.hidden_size)
        spoken = (part(x), type(part).forward(part, x))
        both = [(said, *torch.autograd.grad(said, [x, *part.parameters()], back)) for said in spoken]
        for lean, own in zip(*both, strict=True):
            torch.testing.assert_close(lean, own, rtol=1e-5, atol=1e-5)


def test_half_precision_keeps_its_own_forward():
    made, plain = model("llama"), network("llama").to(torch.bfloat16)
    made.network.to(torch.bfloat16)
    ids = torch.tensor([[5, 6, 7, 8]])
    assert torch.equal(made.network.model(ids)[0], plain.model(ids)[0])
