"""What objectives with a head of their own have in common: labels that the data tell, weights of classes, what is read.

Dimension key: S sequences, N targets, K outputs.
"""

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import log
from typing import Annotated, Any, ClassVar, Literal, Self

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from tunesmith.data.example import Example
from tunesmith.errors import UserError, did_you_mean
from tunesmith.models.head import HeadPlan, Kind, Pooling
from tunesmith.objectives.objective import Loss, Objective, Placed
from tunesmith.tokens.batch import Batch
from tunesmith.tokens.reading import Asked, read
from tunesmith.tokens.renderer import Renderer
from tunesmith.tokens.sequence import IGNORED, Tokens


@dataclass(frozen=True)
class Headed(Objective):
    """A head on the network's body is learnt, with whatever the method trains of the body.

    pooling: which state stands for a sequence: its `last`, its `first`, or the `mean` of all; `auto`: the last of a causal
        network and what a decoder says first; of a masked one the mean, or what a folder of sentence-transformers says.
    hidden:  a further linear map and tanh before the outputs.
    dropout: before each of these maps, in training; null: as the network's config says.
    """

    kind: ClassVar[Kind]

    pooling: Pooling = "auto"
    hidden: bool = False
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None

    def head(self) -> HeadPlan:
        return HeadPlan(self.kind, (), self.pooling, self.hidden, self.dropout)

    def fitted(self, examples: Iterable[Example]) -> Self:
        """The objective with what its settings leave to the training examples."""
        return self

    @abstractmethod
    def constants(self, examples: Iterable[Example]) -> list[float]:
        """[K] what a head should always say that has seen the answers and no question: the baseline without any learning."""

    def render(self, placed: Placed, renderer: Renderer) -> Sequence[Tokens]:
        return self.answered(placed.example, read(self.kind, renderer, placed.example))

    @abstractmethod
    def answered(self, example: Example, rows: Sequence[Asked]) -> list[Tokens]:
        """The rows of an example with what is to be learnt at the places where the head is asked."""


@dataclass(frozen=True)
class Named(Headed):
    """A head whose outputs have names.

    labels: the names, in order; null: the choices of the tasks, or else the answers of the training examples in order.
    class_weights: how much each label counts: `balanced` (the rarer in training, the more), or by name; null: alike.
    """

    labels: tuple[str, ...] | None = None
    class_weights: Mapping[str, float] | Literal["balanced"] | None = None

    def head(self) -> HeadPlan:
        return replace(super().head(), labels=self.labels or ())

    def names(self, example: Example) -> list[str]:
        """The labels of an example."""
        return [example.target]

    def fitted(self, examples: Iterable[Example]) -> Self:
        counts: Counter[str] = Counter()
        choices: dict[str, None] = {}
        seen = 0
        for seen, example in enumerate(examples, start=1):  # noqa: B007
            counts.update(self.names(example))
            choices |= dict.fromkeys(example.choices)
        labels = self.labels or (*choices, *sorted(counts.keys() - choices.keys(), key=_in_order))
        if len(labels) < (1 if self.kind == "labels" else 2):
            raise UserError(f"the training examples have {len(labels)} different labels", "there is nothing to tell apart")
        weights = self.class_weights
        if weights == "balanced":
            weights = {
                label: self.balance(counts[label], seen if self.kind == "labels" else counts.total(), len(labels))
                for label in labels
                if counts[label]
            }
        for label in weights or {}:
            if label not in labels:
                raise UserError(f"`objective.class_weights` names `{label}`, which is no label", did_you_mean(label, labels))
        return replace(self, labels=labels, class_weights=weights)

    def balance(self, count: int, total: int, labels: int) -> float:
        """The balanced weight of a label: on average over examples the weights are 1 (scikit-learn's `balanced`)."""
        return total / (labels * count)

    def constants(self, examples: Iterable[Example]) -> list[float]:
        counts = Counter(name for example in examples for name in self.names(example))
        return [log(max(counts[label], 0.5) / max(counts.total(), 1)) for label in self.labels or ()]

    def number(self, label: str, example: Example) -> int:
        """The output of a label."""
        assert self.labels is not None, "`fitted` first"
        if label not in self.labels:
            raise UserError(
                f"example `{example.id}` has the label `{label}`, which no training example has",
                "name every label under `objective.labels`",
            )
        return self.labels.index(label)

    def weight(self, label: str) -> float:
        weights: Any = self.class_weights or {}
        return float(weights.get(label, 1.0))

    def class_weights_on(self, device: torch.device) -> Tensor | None:
        """[K] float32; None where all labels count alike."""
        return torch.tensor([self.weight(label) for label in self.labels or ()], device=device) if self.class_weights else None

    def cross_entropy(self, values_NK: Tensor, batch: Batch, smoothing: float) -> Loss:
        """The summed cross-entropy of one output at each target; divided by the sum of weights it is torch's weighted mean."""
        weight = self.class_weights_on(values_NK.device)
        losses_N = F.cross_entropy(values_NK, batch.target_ids, weight, reduction="none", label_smoothing=smoothing)
        return Loss.of(losses_N)


def wording(split: str, objective: Objective) -> int | None:
    """Which template puts the rows of a split: in learning all in turn, but the first alone where a head reads its labels."""
    return None if split == "train" and not isinstance(objective, Headed) else 0


def learnt(row: Tokens, places: Sequence[int], targets: Sequence[int], weights: Sequence[float], **extras: float) -> Tokens:
    """A row with what is to be learnt at some of its places."""
    at = dict(zip(places, targets, strict=True))
    counted = dict(zip(places, weights, strict=True))
    columns = range(len(row.inputs))
    return replace(
        row,
        targets=tuple(at.get(column, IGNORED) for column in columns),
        weights=tuple(counted.get(column, 0.0) for column in columns),
        extras={**row.extras, **extras},
    )


def _in_order(label: str) -> tuple[bool, float, str]:
    """Numbers by their value, before words."""
    try:
        return False, float(label), label
    except ValueError:
        return True, 0.0, label
