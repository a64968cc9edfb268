"""Prefix tuning (Li and Liang, 2021, arXiv:2101.00190): learned keys and values before every sequence, in every layer.

Dimension key: P virtual tokens, O numbers of a key or value (all heads), L layers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from tunesmith.errors import UserError
from tunesmith.methods.method import Delta, Look, Method, Site
from tunesmith.methods.prompt import Init, Overwrite, first_ids, refuse_unread

FILE = "prompt_embeddings"  # PEFT keeps all layers' keys and values in one tensor [P, 2 L O]


class Remembered(Overwrite):
    """At virtual tokens, the key or the value is learned. What such a token asks and says meets nobody.

    In PEFT's file a key stands as attention reads it, behind rotary positions.
    """

    peft_names: ClassVar[Mapping[str, str]] = {}

    def __init__(self, site: Site, count: int) -> None:
        super().__init__(torch.randn(count, site.outputs) * 0.02)
        self.turn, self.role = site.turn, site.role

    def turned(self, vectors_PO: Tensor, back: bool = False) -> Tensor:
        return self.turn(vectors_PO, back=back) if self.turn is not None else vectors_PO


@dataclass(frozen=True)
class PrefixTuning(Method):
    """Virtual tokens whose keys and values are learned in each layer; of the decoder, for encoder-decoder networks.

    virtual_tokens: P.
    init: first values: the keys and values of the words of `text` (repeated or cut to P), of random pieces of the
          `vocabulary`, or small `random` numbers.
    """

    in_decoder: ClassVar[bool] = True
    rate_times_width: ClassVar[float] = 30.0
    peft_type: ClassVar[str] = "PREFIX_TUNING"

    virtual_tokens: Annotated[int, Field(gt=0)] = 16
    init: Init = "vocabulary"
    text: str = ""

    def refuse_idle(self) -> None:
        refuse_unread(self.init, self.text)

    def delta(self, site: Site) -> Delta | None:
        if site.role not in ("key", "value", "qkv") or site.stack == "encoder" or site.crosses:
            return None
        return Remembered(site, self.virtual_tokens)

    @torch.no_grad()
    def begin(self, deltas: Mapping[str, Delta], look: Look) -> None:
        if self.init == "random":
            return
        ids = first_ids(self.virtual_tokens, self.init, self.text, look.vocabulary, look.spell)
        said = look.said(ids)  # of other parts' sites too, where the method is one of several
        for path, delta in deltas.items():
            found: Any = delta
            found.vectors_PD.copy_(said[path])

    def peft_config(self, sites: Sequence[Site], deltas: Mapping[str, Delta]) -> dict[str, Any] | None:
        """None where PEFT has no place for it: fused maps, keys that are normed, and decoders behind an encoder, whose layers
        PEFT lets share one half of the prefix."""
        pairs = _pairs(deltas)
        head = sites[0].head
        if not pairs or not head or any(site.stack != "only" or (site.role == "key" and not site.turn) for site in sites):
            return None
        return {
            "num_virtual_tokens": self.virtual_tokens,
            "token_dim": sites[0].outputs,
            "num_layers": len(pairs),
            "num_attention_heads": sites[0].outputs // head,
            "num_transformer_submodules": 1,
            "prefix_projection": False,
            "encoder_hidden_size": sites[0].outputs,
        }

    def to_file(self, deltas: Mapping[str, Delta], config: Mapping[str, Any]) -> dict[str, Tensor]:
        if "num_layers" not in config:
            return super().to_file(deltas, config)
        pairs = _pairs(deltas)
        parts = [delta.turned(delta.vectors_PD) for key, value in pairs for delta in (deltas[key], deltas[value])]  # type: ignore[operator]
        return {FILE: torch.cat(parts, 1)}

    def from_file(
        self, tensors: Mapping[str, Tensor], deltas: Mapping[str, Delta], config: Mapping[str, Any]
    ) -> dict[str, dict[str, Tensor]]:
        if FILE not in tensors:
            return super().from_file(tensors, deltas, config)
        pairs = _pairs(deltas)
        if not pairs or any(getattr(deltas[key], "turn", None) is None for key, _ in pairs):
            raise UserError("a prefix of PEFT's has no place in this network", "its keys are fused, normed or turned otherwise")
        layers = tensors[FILE].chunk(2 * config["num_layers"], 1)
        # Of an encoder-decoder network PEFT reads every layer's keys at four times its number, from the start again at the end.
        stride = 2 * config.get("num_transformer_submodules", 1)
        found = {}
        for layer, (key, value) in enumerate(pairs):
            place = stride * layer % len(layers)
            for path, vectors_PO in ((key, layers[place]), (value, layers[place + 1])):
                found[path] = {"vectors_PD": deltas[path].turned(vectors_PO, back=True)}  # type: ignore[operator]
        return found

    @classmethod
    def from_peft(cls, config: Mapping[str, Any]) -> "PrefixTuning":
        return cls(virtual_tokens=config["num_virtual_tokens"], init="random")


def _pairs(deltas: Mapping[str, Delta]) -> list[tuple[str, str]]:
    """The sites of each layer's keys and values; none where a map says both."""
    roles = {path: getattr(delta, "role", "") for path, delta in deltas.items()}
    keys = [path for path, role in roles.items() if role == "key"]
    values = [path for path, role in roles.items() if role == "value"]
    return list(zip(keys, values, strict=True)) if len(keys) == len(values) and "qkv" not in roles.values() else []
