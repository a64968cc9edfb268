"""NF4 is bitsandbytes' bit for bit: codes, scales, values, products; and its products go through our modules.

tests/models/nf4.json holds the same for where bitsandbytes is not installed; this file writes it:
    python -m tests.oracle.test_bitsandbytes_oracle
"""

import json
from hashlib import sha256
from pathlib import Path

import pytest
import torch

from tests.models.weights_in_steps import weight
from tunesmith.models import nf4
from tunesmith.models.nf4 import NF4Linear, pack, unpack

bitsandbytes = pytest.importorskip("bitsandbytes")
from bitsandbytes import functional as theirs  # noqa: E402

TABLE = Path(__file__).resolve().parents[1] / "models" / "nf4.json"


def nearest(x: torch.Tensor, code: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Its portable kernel for 8 bits takes the nearest value, as its GPU's does; that of its CPU library rounds first."""
    operation = torch.ops.bitsandbytes.quantize_blockwise.default
    return operation._op_dk(torch._C.DispatchKey.CompositeExplicitAutograd, x, code, 256)


def packed(weight_OI: torch.Tensor) -> tuple[torch.Tensor, ...]:
    codes, state = theirs.quantize_4bit(weight_OI, blocksize=64, quant_type="nf4")
    mean = state.absmax.mean()
    scales, spreads = nearest(state.absmax - mean, theirs.create_dynamic_map())
    return codes.flatten(), scales, spreads, mean


def test_the_tables_are_theirs():
    assert torch.equal(nf4.VALUES, theirs.get_4bit_type("nf4", device="cpu"))
    assert torch.equal(nf4.DYNAMIC, theirs.create_dynamic_map())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", [(256, 512), (100, 192), (1024, 2816)])
def test_a_packed_weight_is_theirs(shape, dtype):
    torch.manual_seed(0)
    made = (torch.randn(shape) * torch.rand(shape[0], 1) * 0.05).to(dtype)
    ours, (codes, scales, spreads, mean) = pack(made), packed(made)
    assert torch.equal(ours.codes, codes) and torch.equal(ours.mean, mean) and torch.equal(ours.spreads, spreads)
    whole = len(scales) // 256 * 256  # their portable kernel divides in the last group, where it is not whole
    assert torch.equal(ours.scales[:whole], scales[:whole])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_they_packed_is_unpacked_alike(dtype):
    torch.manual_seed(0)
    codes, state = theirs.quantize_4bit(
        torch.randn(300, 128).to(dtype), blocksize=64, quant_type="nf4", compress_statistics=True
    )
    ours = unpack(nf4.Packed(codes.flatten(), state.absmax, state.state2.absmax, state.offset)).view(300, 128)
    assert torch.equal(ours.to(dtype), theirs.dequantize_4bit(codes, state))


def test_their_products_go_through_our_module():
    torch.manual_seed(0)
    made = NF4Linear(torch.randn(48, 64), torch.nn.Parameter(torch.randn(48), requires_grad=False))
    x = torch.randn(2, 5, 64)
    said = []
    for form in (made.forward, made.by_bitsandbytes):
        x_ = x.clone().requires_grad_()
        y = form(x_)
        said += [y.detach(), torch.autograd.grad(y.square().sum(), x_)[0]]
    torch.testing.assert_close(said[2], said[0])
    torch.testing.assert_close(said[3], said[1])


def table() -> dict[str, object]:
    codes, scales, spreads, mean = packed(weight())
    state = theirs.QuantState(
        scales, weight().shape, theirs.get_4bit_type("nf4", "cpu"), 64, "nf4", torch.float32, mean,
        theirs.QuantState(spreads, blocksize=256, code=theirs.create_dynamic_map(), dtype=torch.float32),
    )  # fmt: skip
    values = theirs.dequantize_4bit(codes[:, None], state)
    return {
        "by": f"bitsandbytes {bitsandbytes.__version__}",
        "codes": sha256(codes.numpy().tobytes()).hexdigest(),
        "first codes": codes[:64].numpy().tobytes().hex(),
        "scales": scales.numpy().tobytes().hex(),
        "spreads": spreads.tolist(),
        "mean": float(mean),
        "values": sha256(values.numpy().tobytes()).hexdigest(),
        "first values": values.flatten()[:32].tolist(),
    }


def test_the_table_is_theirs():
    found = table()
    assert json.loads(TABLE.read_text(encoding="utf-8")) == {**found, "by": json.loads(TABLE.read_text(encoding="utf-8"))["by"]}


if __name__ == "__main__":
    TABLE.write_text(json.dumps(table(), indent=1) + "\n", encoding="utf-8")
