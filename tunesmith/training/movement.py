"""Does what is trained move, and does what is frozen stay where it is? Looked at once, over the first steps of a run.

Of each trained weight two sums are taken before the first step and again behind the third; of each frozen one some of its
numbers. A weight that has moved has others. That an optimizer keeps no second moment of a weight, or nothing but zeros, tells
why it stands still.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tunesmith.errors import UserError
from tunesmith.models.model import Model
from tunesmith.training.culprits import listed
from tunesmith.training.sharding import apart, local, sums

STEPS = 3  # by then each weight of LoRA, whose one half starts at zero, has had two gradients
PLACES = 512  # numbers of a frozen weight that are looked at


@dataclass(frozen=True)
class Still:
    """What does not do what it should.

    unmoved: trained weights that are where they were -> why.
    moved:   frozen weights that are not.
    """

    unmoved: Mapping[str, str]
    moved: Sequence[str]


class Movement:
    """Where all weights are before the first step."""

    def __init__(self, model: Model, trained: Mapping[str, nn.Parameter]) -> None:
        apart(model)
        own = {id(parameter) for parameter in trained.values()}
        self.trained = {name: sums(parameter) for name, parameter in trained.items()}
        self.model = model
        self.frozen = {name: some(p) for name, p in model.named_parameters() if id(p) not in own}

    def found(self, trained: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer) -> Still:
        """What is wrong now."""
        apart(self.model)
        unmoved = {name: p for name, p in trained.items() if torch.equal(self.trained[name], sums(p))}
        now = dict(self.model.named_parameters())
        moved = [name for name, before in self.frozen.items() if name in now and not same(before, some(now[name]))]
        return Still({name: why(p, optimizer) for name, p in unmoved.items()}, moved)


def judge(still: Still, trained: Sequence[str], repeats: bool) -> list[str]:
    """Warnings.

    repeats: whether an objective asks for the same again; where it learns from answers that are worth alike, nothing moves.

    Raises:
        UserError: a frozen weight has moved, or nothing that is trained has.
    """
    if still.moved:
        raise UserError(
            f"{len(still.moved)} frozen weights moved in the first {STEPS} steps: {listed(list(still.moved))}",
            "something writes into weights that are not its own: a plug-in's `on_step`, `delta` or `loss`",
        )
    if not still.unmoved:
        return []
    names = list(still.unmoved)
    reasons = ", ".join(dict.fromkeys(still.unmoved.values()))
    if len(names) == len(trained) and repeats:
        raise UserError(
            f"nothing that is trained has moved in the first {STEPS} steps, {listed(names)} ({reasons})",
            "the loss does not hang on what is trained: look at `method.on`, at the objective's `loss`, and at what "
            "`tunesmith show RECIPE` marks as learnt",
        )
    own = [name for name in names if ":" in name or name.startswith("head.")]  # some of a network's own no objective reads
    told = f"{len(own)} of {len(trained)} trained weights stand still after {STEPS} steps, {listed(own)} ({reasons})"
    return [told] if own else []


def why(parameter: nn.Parameter, optimizer: torch.optim.Optimizer) -> str:
    """Why a weight stands still, by what the optimizer keeps of it."""
    kept = optimizer.state.get(parameter, {})
    if not kept:
        return "no gradient reaches them"
    second = kept.get("exp_avg_sq")
    return "their gradients are exactly zero" if isinstance(second, Tensor) and not second.any() else "their rate is zero"


def some(weight: Tensor) -> Tensor:
    """A copy of some numbers of a weight, spread over it."""
    line = local(weight).detach().reshape(-1)
    return line[:: max(1, len(line) // PLACES)][:PLACES].clone()


def same(before: Tensor, now: Tensor) -> bool:
    """Bit for bit, so that what is no number is itself."""
    return before.shape == now.shape and bool(
        (before.contiguous().view(torch.uint8) == now.contiguous().view(torch.uint8)).all()
    )
