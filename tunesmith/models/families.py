"""The three families of networks: how each is called, and what it does between its last state and its logits.

The vocabulary head stays where it is, with its names and ties; its instance catches what it is given and answers with
nothing, so that states can be selected before any logit is computed.

Where rows are laid end to end (`models/flat.py`), [B, T, D] is [1, A, D].

Dimension key: B rows, T tokens a row, N chosen states, D hidden size, V vocabulary.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, Literal

import torch
from torch import Tensor, nn

from tunesmith.models.products import product
from tunesmith.models.routing import current
from tunesmith.models.shared_rows import shared_rows
from tunesmith.tokens.batch import Batch

Family = Literal["causal", "seq2seq", "masked"]

# Settings of a network's config that act between its head and its logits.
SCALES: dict[str, Callable[[Any], float]] = {
    "logit_scale": float,  # Cohere
    "lm_head_multiplier": float,  # Falcon-H1
    "logits_scaling": lambda value: 1 / float(value),  # Granite
}
# Networks that carry such a setting and use it otherwise: before the head, or as a factor where Granite divides.
SCALES_OF: dict[str, Callable[[Any], float]] = {
    "minicpm3": lambda config: 1.0,
    "hyperclovax": lambda config: float(config.logits_scaling),
}
CAPS = ("final_logit_softcapping",)  # Gemma 2 and 3

# Networks for which packed = alone is proved by a law (tests/laws/test_network_laws.py).
PACKS = {
    "llama",
    "qwen2",
    "qwen3",
    "mistral",
    "gemma2",
    "gemma3_text",
    "gpt2",
    "gpt_neox",
    "phi",
    "phi3",
    "mixtral",
    "cohere",
    "granite",
    "opt",
}
# Of these, those that make their mask without looking at positions: they are given one.
MASKED = {"opt"}
# Networks whose logits are proved equal to ours by a law; any other is tried when it is loaded.
PROVED = PACKS | {"t5", "bart", "bert", "roberta", "distilbert"}
# Attention that keeps packed sequences apart by positions alone, in every row.
ISOLATING = {"eager", "sdpa", "flex_attention"}

# Learned positions that do not start at 0: these count from behind the padding id.
OFFSET = {"roberta", "xlm-roberta", "camembert", "roberta-prelayernorm", "longformer", "mpnet"}
# Relative positions: no longest row.
UNBOUNDED = {"t5", "mt5", "umt5", "longt5", "bloom", "switch_transformers"}


@dataclass(frozen=True)
class Vocabulary:
    """The map from a state to logits: cap * tanh((W h + b) * scale / cap)."""

    head: nn.Module
    extra: Tensor | None = None  # BART's `final_logits_bias` [1, V]: a constant
    scale: float = 1.0
    cap: float | None = None
    judge: Callable[..., Any] | None = None  # a compiled form of `models/logprobs.py: judged`
    adds: bool = False  # a trained weight's gradient goes into its `grad` at once and is not handed on: `backward()` alone

    @property
    def weight(self) -> Tensor:
        """[V, D]"""
        weight = self.head.weight
        assert isinstance(weight, Tensor)
        return weight

    @property
    def bias(self) -> Tensor | None:
        """[V] or None."""
        bias = getattr(self.head, "bias", None)
        if self.extra is None:
            return bias
        return self.extra[0] if bias is None else bias + self.extra[0]

    def at(self, temperature: float) -> "Vocabulary":
        """The same map with its logits divided by a temperature; a cap is divided too, as it stands outside."""
        if temperature == 1.0:
            return self
        return replace(self, scale=self.scale / temperature, cap=None if self.cap is None else self.cap / temperature)

    def still(self) -> "Vocabulary":
        """The same map with the values of now, without gradients."""
        head = nn.Linear(1, 1, bias=False, device="meta")
        head.weight = nn.Parameter(self.weight.detach(), requires_grad=False)
        if (bias := getattr(self.head, "bias", None)) is not None:
            head.bias = nn.Parameter(bias.detach(), requires_grad=False)
        return replace(self, head=head)

    def logits(self, states_ND: Tensor) -> Tensor:
        """[..., D] -> [..., V] float32"""
        logits_NV = product(states_ND, self.weight, self.bias).float()
        logits_NV = logits_NV if self.scale == 1 else logits_NV * self.scale
        return logits_NV if self.cap is None else self.cap * torch.tanh(logits_NV / self.cap)


def vocabulary(network: nn.Module) -> Vocabulary:
    """The network's head and what comes after it."""
    config: Any = network.config
    text = config.get_text_config(decoder=True) if hasattr(config, "get_text_config") else config
    scale = 1.0
    if text.model_type in SCALES_OF:
        scale = SCALES_OF[text.model_type](text)
    else:
        for name, factor in SCALES.items():
            if getattr(text, name, None) is not None:
                scale *= factor(getattr(text, name))
    cap = next((float(value) for name in CAPS if (value := getattr(text, name, None))), None)
    extra = getattr(network, "final_logits_bias", None)
    head = network.get_output_embeddings()  # type: ignore[operator]
    assert isinstance(head, nn.Module), "a network with a vocabulary head"
    return Vocabulary(head, extra if isinstance(extra, Tensor) and bool(extra.any()) else None, scale, cap)


