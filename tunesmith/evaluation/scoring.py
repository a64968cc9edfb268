"""What rows of tokens are worth: sums of log-probabilities, with logits nowhere but where a token is scored.

Dimension key: N scored tokens, A states, C states of a tile, V vocabulary.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tunesmith.models.fitting import fitted
from tunesmith.models.logprobs import tiles
from tunesmith.models.model import Model
from tunesmith.models.reads import Said, reads_of, states_of
from tunesmith.tokens.packing import Room
from tunesmith.tokens.sequence import Tokens


@dataclass(frozen=True, slots=True)
class Scored:
    """A row: sum of its targets' log-probabilities in nats, how many these are, and whether each was the likeliest."""

    logprob: float
    tokens: int
    greedy: bool


@torch.no_grad()
def score_rows(
    model: Model, rows: Sequence[Tokens], room: Room, on_progress: Callable[[int], None] | None = None
) -> list[Scored]:
    """What each row is worth under the active adapter, in order; the model in eval mode.

    A score depends neither on the other rows nor on the room, but for rounding: what rows begin with alike is read once.
    Where memory runs out, all are scored again in half the room.
    `on_progress` is told how many rows are done since it was told last.
    """
    model.must_have_words()
    told = 0

    def done(rows: int) -> None:
        nonlocal told
        if on_progress and rows > told:
            on_progress(rows - told)
            told = rows

    longest = max((tokens.size for tokens in rows), default=0)
    return fitted(lambda room: _scored(model, rows, room, done), room, model, f"a row of {longest:,} tokens")


def _scored(model: Model, rows: Sequence[Tokens], room: Room, done: Callable[[int], None]) -> list[Scored]:
    """`done` is told how many rows are done in all."""
    sums = torch.zeros(len(rows), dtype=torch.float64)
    missed = torch.zeros(len(rows), dtype=torch.long)
    counts = torch.tensor([sum(target >= 0 for target in tokens.targets) for tokens in rows], dtype=torch.long)
    left = counts.clone()
    nothing = int((left == 0).sum())
    for said in states_of(model, reads_of(rows), room):
        row_N = torch.tensor([one.row for one in said.wanted])
        logprob_N, best_N = _logprobs(model, said)
        sums.index_add_(0, row_N, logprob_N.cpu().double())
        missed.index_add_(0, row_N, (~best_N).cpu().long())
        left -= row_N.bincount(minlength=len(rows))
        done(int((left == 0).sum()) - nothing)
    found = zip(sums.tolist(), counts.tolist(), (missed == 0).tolist(), strict=True)
    return [Scored(*one) for one in found]


def _logprobs(model: Model, said: Said) -> tuple[Tensor, Tensor]:
    """[N] log-probability of each token, and whether it was the likeliest of all; a state's logits are computed once."""
    ids_N = torch.tensor([one.id for one in said.wanted], device=said.at.device)
    logprob_N = torch.empty(len(ids_N), device=said.at.device)
    best_N = torch.empty(len(ids_N), dtype=torch.bool, device=said.at.device)
    for tile in tiles(said.states, len(model.vocabulary.weight)):
        # Fused, and many times faster on a CPU than `logsumexp`.
        logprobs_CV = model.vocabulary.logits(said.states[tile]).log_softmax(1)
        here = (said.at >= tile.start) & (said.at < tile.stop)
        at, ids = said.at[here] - tile.start, ids_N[here]
        logprob_N[here] = logprobs_CV[at, ids]
        best_N[here] = logprobs_CV.argmax(1)[at] == ids
    return logprob_N, best_N
