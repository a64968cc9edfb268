"""What a prompt's own tokens weigh to a network: `echo` with `logprobs`.

Dimension key: N tokens that something stands before, V vocabulary.
"""

from collections.abc import Sequence

import torch

from tunesmith.generation.slots import Told
from tunesmith.models.model import Model
from tunesmith.tokens.packing import Room
from tunesmith.tokens.sequence import causal

TOGETHER = 256  # tokens whose logits are there at once


@torch.no_grad()
def weighed(model: Model, prompts: Sequence[Sequence[int]], alternatives: int) -> list[tuple[Told, ...]]:
    """Of each token of a prompt but the first, what it weighs behind those before it, beside so many of the likeliest.

    By the thread that owns the model, under its active adapter. Log-probabilities are the network's own, as those of answers.
    """
    told: list[list[Told]] = [[] for _ in prompts]
    numbers = [number for number, ids in enumerate(prompts) if len(ids) > 1]
    groups = [[causal(prompts[number], [1.0] * len(prompts[number]))] for number in numbers]
    for laid in model.pack(groups, Room()):
        batch = laid.to(model.device)
        reading = model(batch, everywhere=True)
        owners = batch.numbers[batch.target_seq].tolist()
        for start in range(0, len(owners), TOGETHER):
            part = slice(start, start + TOGETHER)
            logits_NV = reading.vocabulary.logits(reading.states(batch.target_rows[part], batch.target_columns[part]))
            for owner, one in zip(owners[part], _told(logits_NV, batch.target_ids[part], alternatives), strict=True):
                told[numbers[owner]].append(one)
    return [tuple(one) for one in told]


def _told(logits_NV: torch.Tensor, ids_N: torch.Tensor, alternatives: int) -> list[Told]:
    logprobs_NV = logits_NV.log_softmax(1)
    own = logprobs_NV.gather(1, ids_N[:, None])[:, 0].tolist()
    best = logprobs_NV.topk(min(alternatives, logprobs_NV.shape[1]))
    likeliest = [tuple(zip(*one, strict=True)) for one in zip(best.indices.tolist(), best.values.tolist(), strict=True)]
    return [Told(*one) for one in zip(ids_N.tolist(), own, likeliest, strict=True)]
