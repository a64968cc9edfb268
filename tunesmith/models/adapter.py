"""A trained change to a network, with a name: what it owns, and how it stands in the network's way.

Dimension key: B rows, b rows of an adapter, T tokens a row, I inputs, O outputs of a site.
"""

from collections.abc import Callable, Collection, Sequence
from functools import wraps
from typing import Any

import torch
from torch import Tensor, nn

from tunesmith.errors import UserError, did_you_mean
from tunesmith.methods.combined import Combined
from tunesmith.methods.method import Delta, Method, Site, Stack, Weight
from tunesmith.methods.selective import Selective
from tunesmith.models.head import Head
from tunesmith.models.mixed import Table, back, lined
from tunesmith.models.routing import Place, Routing, Stay, current, reading_source, side
from tunesmith.models.sites import ROLE_NAMES, reads_source, sites, unmet, weights


class Adapter(nn.Module):
    """All that a method trains: the deltas at their sites, the weights set free, and the head that is not the network's.

    Args:
        method: how the network is changed.
        network: what is changed. Its weights that the method trains are set free.
        head: a head beside the network, trained with every method; None where there is none.
        spell: text -> token ids, for initial values made from words.
        never: names of weights that no method trains, nor puts anything beside.
    """

    def __init__(
        self,
        method: Method,
        network: nn.Module,
        head: Head | None,
        spell: Callable[[str], Sequence[int]],
        never: Collection[str] = (),
    ) -> None:
        super().__init__()
        self.method = method
        open_ = (site for site in sites(network, spell) if f"{site.path}.weight" not in never)
        found = [(site, delta) for site in open_ if (delta := method.delta(site)) is not None]
        self.sites: dict[str, Site] = {site.path: site for site, _ in found}
        self.deltas: dict[str, Delta] = {site.path: delta for site, delta in found}
        self.kept = nn.ModuleList(self.deltas.values())
        self.freed: dict[str, nn.Parameter] = {}
        if type(method).trains is not Method.trains:  # else nothing is looked at: attaching is quick
            own = dict(network.named_parameters())
            self.freed = {name: own[name] for name in freed_by(method, network, never)}
            if part := idle(method, self.deltas.values(), [w for w in weights(network) if w.name not in never]):
                raise nothing(part, network)
        # Held without registering: the network's and the model's parameters stay theirs alone.
        self._head: list[Head] = [head] if head is not None else []
        self._check(method, network)

    def _check(self, method: Method, network: nn.Module) -> None:
        for site in self.sites.values():
            if site.role == "head":
                raise UserError(
                    f"`{type(method).__name__}` stands at `{site.path}`, the vocabulary head, where no delta can stand",
                    "leave it out of `method.on`",
                )
        for path, delta in self.deltas.items():
            if f"{path}.weight" in self.freed and type(delta).fold is not Delta.fold:
                raise UserError(
                    f"`{path}.weight` is trained itself, and a `{type(delta).__name__}` changes it too",
                    "give them different places",
                )
        kind = type(method)
        # A method that asks for no place, such as `frozen`, means the head alone; any other would be one under a wrong name.
        asks = kind.trains is not Method.trains or kind.delta is not Method.delta
        if not self.deltas and not self.freed and (asks or (not self._head and kind is not Method)):
            raise nothing(method, network)

    @property
    def head(self) -> Head | None:
        """The head that is trained with it, or None."""
        return self._head[0] if self._head else None

    def lose_head(self) -> None:
        """Train no head any more."""
        self._head.clear()

    def trained(self) -> dict[str, nn.Parameter]:
        """Every trained parameter by a stable name: `SITE:NAME` of a delta, a weight's own name, `head.weight`."""
        named = {f"{path}:{name}": p for path, delta in self.deltas.items() for name, p in delta.named_parameters()}
        head = {f"head.{name}": p for part in self._head for name, p in part.named_parameters()}
        return {**named, **self.freed, **head}

    def rates(self) -> dict[str, float]:
        """The learning rate of every trained parameter, as a multiple of the plan's."""
        method = self.method
        rates = dict.fromkeys(self.trained(), 1.0) | {name: method.rate_of(None, name) for name in self.freed}
        for path, delta in self.deltas.items():
            rates |= {f"{path}:{name}": method.rate_of(delta, name) for name, _ in delta.named_parameters()}
        return rates

    def remembered(self) -> dict[str, Tensor]:
        """What training keeps beside the parameters, by name: a checkpoint has it too."""
        return {f"{path}:{name}": value for path, delta in self.deltas.items() for name, value in delta.named_buffers()}

    def count(self) -> int:
        """Number of trained values; tied weights count once."""
        return sum(p.numel() for p in {id(p): p for p in self.trained().values()}.values())

    def free(self, yes: bool = True) -> None:
        """Let gradients reach what is trained, or not."""
        for parameter in self.trained().values():
            parameter.requires_grad_(yes)


