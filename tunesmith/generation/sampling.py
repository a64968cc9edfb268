"""How the next token is drawn from the logits of a row.

Every row draws from numbers of its own, made from the seed, the prompt and the number of earlier equal prompts; so an
answer depends neither on its company nor on the size of the batch.

Dimension key: B rows, V vocabulary.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from tunesmith.errors import UserError


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a model speaks.

    tokens:             longest answer, in tokens.
    temperature:        0 is greedy: always the likeliest token; 1 draws from the network's own distribution.
    top_p:              draw from the smallest set of tokens that holds this probability (Holtzman et al. 2020).
    top_k:              draw from the k likeliest tokens; 0 for all.
    repetition_penalty: divides the logits of tokens that were there before, where positive, and multiplies the negative
                        ones (Keskar et al. 2019); 1 for none. Prompt tokens count too, except in an encoder's source.
    seed:               of the draws.
    stop:               texts that end an answer; they are cut from it.
    """

    tokens: Annotated[int, Field(gt=0)] = 64
    temperature: Annotated[float, Field(ge=0)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    top_k: Annotated[int, Field(ge=0)] = 0
    repetition_penalty: Annotated[float, Field(gt=0)] = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        wrong = [
            (name, value, remedy)
            for name, value, fine, remedy in (
                ("tokens", self.tokens, self.tokens > 0, "give a number above 0"),
                ("temperature", self.temperature, self.temperature >= 0, "0 is greedy, 1 the network's own distribution"),
                ("top_p", self.top_p, 0 < self.top_p <= 1, "give a probability above 0 and up to 1"),
                ("top_k", self.top_k, self.top_k >= 0, "0 draws from all tokens"),
                ("repetition_penalty", self.repetition_penalty, self.repetition_penalty > 0, "1 is no penalty"),
                ("stop", self.stop, all(self.stop), "an empty text would end every answer at once"),
            )
            if not fine
        ]
        if wrong:
            name, value, remedy = wrong[0]
            raise UserError(f"`sampling.{name}` is {value!r}", remedy)

    @property
    def greedy(self) -> bool:
        return self.temperature == 0 or self.top_k == 1

    @property
    def shape(self) -> tuple[float, float, int]:
        """What rows that are drawn in one go have in common."""
        return (0.0, 1.0, 0) if self.greedy else (self.temperature, self.top_p, self.top_k)


def dice(sampling: Sampling, prompt: Sequence[int], copy: int) -> random.Random:
    """What gives a number in [0, 1) for each token of the answer to the `copy`-th prompt with these ids."""
    return random.Random(f"{sampling.seed} {copy} {' '.join(map(str, prompt))}")


def penalise(logits_BV: Tensor, seen_BV: Tensor, penalty_B1: Tensor) -> Tensor:
    """Logits with those of seen tokens made smaller."""
    lower_BV = torch.where(logits_BV > 0, logits_BV / penalty_B1, logits_BV * penalty_B1)
    return torch.where(seen_BV, lower_BV, logits_BV)


def pick(logits_BV: Tensor, sampling: Sampling, draws_B: Tensor | None) -> Tensor:
    """[B] the next token of each row: the likeliest or, at a temperature, where the row's draw falls."""
    if sampling.greedy:
        return logits_BV.argmax(-1)
    assert draws_B is not None
    logits_BV = logits_BV.float() / sampling.temperature
    if sampling.top_k and sampling.top_k < logits_BV.shape[-1]:
        least_B1 = logits_BV.topk(sampling.top_k, dim=-1).values[:, -1:]
        logits_BV = logits_BV.masked_fill(logits_BV < least_B1, -torch.inf)
    if sampling.top_p < 1:
        logits_BV = _nucleus(logits_BV, sampling.top_p)
    sums_BV = logits_BV.softmax(-1).cumsum(-1)
    # Just below one, so that rounding never carries a draw past the last token that has any probability.
    draws_B1 = draws_B[:, None].clamp(max=1 - 1e-6) * sums_BV[:, -1:]
    return torch.searchsorted(sums_BV, draws_B1, right=True)[:, 0].clamp(max=logits_BV.shape[-1] - 1)


def _nucleus(logits_BV: Tensor, top_p: float) -> Tensor:
    """Logits with all but the likeliest tokens that together hold `top_p` at minus infinity; one is always left."""
    sorted_BV, order_BV = logits_BV.sort(dim=-1, descending=True)
    probabilities_BV = sorted_BV.softmax(-1)
    before_BV = probabilities_BV.cumsum(-1) - probabilities_BV
    dropped_BV = torch.zeros_like(before_BV, dtype=torch.bool).scatter(-1, order_BV, before_BV >= top_p)
    return logits_BV.masked_fill(dropped_BV, -torch.inf)
