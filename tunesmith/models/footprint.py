"""Bytes that a step of learning holds, counted over tensors without numbers: the step itself runs, and nothing is computed.

A network is made of torch's fake tensors, which have shapes and no memory, and goes through our own forward pass, backward pass
and optimizer. Every tensor that is made is entered in a ledger, and struck out when it is freed, so what autograd keeps in each
way of laying rows out, under each method and precision, is counted as it is and not from a formula. Only whole numbers of the
batch (ids, lengths, places) are real, since shapes depend on them.
"""

import copy
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves

from tunesmith.models.families import Family
from tunesmith.models.load import network_class

ATEN = torch.ops.aten
FILLS = {ATEN.uniform_.default, ATEN.normal_.default, ATEN.bernoulli_.float}  # numbers that nobody looks at
COUNTS = {ATEN.arange.default, ATEN.arange.start, ATEN.arange.start_step, ATEN.randint.default, ATEN.randint.low}
PHASES = ("forward", "backward", "end", "update")
DEPTH = 2  # layers of the network of which a deeper one's bytes are told
DEPTHS = ("num_hidden_layers", "num_layers", "num_decoder_layers", "encoder_layers", "decoder_layers", "n_layer", "n_layers")


@dataclass(frozen=True)
class Parts:
    """Bytes by what they are for. reference: of weights as they were before the first step."""

    weights: float = 0
    reference: float = 0
    gradients: float = 0
    moments: float = 0
    activations: float = 0
    logits: float = 0
    temporary: float = 0

    @property
    def total(self) -> float:
        return float(sum(vars(self).values()))


