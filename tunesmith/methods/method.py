"""What a tuning method is: two questions, asked of every weight and every site of a network.

Dimension key: b rows that go through the adapter, T tokens a row, I inputs, O outputs of a site, D hidden size.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

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
    turn:    keys [P, O] as the map says them at positions 0 to P - 1 -> as attention reads them, behind rotary positions; with
             `back=True` the other way. None: attention reads something else, or it is not known.
    head:    numbers of one head of attention.
    crosses: does the map read what the encoder says?
    """

    path: str
    role: str
    stack: str
    inputs: int
    outputs: int
    module: nn.Module
    weight: Callable[[], Tensor]
    spell: Callable[[str], Sequence[int]]
    turn: Callable[..., Tensor] | None = None
    head: int = 0
    crosses: bool = False

    def within(self, stack: str) -> bool:
        """Does the site stand in this stack? A network with a single stack is its own encoder and decoder."""
        return stack == "both" or self.stack in (stack, "only")

    def named(self, names: Sequence[str]) -> bool:
        """Is the site meant by one of these: its role, or a regular expression for the end of its path (`q_proj`)?"""
        return any(self.role == name or re.fullmatch(rf"(.*\.)?(?:{name})", self.path) for name in names)


@dataclass(frozen=True, slots=True)
class Weight:
    """One parameter of a network, by the part that it plays.

    name:   dotted name inside the network.
    part:   attention, mlp, norm, embedding, head or other. An embedding that is the head too is an embedding.
    stack:  `encoder` or `decoder` of an encoder-decoder network; `only` otherwise.
    layer:  number of its layer; None outside the layers. layers: how many layers its stack has.
    dimensions: of its shape.
    """

    name: str
    part: str
    stack: str
    layer: int | None
    layers: int
    dimensions: int

    @property
    def is_bias(self) -> bool:
        return self.name.rpartition(".")[2].endswith("bias") and "relative_attention_bias" not in self.name


class Stack(Protocol):
    """What S deltas of one kind do at one site, each to M tokens of its own; with the values they had when stacked."""

    def before(self, x_SMI: Tensor) -> Tensor:
        """As `Delta.before`, the tokens of the first delta first."""
        ...

    def after(self, x_SMI: Tensor, y_SMO: Tensor) -> Tensor:
        """As `Delta.after`."""
        ...


class Delta(nn.Module):
    """A small trainable change at one site. x is what the site reads, y what it says.

    Parameters are float32 whatever the network's precision is. Buffers are what training remembers: a checkpoint keeps them, an
    adapter's file does not.
    `peft_names` gives each saved tensor's name in PEFT's files, behind `base_model.model.PATH.` unless it begins with `/`.
    `virtual_only`: does it change what is said of virtual tokens alone?
    `fixed` names the attributes, numbers and functions, by which the same parameters compute something else.
    """

    peft_names: ClassVar[Mapping[str, str]] = {}
    virtual_only: ClassVar[bool] = False
    fixed: ClassVar[tuple[str, ...]] = ()
    owner: int = 0  # which part of a combination it belongs to

    def before(self, x: Tensor) -> Tensor:
        """[b, T, I] -> [b, T, I]: what the site reads instead of x."""
        return x

    def after(self, x: Tensor, y: Tensor, virtual: Tensor) -> Tensor:
        """[b, T, O]: what the site says instead of y. virtual: [b, T] index of a virtual token, or -1."""
        return y

    @staticmethod
    def stacked(deltas: Sequence[Any]) -> Stack | None:
        """Deltas of this very class at one site, to be asked at once; None: they are asked one after the other."""
        return None

    def saved(self) -> dict[str, Tensor]:
        """What an adapter's file keeps, by name."""
        return dict(self.named_parameters())

    def fill(self, saved: Mapping[str, Tensor]) -> None:
        """Take the values of a file, under the names of `saved`. ValueError: one has another shape."""
        for name, parameter in self.named_parameters():
            if saved[name].shape != parameter.shape:
                raise ValueError(f"has the shape {tuple(saved[name].shape)}; this network needs {tuple(parameter.shape)}")
            with torch.no_grad():
                parameter.copy_(saved[name])

    def resize(self, other: Any) -> None:
        """Take the size of a delta of this very class, where training changed that."""

    def fold(self, weight_OI: Tensor) -> Tensor:
        """The same change written into the site's weight, float32 [O, I]; of an embedding [V, D]."""
        raise NotImplementedError(f"`{type(self).__name__}` cannot be merged into the weights")

    def fold_bias(self, bias_O: Tensor) -> Tensor:
        """The same change written into the site's bias."""
        return bias_O