def freed_by(method: Method, network: nn.Module, never: Collection[str] = ()) -> list[str]:
    """Names of the network's own weights that a method trains."""
    return [weight.name for weight in weights(network) if weight.name not in never and method.trains(weight)]


def idle(method: Method, deltas: Collection[Delta], open_: Sequence[Weight]) -> Method | None:
    """A part of a combination that trains nothing."""
    owners = {delta.owner for delta in deltas}
    parts = enumerate(method.parts if isinstance(method, Combined) else ())
    return next((part for number, part in parts if number not in owners and not any(map(part.trains, open_))), None)


def nothing(method: Method, network: nn.Module) -> UserError:
    """What is said of a method that trains nothing."""
    places = [f"`method.{name}`" for name in ("on", "inputs", "place") if hasattr(method, name)]
    hint = f"look at {' and '.join(places)}" if places else "choose another `method`"
    if isinstance(method, Selective):
        hint = "look at its `parts`, `only`, `last`, `every` and `pattern`"
        if "head" in method.parts and not any(weight.part == "head" for weight in weights(network)):
            hint = "its vocabulary head is the embedding: name that; a head beside the network is trained by every method"
    return UserError(f"`{type(method).__name__}` finds nothing to train in this network", hint)


def refuse_unmet(method: Method, network: nn.Module) -> None:
    """Refuse what a new method is told in vain: settings that do nothing, names of places that the network does not have.

    A role may have none: recipes go with many networks.
    """
    for part in method.parts if isinstance(method, Combined) else (method,):
        part.refuse_idle()
        names = [name for of in ("on", "inputs") for name in getattr(part, of, ())]
        if wrong := unmet(names, network):
            raise UserError(
                f"`{type(part).__name__}` is to stand at `{wrong[0]}`, which is no role and ends no module's path here",
                did_you_mean(wrong[0], ROLE_NAMES),
            )


def hook(name: str, adapter: Adapter, network: nn.Module) -> list[Stay]:
    """Put the deltas of an adapter at their sites."""
    handles = []
    for path, delta in adapter.deltas.items():
        module, source = network.get_submodule(path), reads_source(adapter.sites[path])
        kind = type(delta)
        if kind.before is not Delta.before:
            before = Place.at(module._forward_pre_hooks, module.register_forward_pre_hook)
            handles.append(before.take(name, _Reader(name, delta), delta))
        if kind.after is not Delta.after:
            after = Place.at(module._forward_hooks, module.register_forward_hook)
            handles.append(after.take(name, _Speaker(name, delta, source), delta))
    return handles


def tell_sides(network: nn.Module) -> None:
    """Let an embedding that both stacks share know whether the encoder calls it."""
    if not getattr(network.config, "is_encoder_decoder", False):
        return
    encoder: Any = network.get_encoder()  # type: ignore[operator]
    computed = encoder.forward

    @wraps(computed)
    def forward(*args: Any, **kwargs: Any) -> Any:
        with reading_source():
            return computed(*args, **kwargs)

    encoder.forward = forward


