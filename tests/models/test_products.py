"""Products are linear maps, whichever library computes them."""

import pytest
import torch
from torch.nn import functional as F

from tunesmith.models import products
from tunesmith.models.products import product

WIDE = 4096


@pytest.fixture(params=[True, False], ids=["onednn", "mkl"], autouse=True)
def library(request, monkeypatch):
    monkeypatch.setattr(products, "ALWAYS", request.param)
    monkeypatch.setattr(products, "LARGE", 6 * WIDE)  # else a large weight has 16 MB


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 9, 40, 63, 64])
@pytest.mark.parametrize("outputs", [9, WIDE, WIDE + 7])
@pytest.mark.parametrize("bias", [True, False])
def test_a_product_is_a_linear_map(rows, outputs, bias):
    torch.manual_seed(0)
    x, weight, bias_O = torch.randn(rows, 1, 6), torch.randn(outputs, 6), torch.randn(outputs) if bias else None
    said = product(x, weight, bias_O)
    torch.testing.assert_close(said, F.linear(x, weight, bias_O), atol=1e-6, rtol=1e-5)
    assert said.is_contiguous()


@pytest.mark.parametrize("rows", [5, 40, 90])
@pytest.mark.parametrize("outputs", [3, WIDE])
def test_gradients_are_those_of_a_linear_map(rows, outputs):
    torch.manual_seed(0)
    given = [torch.randn(size, requires_grad=True) for size in ((rows, 6), (outputs, 6), (outputs,))]
    pull = torch.randn(rows, outputs)
    ours = torch.autograd.grad(product(*given), given, pull)
    for one, theirs in zip(ours, torch.autograd.grad(F.linear(*given), given, pull), strict=True):
        torch.testing.assert_close(one, theirs, rtol=1e-4, atol=1e-4)


def test_other_precisions_keep_theirs():
    x, weight = torch.randn(5, 6, dtype=torch.float64), torch.randn(WIDE, 6, dtype=torch.float64)
    assert product(x, weight).dtype == torch.float64
    with torch.autocast("cpu", torch.bfloat16):
        assert product(x.float(), weight.float()).dtype == torch.bfloat16


def test_where_onednn_finds_no_room_the_other_library_computes(monkeypatch):
    """It asks for a quarter of a gigabyte for each new shape, which a process whose memory is bounded may not have."""
    asked = []

    def full(*given):
        asked.append(given)
        raise RuntimeError("could not create a primitive")

    monkeypatch.setattr(products, "ALWAYS", True)
    monkeypatch.setattr(products, "_by_onednn", full)
    x, weight = torch.randn(5, 6, requires_grad=True), torch.randn(WIDE, 6)
    said = product(x, weight)
    torch.testing.assert_close(said, F.linear(x, weight))
    (gradient,) = torch.autograd.grad(said.sum(), x)
    torch.testing.assert_close(gradient, weight.sum(0).expand(5, -1), rtol=1e-4, atol=1e-4)
    assert len(asked) == 2
