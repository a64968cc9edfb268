"""What learning from a model's own answers has in common: they are spoken, judged as texts, and read again to be learnt.

A step's examples are prompts. Their answers are drawn by the engine, with random numbers of the run's seed and the examples'
place alone. A reward is a function of texts (`rewards/`). What was drawn is read again by the forward pass that learns, without
dropout and at the temperature it was drawn at: so in the first update each probability is exactly what it was.

Dimension key: N targets (tokens that were said), S answers.
"""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from tunesmith.data.example import Example
from tunesmith.errors import UserError
from tunesmith.generation.engine import ends_of, generate
from tunesmith.generation.sampling import Sampling
from tunesmith.generation.slots import Spoken
from tunesmith.models.dropout import without_dropout
from tunesmith.models.model import Model
from tunesmith.objectives.objective import Held, Objective, Placed
from tunesmith.rewards.reward import Reward, scored
from tunesmith.tokens.batch import Batch
from tunesmith.tokens.chat import plain
from tunesmith.tokens.packing import Group, Room
from tunesmith.tokens.renderer import Renderer
from tunesmith.tokens.sequence import IGNORED, Tokens, answered, seq2seq
from tunesmith.tokens.tally import marked

SHOWN = "shown "  # extras of this name are shown, each as a mean over answers
REWARD = f"{SHOWN}reward"
SAMPLES = 4  # answers that a validation keeps


@dataclass(frozen=True)
class Said:
    """An answer of the policy: its ids as a row to learn from, what it is worth, and the example that it answers."""

    example: Example
    spoken: Spoken
    row: Tokens
    reward: float