@dataclass(frozen=True, slots=True)
class Look:
    """What the network without any adapter shows, for first values.

    said:       ids [P] -> by site of a delta, what it says of them, [P, O]; of a decoder, read as its own row.
    spell:      text -> token ids.
    vocabulary: how many tokens there are.
    """

    said: Callable[[Tensor], Mapping[str, Tensor]]
    spell: Callable[[str], Sequence[int]]
    vocabulary: int


class Method:
    """How a network is changed. A subclass is a frozen dataclass; its fields are its settings.

    virtual_tokens: how many virtual tokens stand at the head of each sequence.
    in_decoder:     of an encoder-decoder network, do they stand before what the decoder reads, and not before the source?
    rate_times_width: the learning rate that suits the method, times the network's width: the wider a network, the smaller
                    the step that suits it. Used where the recipe leaves `plan.learning_rate` null.
    peft_type:      the name of the method in PEFT's files, or "" where PEFT does not have it.
    """

    virtual_tokens: int = 0
    in_decoder: ClassVar[bool] = False
    rate_times_width: ClassVar[float] = 0.15
    peft_type: ClassVar[str] = ""

    @property
    def preset(self) -> float:
        """`rate_times_width` under the method's own settings."""
        return self.rate_times_width

    def refuse_idle(self) -> None:
        """Refuse settings that do nothing beside the others. Asked of a new method only: files may hold such."""

    def trains(self, weight: Weight) -> bool:
        """Is this weight of the network itself trained?"""
        return False

    def delta(self, site: Site) -> Delta | None:
        """What is added at this site?"""
        return None

    def penalty(self, deltas: Mapping[str, Delta]) -> Tensor:
        """A term added to the loss of every step."""
        return torch.zeros(())

    def begin(self, deltas: Mapping[str, Delta], look: Look) -> None:
        """Called once when new deltas stand at their sites, for first values that take the whole network."""

    def on_step(self, deltas: Mapping[str, Delta], step: int, steps: int) -> None:
        """Called after step number `step` of `steps` of the optimizer, while the gradients are still there."""

    def settles(self, steps: int) -> int:
        """The step of so many after which the weights are what the settings promise: no earlier ones are kept as the best."""
        return 0

    def rate_of(self, delta: Delta | None, parameter: str) -> float:
        """The learning rate of a delta's parameter (None: of one of the network's weights), as a multiple of the plan's."""
        return 1.0

    def peft_config(self, sites: Sequence[Site], deltas: Mapping[str, Delta]) -> dict[str, Any] | None:
        """The method's own keys of `adapter_config.json`, given the sites that carry a delta; None: PEFT cannot hold it."""
        return None

    def as_saved(self) -> "Method":
        """The method whose deltas have what `Delta.saved` gives: itself, unless something else is kept than is trained."""
        return self

    def to_file(self, deltas: Mapping[str, Delta], config: Mapping[str, Any]) -> dict[str, Tensor]:
        """The tensors of an adapter's file by their names there; `deltas` are named by their sites."""
        return {file_name(path, delta, name): value for path, delta in deltas.items() for name, value in delta.saved().items()}

    def from_file(
        self, tensors: Mapping[str, Tensor], deltas: Mapping[str, Delta], config: Mapping[str, Any]
    ) -> dict[str, dict[str, Tensor]]:
        """By site, what each delta is filled with: the way back from `to_file`."""
        return {path: {name: tensors[file_name(path, delta, name)] for name in delta.saved()} for path, delta in deltas.items()}

    @classmethod
    def from_peft(cls, config: Mapping[str, Any]) -> "Method | None":
        """The method that an `adapter_config.json` of its `peft_type` describes; None: it describes another one."""
        return None


def file_name(path: str, delta: Delta, name: str) -> str:
    """What a delta saves, in an adapter's file: PEFT's name, or `SITE:NAME`."""
    theirs = delta.peft_names.get(name)
    if theirs is None:
        return f"{path}:{name}"
    return theirs[1:] if theirs.startswith("/") else f"base_model.model.{path}.{theirs}"


@dataclass(frozen=True, slots=True)
class Stretches:
    """Stacked deltas that multiply what is read, or said, by numbers of their own: [S, 1, I] and [S, 1, O], or None."""

    read: Tensor | None = None
    said: Tensor | None = None

    def before(self, x_SMI: Tensor) -> Tensor:
        return x_SMI if self.read is None else x_SMI * self.read.to(x_SMI.dtype)

    def after(self, x_SMI: Tensor, y_SMO: Tensor) -> Tensor:
        return y_SMO if self.said is None else y_SMO * self.said.to(y_SMO.dtype)
