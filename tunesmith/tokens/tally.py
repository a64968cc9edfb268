"""Losses told apart by task, from numbers that a step has computed anyway: nothing is read a second time.

A loss says what it is the sum of (`Loss.parts`), and each sequence of a batch which task it is of (`TASK` of its extras). Both
are kept as they are, and added up once, when the step is over: no kernel is started and nothing waited for before.

Dimension key: N targets, S sequences, P pairs, T tasks, U what a loss is a sum over (targets, sequences or pairs).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from tunesmith.data.example import Example
from tunesmith.tokens.batch import Batch, Per
from tunesmith.tokens.packing import Group
from tunesmith.tokens.sequence import Tokens

TASK = "task"  # the extra that says of which task a sequence is
REPLAYED = "replayed"  # and the one that says that it is shown beside the tasks
Sums = NDArray[np.float64]


class Parted(Protocol):
    """A loss that says what it is the sum of (`objectives/objective.py: Loss` fits)."""

    @property
    def parts(self) -> Tensor | None: ...
    @property
    def per(self) -> Per: ...


def marked(groups: Sequence[Group], examples: Sequence[Example]) -> list[Group]:
    """The sequences of each example with word of its task, and of whether it is replayed, where any example has such."""
    told = [name for name, on in ((TASK, "task"), (REPLAYED, "replayed")) if any(getattr(example, on) for example in examples)]
    if not told:
        return list(groups)
    return [
        [_with(tokens, {name: float(getattr(example, name)) for name in told}) for tokens in group]
        for group, example in zip(groups, examples, strict=True)
    ]


def _with(tokens: Tokens, extras: dict[str, float]) -> Tokens:
    return replace(tokens, extras={**tokens.extras, **extras})


@dataclass
class Tally:
    """What the batches of one step, or of one validation, cost task by task.

    per: what the objective's mean is taken over.
    """

    per: Per
    met: list[tuple[Parted, Batch]] = field(default_factory=list)

    def add(self, loss: Parted, batch: Batch) -> None:
        self.met.append((loss, batch))

    def sums(self, tasks: int) -> Sums | None:
        """[T, 2] sum of the losses of each task, and what it counts; None where a loss does not say what it is the sum of."""
        found = np.zeros((tasks, 2))
        for loss, batch in self.met:
            if loss.parts is None:
                return None
            task_S = _numbers(batch.extras.get(TASK), batch.sequences)
            for column, values, per in ((0, loss.parts, loss.per), (1, _counted(batch, self.per), self.per)):
                values_U = values.detach().cpu().double().numpy()
                found[:, column] += np.bincount(_of(task_S, batch, per), values_U, tasks)
        return found


def _numbers(task_S: Tensor | None, sequences: int) -> NDArray[np.int64]:
    """Where no sequence of a step says its task, all are of the first."""
    return np.zeros(sequences, np.int64) if task_S is None else task_S.cpu().numpy().astype(np.int64)


def _of(task_S: NDArray[np.int64], batch: Batch, per: Per) -> NDArray[np.int64]:
    """[U] the task of each target, sequence or pair."""
    if per == "target":
        of_N: NDArray[np.int64] = task_S[batch.target_seq.cpu().numpy()]
        return of_N
    return task_S if per == "sequence" else task_S[::2]


def _counted(batch: Batch, per: Per) -> Tensor:
    """[U] how much each counts."""
    if per == "target":
        return batch.weight
    return batch.weight.new_ones(batch.sequences // (2 if per == "pair" else 1))
