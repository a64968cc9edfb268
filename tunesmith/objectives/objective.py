"""What an objective is: examples become batches, and a batch becomes a loss."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor

from tunesmith.data.example import Example
from tunesmith.models.head import HeadPlan
from tunesmith.models.model import Model
from tunesmith.tokens.batch import Batch, Per
from tunesmith.tokens.lengths import TooLong, fit
from tunesmith.tokens.packing import Group, Room
from tunesmith.tokens.renderer import Renderer
from tunesmith.tokens.sequence import Tokens
from tunesmith.tokens.tally import Sums, Tally, marked


@dataclass(frozen=True, slots=True)
class Loss:
    """A sum over the batch, and sums worth showing. The loop divides both by the count of the whole step.

    parts: what it is the sum of, by which the loss of each task is told; None: it does not say.
    per:   what the parts are of: each `target` of the batch, each `sequence`, or each `pair` of neighbours.
    """

    total: Tensor
    shown: Mapping[str, Tensor] = field(default_factory=dict)
    parts: Tensor | None = None
    per: Per = "target"

    @classmethod
    def of(cls, parts: Tensor, per: Per = "target", shown: Mapping[str, Tensor] | None = None) -> Self:
        """The sum of losses, one of each target, sequence or pair."""
        return cls(parts.sum(), shown or {}, parts.detach(), per)


@dataclass(frozen=True)
class Placed:
    """An example and its place in the stream of examples: `(seed, place)` seeds whatever is random about it.

    groups: what `render` gives for it, where that was done before.
    """

    example: Example
    place: int = 0
    seed: int = 0
    groups: tuple[Tokens, ...] | None = None


@dataclass(frozen=True)
class Held:
    """What an objective makes of examples that are held out.

    total:   the summed loss. count: what its mean is taken over.
    shown:   further means. samples: a few records of what was said, where anything was.
    tasks:   [T, 2] sum and count of each task of a mixture; None where they were not told apart.
    """

    total: float
    count: float
    shown: Mapping[str, float] = field(default_factory=dict)
    samples: Sequence[Mapping[str, Any]] = ()
    tasks: Sums | None = None


class Objective(ABC):
    """What is learnt. A subclass is a frozen dataclass; its fields are its settings.

    per:     what the mean is taken over: `target`, `sequence` or `pair`.
    carries:  names of the numbers that its sequences carry (`Tokens.extras`).
    too_long: what becomes of examples longer than the window where the plan does not say it.
    shared: what several processes share of a step: its `examples`; its `batches`, where the loss of one example hangs on the
        others; or `nothing`, where they cannot learn together.
    repeats: whether an example is read again as it was, so that what is frozen may be kept of it.
    of_preset: its learning rate as a share of the method's preset, which is that of supervised fine-tuning.
    """

    per: ClassVar[Per] = "target"
    carries: ClassVar[tuple[str, ...]] = ()
    too_long: ClassVar[TooLong] = "refuse"
    shared: ClassVar[Literal["examples", "batches", "nothing"]] = "examples"
    repeats: ClassVar[bool] = True
    of_preset: ClassVar[float] = 1.0

    @property
    def rounds(self) -> int:
        """Updates that a step's examples are good for; only behind the last of them is anything validated or saved."""
        return 1

    @property
    def looks_back(self) -> bool:
        """Whether steps read the model as it started, for which full tuning keeps a copy of its weights."""
        return False

    def fresh(self) -> Self:
        """The objective as it begins to learn: with nothing of another run in what it remembers."""
        return self

    def remembered(self) -> Mapping[str, Tensor]:
        """What it keeps from step to step, by name, changed in place: a checkpoint has it too."""
        return {}

    def head(self) -> HeadPlan | None:
        """The head that it reads; None: it reads the vocabulary."""
        return None

    @abstractmethod
    def render(self, placed: Placed, renderer: Renderer) -> Sequence[Tokens]:
        """The sequences of one example; they stay together in a batch. The same place gives the same sequences."""

    def foreseen(self, groups: Sequence[Group], branches: bool) -> list[Group]:
        """What a step reads of rendered examples, where that is another: an update may put prompts together, or speak answers.

        branches: whether two answers to a prompt are read behind it in one row (`Model.branches`).
        """
        return [tuple(group) for group in groups]

    def most(self, example: Example, renderer: Renderer) -> float:
        """As many tokens as a row of the example can have, found faster than by `render`; infinite where that is not known."""
        return inf

    def within(
        self, examples: Sequence[Example], renderer: Renderer, window: int | None, policy: TooLong, virtual: int, name: str
    ) -> Sequence[Example]:
        """The examples that fit the window, under a policy for the others; arguments as `lengths.fit` has them."""

        def render(example: Example) -> Sequence[Tokens]:
            return self.render(Placed(example), renderer)

        spelled = self.spelling_key(renderer)
        return fit(examples, render, window, policy, virtual, name, lambda example: self.most(example, renderer), spelled)

    def spelling_key(self, renderer: Renderer) -> str:
        """A key of all that `render` hangs on beside the example; empty for objectives from outside, whose code may change."""
        module = type(self).__module__
        return f"{module} {self!r} {renderer.key}" if module.startswith("tunesmith.") else ""

    def begin(self, model: Model, examples: Iterable[Example], room: Room, folder: Path | None) -> str:
        """Before the first step, and before a run that goes on takes up its weights: look at the model as it starts.

        Args:
            examples: all that will be learnt from and validated; some may come more than once.
            folder: of the run, where something may be kept.

        Returns:
            A word on that for whoever watches, or nothing.
        """
        return ""

    def updates(self, examples: Sequence[Placed], model: Model, room: Room) -> Iterator[Iterable[Batch]]:
        """The batches of each update that these examples are good for, each laid out when it is asked for; mostly one update.

        An objective that must look first (at a reference, at an answer of the model) does so here.
        """
        groups = [self.render(one, model.renderer) if one.groups is None else one.groups for one in examples]
        groups = marked(groups, [placed.example for placed in examples])
        yield (batch.to(model.device) for batch in model.pack(groups, room))

    def example_of(self, group: int, update: int, examples: int) -> int:
        """Which of a step's examples a group of sequences is of, by its number among those packed for an update."""
        return group

    @abstractmethod
    def loss(self, model: Model, batch: Batch) -> Loss:
        """The summed loss of one batch."""

    def rehearsed(self, batch: Batch) -> Batch:
        """A batch of what `render` gives, as `loss` can take it though nothing was looked at first: for planning a step."""
        return batch

    def held(self, examples: Sequence[Placed], model: Model, room: Room, tasks: int = 1) -> Held:
        """What it makes of examples that are held out. The model is in eval mode, and no gradients are wanted.

        tasks: of the mixture, whose sums are told apart where they are several.
        """
        tally = Tally(self.per)
        total, count = torch.zeros((), dtype=torch.float64, device=model.device), 0.0
        sums: dict[str, float] = {}
        for batch in next(iter(self.updates(examples, model, room))):
            loss = self.loss(model, batch)
            total += loss.total
            for name, value in loss.shown.items():
                sums[name] = sums.get(name, 0.0) + float(value)
            count += batch.count(self.per)
            if tasks > 1:
                tally.add(loss, batch)
        means = {name: value / max(count, 1e-12) for name, value in sums.items()}
        return Held(float(total), count, means, tasks=tally.sums(tasks) if tasks > 1 else None)
