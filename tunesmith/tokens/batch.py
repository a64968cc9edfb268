"""Rows of tokens as tensors, and the table of targets in them.

Dimension key: B rows, T tokens a row, U source tokens a row, N targets, S sequences, K tokens of all sequences.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from itertools import chain, compress, repeat
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tunesmith.tokens.sequence import IGNORED, PLACEHOLDER, Tokens

Per = Literal["target", "sequence", "pair"]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """What a batch was laid out from, so that it can be laid out again: without virtual tokens, or in other rooms.

    rows:    the sequences that share each row; several only for causal networks.
    numbers: for each row, the number of each of its sequences among those that were packed.
    groups:  likewise the number of the example that each is of; empty: it is not told.
    """

    rows: tuple[tuple[Tokens, ...], ...]
    numbers: tuple[tuple[int, ...], ...]
    groups: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class Batch:
    """A few rows for a network. Sequences are counted row by row; sequences of one example stand side by side.

    input_ids:      [B, T] ids of the only stack, or of the decoder; padded at the right with PLACEHOLDER.
    positions:      [B, T]; they restart where a sequence starts, and run on through the padding.
    virtual:        [B, T] index of a virtual token, else -1.
    lengths:        [B] tokens of each row that are not padding.
    target_ids:     [N] what is to be predicted; `target_rows`, `target_columns` [N] from where; `target_seq` [N] for which
                    sequence.
    weight:         [N] float32; how much each target counts.
    last_rows, last_columns: [S] the last token of each sequence.
    numbers:        [S] number of each sequence among those that were packed.
    starts:         [S + 1] int32; where sequences begin if all rows stood in one line, and B * T. Padding belongs to the
                    sequence before it. `longest`: tokens of the longest of them.
    tokens:         real tokens read, of both stacks; padding not counted.
    total:          the sum of `weight`.
    source_ids, source_positions, source_virtual: [B, U] for the encoder of an encoder-decoder network, else None.
    source_lengths: [B]
    source_rows: [B] which row of the source each row reads, where some share one; None: each its own.
    prefixes:       [S] tokens of the sequence before it that a sequence reads first, as its own prompt; None where none does.
    segments:       [B, T] 1 from where the second text of a pair begins, else 0; None where no row is such a pair.
    adapters:       name of each row's adapter ("" for the bare network); None: the model's active one.
    extras:         [S] float32 each: numbers of the sequences, by name; an objective that has looked first may add some of
                    the targets, [N].
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
    starts: Tensor
    longest: int
    tokens: int
    total: float
    origin: Rows
    shared: bool = False
    source_ids: Tensor | None = None
    source_positions: Tensor | None = None
    source_virtual: Tensor | None = None
    source_lengths: Tensor | None = None
    source_rows: Tensor | None = None
    segments: Tensor | None = None
    prefixes: Tensor | None = None
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

    @cached_property
    def first_columns(self) -> Tensor:
        """[S] column of the first token of each sequence that is not virtual."""
        heads_B = self.virtual.amax(1) + 1
        return self.starts[:-1] - self.last_rows * self.input_ids.shape[1] + heads_B[self.last_rows]

    @property
    def sequences(self) -> int:
        return len(self.last_rows)

    def count(self, per: Per) -> float:
        """What a mean is taken over: the sum of the weights, the number of sequences, or of pairs."""
        if per == "target":
            return self.total
        return self.sequences / (2 if per == "pair" else 1)

    def by_sequence(self, values_N: Tensor) -> Tensor:
        """Sum the values of each sequence's targets: [N] -> [S]. Weights are not applied."""
        return values_N.new_zeros(self.sequences).index_add(0, self.target_seq, values_N)

    def plain(self) -> "Batch":
        """The same batch for the network without any adapter: no deltas, no virtual tokens; the same N and S in order."""
        if int(self.virtual.max()) < 0 and (self.source_virtual is None or int(self.source_virtual.max()) < 0):
            return replace(self, adapters=("",) * len(self.input_ids))
        bare = collate(self.origin, adapters=("",) * len(self.input_ids), shared=self.shared)
        return replace(bare, extras=self.extras).to(self.input_ids.device)

    def with_extras(self, **extras: Tensor) -> "Batch":
        return replace(self, extras={**self.extras, **extras})

    def to(self, device: torch.device | str) -> "Batch":
        """The batch on a device. A GPU copies from pinned memory, for which this process does not wait."""
        pin = torch.device(device).type == "cuda" and self.input_ids.device.type == "cpu"

        def there(values: Tensor) -> Tensor:
            return (values.pin_memory() if pin else values).to(device, non_blocking=pin)

        moved: dict[str, Any] = {
            f.name: there(values) for f in fields(self) if isinstance(values := getattr(self, f.name), Tensor)
        }
        return replace(self, **moved, extras={name: there(values) for name, values in self.extras.items()})


