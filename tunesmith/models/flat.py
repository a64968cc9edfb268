"""Rows laid end to end between the first layer of a stack and its last: no padding is computed.

Of a batch's rows of unlike length, a fifth to a half is padding. Norms, linear maps and MLPs read one token at a time, so the
first layer takes the tokens [1, N, D] out of the padded rows [B, T, D], and whatever comes behind it sees one long row.
Attention, the only place where tokens meet, goes sequence by sequence; so packed rows need no mask either. Where a network has
one stack, its last layer is computed only where its states are asked for: its other tokens are read there as keys and values
and by nobody else. All this is for networks whose layers have exactly a known form, in float32 on a CPU, and stands in their
instances only.

Dimension key: B rows, T tokens a row, S sequences, N tokens of all sequences, M tokens that they read, A tokens asked for,
D hidden size, H heads, K numbers a head.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from tunesmith.models.attention import attend, attend_biased
from tunesmith.models.products import product
from tunesmith.models.routing import Flat, current, side
from tunesmith.tokens.batch import Batch

ROTARY = ("Llama", "Mistral", "Qwen2")
BOTH_WAYS = ("Bert", "Roberta")
Which = Literal["last", "first", "all"]


def flatten(batch: Batch, which: Which) -> tuple[dict[str, Flat], Tensor]:
    """Both stacks of a batch, by side, and [B, T] the place of each token's last state among those that will be computed.

    which: of the tokens that are `asked`, unless they are half of all.
    """
    mask_BT = batch.mask
    places_BT = (mask_BT.flatten().cumsum(0) - 1).view(mask_BT.shape)
    ends_S = places_BT[batch.last_rows, batch.last_columns] + 1
    lengths = tuple(torch.diff(ends_S, prepend=ends_S.new_zeros(1)).tolist())
    flats = {"target": Flat(mask_BT.flatten().nonzero()[:, 0], lengths)}
    if batch.source_ids is not None and batch.source_lengths is not None:
        asking: tuple[int, ...] = ()
        if batch.source_rows is not None:
            asking = tuple(batch.source_rows.bincount(torch.tensor(lengths)).long().tolist())
        at = batch.source_mask.flatten().nonzero()[:, 0]
        flats["source"] = Flat(at, tuple(batch.source_lengths.tolist()), asking=asking)
    if batch.prefixes is not None:
        flats["target"] = replace(flats["target"], prefixes=tuple(batch.prefixes.tolist()))
    asked_BT = asked(batch, which)
    asked_A = places_BT[asked_BT]
    if 2 * len(asked_A) > sum(lengths):
        return flats, places_BT
    counts = torch.searchsorted(ends_S, asked_A, right=True).bincount(minlength=len(lengths))
    flats["target"] = replace(flats["target"], asked=asked_A, counts=tuple(counts.tolist()))
    return flats, (asked_BT.flatten().cumsum(0) - 1).view(mask_BT.shape)


def asked(batch: Batch, which: Which) -> Tensor:
    """[B, T] True at the tokens that speak of a target and at the `last` of each sequence or its `first`; or at `all`."""
    if which == "all":
        return batch.mask
    asked_BT = torch.zeros_like(batch.mask)
    asked_BT[batch.target_rows, batch.target_columns] = True
    asked_BT[batch.last_rows, batch.first_columns if which == "first" else batch.last_columns] = True
    return asked_BT


def stand(network: Any) -> bool:
    """Put the forms of this file where all layers have a known one. Does the network read rows laid end to end from now on?"""
    stacks = _stacks(network)
    if not stacks:
        return False
    for stack, layers in stacks:
        for part in stack.modules():
            if type(part) is nn.Linear:
                _put(part, _map)
            elif _kind(part) in FORMS:
                _put(part, FORMS[_kind(part)])
        if _kind(layers[-1]) in LAST:
            _put(layers[-1], LAST[_kind(layers[-1])])
        _put(layers[0], _first)
    return True


def _stacks(network: Any) -> list[tuple[nn.Module, nn.ModuleList]]:
    """The stacks of a network that is known in all that matters here, with their layers; else nothing."""
    kind = _kind(network)
    if network.config._attn_implementation != "sdpa":
        return []
    if kind in {f"{name}ForCausalLM" for name in ROTARY}:
        return [(network.model, network.model.layers)]
    if kind in {f"{name}{end}" for name in BOTH_WAYS for end in ("ForMaskedLM", "Model")}:
        known = not network.config.is_decoder and not network.config.chunk_size_feed_forward
        encoder = network.base_model.encoder
        return [(encoder, encoder.layer)] if known else []
    if kind == "T5ForConditionalGeneration":
        return [(stack, stack.block) for stack in (network.encoder, network.decoder)]
    if kind == "BartForConditionalGeneration" and not network.model.encoder.layerdrop and not network.model.decoder.layerdrop:
        return [(stack, stack.layers) for stack in (network.model.encoder, network.model.decoder)]
    return []


def _kind(module: nn.Module) -> str:
    return type(module).__name__


def _put(module: Any, form: Callable[..., Any]) -> None:
    """`form(module, flats, computed, ...)` answers where rows are laid end to end, `computed` elsewhere."""
    computed = module.forward

    @wraps(computed)
    def forward(*args: Any, **kwargs: Any) -> Any:
        routing = current()
        if routing is None or routing.flats is None:
            return computed(*args, **kwargs)
        return form(module, routing.flats, computed, *args, **kwargs)

    forward.lean = True  # type: ignore[attr-defined]
    module.forward = forward


def _map(linear: Any, flats: dict[str, Flat], computed: Callable[..., Any], x: Tensor) -> Tensor:
    return product(x, linear.weight, linear.bias)


def _first(layer: Any, flats: dict[str, Flat], computed: Callable[..., Any], x_BTD: Tensor, *args: Any, **kwargs: Any) -> Any:
    return computed(flats[side()].take(x_BTD), *args, **kwargs)


def _last(
    layer: Any,
    flats: dict[str, Flat],
    computed: Callable[..., Any],
    x_1ND: Tensor,
    *args: Any,
    position_embeddings: tuple[Tensor, Tensor],
    **kwargs: Any,
) -> Tensor:
    flat = flats[side()]
    if flat.asked is None:
        return computed(x_1ND, *args, position_embeddings=position_embeddings, **kwargs)  # type: ignore[no-any-return]
    normed_1ND = layer.input_layernorm(x_1ND)
    asked_1AD = x_1ND[:, flat.asked]
    asked_1AD = asked_1AD + _rotary(layer.self_attn, flat, normed_1ND[:, flat.asked], normed_1ND, position_embeddings, True)
    said: Tensor = asked_1AD + layer.mlp(layer.post_attention_layernorm(asked_1AD))
    return said


def _last_both_ways(
    layer: Any, flats: dict[str, Flat], computed: Callable[..., Any], x_1ND: Tensor, *args: Any, **kwargs: Any
) -> Tensor:
    flat = flats[side()]
    if flat.asked is None:
        return computed(x_1ND, *args, **kwargs)  # type: ignore[no-any-return]
    asked_1AD = x_1ND[:, flat.asked]
    attended_1AD = layer.attention.output(_both_ways(layer.attention.self, asked_1AD, x_1ND, flat.counts, flat), asked_1AD)
    said: Tensor = layer.feed_forward_chunk(attended_1AD)
    return said


def _heads(said_1ND: Tensor, size: int) -> Tensor:
    """[1, N, H, K]"""
    return said_1ND.view(*said_1ND.shape[:2], -1, size)


class _Rotate(torch.autograd.Function):
    """Rotary positions (Su et al., 2021, arXiv:2104.09864, halves as pairs), written over what a projection has just said.

    x: [1, N, H * K]; cosine, sine: [N, K], the first half of the sine with its sign turned.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        ctx.save_for_backward(cosine, sine)
        ctx.mark_dirty(x)
        heads = x.view(*x.shape[:2], -1, cosine.shape[-1])
        turned = heads.roll(cosine.shape[-1] // 2, -1)
        heads.mul_(cosine[:, None]).addcmul_(turned, sine[:, None])
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, back: Tensor) -> tuple[Tensor, None, None]:
        cosine, sine = ctx.saved_tensors
        heads = back.reshape(*back.shape[:2], -1, cosine.shape[-1])
        turned = heads.roll(cosine.shape[-1] // 2, -1)
        return (heads * cosine[:, None]).addcmul_(turned, sine[:, None], value=-1).flatten(2), None, None


def signed(cosine: Tensor, sine: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines [..., K] of rotary positions, the first half of the sines with its sign turned."""
    half = sine.shape[-1] // 2
    return cosine, torch.cat((-sine[..., :half], sine[..., half:]), dim=-1)


def _rotary(module: Any, flat: Flat, asking_1AD: Tensor, x_1ND: Tensor, turns: tuple[Tensor, Tensor], some: bool) -> Tensor:
    """[1, A, D]: attention of all tokens, or of `some` that are asked for, to those of their sequence up to themselves.

    turns: cosines and sines [B or 1, T, K] of the positions in the padded rows.
    """
    at = flat.at if len(turns[0]) > 1 else flat.at % turns[0].shape[1]
    cosine, sine = (turn.flatten(0, 1)[at] for turn in signed(*turns))
    key = _Rotate.apply(module.k_proj(x_1ND), cosine, sine)  # type: ignore[no-untyped-call]
    if some:
        cosine, sine = cosine[flat.asked], sine[flat.asked]
    query = _Rotate.apply(module.q_proj(asking_1AD), cosine, sine)  # type: ignore[no-untyped-call]
    q, k, v = (_heads(said, module.head_dim) for said in (query, key, module.v_proj(x_1ND)))
    if module.num_key_value_groups > 1:
        k, v = (said.repeat_interleave(module.num_key_value_groups, 2) for said in (k, v))
    # Qwen2 has a window in some layers only, and says so there.
    window = module.sliding_window if hasattr(module, "sliding_window") else getattr(module.config, "sliding_window", None)
    seen = flat.lengths
    if flat.prefixes:
        k, v = k[:, flat.seen], v[:, flat.seen]
        seen = tuple(length + prefix for length, prefix in zip(flat.lengths, flat.prefixes, strict=True))
    masks = _masks(flat, some, window) if some or flat.prefixes or (window and max(flat.lengths) > window) else ()
    said: Tensor = module.o_proj(attend(module, q, k, v, flat.counts if some else flat.lengths, seen, masks))
    return said


def _masks(flat: Flat, some: bool, window: int | None) -> list[Tensor | None]:
    """For each sequence of N tokens [A or N, N]: may a token see another, which stands before it and in its window?

    None where all of a sequence asks, and the attention's own order says it.
    """
    asked_A = flat.asked if some and flat.asked is not None else torch.arange(sum(flat.lengths))
    masks: list[Tensor | None] = []
    start = 0
    parts = asked_A.split_with_sizes(flat.counts if some else flat.lengths)
    for number, (length, asked) in enumerate(zip(flat.lengths, parts, strict=True)):
        prefix = flat.prefixes[number] if flat.prefixes else 0
        if not some and not prefix and not window:
            masks.append(None)
            start += length
            continue
        columns, rows = torch.arange(prefix + length), (asked - start + prefix)[:, None]
        seen = columns <= rows
        masks.append(seen if window is None else seen & (columns > rows - window))
        start += length
    return masks


def _llama(
    module: Any,
    flats: dict[str, Flat],
    computed: Callable[..., Any],
    hidden_states: Tensor,
    position_embeddings: tuple[Tensor, Tensor],
    **kwargs: Any,
) -> tuple[Tensor, None]:
    return _rotary(module, flats[side()], hidden_states, hidden_states, position_embeddings, False), None


def _both_ways(module: Any, asking_1AD: Tensor, x_1ND: Tensor, counts: Sequence[int], flat: Flat) -> Tensor:
    """[1, A, D]: attention of some tokens, `counts` of each sequence, to all of their sequence."""
    said = (module.query(asking_1AD), module.key(x_1ND), module.value(x_1ND))
    q, k, v = (_heads(one, module.attention_head_size) for one in said)
    return attend(module, q, k, v, counts, flat.lengths)


def _bert(
    module: Any, flats: dict[str, Flat], computed: Callable[..., Any], hidden_states: Tensor, *args: Any, **kwargs: Any
) -> tuple[Tensor, None]:
    flat = flats[side()]
    return _both_ways(module, hidden_states, hidden_states, flat.lengths, flat), None


def _bart(
    module: Any,
    flats: dict[str, Flat],
    computed: Callable[..., Any],
    hidden_states: Tensor,
    key_value_states: Tensor | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    asking, seen = flats[side()], flats[side() if key_value_states is None else "source"]
    states = hidden_states if key_value_states is None else key_value_states
    said = (module.q_proj(hidden_states), module.k_proj(states), module.v_proj(states))
    q, k, v = (_heads(one, module.head_dim) for one in said)
    counts = asking.lengths if key_value_states is None else seen.asking or asking.lengths
    return module.out_proj(attend(module, q, k, v, counts, seen.lengths)), None


def _t5(
    module: Any,
    flats: dict[str, Flat],
    computed: Callable[..., Any],
    hidden_states: Tensor,
    mask: Tensor | None = None,
    key_value_states: Tensor | None = None,
    position_bias: Tensor | None = None,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None, None]:
    """The bias [1, H, N, N] of the longest sequence holds those of all, for it depends on distances alone."""
    asking, seen = flats[side()], flats[side() if key_value_states is None else "source"]
    states = hidden_states if key_value_states is None else key_value_states
    q, k, v = (_heads(one, module.key_value_proj_dim) for one in (module.q(hidden_states), module.k(states), module.v(states)))
    if key_value_states is not None:
        return module.o(attend(module, q, k, v, seen.asking or asking.lengths, seen.lengths)), None, None
    if position_bias is None:
        most = max(seen.lengths)
        position_bias = module.compute_bias(most, most, device=hidden_states.device)
        if module.is_causal:
            later = torch.ones(most, most, dtype=torch.bool, device=hidden_states.device).triu_(1)
            position_bias = position_bias.masked_fill(later, -torch.inf)
    if position_bias.requires_grad and torch.is_grad_enabled():
        said = attend_biased(module, q, k, v, position_bias, seen.lengths)
    else:
        masks = [position_bias[:, :, :length, :length] for length in seen.lengths]
        said = attend(module, q, k, v, asking.lengths, seen.lengths, masks)
    return module.o(said), position_bias, None


FORMS: dict[str, Callable[..., Any]] = {
    **{f"{name}Attention": _llama for name in ROTARY},
    **{f"{name}SelfAttention": _bert for name in BOTH_WAYS},
    "T5Attention": _t5,
    "BartAttention": _bart,
}
LAST: dict[str, Callable[..., Any]] = {
    **{f"{name}DecoderLayer": _last for name in ROTARY},
    **{f"{name}Layer": _last_both_ways for name in BOTH_WAYS},
}
