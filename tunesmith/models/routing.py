"""Which rows of a call go through which adapter.

Routing is a value of the call: a hook reads the routing of the forward pass that it runs in, and a layer that is
computed again during the backward pass sees the routing of its first time.

Dimension key: B rows, T tokens a row, U source tokens a row, S sequences, N tokens of all of them, A tokens asked for.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import accumulate
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torch.utils.hooks import RemovableHandle

from tunesmith.methods.method import Delta, Stack
from tunesmith.models.mixed import Stacks, Table, table


@dataclass(frozen=True)
class Flat:
    """One stack's tokens, laid end to end.

    at:      [N] where each stands in the padded rows, counted through [B * T].
    lengths: tokens of each of the S sequences.
    asked:   [A] which of the N are asked for, in order; None: all.
    counts:  how many of them belong to each sequence.
    prefixes: tokens of the sequence before it that each sequence reads first; empty: none does.
    asking:  of sources that several rows read, the tokens of the decoder that read each; empty: each has a row of its own.
    """

    at: Tensor
    lengths: tuple[int, ...]
    asked: Tensor | None = None
    counts: tuple[int, ...] = ()
    prefixes: tuple[int, ...] = ()
    asking: tuple[int, ...] = ()

    @cached_property
    def seen(self) -> Tensor:
        """[M] which of the N tokens each sequence sees, its prefix first, one sequence after the other."""
        ends = list(accumulate(self.lengths))
        parts = []
        for number, (end, length) in enumerate(zip(ends, self.lengths, strict=True)):
            if prefix := self.prefixes[number]:
                trunk = ends[number - 1] - self.lengths[number - 1]
                parts.append(torch.arange(trunk, trunk + prefix))
            parts.append(torch.arange(end - length, end))
        return torch.cat(parts)

    def take(self, x_BTD: Tensor) -> Tensor:
        """[1, N, D] the tokens of padded rows."""
        return x_BTD.flatten(0, 1)[self.at][None]


class Routing:
    """Adapters and virtual tokens of one call.

    Args:
        adapters: name of each row's adapter ("" for none), or one name for all rows.
        virtual: [B, T] index of a virtual token, or -1, of the only stack or the decoder; None where there is none.
        source_virtual: [B, U] the same of the encoder.
        flats: the tokens of each side without padding, where layers read rows laid end to end (`models/flat.py`); else None.
    """

    def __init__(
        self,
        adapters: str | Sequence[str],
        virtual: Tensor | None = None,
        source_virtual: Tensor | None = None,
        flats: dict[str, Flat] | None = None,
    ) -> None:
        names = {adapters} if isinstance(adapters, str) else set(adapters)
        self.everywhere = names.pop() if len(names) == 1 else None
        self.count = 0 if isinstance(adapters, str) else len(adapters)
        self.spoken = False  # whether no token is virtual, so that deltas which change only those need not be asked
        self._tables: dict[tuple[str, ...], Table | None] = {}
        self.flats = flats
        self.kept: Any = None  # what the frozen part is to say (`models/kept.py: Given`); None: it is computed as all else
        self.virtual = {"target": virtual, "source": source_virtual}
        self._places: dict[str, list[int]] = {}
        self._rows: dict[tuple[str, torch.device], Tensor] = {}
        if self.everywhere is None:
            for row, name in enumerate(adapters):
                self._places.setdefault(name, []).append(row)

    @property
    def names(self) -> tuple[str, ...]:
        """Every adapter that some row goes through, and "" where some row goes through none."""
        return tuple(self._places) if self.everywhere is None else (self.everywhere,)

    def carries(self, name: str) -> bool:
        """Does any row go through this adapter?"""
        return name == self.everywhere or name in self._places

    def table(self, names: tuple[str, ...]) -> Table | None:
        """The rows of these adapters side by side; None where that does not pay, or the layout knows no rows."""
        if names not in self._tables:
            rows = [self._places.get(name, []) for name in names]
            device = next((value.device for value in self.virtual.values() if value is not None), torch.device("cpu"))
            self._tables[names] = table(rows, self.count, device)
        return self._tables[names]

    def rows(self, name: str, device: torch.device) -> Tensor | None:
        """[b] rows that go through this adapter, which some do; None: all of them."""
        if name == self.everywhere:
            return None
        if (name, device) not in self._rows:
            self._rows[name, device] = torch.tensor(self._places[name], device=device)
        return self._rows[name, device]


class Change(Protocol):
    """What an adapter does at a module, as a hook of it."""

    def __call__(self, module: nn.Module, *given: Any) -> Any:
        """What is read or said instead; None where no row goes through the adapter."""
        ...

    def together(self, stack: Stack, laid: Table, module: nn.Module, *given: Any) -> Any:
        """The same for all adapters of a stack."""
        ...


class Place:
    """One hook of a module for all adapters that stand there: those of a call are looked up by name, however many there are."""

    def __init__(self, register: Callable[[Callable[..., Any]], RemovableHandle]) -> None:
        self.changes: dict[str, Change] = {}
        self.stacks = Stacks()
        self._handle = register(self)

    @classmethod
    def at(cls, hooks: Mapping[int, Any], register: Callable[[Callable[..., Any]], RemovableHandle]) -> "Place":
        """The place among a module's hooks, or a new one."""
        return next((hook for hook in hooks.values() if isinstance(hook, cls)), None) or cls(register)

    def __call__(self, module: nn.Module, *given: Any) -> Any:
        """What the module reads or says instead, changed by one adapter after the other; None where no row goes through any."""
        routing, changed = current(), None
        names = [] if routing is None else [name for name in routing.names if name in self.changes]
        if routing is not None and routing.spoken:
            names = [name for name in names if not self.stacks.virtual_only(name)]
        for change in self._asked(names, routing) if len(names) > 1 else [self.changes[name] for name in names]:
            changed = change(module, *(given if changed is None else (*given[:-1], changed)))
        return changed

    def _asked(self, names: Sequence[str], routing: "Routing | None") -> "Iterator[Callable[..., Any]]":
        """One change for all adapters of a kind, where that pays."""
        assert routing is not None
        for kind, own in self.stacks.kinds(names).items():
            stacked = self.stacks.together(kind, own) if len(own) > 1 and not torch.is_grad_enabled() else None
            laid = None if stacked is None else routing.table(stacked[0])
            if stacked is None or laid is None:
                yield from (self.changes[name] for name in own)
            else:
                yield partial(self.changes[own[0]].together, stacked[1], laid)

    def take(self, name: str, change: Change, delta: Delta) -> "Stay":
        self.changes[name] = change
        self.stacks.take(name, delta)
        return Stay(self, name)

    def leave(self, name: str) -> None:
        del self.changes[name]
        self.stacks.leave(name)
        if not self.changes:
            self._handle.remove()


