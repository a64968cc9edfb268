"""How sequences are laid out in memory: a matter of speed and space, never of results."""

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Annotated, Literal

from pydantic import Field

from tunesmith.errors import UserError
from tunesmith.tokens.batch import Batch, Rows, collate
from tunesmith.tokens.sequence import Tokens


@dataclass(frozen=True)
class Room:
    """How much fits into one batch.

    rows:   most rows a batch.
    tokens: most tokens a batch, padding and virtual tokens included; one example that is larger has a batch to itself.
    layout: `padded`: one sequence a row, rows of like length side by side, best on a CPU; `packed`: sequences share rows
            of up to `width` tokens (causal networks only), best on a GPU; `auto`: by device.
    width:  tokens of a packed row.
    """

    rows: Annotated[int, Field(gt=0)] = 32
    tokens: Annotated[int, Field(gt=0)] = 8192
    layout: Literal["auto", "padded", "packed"] = "auto"
    width: Annotated[int, Field(gt=0)] = 2048


Group = Sequence[Tokens]  # the sequences of one example; they never part company


def pack(
    groups: Sequence[Group],
    room: Room,
    virtual: int = 0,
    packed: bool = False,
    in_decoder: bool = False,
    sources_once: bool = False,
) -> Iterator[Batch]:
    """Batches that hold every sequence once; `Batch.numbers` tells which is which.

    Args:
        groups: the sequences of each example, in any order.
        room: the limits.
        virtual: virtual tokens of the active adapter, per sequence.
        packed: whether sequences may share a row.
        in_decoder: whether virtual tokens stand before what the decoder reads, and not before the source.
        sources_once: whether an encoder reads what neighbours have as their source once.
    """
    owner = [g for g, group in enumerate(groups) for _ in group]
    number = count()
    numbered = [[(next(number), tokens) for tokens in group] for group in groups]
    layouts = _packed(numbered, room, virtual) if packed else _padded(numbered, room, virtual)
    for rows in layouts:
        numbers = tuple(tuple(n for n, _ in row) for row in rows)
        told = tuple(tuple(owner[n] for n in row) for row in numbers)
        origin = Rows(tuple(tuple(t for _, t in row) for row in rows), numbers, told)
        shared = packed or any(len(row) > 1 for row in rows)
        yield collate(origin, virtual, shared=shared, in_decoder=in_decoder, sources_once=sources_once)


Numbered = list[tuple[int, Tokens]]


def _padded(groups: Sequence[Numbered], room: Room, virtual: int) -> Iterator[list[Numbered]]:
    """One sequence a row, its branches behind it; longest first: the largest batch comes first and memory never grows later."""
    ordered = sorted(groups, key=lambda group: (-max(t.size for _, t in group), group[0][0]))
    batch: list[Numbered] = []
    inputs = sources = 0
    for group in ordered:
        rows = _rows(group)
        widest = max(sum(len(t.inputs) for _, t in row) for row in rows)
        wide_inputs = max(inputs, widest)
        wide_sources = max(sources, *(len(t.source) for _, t in group))
        tokens = (wide_inputs + wide_sources + virtual) * (len(batch) + len(rows))
        if batch and (tokens > room.tokens or len(batch) + len(rows) > room.rows):
            yield batch
            batch, wide_inputs, wide_sources = [], widest, max(len(t.source) for _, t in group)
        batch = batch + rows
        inputs, sources = wide_inputs, wide_sources
    if batch:
        yield batch


def _rows(group: Numbered) -> list[Numbered]:
    """Each sequence of a group in a row of its own, a branch in that of its trunk."""
    rows: list[Numbered] = []
    for number, tokens in group:
        if tokens.prefix:
            rows[-1].append((number, tokens))
        else:
            rows.append([(number, tokens)])
    return rows


def _packed(groups: Sequence[Numbered], room: Room, virtual: int) -> Iterator[list[Numbered]]:
    """Best-fit decreasing: each group goes to the fullest row that still holds it; the longest rows come first."""

    def size(group: Numbered) -> int:
        return sum(tokens.size + virtual for _, tokens in group)

    width = min(room.width, room.tokens)
    rows: list[Numbered] = []
    free: list[tuple[int, int]] = []  # (tokens left, row), the fullest row first
    for group in sorted(groups, key=lambda group: (-size(group), group[0][0])):
        place = bisect_left(free, (size(group), -1))
        if place < len(free):
            left, row = free.pop(place)
            rows[row] = rows[row] + group
        else:
            left, row = width, len(rows)
            rows.append(group)
        if left > size(group):
            insort(free, (left - size(group), row))
    batch: list[Numbered] = []
    for row_ in sorted(rows, key=lambda row: (-size(row), row[0][0])):
        if batch and (len(batch) == room.rows or size(batch[0]) * (len(batch) + 1) > room.tokens):
            yield batch
            batch = []
        batch.append(row_)
    if batch:
        yield batch


def check_fits(tokens: Tokens, window: int | None, virtual: int, name: str) -> None:
    """Refuse a sequence that is longer than the network's window."""
    longest = tokens.row(virtual)
    if window is not None and longest > window:
        raise UserError(
            f"example `{name}` has {longest} tokens; the network reads at most {window}",
            "set `plan.too_long` to `drop` or `cut_prompt`, or look at `tunesmith show` first",
        )
