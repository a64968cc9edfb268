"""Rows of tokens as tensors, and the table of targets in them.

Dimension key: B rows, T tokens a row, U source tokens a row, N targets, S sequences.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from tunesmith.tokens.sequence import IGNORED, PLACEHOLDER, Tokens

Per = Literal["target", "sequence", "pair"]


@dataclass(frozen=True)
class Rows:
    """What a batch was laid out from, so that it can be laid out again without virtual tokens.

    rows:    the sequences that share each row; several only for causal networks.
    numbers: for each row, the number of each of its sequences among those that were packed.
    """

    rows: tuple[tuple[Tokens, ...], ...]
    numbers: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Batch:
    """A few rows for a network. Sequences are counted row by row; sequences of one example stand side by side.

    input_ids:      [B, T] ids of the only stack, or of the decoder; padded at the right with PLACEHOLDER.
    positions:      [B, T]; they restart where a sequence starts, and run on through the padding.
    virtual:        [B, T] index of a virtual token, else -1.
    lengths:        [B] tokens of each row that are not padding.
    target_ids:     [N] what is to be predicted; `target_rows`, `target_columns` [N] from where; `target_seq` [N] for which sequence.
    weight:         [N] float32; how much each target counts.
    last_rows, last_columns: [S] the last token of each sequence.
    numbers:        [S] number of each sequence among those that were packed.
    source_ids, source_positions, source_virtual: [B, U] for the encoder of an encoder-decoder network, else None.
    source_lengths: [B]
    adapters:       name of each row's adapter ("" for the bare network); None: the model's active one.
    extras:         [S] float32 each: numbers of the sequences, by name.
    """

    input_ids: Tensor
    positions: Tensor
    virtual: Tensor
    lengths: Tensor
    target_ids: Tensor
    target_rows: Tensor
    target_columns: Tensor
    target_seq: Tensor
    weight: Tensor
    last_rows: Tensor
    last_columns: Tensor
    numbers: Tensor
    origin: Rows
    shared: bool = False
    source_ids: Tensor | None = None
    source_positions: Tensor | None = None
    source_virtual: Tensor | None = None
    source_lengths: Tensor | None = None
    adapters: tuple[str, ...] | None = None
    extras: Mapping[str, Tensor] = field(default_factory=dict)

    @cached_property
    def mask(self) -> Tensor:
        """[B, T] True where there is a token."""
        return torch.arange(self.input_ids.shape[1], device=self.lengths.device) < self.lengths[:, None]

    @cached_property
    def source_mask(self) -> Tensor:
        """[B, U] True where there is a source token."""
        assert self.source_ids is not None and self.source_lengths is not None
        return torch.arange(self.source_ids.shape[1], device=self.source_lengths.device) < self.source_lengths[:, None]

    @property
    def sequences(self) -> int:
        return len(self.last_rows)

    @property
    def tokens(self) -> int:
        """Real tokens read, of both stacks; padding not counted."""
        source = int(self.source_lengths.sum()) if self.source_lengths is not None else 0
        return int(self.lengths.sum()) + source

    def count(self, per: Per) -> float:
        """What a mean is taken over: the sum of the weights, the number of sequences, or of pairs."""
        if per == "target":
            return float(self.weight.sum())
        return self.sequences / (2 if per == "pair" else 1)

    def by_sequence(self, values_N: Tensor) -> Tensor:
        """Sum the values of each sequence's targets: [N] -> [S]. Weights are not applied."""
        return values_N.new_zeros(self.sequences).index_add(0, self.target_seq, values_N)

    def plain(self) -> "Batch":
        """The same batch for the network without any adapter: no deltas, no virtual tokens; the same N and S in the same order."""
        if int(self.virtual.max()) < 0 and (self.source_virtual is None or int(self.source_virtual.max()) < 0):
            return replace(self, adapters=("",) * len(self.input_ids))
        bare = collate(self.origin, adapters=("",) * len(self.input_ids), shared=self.shared)
        return replace(bare, extras=self.extras).to(self.input_ids.device)

    def with_extras(self, **extras: Tensor) -> "Batch":
        return replace(self, extras={**self.extras, **extras})

    def to(self, device: torch.device | str) -> "Batch":
        """The batch on a device."""
        moved = {f.name: value.to(device) for f in fields(self) if isinstance(value := getattr(self, f.name), Tensor)}
        return replace(self, **moved, extras={name: value.to(device) for name, value in self.extras.items()})