@dataclass(frozen=True)
class Stay:
    """An adapter at a place."""

    place: Place
    name: str

    def remove(self) -> None:
        self.place.leave(self.name)


class _Call(threading.local):
    """What the hooks of a thread read. Not a `ContextVar`, which breaks the graph of a compiled layer."""

    routing: Routing | None = None
    side: str = "target"


_CALL = _Call()


def current() -> Routing | None:
    """The routing of the call under way; None outside one."""
    return _CALL.routing


def side() -> str:
    """`source` while an encoder of an encoder-decoder network runs, else `target`."""
    return _CALL.side


@contextmanager
def calling(routing: Routing | None, on: str = "target") -> Iterator[None]:
    """Within, hooks read this routing."""
    before = _CALL.routing, _CALL.side
    _CALL.routing, _CALL.side = routing, on
    try:
        yield
    finally:
        _CALL.routing, _CALL.side = before


def reading_source() -> AbstractContextManager[None]:
    """Within, the encoder of an encoder-decoder network runs."""
    return calling(current(), "source")


def checkpointed(layer: Callable[..., Any], *args: Any) -> Any:
    """Run a layer without keeping its activations; it is computed again in the backward pass, with the same routing."""
    if torch.compiler.is_compiling():  # the graph has no routing: what the hooks did with it stands in there
        return checkpoint(layer, *args, use_reentrant=False)
    routing, where = current(), side()

    def again(*args: Any) -> Any:
        with calling(routing, where):
            return layer(*args)

    return checkpoint(again, *args, use_reentrant=False)
