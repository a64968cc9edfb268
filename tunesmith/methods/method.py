"""What a tuning method is: two questions, asked of every weight and every site of a network.

Dimension key: b rows that go through the adapter, T tokens a row, I inputs, O outputs of a site, D hidden size.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Site:
    """One module of a network, by the part that it plays.

    path:    dotted name of the module inside the network.
    role:    query, key, value, qkv, attention_out, mlp_up, mlp_gate, mlp_down, mlp, embedding, head (`models/sites.py`).
    stack:   `encoder` or `decoder` of an encoder-decoder network; `only` otherwise (the embedding that both stacks share too).
    inputs, outputs: I and O of a linear map, whichever way it stores its weight; of an embedding: vocabulary and D.
    module:  the module itself, to look at (for initial values), never to change.
    weight:  -> [O, I] float32, the map's weight whichever way the module keeps it; of an embedding [V, D].
    spell:   text -> token ids, for initial values made from words.
    """

    path: str
    role: str
    stack: str
    inputs: int
    outputs: int
    module: nn.Module
    weight: Callable[[], Tensor]
    spell: Callable[[str], Sequence[int]]

    def within(self, stack: str) -> bool:
        """Does the site stand in this stack? A network with a single stack is its own encoder and decoder."""
        return stack == "both" or self.stack in (stack, "only")

    def named(self, names: Sequence[str]) -> bool:
        """Is the site meant by one of these: its role, or a regular expression for the end of its path (`q_proj`)?"""
        return any(self.role == name or re.fullmatch(rf"(.*\.)?(?:{name})", self.path) for name in names)


class Delta(nn.Module):
    """A small trainable change at one site. x is what the site reads, y what it says.

    Parameters are float32 whatever the network's precision is.
    `peft_names` gives each parameter's name in PEFT's files, behind `base_model.model.PATH.` unless it begins with `/`.
    """

    peft_names: ClassVar[Mapping[str, str]] = {}

    def before(self, x: Tensor) -> Tensor:
        """[b, T, I] -> [b, T, I]: what the site reads instead of x."""
        return x

    def after(self, x: Tensor, y: Tensor, virtual: Tensor) -> Tensor:
        """[b, T, O]: what the site says instead of y. virtual: [b, T] index of a virtual token, or -1."""
        return y

    def fold(self, weight_OI: Tensor) -> Tensor:
        """The same change written into the site's weight, float32 [O, I]."""
        raise NotImplementedError(f"`{type(self).__name__}` cannot be merged into the weights")

    def fold_bias(self, bias_O: Tensor) -> Tensor:
        """The same change written into the site's bias."""
        return bias_O


class Method:
    """How a network is changed. A subclass is a frozen dataclass; its fields are its settings.

    virtual_tokens: how many virtual tokens stand at the head of each sequence.
    rate_times_width: the learning rate that suits the method, times the network's width: the wider a network, the smaller
                    the step that suits it. Used where the recipe leaves `plan.learning_rate` null.
    peft_type:      the name of the method in PEFT's files, or "" where PEFT does not have it.
    """

    virtual_tokens: int = 0
    rate_times_width: ClassVar[float] = 0.15
    peft_type: ClassVar[str] = ""

    def trains(self, parameter: str) -> bool:
        """Is this weight of the network itself trained?"""
        return False

    def delta(self, site: Site) -> Delta | None:
        """What is added at this site?"""
        return None

    def penalty(self, deltas: Mapping[str, Delta]) -> Tensor:
        """A term added to the loss of every step."""
        return torch.zeros(())

    def on_step(self, deltas: Mapping[str, Delta], progress: float) -> None:
        """Called after each step of the optimizer; progress runs from 0 to 1."""

    def peft_config(self, sites: Sequence[Site]) -> dict[str, Any]:
        """The method's own keys of `adapter_config.json`, given the sites that carry a delta."""
        raise NotImplementedError

    @classmethod
    def from_peft(cls, config: Mapping[str, Any]) -> "Method":
        """The method that an `adapter_config.json` describes."""
        raise NotImplementedError
