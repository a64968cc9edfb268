"""The arithmetic of transformers' own layers with fewer passes over memory, for networks in float32.

A third of a step of training on a CPU is not matrix products but elementwise work: every operation reads and writes whole
tensors, and whatever autograd keeps is fresh memory. The functions below keep less and write in place. They stand in those
modules of a network that have exactly a known form, and only in these instances; anything else keeps its own forward.

A causal network's last layer is computed only where its states are asked for: the other tokens of a row are read there as
keys and values and by nobody else.

Dimension key: B rows, T tokens a row, Q of them asked for, D hidden size, F width of the MLP, H heads, K numbers a head.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from tunesmith.models.routing import current

FAMILIES = ("Llama", "Mistral", "Qwen2")
ROOT_MEAN_SQUARE = {*(f"{name}RMSNorm" for name in (*FAMILIES, "Qwen3", "Granite")), "T5LayerNorm"}
GATED = {f"{name}MLP" for name in (*FAMILIES, "Qwen3", "Granite")}
ROTARY = {f"{name}Attention" for name in FAMILIES}
LAYER = {f"{name}DecoderLayer" for name in FAMILIES}


def slim(network: nn.Module) -> bool:
    """Put the lean forms where a network has the known ones. Is its last layer computed only where it is asked for?"""
    for module in network.modules():
        name = type(module).__name__
        if name in ROOT_MEAN_SQUARE:
            _slim_norm(module)
        elif name in GATED and type(module.act_fn).__name__ in ("SiLU", "SiLUActivation"):
            _slim_gated(module)
        elif name in ROTARY and _attends_by_sdpa(module):
            _slim_attention(module)
        elif name == "T5Attention" and _by_sdpa(module):
            _slim_biased(module)
    layers: Any = getattr(getattr(network, "model", None), "layers", None)
    if layers is None or type(layers[-1]).__name__ not in LAYER or not _attends_by_sdpa(layers[-1].self_attn):
        return False
    _slim_last(layers[-1])
    return True


def is_lean(module: nn.Module) -> bool:
    """Is the module's forward one of those below?"""
    return hasattr(vars(module).get("forward"), "lean")


def _put(module: Any, forward: Callable[..., Any]) -> None:
    forward.lean = True  # type: ignore[attr-defined]
    module.forward = forward


def _by_sdpa(attention: Any) -> bool:
    return bool(attention.config._attn_implementation == "sdpa")


def _attends_by_sdpa(attention: Any) -> bool:
    return _by_sdpa(attention) and not attention.attention_dropout


def exact(x: Tensor, *weights: Tensor) -> bool:
    """Nothing but float32, which the functions below are written for."""
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


class _Rotate(torch.autograd.Function):
    """Rotary positions (Su et al., 2021, arXiv:2104.09864, halves as pairs), written over what a projection has just said.

    x: [B, T, H * K]; cosine, sine: [B or 1, T, K], the first half of the sine with its sign turned.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        ctx.save_for_backward(cosine, sine)
        ctx.mark_dirty(x)
        heads = x.view(*x.shape[:2], -1, cosine.shape[-1])
        turned = heads.roll(cosine.shape[-1] // 2, -1)
        heads.mul_(cosine[:, :, None]).addcmul_(turned, sine[:, :, None])
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, back: Tensor) -> tuple[Tensor, None, None]:
        cosine, sine = ctx.saved_tensors
        heads = back.reshape(*back.shape[:2], -1, cosine.shape[-1])
        turned = heads.roll(cosine.shape[-1] // 2, -1)
        return (heads * cosine[:, :, None]).addcmul_(turned, sine[:, :, None], value=-1).flatten(2), None, None


def signed(cosine: Tensor, sine: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines [..., K] of rotary positions, the first half of the sines with its sign turned."""
    half = sine.shape[-1] // 2
    return cosine, torch.cat((-sine[..., :half], sine[..., half:]), dim=-1)


def attend(
    module: Any, asking_BQD: Tensor, x_BTD: Tensor, turns: tuple[Tensor, Tensor], mask: Tensor | None, asked_BQ: Tensor | None
) -> Tensor:
    """[B, Q, D]: attention of the tokens `asked_BQ` (None: all) to all of their row.

    turns: cosines and sines [B or 1, T, K] of the positions. mask: [B, 1, T, T] of booleans or of numbers to be added, or None
    where a token sees all before it.
    """
    cosine, sine = signed(*turns)
    key = _Rotate.apply(module.k_proj(x_BTD), cosine, sine)  # type: ignore[no-untyped-call]
    value = module.v_proj(x_BTD)
    causal = mask is None
    if asked_BQ is not None:
        rows, causal = len(x_BTD), False
        picked = asked_BQ[..., None].expand(-1, -1, cosine.shape[-1])
        cosine, sine = (turn.expand(rows, -1, -1).gather(1, picked) for turn in (cosine, sine))
        if mask is None:
            mask = torch.arange(x_BTD.shape[1], device=x_BTD.device) <= asked_BQ[:, None, :, None]
        else:
            mask = mask.expand(rows, -1, -1, -1).gather(
                2, asked_BQ[:, None, :, None].expand(-1, mask.shape[1], -1, mask.shape[3])
            )
    query = _Rotate.apply(module.q_proj(asking_BQD), cosine, sine)  # type: ignore[no-untyped-call]
    q, k, v = (said.view(*said.shape[:2], -1, module.head_dim).transpose(1, 2) for said in (query, key, value))
    if module.num_key_value_groups > 1:
        k, v = (said.repeat_interleave(module.num_key_value_groups, 1) for said in (k, v))
    seen = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=module.scaling, is_causal=causal and q.shape[2] > 1)
    said: Tensor = module.o_proj(seen.transpose(1, 2).flatten(2))
    return said