def collate(
    origin: Rows,
    virtual: int | Sequence[int] = 0,
    adapters: tuple[str, ...] | None = None,
    shared: bool = False,
    in_decoder: bool | Sequence[bool] = False,
    sources_once: bool = False,
) -> Batch:
    """Lay sequences into tensors on the CPU.

    Args:
        origin: the sequences of each row.
        virtual: virtual tokens at the head of each sequence (of its source, for encoder-decoder networks), per row or for all.
        in_decoder: of encoder-decoder networks, per row or for all: they stand before what the decoder reads instead.
        adapters: name of each row's adapter, or None for the active one.
        shared: whether the network may find several sequences in a row.
        sources_once: whether neighbours with the same source share one row of it.
    """
    counts = [virtual] * len(origin.rows) if isinstance(virtual, int) else list(virtual)
    sequences = [tokens for row in origin.rows for tokens in row]
    rows_S = np.repeat(np.arange(len(origin.rows)), [len(row) for row in origin.rows])
    heads_B = np.asarray(counts)
    with_source = any(tokens.source for tokens in sequences)
    sources_B = np.where(in_decoder, 0, heads_B) if with_source else np.zeros_like(heads_B)
    prefixes_S = np.array([tokens.prefix for tokens in sequences], dtype=np.int64)
    laid = _lay([tokens.inputs for tokens in sequences], rows_S, heads_B - sources_B, prefixes_S)
    targets_K = _flat([tokens.targets for tokens in sequences])
    learnt_K = np.flatnonzero(targets_K != IGNORED)
    weights_K = np.ones(len(targets_K), np.float32)
    if any(tokens.weights for tokens in sequences):
        weights = [tokens.weights or repeat(1.0, len(tokens.targets)) for tokens in sequences]
        weights_K = np.fromiter(chain.from_iterable(weights), np.float32, len(targets_K))
    extras: dict[str, list[float]] = {}
    for tokens in sequences:
        for name, value in tokens.extras.items():
            extras.setdefault(name, []).append(value)
    weight = torch.from_numpy(weights_K[learnt_K])
    batch = Batch(
        input_ids=laid.ids,
        positions=laid.positions,
        virtual=laid.virtual,
        lengths=laid.lengths,
        target_ids=torch.from_numpy(targets_K[learnt_K]),
        target_rows=torch.from_numpy(laid.row[learnt_K]),
        target_columns=torch.from_numpy(laid.column[learnt_K]),
        target_seq=torch.from_numpy(laid.sequence[learnt_K]),
        weight=weight,
        last_rows=torch.from_numpy(rows_S),
        last_columns=torch.from_numpy(laid.last),
        numbers=torch.tensor([n for row in origin.numbers for n in row], dtype=torch.long),
        starts=torch.from_numpy(laid.starts),
        longest=int(np.diff(laid.starts).max(initial=0)),
        tokens=int(laid.lengths.sum()),
        total=float(weight.sum()),
        origin=origin,
        shared=shared,
        adapters=adapters,
        extras={name: torch.tensor(values, dtype=torch.float32) for name, values in extras.items()},
    )
    if prefixes_S.any():
        assert not heads_B.any(), "virtual tokens belong to one sequence"
        batch = _branched(batch, sequences, prefixes_S)
    assert all(len(values) == len(sequences) for values in extras.values()), "an extra is there for every sequence, or for none"
    if any(tokens.second for tokens in sequences):
        batch = replace(batch, segments=_segments(origin, heads_B, laid.ids.shape[1]))
    if not with_source:
        return batch
    assert all(len(row) == 1 for row in origin.rows), "sequences with a source have a row each"
    sources, rows = [tokens.source for tokens in sequences], None
    if sources_once:
        fresh = [not n or source != sources[n - 1] for n, source in enumerate(sources)]
        rows = torch.tensor(fresh).cumsum(0) - 1
        sources, sources_B = list(compress(sources, fresh)), sources_B[fresh]
    source = _lay(sources, np.arange(len(sources)), sources_B)
    return replace(
        batch,
        source_rows=rows,
        source_ids=source.ids,
        source_positions=source.positions,
        source_virtual=source.virtual,
        source_lengths=source.lengths,
        tokens=batch.tokens + int(source.lengths.sum()),
    )