_CAUGHT: ContextVar[list[Tensor] | None] = ContextVar("states", default=None)


def take_off_head(head: nn.Module) -> None:
    """From now on the head's instance catches its input; called outside `states`, it works as ever."""
    computed = head.forward

    @wraps(computed)
    def forward(states_BTD: Tensor) -> Tensor:
        caught = _CAUGHT.get()
        if caught is None:
            return computed(states_BTD)  # type: ignore[no-any-return]
        caught.append(states_BTD)
        # Nothing, in a shape that scales, caps and biases after the head still accept.
        return states_BTD[:, :0, :1]

    head.forward = forward


def states(network: nn.Module, **inputs: Any) -> tuple[Tensor, Any]:
    """Call a network: [B, T, D] what its head was given, and the network's own output (its logits are empty)."""
    caught: list[Tensor] = []
    token = _CAUGHT.set(caught)
    try:
        output = network(**inputs)
    finally:
        _CAUGHT.reset(token)
    (states_BTD,) = caught
    return states_BTD, output


def causal(network: nn.Module, batch: Batch) -> Tensor:
    """[B, T, D]. No mask: padding stands at the right; transformers keeps shared rows apart by positions that restart."""
    # The default cache would make transformers take restarting positions for one sequence.
    inputs: dict[str, Any] = {"input_ids": batch.input_ids, "use_cache": False}
    if not batch.shared:
        return states(network, **inputs)[0]
    inputs["position_ids"] = batch.positions
    routing = current()
    flat = routing is not None and routing.flats is not None
    config: Any = network.config
    if not flat and (batch.prefixes is not None or config.model_type in MASKED):
        seen = apart(batch)
        if config._attn_implementation != "sdpa":  # which adds a mask
            seen = torch.zeros(seen.shape, device=seen.device).masked_fill(~seen, torch.finfo(torch.float32).min)
        return states(network, **inputs, attention_mask=seen)[0]
    # A mask of four dimensions is taken as it is, so that none is made; nobody looks at it.
    unseen = batch.input_ids.new_ones(len(batch.input_ids), 1, 1, 1)
    if flat:
        return states(network, **inputs, attention_mask=unseen)[0]
    mixed = routing is not None and routing.everywhere is None
    if mixed or (shared := shared_rows(network, batch.starts, batch.longest)) is None:
        return states(network, **inputs)[0]
    line = {name: values.view(1, -1) for name, values in inputs.items() if isinstance(values, Tensor)}
    said = states(network, **inputs | line, attention_mask=unseen[:1], shared_rows=shared)[0]
    return said.view(*batch.input_ids.shape, -1)


def apart(batch: Batch) -> Tensor:
    """[B, 1, T, T] may a token see another: of its own sequence, and not behind it, or of what that reads first."""
    places_BT = torch.arange(batch.input_ids.numel(), device=batch.starts.device).view(batch.input_ids.shape)
    owner_BT = torch.searchsorted(batch.starts, places_BT.int(), right=True)
    seen_BTT = (owner_BT[:, :, None] == owner_BT[:, None, :]) & (places_BT[:, :, None] >= places_BT[:, None, :])
    if batch.prefixes is not None:
        prefix_BT = batch.prefixes[owner_BT - 1]
        trunk_BTT = owner_BT[:, :, None] - 1 == owner_BT[:, None, :]
        seen_BTT |= trunk_BTT & (batch.positions[:, None, :] < prefix_BT[:, :, None])
    return seen_BTT[:, None]


