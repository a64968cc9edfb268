"""Attention in rows that sequences share, without a mask: each sequence attends to itself alone.

A mask of T x T says of most pairs that they do not meet, and it keeps a GPU from its fastest kernel. Torch's attention of
variable length is told where sequences begin and computes nothing else. It is registered under transformers' name `sdpa`,
and hands on to transformers' own function every call that brings no `SharedRows`.

Dimension key: B rows, T tokens a row, N = B * T, S sequences, H heads, G heads of keys and values, K numbers a head.
"""

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

DROPOUT = ("attention_dropout", "attn_pdrop")  # names of the setting in transformers' configs


class SharedRows(NamedTuple):
    """The sequences of all rows in one line.

    varlen:  attention of variable length.
    starts:  [S + 1] int32 places where they begin, and N.
    longest: tokens of the longest of them.
    """

    varlen: Callable[..., Any]
    starts: Tensor
    longest: int


def shared_rows(network: nn.Module, starts: Tensor, longest: int) -> SharedRows | None:
    """What keeps the sequences of a row apart in a call of the network; None where a mask must."""
    if why_masked(network):
        return None
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    ALL_ATTENTION_FUNCTIONS.register("sdpa", attention)
    varlen = kernel()
    assert varlen is not None, "`why_masked` has looked"
    return SharedRows(varlen, starts, longest)


def why_masked(network: nn.Module) -> str:
    """The reason why a mask keeps the sequences of a row apart; "" where none is needed."""
    config: Any = network.config
    weight = next(network.parameters())
    device = weight.device.type
    if device != "cuda":
        return f"torch has no attention of variable length on `{device}`"
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    reasons = {
        f"attention `{config._attn_implementation}` has a way of its own": config._attn_implementation != "sdpa",
        f"torch has no attention of variable length for {dtype}": dtype not in (torch.bfloat16, torch.float16),
        f"torch {torch.__version__} has no attention of variable length with windows": kernel() is None,
        f"heads of {size} numbers do not fit the kernel": size % 8 or size > 256,
        "the kernel drops no weights of attention": any(getattr(config, name, 0) for name in DROPOUT),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


@cache
def kernel() -> Callable[..., Any] | None:
    """`torch.nn.attention.varlen.varlen_attn`, where it has all that is used here."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    return varlen_attn if {"window_size", "enable_gqa"} <= inspect.signature(varlen_attn).parameters.keys() else None


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    shared_rows: SharedRows | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """[B, T, H, K] of query [B, H, T, K], key and value [B, G, T, K]."""
    if shared_rows is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        kwargs |= {"scaling": scaling, "sliding_window": sliding_window}
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)  # type: ignore[no-any-return]
    varlen, starts, longest = shared_rows
    # Under autocast, rotary positions make float32 of queries and keys.
    q_NHK, k_NGK, v_NGK = (x.transpose(1, 2).flatten(0, 1).to(value.dtype) for x in (query, key, value))
    window = (sliding_window - 1 if sliding_window else -1, 0)
    grouped = q_NHK.shape[1] != k_NGK.shape[1]
    said_NHK = varlen(
        q_NHK, k_NGK, v_NGK, starts, starts, longest, longest, scale=scaling, window_size=window, enable_gqa=grouped
    )
    return said_NHK.view(len(query), query.shape[2], *said_NHK.shape[1:]), None