class Ledger(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Live bytes by kind, the most of them in each phase, and the multiplications of matrix products."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kind = "weights"  # of what is made now
        self.phase = ""
        self.vocabulary = 0
        self.few = False  # whether the gradient of an embedding holds only the rows that were read
        self.products = 0
        self.live = dict.fromkeys(Parts.__match_args__, 0)
        self.kept = self.kept_logits = 0
        self.peaks: dict[str, Parts] = {}
        self._held: dict[int, tuple[int, str]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        tensors = [leaf for leaf in tree_leaves((args, given)) if isinstance(leaf, Tensor)]
        fake = any(isinstance(tensor, FakeTensor) for tensor in tensors)
        if func in FILLS and fake:
            return args[0]
        if func is ATEN._local_scalar_dense.default and fake:
            return _number(tensors[0].dtype)
        if not fake and (tensors or _counts(func, args, given)):
            with _disable_current_modes():
                made = func(*args, **given)
        else:
            made = func(*args, **given)
        self.products += _multiplications(func, args)
        if self.few and func is ATEN.embedding_dense_backward.default:
            return made  # the rows that were read are what came back, which is entered already
        for leaf in tree_leaves(made):
            if isinstance(leaf, Tensor):
                self._enter(leaf)
        return made

    def mark(self, tensor: Tensor, kind: str) -> None:
        """Enter a tensor anew, under another kind; one that takes no room stays out."""
        key = tensor.untyped_storage()._cdata
        if key not in self._held:
            return
        size, before = self._held[key]
        self._held[key] = size, kind
        self.live[before] -= size
        self.live[kind] += size

    def settle(self) -> None:
        """The forward pass is over: what is still held is what the backward pass reads."""
        for key, (size, kind) in self._held.items():
            if kind == "temporary":
                self._held[key] = size, "activations"
                self.live["temporary"] -= size
                self.live["activations"] += size
        self.kept, self.kept_logits = max(self.kept, self.live["activations"]), self.live["logits"]
        if (forward := self.peaks.get("forward")) is not None:
            kept = min(self.kept, forward.temporary)
            self.peaks["forward"] = Parts(
                **{**vars(forward), "activations": forward.activations + kept, "temporary": forward.temporary - kept}
            )

    def _enter(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._held or tensor.device.type == "meta":
            return
        wide = tensor.dim() > 1 and tensor.shape[-1] == self.vocabulary and tensor.is_floating_point()
        kind = "logits" if wide and self.kind == "temporary" else self.kind
        self._held[key] = size, kind
        self.live[kind] += size
        weakref.finalize(storage, self._strike, key)
        phase = self.phase
        if phase == "backward" and 2 * self.live["activations"] < self.kept:
            phase = "end"
        if phase and (phase not in self.peaks or sum(self.live.values()) > self.peaks[phase].total):
            self.peaks[phase] = Parts(**self.live)

    def _strike(self, key: int) -> None:
        size, kind = self._held.pop(key)
        self.live[kind] -= size


def _number(dtype: torch.dtype) -> float | int | bool:
    """What a number is said to be that is not there."""
    return True if dtype == torch.bool else 1.0 if dtype.is_floating_point else 1


def _counts(func: Any, args: tuple[Any, ...], given: Mapping[str, Any]) -> bool:
    """Does an operation without tensors make whole numbers, on which shapes may depend?"""
    dtype = given.get("dtype")
    if dtype is not None:
        return not dtype.is_floating_point
    return func in COUNTS and all(isinstance(leaf, int) for leaf in tree_leaves(args))


def _multiplications(func: Any, args: tuple[Any, ...]) -> int:
    """Multiplications of a product of matrices; 0 for anything else."""
    name = func.overloadpacket.__name__ if hasattr(func, "overloadpacket") else ""
    shapes = [tuple(arg.shape) for arg in args if isinstance(arg, Tensor)]
    if name in ("mm", "bmm"):
        return prod(shapes[0]) * shapes[1][-1]
    if name in ("addmm", "baddbmm", "addmm_"):
        return prod(shapes[1]) * shapes[2][-1]
    if name == "_linear_pointwise":
        return prod(shapes[0]) * shapes[1][0]
    if name.startswith("_scaled_dot_product"):
        backward = "backward" in name
        query, key, value = shapes[1:4] if backward else shapes[:3]
        return prod(query[:-1]) * key[-2] * (query[-1] + value[-1]) * (5 if backward else 2) // 2
    return 0


@contextmanager
def imagined() -> Iterator[Ledger]:
    """Within, tensors with fractions have shapes and no numbers, and are entered in the ledger."""
    ledger = Ledger()
    # torch moves fake parameters in a way that fails where anything refers to them; they are where they belong already.
    with patch.object(nn.Module, "to", lambda module, *args: module), FakeTensorMode(allow_non_fake_inputs=True), ledger:
        yield ledger


def network_of(config: Any, family: Family, dtype: torch.dtype, attention: str | None = None) -> Any:
    """A network of a config; within `imagined` or on the meta device it takes no memory."""
    options = {"attn_implementation": attention} if attention else {}
    network = network_class(family).from_config(copy.deepcopy(config), dtype=dtype, **options)
    # transformers ties the head of every new T5; the files of those that do not scale before it bring one of its own.
    if config.model_type in ("t5", "mt5", "umt5") and not getattr(config, "scale_decoder_outputs", True):
        network.lm_head.weight = nn.Parameter(torch.empty_like(network.lm_head.weight))
    return network


def watch(ledger: Ledger, trained: Mapping[str, nn.Parameter]) -> None:
    """Enter gradients as such from now on."""

    def told(parameter: Tensor) -> None:
        assert parameter.grad is not None, "called after a gradient is there"
        ledger.mark(parameter.grad, "gradients")

    for parameter in trained.values():
        parameter.register_post_accumulate_grad_hook(told)  # type: ignore[no-untyped-call]


def depths(config: Any) -> dict[str, int]:
    """Layers of each stack, by the setting's name."""
    config = text_config(config)
    own = vars(config)
    return {name: own[name] for name in DEPTHS if isinstance(own.get(name), int)}


def with_depths(config: Any, layers: Mapping[str, int]) -> Any:
    """The same config with other numbers of layers; lists with an entry a layer are cut."""
    made = copy.deepcopy(config)
    text = text_config(made)
    before = set(depths(made).values())
    for name, value in vars(text).items():
        if isinstance(value, list) and len(value) in before and name in LISTS:
            setattr(text, name, value[: max(layers.values())])
    for name, count in layers.items():
        setattr(text, name, count)
    return made


LISTS = ("layer_types", "mlp_layer_types", "no_rope_layers")


def text_config(config: Any) -> Any:
    return config.get_text_config() if hasattr(config, "get_text_config") and not config.is_encoder_decoder else config


def told_by_few(config: Any, measure: Callable[[Any], tuple[Mapping[str, Parts], float]]) -> tuple[dict[str, Parts], float]:
    """Bytes by phase and products of a deep network, told by shallow ones: each layer adds as much as the one before it."""
    deep = depths(config)
    if not deep or max(deep.values()) <= DEPTH + 1:
        phases, products = measure(config)
        return dict(phases), products
    shallow = {name: min(DEPTH, count) for name, count in deep.items()}
    first, least = measure(with_depths(config, shallow))
    found, products = dict(first), least
    together = len(set(deep.values())) == 1
    for group in [list(deep)] if together else [[name] for name in deep if deep[name] > shallow[name]]:
        more, many = measure(with_depths(config, {**shallow, **{name: shallow[name] + 1 for name in group}}))
        times = deep[group[0]] - shallow[group[0]]
        products += times * (many - least)
        found = {phase: _deeper(phase, found[phase], first, more, times) for phase in found.keys() & more.keys()}
    return found, products


def _deeper(phase: str, parts: Parts, first: Mapping[str, Parts], more: Mapping[str, Parts], times: int) -> Parts:
    """What `times` more layers make of the bytes of a phase.

    Weights, what is kept of them as they were, moments, what is kept from forward to backward, and at the end all gradients,
    grow with each layer; a tile of logits and what one layer needs for itself do not. At the beginning of the backward pass
    everything is kept and gradients are those of batches before; at its end it is the other way round.
    """

    def layer(of: str, part: str) -> float:
        return max(float(getattr(more[of], part) - getattr(first[of], part)), 0.0)

    ahead = phase in ("forward", "backward")
    alone = [
        one[name] for one in (first, more) for name in (("backward", "end") if phase == "backward" else (phase,)) if name in one
    ]
    return Parts(
        weights=parts.weights + times * layer(phase, "weights"),
        reference=parts.reference + times * layer(phase, "reference"),
        moments=parts.moments + times * layer(phase, "moments"),
        gradients=parts.gradients + times * layer("forward" if ahead else phase, "gradients"),
        activations=parts.activations + (times * layer("kept", "activations") if ahead or phase == "kept" else 0),
        logits=max(parts.logits, more[phase].logits),
        temporary=max(one.temporary for one in alone),
    )
