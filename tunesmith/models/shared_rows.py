"""Attention in rows that sequences share, without a mask: each sequence attends to itself alone.

A mask of T x T says of most pairs that they do not meet, and it keeps a GPU from its fastest kernel. Torch's attention of
variable length is told where sequences begin and computes nothing else. It is registered under transformers' name `sdpa`,
and hands on to transformers' own function whatever is not a call of a `Model` with unmasked shared rows.

Dimension key: B rows, T tokens a row, N = B * T, H heads, G heads of keys and values, K numbers a head.
"""

import inspect
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn

from tunesmith.models.routing import current


def why_masked(network: nn.Module, dtype: torch.dtype) -> str:
    """The reason why a mask keeps the sequences of a row apart; "" where none is needed.

    dtype: of the arithmetic.
    """
    config: Any = network.config
    device = next(network.parameters()).device
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    if config._attn_implementation != "sdpa":
        return f"attention `{config._attn_implementation}` has a way of its own"
    if device.type != "cuda" or dtype not in (torch.bfloat16, torch.float16):
        return f"torch has no attention of variable length for {dtype} on `{device.type}`"
    if kernel() is None:
        return f"torch {torch.__version__} has no attention of variable length with windows and grouped heads"
    if size % 8 or size > 256:
        return f"heads of {size} numbers do not fit the kernel"
    if getattr(config, "attention_dropout", 0) or getattr(config, "attn_pdrop", 0):
        return "the kernel drops no weights of attention"
    return ""


@cache
def kernel() -> Callable[..., Any] | None:
    """`torch.nn.attention.varlen.varlen_attn`, where it has all that is used here."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    return varlen_attn if {"window_size", "enable_gqa"} <= inspect.signature(varlen_attn).parameters.keys() else None


def apart(starts: Tensor, longest: int) -> Callable[..., Tensor]:
    """`kernel()` for sequences that begin there: [S + 1] int32 places, and the tokens of the longest."""
    varlen = kernel()
    assert varlen is not None, "asked for where `why_masked` has no reason"
    return partial(varlen, cu_seq_q=starts, cu_seq_k=starts, max_q=longest, max_k=longest)


def register() -> None:
    """Let transformers' `sdpa` know of shared rows."""
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    ALL_ATTENTION_FUNCTIONS.register("sdpa", attention)


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """[B, T, H, K] of query [B, H, T, K], key and value [B, G, T, K]."""
    routing = current()
    if routing is None or routing.shared is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        kwargs |= {"scaling": scaling, "sliding_window": sliding_window}
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)  # type: ignore[no-any-return]
    # Under autocast, rotary positions make float32 of queries and keys.
    q_NHK, k_NGK, v_NGK = (x.transpose(1, 2).flatten(0, 1).to(value.dtype) for x in (query, key, value))
    window = (sliding_window - 1 if sliding_window else -1, 0)
    grouped = q_NHK.shape[1] != k_NGK.shape[1]
    said_NHK = routing.shared(q_NHK, k_NGK, v_NGK, scale=scaling, window_size=window, enable_gqa=grouped)
    return said_NHK.view(len(query), query.shape[2], *said_NHK.shape[1:]), None