def seq2seq(network: nn.Module, batch: Batch) -> Tensor:
    """[B, T, D] states of the decoder, whose padding stands at the right and needs no mask. Shared sources are read once."""
    routing = current()
    padded = routing is None or routing.flats is None
    mask = batch.source_mask.long() if padded else None
    read: dict[str, Any] = {"input_ids": batch.source_ids}
    if batch.source_rows is not None:
        encoder: Any = network.get_encoder()  # type: ignore[operator]
        encoded = encoder(**read, attention_mask=mask)[0]
        read = {"encoder_outputs": (encoded[batch.source_rows] if padded else encoded,)}
        mask = None if mask is None else mask[batch.source_rows]
    return states(network, **read, attention_mask=mask, decoder_input_ids=batch.input_ids, use_cache=False)[0]


def masked(network: nn.Module, batch: Batch) -> Tensor:
    """[B, T, D] behind the transform of the prediction head; positions count from the first (virtual) token."""
    return states(network, **_read(network, batch))[0]


def body(network: nn.Module, batch: Batch) -> Tensor:
    """[B, T, D] last states of a masked network, before all that stands between them and its words."""
    said: Tensor = network.base_model(**_read(network, batch)).last_hidden_state  # type: ignore[operator]
    return said


def _read(network: nn.Module, batch: Batch) -> dict[str, Tensor]:
    config: Any = network.config
    routing = current()
    inputs = {"input_ids": batch.input_ids}
    if routing is None or routing.flats is None:
        inputs["attention_mask"] = batch.mask.long()
    if config.model_type in OFFSET:
        inputs["position_ids"] = batch.positions + config.pad_token_id + 1
    if batch.segments is not None:
        inputs["token_type_ids"] = batch.segments
    return inputs


_HEARD: ContextVar[list[Tensor] | None] = ContextVar("body", default=None)


def hear_body(network: nn.Module, family: Family) -> None:
    """From now on a masked network's body tells its last states within `hearing`, whoever calls it."""
    base: Any = getattr(network, "base_model", network)
    if family != "masked" or base is network:
        return
    computed = base.forward

    @wraps(computed)
    def forward(*args: Any, **kwargs: Any) -> Any:
        said = computed(*args, **kwargs)
        if (heard := _HEARD.get()) is not None:
            heard.append(said[0])
        return said

    base.forward = forward


@contextmanager
def hearing() -> Iterator[list[Tensor]]:
    """What the body of a masked network says within; nothing of other networks, whose last states are what a reading has."""
    heard: list[Tensor] = []
    token = _HEARD.set(heard)
    try:
        yield heard
    finally:
        _HEARD.reset(token)


CALLS: dict[Family, Callable[[nn.Module, Batch], Tensor]] = {"causal": causal, "seq2seq": seq2seq, "masked": masked}


def window(config: Any) -> int | None:
    """Most tokens of a row, virtual tokens included; None: no limit."""
    if config.model_type in UNBOUNDED:
        return None
    longest = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
    if longest is None:
        return None
    return int(longest) - (config.pad_token_id + 1 if config.model_type in OFFSET else 0)


def branches(network: nn.Module, family: Family) -> bool:
    """May two answers stand behind one prompt in a row? A mask of our own says what they see, so no window may cut it."""
    config: Any = network.config
    kinds = set(getattr(config, "layer_types", None) or ()) - {"full_attention"}
    whole = not kinds and not getattr(config, "sliding_window", None)
    return whole and config._attn_implementation == "sdpa" and not why_not_packed(network, family)


def why_not_packed(network: nn.Module, family: Family) -> str:
    """The reason why sequences may not share a row; "" where they may."""
    config: Any = network.config
    if family != "causal":
        return f"networks of the family `{family}` read one sequence a row"
    if config.model_type not in PACKS:
        return f"`{config.model_type}` is not among the networks for which packed = alone is proved"
    if config._attn_implementation not in ISOLATING:
        return f"attention `{config._attn_implementation}` does not keep the sequences of several packed rows apart"
    return ""


def family_of(config: Any) -> Family | None:
    """The family of a transformers config; None where it is none of the three."""
    from transformers.models.auto import modeling_auto as auto

    names = list(getattr(config, "architectures", None) or [])
    if getattr(config, "is_encoder_decoder", False):
        return "seq2seq" if config.model_type in auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES else None
    if any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in names):
        return "causal"
    if config.model_type in auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES and not getattr(config, "is_decoder", False):
        return "masked"
    return "causal" if config.model_type in auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES else None