@dataclass(frozen=True)
class Rollout(Objective):
    """An objective that lets the model answer, and learns from what that is worth.

    rewards:     what an answer is worth: a list of rewards, of which the weighed sum counts.
    sampling:    how answers are drawn; they are learnt at its temperature.
    answers:     answers to each prompt.
    epochs:      how often what was said is learnt before the model speaks again.
    minibatches: updates of an epoch, each from its share of the prompts.
    clip:        how far the probability of a token may move from where it was drawn before it is no longer pushed on.
    unfinished:  taken from the reward of an answer that was cut at `sampling.tokens` before the model ended it.
    kl_weight:   reward that a nat of KL from the model before tuning costs.
    """

    shared: ClassVar[Literal["examples", "batches", "nothing"]] = "nothing"
    repeats: ClassVar[bool] = False
    of_targets: ClassVar[Sequence[str]] = ()  # extras that `loss` reads, a number a target
    of_answers: ClassVar[Sequence[str]] = ()  # and those with a number an answer

    rewards: Sequence[Reward]
    sampling: Sampling = Sampling(tokens=64, temperature=1.0)
    answers: Annotated[int, Field(gt=0)] = 1
    epochs: Annotated[int, Field(gt=0)] = 1
    minibatches: Annotated[int, Field(gt=0)] = 1
    clip: Annotated[float, Field(gt=0)] = 0.2
    unfinished: Annotated[float, Field(ge=0)] = 0.0
    kl_weight: Annotated[float, Field(ge=0)] = 0.05

    def __post_init__(self) -> None:
        if not self.rewards:
            raise UserError("`rewards` is empty", "name a reward, such as `rewards: [politeness]`")
        if self.sampling.greedy:
            raise UserError("`sampling` always takes the likeliest token: nothing is tried", "set `sampling.temperature: 1.0`")
        if self.sampling.repetition_penalty != 1:
            raise UserError("`sampling.repetition_penalty` changes what is drawn, and not what is learnt", "leave it out")

    @property
    def rounds(self) -> int:
        return self.epochs * self.minibatches

    @property
    def looks_back(self) -> bool:
        return True

    def begin(self, model: Model, examples: Iterable[Example], room: Room, folder: Path | None) -> str:
        without_dropout(model)
        if model.active and model.adapter().freed:
            model.remember()
        return ""

    def render(self, placed: Placed, renderer: Renderer) -> Sequence[Tokens]:
        """The prompt with room for the longest answer: what it will be is not known before it is spoken."""
        longest = [renderer.end] * self.sampling.tokens
        return (row_of(renderer, renderer.prompt(placed.example), longest),)

    def foreseen(self, groups: Sequence[Group], branches: bool) -> list[Group]:
        return [tuple(group) for group in groups for _ in range(self.answers)]

    def updates(self, examples: Sequence[Placed], model: Model, room: Room) -> Iterator[Iterable[Batch]]:
        if len(examples) < self.minibatches:
            raise UserError(
                f"{len(examples)} prompts make a step, and `objective.minibatches` is {self.minibatches}",
                "set `plan.examples` to a multiple of it",
            )
        model.eval()
        said = self.judged(self.speak(examples, model, room, self.answers))
        each = len(examples) // self.minibatches
        cuts = [part * each * self.answers for part in range(self.minibatches)] + [len(said)]
        parts = [self.laid(said[start:end], model, room) for start, end in pairwise(cuts)]
        with torch.no_grad():
            parts = self.prepared(parts, model)
        for _ in range(self.epochs):
            yield from parts

    def example_of(self, group: int, update: int, examples: int) -> int:
        return update % self.minibatches * (examples // self.minibatches) + group // self.answers

    @abstractmethod
    def prepared(self, parts: list[list[Batch]], model: Model) -> list[list[Batch]]:
        """The batches of each update with all that their loss needs of the model as it spoke. No gradients are wanted."""

    def judged(self, said: list[Said]) -> list[Said]:
        """The answers, those of one prompt side by side, with what can be told of them before they are laid out."""
        return said

    def speak(self, examples: Iterable[Placed], model: Model, room: Room, answers: int) -> list[Said]:
        """Answers to each example, side by side, and what they are worth."""
        asked = [placed for placed in examples for _ in range(answers)]
        if any(placed.example.replayed for placed in asked):
            raise UserError(
                "`replay` shows answers that are to be learnt, and this objective learns from the model's own",
                "leave `replay` out; `objective.kl_weight` holds the model near what it was",
            )
        prompts = [model.renderer.prompt(placed.example) for placed in asked]
        sampling = replace(self.sampling, seed=_seed(self.sampling.seed, asked[0]))
        with torch.autocast(model.device.type, enabled=False):
            spoken = generate(model, prompts, sampling, room.rows)
        values = scored(self.rewards, [placed.example for placed in asked], [one.text for one in spoken])
        last = ends_of(model, self.sampling).last
        return [
            Said(
                placed.example,
                one,
                row_of(model.renderer, prompt, one.ids, forced=last is not None and not one.finished),
                value - self.unfinished * (not one.finished),
            )
            for placed, prompt, one, value in zip(asked, prompts, spoken, values, strict=True)
        ]

    def laid(self, said: Sequence[Said], model: Model, room: Room) -> list[Batch]:
        """The batches of one update, with the `scale` by which a sum over answers becomes the loop's mean over them."""
        told = [
            with_extras(
                one.row,
                **{REWARD: one.reward},
                **{f"{SHOWN}length": float(len(one.spoken.ids)), f"{SHOWN}ended": float(one.spoken.finished)},
            )
            for one in said
        ]
        groups = marked([[row] for row in told], [one.example for one in said])
        batches = [batch.to(model.device) for batch in model.pack(groups, room)]
        scale = sum(batch.count(self.per) for batch in batches) / len(said)
        return [batch.with_extras(scale=torch.full_like(batch.extras[REWARD], scale)) for batch in batches]

    def shown(self, batch: Batch, **tokens: Tensor) -> dict[str, Tensor]:
        """What is shown of answers, and means over tokens of values [N], as sums that the loop divides by its count."""
        scale_S = batch.extras["scale"]
        answers = {name: values_S for name, values_S in batch.extras.items() if name.startswith(SHOWN)}
        told = {name.removeprefix(SHOWN): (values_S * scale_S).sum() for name, values_S in answers.items()}
        if self.per == "target":
            return {**told, **{name: (values_N * batch.weight).sum() for name, values_N in tokens.items()}}
        lengths_S = batch.by_sequence(torch.ones_like(batch.weight)).clamp(min=1)
        return {**told, **{name: (batch.by_sequence(values_N) / lengths_S).sum() for name, values_N in tokens.items()}}

    def rehearsed(self, batch: Batch) -> Batch:
        nothing_N, nothing_S = torch.zeros(len(batch.weight)), torch.zeros(batch.sequences)
        targets, answers = dict.fromkeys(self.of_targets, nothing_N), dict.fromkeys(self.of_answers, nothing_S)
        return batch.with_extras(**targets, **answers, scale=nothing_S)

    def held(self, examples: Sequence[Placed], model: Model, room: Room, tasks: int = 1) -> Held:
        """The negative of what answers are worth, one to each prompt, less what their KL costs: the lowest is the best."""
        said = self.speak(examples, model, room, 1)
        kl = torch.zeros(len(said))
        if self.kl_weight:
            for batch in model.pack([[one.row] for one in said], room):
                moved = batch.to(model.device)
                ratio_N = self.logprobs(model, moved) - self.reference(model, moved)
                kl[batch.numbers] = moved.by_sequence(ratio_N).cpu()
        rewards = torch.tensor([one.reward for one in said])
        means = {"reward": rewards, "kl": kl, "length": torch.tensor([float(len(one.spoken.ids)) for one in said])}
        means["ended"] = torch.tensor([float(one.spoken.finished) for one in said])
        samples = [
            {"prompt": plain(one.example.messages), "said": one.spoken.text, "reward": one.reward, "kl": float(nats)}
            for one, nats in zip(said[:SAMPLES], kl, strict=False)
        ]
        costs = self.kl_weight * kl - rewards
        of = [one.example.task for one in said]
        sums = np.stack([np.bincount(of, costs.double().numpy(), tasks), np.bincount(of, minlength=tasks)], 1).astype(
            np.float64
        )
        told = {name: float(values.mean()) for name, values in means.items()}
        return Held(float(costs.sum()), len(said), told, samples, sums if tasks > 1 else None)

    def logprobs(self, model: Model, batch: Batch) -> Tensor:
        """[N] log-probability of what was said, at the temperature it was said at."""
        return model(batch).logprobs(self.sampling.temperature)  # type: ignore[no-any-return]

    def reference(self, model: Model, batch: Batch) -> Tensor:
        """[N] the same by the model before tuning."""
        return model.reference(batch).logprobs(self.sampling.temperature)


def row_of(renderer: Renderer, prompt: Sequence[int], ids: Sequence[int], forced: bool = False) -> Tokens:
    """A prompt with an answer, all of which is learnt but for what the model was made to say: BART's first id, and its last
    where `forced`."""
    if renderer.family != "seq2seq":
        return answered(prompt, ids)
    learnt = [1.0] * len(ids)
    if renderer.forced is not None:
        learnt[0] = 0.0
    if forced:
        learnt[-1] = 0.0
    return seq2seq(prompt, ids, renderer.start, learnt)


def with_extras(row: Tokens, **extras: float) -> Tokens:
    return replace(row, extras={**row.extras, **extras})


def weighed(row: Tokens) -> Tokens:
    """The row with weights of its targets that sum to one, so that a mean over weights is one over answers."""
    learnt = max(row.learnt, 1)
    return replace(row, weights=tuple(0.0 if target == IGNORED else 1 / learnt for target in row.targets))


def k3(logprobs_N: Tensor, reference_N: Tensor) -> Tensor:
    """[N] an estimate of KL(policy || reference) at what the policy drew that is never negative (Schulman, 2020)."""
    ratio_N = reference_N - logprobs_N
    return ratio_N.exp() - 1 - ratio_N


def clipped(ratio: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """What is to be made small: the pessimistic one of both ways to weigh an advantage (Schulman et al., 2017, eq. 7)."""
    return -torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)


def outside(ratio: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """Where the clip stops the gradient, as 0 or 1."""
    return (((ratio > 1 + clip) & (advantage > 0)) | ((ratio < 1 - clip) & (advantage < 0))).float()


def _seed(seed: int, placed: Placed) -> int:
    """A seed of the examples that begin at this place."""
    return int.from_bytes(blake2b(f"{seed} {placed.seed} {placed.place}".encode(), digest_size=8).digest())
