"""The attention of sequences that lie end to end, each to itself or to its source.

Dimension key: S sequences, N tokens of all of them, A of those that ask, T of the longest, H heads, K numbers a head.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


def attend(
    module: Any,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    asking: Sequence[int],
    seen: Sequence[int],
    masks: Sequence[Tensor | None] = (),
) -> Tensor:
    """[1, A, H * K]: the attention of each sequence to itself, or to its source.

    Args:
        module: transformers' attention, which says how scores are scaled, whether a token sees only those before it, and how
            much is dropped in training.
        q: [1, A, H, K]; k, v: [1, N, H, K].
        asking, seen: tokens of each sequence in q; in k and v.
        masks: for each sequence, what is seen (booleans) or added to the scores; none, or None: as the module says.
    """
    # Neighbours of one shape go through one call, but those with masks of their own.
    pairs = zip(asking, seen, strict=True)
    runs = [(pair, 1) for pair in pairs] if masks else [(pair, sum(1 for _ in run)) for pair, run in groupby(pairs)]
    parts = []
    pieces = (x.split_with_sizes([pair[of] * count for pair, count in runs], 1) for x, of in ((q, 0), (k, 1), (v, 1)))
    for number, ((_, count), *three) in enumerate(zip(runs, *pieces, strict=True)):
        q_, k_, v_ = (x.view(count, -1, *x.shape[2:]).transpose(1, 2) for x in three)
        mask = masks[number] if masks else None
        said = F.scaled_dot_product_attention(
            q_,
            k_,
            v_,
            attn_mask=mask,
            dropout_p=_dropped(module),
            is_causal=module.is_causal and mask is None,
            scale=module.scaling,
        )
        parts.append(said.transpose(1, 2).reshape(1, -1, said.shape[1] * said.shape[3]))
    return torch.cat(parts, 1)


def _dropped(module: Any) -> float:
    """Share of the attention's weights that is dropped now."""
    share = module.attention_dropout if hasattr(module, "attention_dropout") else module.dropout
    return float(getattr(share, "p", share)) if module.training else 0.0


def attend_biased(module: Any, q: Tensor, k: Tensor, v: Tensor, bias: Tensor, lengths: tuple[int, ...]) -> Tensor:
    """[1, N, H * K]: as `attend`, with a learned bias [1, H, T, T] of the longest sequence in place of a scale."""
    return _Biased.apply(q, k, v, bias, lengths, _dropped(module))  # type: ignore[no-any-return, no-untyped-call]


class _Biased(torch.autograd.Function):
    """softmax(q k' + bias) v without a scale, where the bias is learned: of the scores, only the softmax is kept.

    q, k, v: [1, N, H, K]; bias: [1, H, T, T] of the longest sequence; lengths: of each; dropped: share of the weights.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, bias: Tensor, lengths: tuple[int, ...], dropped: float) -> Tensor:
        said = torch.empty_like(v)
        kept: list[Tensor] = []
        noises: list[Tensor | None] = []
        for q_, k_, v_, said_ in _sequences(lengths, q, k, v, said):
            count = q_.shape[1]
            weights = torch.baddbmm(bias[0, :, :count, :count], q_, k_.transpose(1, 2)).softmax(-1)
            noise = torch.empty_like(weights).bernoulli_(1 - dropped).div_(1 - dropped) if dropped else None
            said_.copy_((weights if noise is None else weights * noise) @ v_)
            kept.append(weights)
            noises.append(noise)
        ctx.save_for_backward(q, k, v, *kept, *(noise for noise in noises if noise is not None))
        ctx.lengths, ctx.shape = lengths, bias.shape
        return said.flatten(2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, back: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, *kept = ctx.saved_tensors
        count = len(ctx.lengths)
        noises = kept[count:] or [None] * count
        dq, dk, dv = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
        dbias = q.new_zeros(ctx.shape)
        views = _sequences(ctx.lengths, q, k, v, back.view(v.shape), dq, dk, dv)
        for (q_, k_, v_, back_, dq_, dk_, dv_), weights, noise in zip(views, kept[:count], noises, strict=True):
            pull = back_ @ v_.transpose(1, 2)
            if noise is not None:
                pull.mul_(noise)
            slope = torch._softmax_backward_data(pull, weights, -1, weights.dtype)
            length = slope.shape[1]
            dbias[0, :, :length, :length] += slope
            dq_.copy_(slope @ k_)
            dk_.copy_(slope.transpose(1, 2) @ q_)
            dv_.copy_((weights if noise is None else weights * noise).transpose(1, 2) @ back_)
        return dq, dk, dv, dbias, None, None


def _sequences(lengths: Sequence[int], *several: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Of each sequence [H, T, K], views of [1, N, H, K]."""
    return zip(*([one.transpose(0, 1) for one in x[0].split_with_sizes(lengths)] for x in several), strict=True)