class _Reader:
    """A delta's part in what a module reads."""

    def __init__(self, name: str, delta: Delta) -> None:
        self.name, self.delta = name, delta

    def __call__(self, module: nn.Module, *given: Any) -> tuple[Any, ...] | None:
        routing = current()
        if routing is None or not routing.carries(self.name):
            return None
        x, *rest = given[0]
        rows = routing.rows(self.name, x.device)
        folded = _by_row(x, routing, rows)
        changed = self.delta.before(folded if rows is None else folded[rows])
        return _put(folded, rows, changed).reshape(x.shape), *rest

    def together(self, stack: Stack, laid: Table, module: nn.Module, *given: Any) -> tuple[Any, ...]:
        x, *rest = given[0]
        routing = current()
        assert routing is not None
        folded = _folded(x, routing)
        return back(stack.before(lined(folded, laid)), folded, laid).reshape(x.shape), *rest


class _Speaker:
    """A delta's part in what a module says; `source`: whether it reads the encoder's tokens, None: as the call does."""

    def __init__(self, name: str, delta: Delta, source: bool | None) -> None:
        self.name, self.delta, self.source = name, delta, source

    def __call__(self, module: nn.Module, *given: Any) -> Any:
        routing = current()
        if routing is None or not routing.carries(self.name):
            return None
        (x, *_), said = given
        y = said[0] if isinstance(said, tuple) else said
        rows = routing.rows(self.name, y.device)
        x_by_row, y_by_row = _by_row(x, routing, rows), _by_row(y, routing, rows)
        virtual = _virtual(routing, (side() == "source") if self.source is None else self.source, y_by_row)
        if rows is None:
            changed = self.delta.after(x_by_row, y_by_row, virtual)
        else:
            changed = self.delta.after(x_by_row[rows], y_by_row[rows], virtual[rows])
        whole = _put(y_by_row, rows, changed).reshape(y.shape)
        return (whole, *said[1:]) if isinstance(said, tuple) else whole

    def together(self, stack: Stack, laid: Table, module: nn.Module, *given: Any) -> Any:
        (x, *_), said = given
        y, routing = said[0] if isinstance(said, tuple) else said, current()
        assert routing is not None
        x_by_row, y_by_row = _folded(x, routing), _folded(y, routing)
        whole = back(stack.after(lined(x_by_row, laid), lined(y_by_row, laid)), y_by_row, laid).reshape(y.shape)
        return (whole, *said[1:]) if isinstance(said, tuple) else whole


def _folded(x: Tensor, routing: Routing) -> Tensor:
    """[B, T, ...], as `_by_row`."""
    return x.view(routing.count, -1, x.shape[-1])


def _by_row(x: Tensor, routing: Routing, rows: Tensor | None) -> Tensor:
    """[B, T, ...] of what some networks (OPT) fold to [B * T, ...] on the way, and of tokens laid end to end, a row each."""
    if rows is None or len(x) == routing.count:
        return x
    x = x[0] if len(x) == 1 else x
    return x.view(routing.count, -1, *x.shape[1:])


def _virtual(routing: Routing, source: bool, y: Tensor) -> Tensor:
    side = "source" if source else "target"
    virtual, count = routing.virtual[side], y.numel() // y.shape[-1]
    if virtual is not None and routing.flats is not None and virtual.numel() != count:  # tokens laid end to end
        flat = routing.flats[side]
        virtual = virtual.flatten()[flat.at]
        virtual = virtual if flat.asked is None or len(virtual) == count else virtual[flat.asked]
    if virtual is not None and virtual.numel() == count:
        return virtual.view(y.shape[:-1])
    return torch.full(y.shape[:-1], -1, device=y.device)


def _put(y: Tensor, rows: Tensor | None, changed: Tensor) -> Tensor:
    changed = changed.to(y.dtype)
    return changed if rows is None else y.index_copy(0, rows, changed)