def _slim_attention(module: Any) -> None:
    computed = module.forward

    @wraps(computed)
    def forward(
        hidden_states: Tensor,
        position_embeddings: tuple[Tensor, Tensor],
        attention_mask: Tensor | None = None,
        past_key_values: Any = None,
        **kwargs: Any,
    ) -> tuple[Tensor, None]:
        if past_key_values is not None or not exact(hidden_states, module.q_proj.weight):
            given = (hidden_states, position_embeddings, attention_mask, past_key_values)
            return computed(*given, **kwargs)  # type: ignore[no-any-return]
        return attend(module, hidden_states, hidden_states, position_embeddings, attention_mask, None), None

    _put(module, forward)


class _Biased(torch.autograd.Function):
    """softmax(q k' + bias) v without a scale, where the bias is learned: of the scores, only the softmax is kept.

    q: [B, H, Q, K]; k, v: [B, H, T, K]; bias: [1, H, Q, T]; seen: booleans that fit [B, H, Q, T], or None.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, bias: Tensor, seen: Tensor | None) -> Tensor:
        scores = (q @ k.transpose(2, 3)).add_(bias)
        if seen is not None:
            scores.masked_fill_(~seen, torch.finfo(scores.dtype).min)
        weights = scores.softmax(-1)
        ctx.save_for_backward(q, k, v, weights)
        return weights @ v

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, back: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, weights = ctx.saved_tensors
        slope = torch._softmax_backward_data(back @ v.transpose(2, 3), weights, -1, weights.dtype)
        dbias = slope.sum(0, keepdim=True) if ctx.needs_input_grad[3] else None
        return slope @ k, slope.transpose(2, 3) @ q, weights.transpose(2, 3) @ back, dbias, None


def _slim_biased(module: Any) -> None:
    """T5's attention to its own stack. Where the bias is frozen, transformers' way is as good."""
    computed = module.forward

    @wraps(computed)
    def forward(
        hidden_states: Tensor,
        mask: Tensor | None = None,
        key_value_states: Tensor | None = None,
        position_bias: Tensor | None = None,
        past_key_values: Any = None,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor, None]:
        first = position_bias is None and module.has_relative_attention_bias
        learned = module.relative_attention_bias.weight if first else position_bias
        if (
            learned is None
            or not (learned.requires_grad and torch.is_grad_enabled() and exact(hidden_states, module.q.weight))
            or (mask is not None and mask.dtype != torch.bool)
            or key_value_states is not None
            or past_key_values is not None
            or (module.training and module.dropout)
        ):
            return computed(hidden_states, mask, key_value_states, position_bias, past_key_values, **kwargs)  # type: ignore[no-any-return]
        length = hidden_states.shape[1]
        if mask is None and module.is_causal:
            mask = torch.ones(length, length, dtype=torch.bool, device=hidden_states.device).tril()
        if first:
            position_bias = module.compute_bias(length, length, device=hidden_states.device)
        maps = (module.q, module.k, module.v)
        q, k, v = (
            part(hidden_states).view(*hidden_states.shape[:2], -1, module.key_value_proj_dim).transpose(1, 2) for part in maps
        )
        said = _Biased.apply(q, k, v, position_bias, mask)  # type: ignore[no-untyped-call]
        return module.o(said.transpose(1, 2).flatten(2)), position_bias, None  # type: ignore[return-value]

    _put(module, forward)


def _slim_last(layer: Any) -> None:
    computed = layer.forward

    @wraps(computed)
    def forward(
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        position_embeddings: tuple[Tensor, Tensor] | None = None,
        **kwargs: Any,
    ) -> Tensor:
        routing = current()
        asked_BQ = None if routing is None else routing.asked
        if asked_BQ is None or position_embeddings is None:
            given = {"attention_mask": attention_mask, "position_embeddings": position_embeddings}
            return computed(hidden_states, **given, **kwargs)  # type: ignore[no-any-return]
        picked = asked_BQ[..., None].expand(-1, -1, hidden_states.shape[-1])
        x_BTD = layer.input_layernorm(hidden_states)
        asking_BQD = x_BTD.gather(1, picked)
        stream_BQD = hidden_states.gather(1, picked)
        stream_BQD = stream_BQD + attend(layer.self_attn, asking_BQD, x_BTD, position_embeddings, attention_mask, asked_BQ)
        said: Tensor = stream_BQD + layer.mlp(layer.post_attention_layernorm(stream_BQD))
        return said

    _put(layer, forward)
