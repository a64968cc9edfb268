"""Which rows of a call go through which adapter.

Routing is a value of the call: a hook reads the routing of the forward pass that it runs in, and a layer that is
computed again during the backward pass sees the routing of its first time.

Dimension key: B rows, T tokens a row, U source tokens a row.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint


class Routing:
    """Adapters and virtual tokens of one call.

    Args:
        adapters: name of each row's adapter ("" for none), or one name for all rows.
        virtual: [B, T] index of a virtual token, or -1, of the only stack or the decoder; None where there is none.
        source_virtual: [B, U] the same of the encoder.
        asked: [B, Q] the tokens whose last states are asked for, where a network can leave the others out; None: all.
    """

    def __init__(
        self,
        adapters: str | Sequence[str],
        virtual: Tensor | None = None,
        source_virtual: Tensor | None = None,
        asked: Tensor | None = None,
    ) -> None:
        names = {adapters} if isinstance(adapters, str) else set(adapters)
        self.everywhere = names.pop() if len(names) == 1 else None
        self.count = 0 if isinstance(adapters, str) else len(adapters)
        self.asked = asked
        self.virtual = {"target": virtual, "source": source_virtual}
        self._places: dict[str, list[int]] = {}
        self._rows: dict[tuple[str, torch.device], Tensor] = {}
        if self.everywhere is None:
            for row, name in enumerate(adapters):
                self._places.setdefault(name, []).append(row)

    def carries(self, name: str) -> bool:
        """Does any row go through this adapter?"""
        return name == self.everywhere or name in self._places

    def rows(self, name: str, device: torch.device) -> Tensor | None:
        """[b] rows that go through this adapter, which some do; None: all of them."""
        if name == self.everywhere:
            return None
        if (name, device) not in self._rows:
            self._rows[name, device] = torch.tensor(self._places[name], device=device)
        return self._rows[name, device]


_CALL: ContextVar[Routing | None] = ContextVar("routing", default=None)
_SIDE: ContextVar[str] = ContextVar("side", default="target")


def current() -> Routing | None:
    """The routing of the call under way; None outside one."""
    return _CALL.get()


def side() -> str:
    """`source` while an encoder of an encoder-decoder network runs, else `target`."""
    return _SIDE.get()


@contextmanager
def calling(routing: Routing | None, on: str = "target") -> Iterator[None]:
    """Within, hooks read this routing."""
    call, where = _CALL.set(routing), _SIDE.set(on)
    try:
        yield
    finally:
        _CALL.reset(call)
        _SIDE.reset(where)


@contextmanager
def reading_source() -> Iterator[None]:
    """Within, the encoder of an encoder-decoder network runs."""
    where = _SIDE.set("source")
    try:
        yield
    finally:
        _SIDE.reset(where)


def checkpointed(layer: Callable[..., Any], *args: Any) -> Any:
    """Run a layer without keeping its activations; it is computed again in the backward pass, with the same routing."""
    routing, where = current(), side()

    def again(*args: Any) -> Any:
        with calling(routing, where):
            return layer(*args)

    return checkpoint(again, *args, use_reentrant=False)
