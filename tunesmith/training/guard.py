"""Against forgetting: two penalties that hold a model near what it was.

Distance (L2-SP: Li, Grandvalet and Davoine, 2018, arXiv:1802.01483): distance / 2 * |w - w0|^2, over all trained parameters w
and their first values w0. Divergence (after Li and Hoiem, 2016, "Learning without Forgetting", arXiv:1606.09282):
divergence * KL(p || q) a learnt token, p the vocabulary's probabilities before tuning and q those of now. This direction asks q
to keep all that p might have said; its gradient is q - p, as of cross-entropy whose targets are p.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from tunesmith.models.adapter import Adapter
from tunesmith.models.model import Model
from tunesmith.objectives.objective import Loss, Objective
from tunesmith.tokens.batch import Batch
from tunesmith.training.sharding import squared
from tunesmith.training.world import is_part


@dataclass(frozen=True)
class Guard:
    """Penalties against forgetting, beside any objective and any method. 0: none, which costs nothing.

    distance:   half of it times the squared distance of the trained parameters from their first values is added to the loss.
                0.1 is a beginning. Keeps a copy of them in memory, but for those that start at zero.
    divergence: so many times KL(before || now), in nats, is added to each learnt token's loss: how far the answers of the model
                as it was are from those of now. 0.05 is a beginning, and 1 over `replay`. Reads each batch once more, without
                gradients.
    over:       whose tokens' divergence: of `all` examples, or of the recipe's `replay` alone, so that the task is free.
    """

    distance: Annotated[float, Field(ge=0)] = 0.0
    divergence: Annotated[float, Field(ge=0)] = 0.0
    over: Literal["all", "replay"] = "all"

    def begin(self, model: Model, adapter: Adapter) -> "Guarding":
        """Take down where the parameters are now: before the first step, and before a checkpoint is read."""
        copies = model.remember() if self.divergence and adapter.freed else {}
        if not self.distance:
            return Guarding(self)
        first = {
            name: copies[name] if name in copies else p.detach().clone() if p.any() else None
            for name, p in adapter.trained().items()
            if not name.startswith("head.")  # beside the network, and new: it has nothing to forget
        }
        return Guarding(self, first)


@dataclass(frozen=True)
class Guarding:
    """A guard at work.

    first: values of trained parameters before the first step; None: all are zero.
    """

    guard: Guard = Guard()
    first: Mapping[str, Tensor | None] = field(default_factory=dict)

    def loss(self, objective: Objective, model: Model, batch: Batch) -> tuple[Tensor, Loss]:
        """The sum whose gradient is wanted, and the objective's own loss, which shows the divergence too."""
        weight_N = self._weight(batch)
        if weight_N is None:
            loss = objective.loss(model, batch)
            return loss.total, loss
        reference = model.reference(batch)
        with model.listening() as readings:
            loss = objective.loss(model, batch)
        reading = next((reading for reading in readings if reading.batch is batch), None) or model(batch)
        divergence = (reading.divergence(reference) * weight_N).sum()
        shown = {**loss.shown, "divergence": divergence.detach()}
        return loss.total + self.guard.divergence * divergence, replace(loss, shown=shown)

    def _weight(self, batch: Batch) -> Tensor | None:
        """[N] how much the divergence of each target counts; None where none does."""
        if not self.guard.divergence:
            return None
        if self.guard.over == "all":
            return batch.weight
        replayed_S = batch.extras.get("replayed")
        return None if replayed_S is None or not replayed_S.any() else batch.weight * replayed_S[batch.target_seq]

    @torch.no_grad()
    def pull(self, adapter: Adapter, processes: int = 1) -> dict[str, float]:
        """Add the gradient of the distance to what the batches left, once a step, and tell the distance."""
        if not self.first:
            return {}
        trained, square = adapter.trained(), torch.zeros((), dtype=torch.float64)
        for name, first in self.first.items():
            p = trained[name]
            change = p.detach() if first is None else p - first
            square = square.to(p.device) + squared(change)
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad
            p.grad.add_(change, alpha=self.guard.distance / (1 if is_part(p) else processes))
        return {"distance": float(square.sqrt())}
