"""Batches taken apart into the examples that stand in them, and laid out again: in less room, or one by one.

What an objective has told of them since (`Batch.with_extras`) goes along.

Dimension key: N targets, S sequences.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import torch
from torch import Tensor

from tunesmith.tokens.batch import Batch
from tunesmith.tokens.packing import Group
from tunesmith.tokens.sequence import Tokens

Lay = Callable[[Sequence[Group]], Iterator[Batch]]  # sequences of examples -> batches of them, on the CPU


@dataclass
class Piece:
    """One example of a step.

    group:     its number among those that were packed together.
    sequences: of it, in order.
    extras:    of each sequence, by name: one number, or those of its targets in order.
    """

    group: int
    sequences: list[Tokens] = field(default_factory=list)
    extras: list[Mapping[str, Tensor]] = field(default_factory=list)


def pieces(batches: Sequence[Batch]) -> list[Piece]:
    """The examples that stand in the batches of one update, in the order in which they were packed."""
    of_targets = {n for batch in batches for n, values in batch.extras.items() if len(values) != batch.sequences}
    found: dict[int, tuple[int, Tokens, Mapping[str, Tensor]]] = {}
    for batch in batches:
        origin = batch.origin
        assert origin.groups, "batches of `pack`"
        told = zip(*map(chain.from_iterable, (origin.numbers, origin.groups, origin.rows)), strict=True)
        for place, (number, group, tokens) in enumerate(told):
            mine_N = batch.target_seq == place if of_targets else None
            own = {n: values[mine_N if n in of_targets else place] for n, values in batch.extras.items()}
            found[number] = (group, tokens, own)
    whole: dict[int, Piece] = {}
    for _, (group, tokens, extras) in sorted(found.items(), key=lambda one: one[0]):
        piece = whole.setdefault(group, Piece(group))
        piece.sequences.append(tokens)
        piece.extras.append(extras)
    return list(whole.values())


def laid_again(parts: Sequence[Piece], lay: Lay, device: torch.device) -> Iterator[Batch]:
    """Batches of the same examples, laid out by `lay`, with all that was told of them."""
    told = [extras for piece in parts for extras in piece.extras]
    for batch in lay([piece.sequences for piece in parts]):
        own = [told[number] for number in batch.numbers.tolist()]
        moved = batch.to(device)
        yield moved.with_extras(**{name: _joined(moved, [one[name] for one in own]) for name in own[0]} if own else {})


def _joined(batch: Batch, values: Sequence[Tensor]) -> Tensor:
    """[S] or [N] of a batch, from what each of its sequences has."""
    if all(value.ndim == 0 for value in values):
        return torch.stack(list(values))
    out_N = values[0].new_empty(len(batch.target_seq))
    for place, value in enumerate(values):
        out_N[batch.target_seq == place] = value
    return out_N
