"""Any number of labels of a sequence: a yes or no for each; the mean over labels of -(w y log s(z) + (1 - y) log(1 - s(z)))."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log
from typing import ClassVar

import torch
from torch.nn import functional as F

from tunesmith.data.example import Example
from tunesmith.metrics.spans import labels_of
from tunesmith.models.head import Kind
from tunesmith.models.model import Model
from tunesmith.objectives.headed import Named, learnt
from tunesmith.objectives.objective import Loss
from tunesmith.tokens.batch import Batch
from tunesmith.tokens.reading import Asked
from tunesmith.tokens.sequence import Tokens


@dataclass(frozen=True)
class MultiLabel(Named):
    """Any number of labels of each example, told by a head: the answer is the labels, parted by commas, or `none`.

    class_weights: how much the yes of a label counts beside its no; `balanced`: as many times as there are more of these.
    """

    kind: ClassVar[Kind] = "labels"

    def names(self, example: Example) -> list[str]:
        return sorted(labels_of(example.target))

    def balance(self, count: int, total: int, labels: int) -> float:
        return (total - count) / count

    def constants(self, examples: Iterable[Example]) -> list[float]:
        meant = [set(self.names(example)) for example in examples]
        yes = [sum(label in one for one in meant) for label in self.labels or ()]
        return [log((count + 0.5) / (len(meant) - count + 0.5)) for count in yes]

    def answered(self, example: Example, rows: Sequence[Asked]) -> list[Tokens]:
        meant = {self.number(label, example) for label in self.names(example)}
        extras = {f"label {k}": float(k in meant) for k in range(len(self.labels or ()))}
        return [learnt(row, places, [0], [1.0], **extras) for row, places in rows]

    def loss(self, model: Model, batch: Batch) -> Loss:
        values_SK = model(batch).values()
        targets_SK = torch.stack([batch.extras[f"label {k}"] for k in range(values_SK.shape[1])], 1)
        losses_SK = F.binary_cross_entropy_with_logits(
            values_SK, targets_SK, pos_weight=self.class_weights_on(values_SK.device), reduction="none"
        )
        return Loss.of(losses_SK.mean(1), "sequence")
