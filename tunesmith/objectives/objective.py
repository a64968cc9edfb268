"""What an objective is: examples become batches, and a batch becomes a loss."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from tunesmith.data.example import Example
from tunesmith.models.head import HeadPlan
from tunesmith.models.model import Model
from tunesmith.tokens.batch import Batch, Per
from tunesmith.tokens.lengths import TooLong, fit
from tunesmith.tokens.packing import Room
from tunesmith.tokens.renderer import Renderer
from tunesmith.tokens.sequence import Tokens


@dataclass(frozen=True, slots=True)
class Loss:
    """A sum over the batch, and sums worth showing. The loop divides both by the count of the whole step."""

    total: Tensor
    shown: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Placed:
    """An example and its place in the stream of examples: `(seed, place)` seeds whatever is random about it."""

    example: Example
    place: int = 0
    seed: int = 0


class Objective(ABC):
    """What is learnt. A subclass is a frozen dataclass; its fields are its settings.

    per:     what the mean is taken over: `target`, `sequence` or `pair`.
    carries:  names of the numbers that its sequences carry (`Tokens.extras`).
    too_long: what becomes of examples longer than the window where the plan does not say it.
    """

    per: ClassVar[Per] = "target"
    carries: ClassVar[tuple[str, ...]] = ()
    too_long: ClassVar[TooLong] = "refuse"

    def head(self) -> HeadPlan | None:
        """The head that it reads; None: it reads the vocabulary."""
        return None

    @abstractmethod
    def render(self, placed: Placed, renderer: Renderer) -> Sequence[Tokens]:
        """The sequences of one example; they stay together in a batch. The same place gives the same sequences."""

    def most(self, example: Example, renderer: Renderer) -> float:
        """As many tokens as a row of the example can have, found faster than by `render`; infinite where that is not known."""
        return inf

    def within(
        self, examples: Sequence[Example], renderer: Renderer, window: int | None, policy: TooLong, virtual: int, name: str
    ) -> Sequence[Example]:
        """The examples that fit the window, under a policy for the others; arguments as `lengths.fit` has them."""

        def render(example: Example) -> Sequence[Tokens]:
            return self.render(Placed(example), renderer)

        return fit(examples, render, window, policy, virtual, name, lambda example: self.most(example, renderer))

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
        groups = [self.render(placed, model.renderer) for placed in examples]
        if any(placed.example.replayed for placed in examples):
            pairs = zip(groups, examples, strict=True)
            groups = [[marked(tokens, placed.example.replayed) for tokens in group] for group, placed in pairs]
        yield (batch.to(model.device) for batch in model.pack(groups, room))

    @abstractmethod
    def loss(self, model: Model, batch: Batch) -> Loss:
        """The summed loss of one batch."""


def marked(tokens: Tokens, replayed: bool) -> Tokens:
    """The sequence with word of whether it is replayed, which a guard may want to know."""
    return replace(tokens, extras={**tokens.extras, "replayed": float(replayed)})
