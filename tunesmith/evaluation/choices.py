"""Log-probabilities of the choices of many examples, each distinct row read once.

Choices that differ only in what is predicted, and not in what is read (single letters, single words), share a row.

Dimension key: N targets, M scored tokens where choices differ, V vocabulary.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from tunesmith.data.example import Example
from tunesmith.errors import UserError
from tunesmith.models.model import Model, Reading
from tunesmith.tokens.packing import Room
from tunesmith.tokens.renderer import Renderer
from tunesmith.tokens.sequence import IGNORED, Tokens

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Scored:
    """A choice: sum of its tokens' log-probabilities, and how many tokens that are."""

    logprob: float
    tokens: int


@dataclass(slots=True)
class _Row:
    """One row, and the choices (example, number) that are scored in it: position -> the id that each choice has there."""

    tokens: Tokens
    choices: list[tuple[int, int]] = field(default_factory=list)
    differing: dict[int, list[int]] = field(default_factory=dict)


def score_choices(
    model: Model, examples: Sequence[Example], room: Room, on_progress: Progress | None = None
) -> list[list[Scored]]:
    """Scores of every choice of every example, in order. What ends an answer is not scored."""
    rendered = [[unended(model.renderer, example, choice) for choice in example.choices] for example in examples]
    rows = [row for e, tokens in enumerate(rendered) for row in _rows(e, tokens)]
    for example, choices in zip(examples, rendered, strict=True):
        for tokens in choices:
            must_fit(tokens, model, example)
    counts = [[tokens.learnt for tokens in choices] for choices in rendered]
    scores = [[0.0] * len(choices) for choices in rendered]
    done = 0
    for batch in model.pack([[row.tokens] for row in rows], room):
        moved = batch.to(model.device)
        reading = model(moved, everywhere=True)  # choices may differ where no target stands
        agreed = moved.by_sequence(reading.logprobs()).tolist()
        numbers = batch.numbers.tolist()
        for sequence, number in enumerate(numbers):
            for example, choice in rows[number].choices:
                scores[example][choice] += agreed[sequence]
        _add_differing(reading, [rows[number] for number in numbers], scores)
        done += sum(len(rows[number].choices) for number in numbers)
        if on_progress:
            on_progress(done, sum(map(len, counts)))
    return [[Scored(score, count) for score, count in zip(*both, strict=True)] for both in zip(scores, counts, strict=True)]


def must_fit(tokens: Tokens, model: Model, example: Example) -> None:
    """Refuse what is longer than the network's window."""
    length = max(len(tokens.inputs), len(tokens.source)) + model.virtual_tokens
    if model.window is not None and length > model.window:
        raise UserError(
            f"example `{example.id}` has {length} tokens; the network reads at most {model.window}",
            "set `ask.too_long: leave_out`, show fewer shots, or take a model with a longer window",
        )


def unended(renderer: Renderer, example: Example, choice: str) -> Tokens:
    """The rendered choice without what ends an answer, so that a choice is worth what its own words are."""
    tokens = renderer.render(example, choice)
    tail = {"causal": 1, "seq2seq": len(renderer.answer_tail), "masked": 0}[renderer.family]
    kept = len(tokens.targets) - tail
    if not tail or all(target == IGNORED for target in tokens.targets[:kept]):
        return tokens
    return Tokens(tokens.inputs[:kept], tokens.targets[:kept], source=tokens.source)


def _rows(example: int, choices: Sequence[Tokens]) -> list[_Row]:
    """Rows of one example: choices that read the same share one, and only where they differ is each scored apart."""
    groups: dict[tuple[tuple[int, ...], tuple[int, ...]], list[int]] = {}
    for number, tokens in enumerate(choices):
        groups.setdefault((tokens.inputs, tokens.source), []).append(number)
    rows = []
    for (inputs, source), numbers in groups.items():
        columns = list(zip(*(choices[number].targets for number in numbers), strict=True))
        differing = {t: list(ids) for t, ids in enumerate(columns) if len(set(ids)) > 1}
        targets = tuple(IGNORED if t in differing else ids[0] for t, ids in enumerate(columns))
        rows.append(_Row(Tokens(inputs, targets, source=source), [(example, number) for number in numbers], differing))
    return rows


def _add_differing(reading: Reading, rows: Sequence[_Row], scores: list[list[float]]) -> None:
    """Add the log-probabilities of tokens in which choices of one row differ."""
    wanted = [(sequence, t) for sequence, row in enumerate(rows) for t in row.differing]
    if not wanted:
        return
    batch = reading.batch
    sequences_M = torch.tensor([sequence for sequence, _ in wanted], device=batch.last_rows.device)
    back_M = torch.tensor([len(rows[sequence].tokens.inputs) - 1 - t for sequence, t in wanted], device=sequences_M.device)
    states_MD = reading.states(batch.last_rows[sequences_M], batch.last_columns[sequences_M] - back_M)
    logprobs_MV: Tensor = reading.model.vocabulary.logits(states_MD).log_softmax(-1)
    for (sequence, t), logprobs_V in zip(wanted, logprobs_MV, strict=True):
        ids = rows[sequence].differing[t]
        found = logprobs_V[torch.tensor(ids, device=logprobs_V.device)].tolist()
        for (example, choice), logprob in zip(rows[sequence].choices, found, strict=True):
            scores[example][choice] += logprob