def collate(
    origin: Rows,
    virtual: int | Sequence[int] = 0,
    adapters: tuple[str, ...] | None = None,
    shared: bool = False,
) -> Batch:
    """Lay sequences into tensors on the CPU.

    Args:
        origin: the sequences of each row.
        virtual: virtual tokens at the head of each sequence (of its source, for encoder-decoder networks), per row or for all.
        adapters: name of each row's adapter, or None for the active one.
        shared: whether the network may find several sequences in a row.
    """
    counts = [virtual] * len(origin.rows) if isinstance(virtual, int) else list(virtual)
    with_source = any(tokens.source for row in origin.rows for tokens in row)
    heads = [0] * len(counts) if with_source else counts
    ids, positions, places, lengths = _lay([[tokens.inputs for tokens in row] for row in origin.rows], heads)
    targets: list[tuple[int, int, int, int, float]] = []  # id, row, column, sequence, weight
    last: list[tuple[int, int]] = []
    extras: dict[str, list[float]] = {}
    for b, row in enumerate(origin.rows):
        column = 0
        for tokens in row:
            sequence, first = len(last), column + heads[b]
            weights = tokens.weights or (1.0,) * len(tokens.targets)
            targets += [
                (target, b, first + t, sequence, weights[t]) for t, target in enumerate(tokens.targets) if target != IGNORED
            ]
            column = first + len(tokens.inputs)
            last.append((b, column - 1))
            for name, value in tokens.extras.items():
                extras.setdefault(name, []).append(value)
    columns = list(zip(*targets, strict=True)) or [[], [], [], [], []]
    batch = Batch(
        input_ids=ids,
        positions=positions,
        virtual=places,
        lengths=lengths,
        target_ids=torch.tensor(columns[0], dtype=torch.long),
        target_rows=torch.tensor(columns[1], dtype=torch.long),
        target_columns=torch.tensor(columns[2], dtype=torch.long),
        target_seq=torch.tensor(columns[3], dtype=torch.long),
        weight=torch.tensor(columns[4], dtype=torch.float32),
        last_rows=torch.tensor([b for b, _ in last], dtype=torch.long),
        last_columns=torch.tensor([t for _, t in last], dtype=torch.long),
        numbers=torch.tensor([n for row in origin.numbers for n in row], dtype=torch.long),
        origin=origin,
        shared=shared,
        adapters=adapters,
        extras={name: torch.tensor(values, dtype=torch.float32) for name, values in extras.items()},
    )
    if not with_source:
        return batch
    source_ids, source_positions, source_places, source_lengths = _lay([[row[0].source] for row in origin.rows], counts)
    return replace(
        batch,
        source_ids=source_ids,
        source_positions=source_positions,
        source_virtual=source_places,
        source_lengths=source_lengths,
    )


def _lay(rows: Sequence[Sequence[Sequence[int]]], heads: Sequence[int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(ids, positions, virtual) [B, T] and lengths [B] of rows of sequences, each behind `heads[b]` virtual tokens."""
    lengths = [sum(len(ids) + head for ids in row) for row, head in zip(rows, heads, strict=True)]
    width = max(lengths)
    ids_BT: list[list[int]] = []
    positions_BT: list[list[int]] = []
    virtual_BT: list[list[int]] = []
    for row, head, length in zip(rows, heads, lengths, strict=True):
        ids: list[int] = []
        positions: list[int] = []
        virtual: list[int] = []
        for sequence in row:
            ids += [PLACEHOLDER] * head + list(sequence)
            positions += range(head + len(sequence))
            virtual += [*range(head), *[-1] * len(sequence)]
        rest = width - length
        # Positions run on through the padding: a restart would read as one more packed sequence.
        last = positions[-1] if positions else -1
        ids_BT.append(ids + [PLACEHOLDER] * rest)
        positions_BT.append(positions + list(range(last + 1, last + 1 + rest)))
        virtual_BT.append(virtual + [-1] * rest)
    return torch.tensor(ids_BT), torch.tensor(positions_BT), torch.tensor(virtual_BT), torch.tensor(lengths)
