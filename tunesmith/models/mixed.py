"""Adapters of many rows at one module: those of one kind are asked at once, however many they are.

Rows of a call are put into a table with a line an adapter, as long as the most rows that any has; each line meets its own
adapter's numbers in one batched product. Without gradients only: training asks one adapter after the other.

Dimension key: B rows of a call, T tokens a row, S adapters, M places of a line, N rows that go through one of these adapters,
I inputs, O outputs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tunesmith.methods.method import Delta, Stack

WASTE = 4  # places of the table a row, up to which one call for all is worth it
MANY = 16  # places that a call may have in any case


@dataclass(frozen=True)
class Table:
    """Which row stands at each place [S * M], where each of N rows stands, and which rows these are (None: all, in order)."""

    rows_P: Tensor
    places_N: Tensor
    rows_N: Tensor | None
    lines: int


def table(rows: Sequence[Sequence[int]], count: int, device: torch.device) -> Table | None:
    """Of the rows of each adapter, of `count` in the call; None where most places would be empty."""
    longest = max(map(len, rows))
    held = sum(map(len, rows))
    if len(rows) * longest > max(MANY, WASTE * held):
        return None
    filled = [[*line, *[0] * (longest - len(line))] for line in rows]
    at = sorted((row, number * longest + place) for number, line in enumerate(rows) for place, row in enumerate(line))
    alone = None if held == count else torch.tensor([row for row, _ in at], device=device)
    return Table(
        torch.tensor(filled, device=device).flatten(),
        torch.tensor([place for _, place in at], device=device),
        alone,
        len(rows),
    )


@dataclass(frozen=True)
class _Made:
    """A stack, the adapters of its lines, and the parameters that it was made of as they were then."""

    lines: tuple[str, ...]
    stack: Stack | None
    parameters: tuple[nn.Parameter, ...]
    version: int


class Stacks:
    """The deltas at one module, and what those of each kind are together."""

    def __init__(self) -> None:
        self._deltas: dict[str, Delta] = {}
        self._kinds: dict[type, tuple[str, ...]] = {}
        self._made: dict[
            tuple[type, bool], _Made
        ] = {}  # of all of a kind, and of some: prompts enter between two tokens of all

    def take(self, name: str, delta: Delta) -> None:
        """A delta stands here."""
        self._deltas[name] = delta
        self._sort()

    def leave(self, name: str) -> None:
        """It does no longer."""
        del self._deltas[name]
        self._sort()

    def _sort(self) -> None:
        self._made.clear()
        self._kinds.clear()
        for name, delta in self._deltas.items():
            self._kinds[type(delta)] = (*self._kinds.get(type(delta), ()), name)

    def virtual_only(self, name: str) -> bool:
        """As of `Delta`."""
        return self._deltas[name].virtual_only

    def kinds(self, names: Sequence[str]) -> Mapping[type, list[str]]:
        """The names, by the class of their deltas."""
        found: dict[type, list[str]] = {}
        for name in names:
            found.setdefault(type(self._deltas[name]), []).append(name)
        return found

    def together(self, kind: type, names: Sequence[str]) -> tuple[tuple[str, ...], Stack] | None:
        """A stack that holds these adapters and the names of its lines: all of the kind, unless far more stand here."""
        every = self._kinds[kind]
        all_of_them = len(every) <= 2 * len(names)
        lines = every if all_of_them else tuple(names)
        made = self._made.get((kind, all_of_them))
        if made is None or made.lines != lines or made.version != _version(made.parameters):
            deltas = [self._deltas[name] for name in lines]
            parameters = tuple(parameter for delta in deltas for parameter in delta.parameters())
            made = self._made[kind, all_of_them] = _Made(lines, _stack(kind, deltas), parameters, _version(parameters))
        return None if made.stack is None else (lines, made.stack)


def _version(parameters: Sequence[nn.Parameter]) -> int:
    """A number that grows whenever a value is written."""
    return sum([parameter._version for parameter in parameters])


def _stack(kind: Any, deltas: Sequence[Delta]) -> Stack | None:
    made: Stack | None = kind.stacked(deltas)
    return made


def lined(x_BTI: Tensor, laid: Table) -> Tensor:
    """[S, M * T, I] the rows at their places."""
    return x_BTI.index_select(0, laid.rows_P).reshape(laid.lines, -1, x_BTI.shape[-1])


def back(changed_SMO: Tensor, y_BTO: Tensor, laid: Table) -> Tensor:
    """[B, T, O] with what the places say."""
    said_NTO = changed_SMO.view(len(laid.rows_P), *y_BTO.shape[1:]).index_select(0, laid.places_N).to(y_BTO.dtype)
    return said_NTO if laid.rows_N is None else y_BTO.index_copy(0, laid.rows_N, said_NTO)
