"""The arithmetic of transformers' own layers with fewer passes over memory, for networks in float32.

A third of a step of training on a CPU is not matrix products but elementwise work: every operation reads and writes whole
tensors, and whatever autograd keeps is fresh memory. The functions below keep less and write in place. They stand in those
modules of a network that have exactly a known form, and only in these instances; anything else keeps its own forward.

Dimension key: B rows, T tokens a row, D hidden size, F width of the MLP.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

FAMILIES = ("Llama", "Mistral", "Qwen2", "Qwen3", "Granite")
ROOT_MEAN_SQUARE = {*(f"{name}RMSNorm" for name in FAMILIES), "T5LayerNorm"}
GATED = {f"{name}MLP" for name in FAMILIES}


def slim(network: nn.Module) -> None:
    """Put the lean forms where a network has the known ones."""
    for module in network.modules():
        name = type(module).__name__
        if name in ROOT_MEAN_SQUARE:
            _slim_norm(module)
        elif name in GATED and type(module.act_fn).__name__ in ("SiLU", "SiLUActivation"):
            _slim_gated(module)


def is_lean(module: nn.Module) -> bool:
    """Is the module's forward one of those below?"""
    return hasattr(vars(module).get("forward"), "lean")


def _put(module: Any, forward: Callable[..., Any]) -> None:
    forward.lean = True  # type: ignore[attr-defined]
    module.forward = forward


def exact(x: Tensor, *weights: Tensor) -> bool:
    """Nothing but float32, which the functions below are written for. A compiler fuses transformers' own forms as well."""
    if torch.compiler.is_compiling():
        return False
    only = all(t.dtype == torch.float32 for t in (x, *weights))
    return only and not torch.is_autocast_enabled(x.device.type)


class _Norm(torch.autograd.Function):
    """x * r * weight with r = (mean(x^2) + eps)^(-1/2). With g = dy * weight: dx = r g - x r^3 mean(g x)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight_D: Tensor, eps: float) -> Tensor:
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        r = length.square_().div_(x.shape[-1]).add_(eps).rsqrt_()
        ctx.save_for_backward(x, weight_D, r)
        said: Tensor = (x * r).mul_(weight_D)
        return said

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, back: Tensor) -> tuple[Tensor | None, ...]:
        x, weight_D, r = ctx.saved_tensors
        for_x, for_weight = ctx.needs_input_grad[:2]
        along = (x * r).mul_(back) if for_weight else None
        dweight_D = None if along is None else along.sum(dim=tuple(range(x.dim() - 1)))
        if not for_x:
            return None, dweight_D, None
        g = back * weight_D
        pull = (g * x).sum(-1, keepdim=True).mul_(r.pow(3)).div_(x.shape[-1])
        return g.mul_(r).addcmul_(x, pull, value=-1), dweight_D, None


def _slim_norm(module: Any) -> None:
    computed = module.forward

    @wraps(computed)
    def forward(hidden_states: Tensor) -> Tensor:
        if not exact(hidden_states, module.weight):
            return computed(hidden_states)  # type: ignore[no-any-return]
        return _Norm.apply(hidden_states, module.weight, module.variance_epsilon)  # type: ignore[no-any-return, no-untyped-call]

    _put(module, forward)


class _Gate(torch.autograd.Function):
    """silu(gate) * up, of which only gate and up are kept."""

    @staticmethod
    def forward(ctx: Any, gate_BTF: Tensor, up_BTF: Tensor) -> Tensor:
        ctx.save_for_backward(gate_BTF, up_BTF)
        return F.silu(gate_BTF).mul_(up_BTF)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, back: Tensor) -> tuple[Tensor, Tensor]:
        gate_BTF, up_BTF = ctx.saved_tensors
        open_BTF = F.silu(gate_BTF).mul_(back)
        slope_BTF = back * up_BTF
        return torch.ops.aten.silu_backward.grad_input(slope_BTF, gate_BTF, grad_input=slope_BTF), open_BTF


def _slim_gated(module: Any) -> None:
    computed = module.forward

    @wraps(computed)
    def forward(x: Tensor) -> Tensor:
        if not exact(x, module.gate_proj.weight):
            return computed(x)  # type: ignore[no-any-return]
        return module.down_proj(_Gate.apply(module.gate_proj(x), module.up_proj(x)))  # type: ignore[no-any-return, no-untyped-call]

    _put(module, forward)
