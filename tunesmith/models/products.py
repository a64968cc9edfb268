"""Linear maps in float32 on a CPU, by the library that is fastest there (`benchmarks/product_speed.py`).

Behind torch's products is MKL. On a processor of its maker it is as fast as any, but for a large weight such as a vocabulary's:
for those where no gradient is wanted, and on other processors for all, oneDNN is asked, which is faster by a tenth for a
thousand rows and by half for a few. But every shape that it meets for the first time costs it a millisecond, and batches of
training are ever new.

Dimension key: N rows, I inputs, O outputs.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

NO_ROOM = "could not create a"  # primitive, or memory: oneDNN's words
PROCESSORS = Path("/proc/cpuinfo")
LARGE = 2**22  # numbers of a weight


def _by_its_maker() -> bool:
    """Is this a processor of MKL's maker, with a torch that has MKL?"""
    with suppress(OSError):
        return torch._C.has_mkl and "GenuineIntel" in PROCESSORS.read_text(errors="replace")
    return False


KNOWN = hasattr(torch.ops.mkldnn, "_linear_pointwise")  # what `torch.compile` makes of a linear map on a CPU
ALWAYS = KNOWN and not _by_its_maker()


def product(x: Tensor, weight_OI: Tensor, bias_O: Tensor | None = None) -> Tensor:
    """[..., I] -> [..., O], as `F.linear`, which is called for whatever is not float32 on a CPU."""
    plain = x.dtype == weight_OI.dtype == torch.float32 and x.device.type == "cpu"
    if not plain or torch.is_autocast_enabled("cpu"):
        return F.linear(x, weight_OI, bias_O)
    if torch.is_grad_enabled() and (x.requires_grad or weight_OI.requires_grad):
        said: Tensor = _Map.apply(x.flatten(0, -2), weight_OI, bias_O)  # type: ignore[no-untyped-call]
        return said.view(*x.shape[:-1], -1)
    return _linear(x, weight_OI, bias_O, ALWAYS or (KNOWN and weight_OI.numel() >= LARGE))


def _linear(x: Tensor, weight_OI: Tensor, bias_O: Tensor | None, onednn: bool) -> Tensor:
    if onednn:
        try:
            return _by_onednn(x, weight_OI, bias_O)
        except RuntimeError as error:
            # For a shape that it meets for the first time oneDNN asks for a quarter of a gigabyte, which it hardly touches.
            if NO_ROOM not in str(error):
                raise
    return F.linear(x, weight_OI, bias_O)


def _by_onednn(x: Tensor, weight_OI: Tensor, bias_O: Tensor | None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight_OI, bias_O, "none", [], "")  # type: ignore[no-any-return]


class _Map(torch.autograd.Function):
    """x W' + b; the inputs are kept only where W is trained."""

    @staticmethod
    def forward(ctx: Any, x_NI: Tensor, weight_OI: Tensor, bias_O: Tensor | None) -> Tensor:
        ctx.save_for_backward(x_NI if ctx.needs_input_grad[1] else None, weight_OI)
        return _linear(x_NI, weight_OI, bias_O, ALWAYS)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, back_NO: Tensor) -> tuple[Tensor | None, ...]:
        x_NI, weight_OI = ctx.saved_tensors
        for_x, for_weight, for_bias = ctx.needs_input_grad
        dx_NI = dweight_OI = None
        if for_weight:
            # oneDNN is the faster only where the outputs are the narrow side.
            narrow = weight_OI.shape[0] < weight_OI.shape[1]
            dweight_OI = _linear(back_NO.t(), x_NI.t(), None, ALWAYS and narrow)
        if for_x:
            dx_NI = _linear(back_NO, weight_OI.t(), None, ALWAYS)
        return dx_NI, dweight_OI, back_NO.sum(0) if for_bias else None