def _branched(batch: Batch, sequences: Sequence[Tokens], prefixes_S: Ints) -> Batch:
    """The batch with what the branches in it open with: predicted from a token of the sequence before, and their own target."""
    branches = np.flatnonzero(prefixes_S)
    at = batch.starts[:-1].long()[branches - 1] + torch.from_numpy(prefixes_S[branches]) - 1
    openings = torch.tensor([sequences[branch].opening for branch in branches.tolist()])
    width = batch.input_ids.shape[1]
    return replace(
        batch,
        prefixes=torch.from_numpy(prefixes_S),
        target_ids=torch.cat((batch.target_ids, openings)),
        target_rows=torch.cat((batch.target_rows, at // width)),
        target_columns=torch.cat((batch.target_columns, at % width)),
        target_seq=torch.cat((batch.target_seq, torch.from_numpy(branches))),
        weight=torch.cat((batch.weight, torch.ones(len(branches)))),
        total=batch.total + len(branches),
    )


def _segments(origin: Rows, heads_B: Ints, columns: int) -> Tensor:
    """[B, T] 1 from where the second text of a row's pair begins."""
    assert all(len(row) == 1 for row in origin.rows), "pairs have a row each"
    seconds_B = np.array([row[0].second for row in origin.rows])
    begin_B = np.where(seconds_B > 0, heads_B + seconds_B, columns)
    return torch.from_numpy((np.arange(columns) >= begin_B[:, None]).astype(np.int64))


@dataclass(frozen=True)
class _Laid:
    """Rows of one stack [B, T], and where its tokens stand: K counts those that are neither virtual nor padding.

    row, column, sequence: [K]
    last: [S] column of each sequence's last token.
    starts: [S + 1] int32 place of each sequence's first token if all rows stood in one line, and B * T.
    """

    ids: Tensor
    positions: Tensor
    virtual: Tensor
    lengths: Tensor
    row: Ints
    column: Ints
    sequence: Ints
    last: Ints
    starts: npt.NDArray[np.int32]


def _lay(sequences: Sequence[Sequence[int]], rows_S: Ints, heads_B: Ints, prefixes_S: Ints | None = None) -> _Laid:
    """Lay sequences side by side into their rows, each behind `heads_B[its row]` virtual tokens; a branch counts on."""
    sizes_S = np.array([len(ids) for ids in sequences], dtype=np.int64)
    heads_S = heads_B[rows_S]
    whole_S = sizes_S + heads_S
    lengths_B = np.bincount(rows_S, weights=whole_S, minlength=len(heads_B)).astype(np.int64)
    before_S = np.cumsum(whole_S) - whole_S  # tokens of all sequences before this one
    starts_S = before_S - (np.cumsum(lengths_B) - lengths_B)[rows_S]  # column where the sequence begins
    starts_B = np.zeros_like(lengths_B)
    np.maximum.at(starts_B, rows_S, starts_S)
    shape = (len(lengths_B), int(lengths_B.max(initial=0)))
    # Positions run on through the padding: a restart would read as one more packed sequence.
    positions_BT = np.arange(shape[1]) - starts_B[:, None]
    sequences_K = np.repeat(np.arange(len(sequences)), sizes_S)
    places_K = np.arange(len(sequences_K)) - np.repeat(np.cumsum(sizes_S) - sizes_S, sizes_S) + heads_S[sequences_K]
    rows_K, columns_K = rows_S[sequences_K], starts_S[sequences_K] + places_K
    ids_BT = np.full(shape, PLACEHOLDER)
    ids_BT[rows_K, columns_K] = _flat(sequences)
    positions_BT[rows_K, columns_K] = places_K if prefixes_S is None else places_K + prefixes_S[sequences_K]
    virtual_BT = np.full(shape, -1)
    for head in range(int(heads_B.max(initial=0))):
        having_S = np.flatnonzero(heads_S > head)
        virtual_BT[rows_S[having_S], starts_S[having_S] + head] = head
        positions_BT[rows_S[having_S], starts_S[having_S] + head] = head
    ids, positions, virtual, lengths = map(torch.from_numpy, (ids_BT, positions_BT, virtual_BT, lengths_B))
    line_S = np.append(rows_S * shape[1] + starts_S, shape[0] * shape[1]).astype(np.int32)
    return _Laid(ids, positions, virtual, lengths, rows_K, columns_K, sequences_K, starts_S + whole_S - 1, line_S)


def _flat(rows: Sequence[Sequence[int]]) -> Ints:
    return np.fromiter(chain.from_iterable(rows), np.int64, sum(map(len, rows)))
