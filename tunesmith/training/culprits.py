"""Which rows and which weights make a step go wrong: once it has, it is computed again, a row at a time."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

import torch
from torch import Tensor, nn

from tunesmith.errors import UserError
from tunesmith.models.adapter import Adapter
from tunesmith.models.model import Model
from tunesmith.objectives.objective import Objective, Placed
from tunesmith.tokens.packing import Room
from tunesmith.tokens.relaying import laid_again, pieces
from tunesmith.training.arithmetic import arithmetic
from tunesmith.training.guard import Guarding
from tunesmith.training.laying import Update, put_random, random_of
from tunesmith.training.plan import Plan
from tunesmith.training.watch import BlankError, DivergedError, Tasks, Watch, finite

NAMED = 4  # rows, or weights, that a message names
Named = list[tuple[str, str]]  # rows by name, each with words for where it stands, or none


@dataclass(frozen=True)
class Culprits:
    """What makes a step's loss, or its gradient, no number.

    rows:    how many rows make it, each by itself. all: rows of the step.
    named:   the rows that make it, in words; where there are none, those of the step.
    what:    what is no number: `loss` or `gradient`; empty where each row by itself gives one.
    weights: trained or frozen weights that are no numbers themselves. gradients: weights whose gradient is none.
    """

    rows: int
    all: int
    named: str
    what: str = ""
    weights: tuple[str, ...] = ()
    gradients: tuple[str, ...] = ()

    def in_words(self) -> str:
        """Where it comes from."""
        if self.weights:
            return f"the weights themselves are no numbers any more: {listed(self.weights)}"
        told = f"; gradients that are none: {listed(self.gradients)}" if self.gradients else ""
        if 0 < self.rows < self.all:
            give = "row {} of {} in it gives" if self.rows == 1 else "rows {} of {} in it give"
            return f"{give.format(self.named, self.all)} a {self.what} that is no number{told}"
        if self.rows:
            return f"each of its {self.all} rows gives a {self.what} that is no number, {self.named}{told}"
        return f"in a step with examples {self.named}, of which each by itself gives a number{told}"

    def remedy(self, plan: Plan) -> str:
        if 0 < self.rows < self.all:
            return (
                "look at what that row asks to be learnt (`tunesmith show RECIPE`), mend it or leave it out; "
                "`plan.divergence.then=skip` leaves out the update of such a step"
            )
        return (
            f"the likely cause is a learning rate that is too high (`plan.learning_rate` is {plan.learning_rate:g}): "
            "try a third of it, a longer `plan.warmup`, or `plan.clip`; `plan.divergence.then=back` does so by itself"
        )


def listed(names: Sequence[str], places: Mapping[str, str] = MappingProxyType({})) -> str:
    """The first few of some names, with their places."""
    more = len(names) - NAMED
    told = [f"`{name}`" + (f" ({places[name]})" if name in places else "") for name in names[:NAMED]]
    return ", ".join(told) + (f" and {more:,} more" if more > 0 else "")


def told_of(rows: Named) -> str:
    """Some rows in words."""
    return listed([name for name, _ in rows], {name: place for name, place in rows if place})


def called(row: Placed) -> str:
    """What a person calls a row by."""
    return row.example.id or f"at place {row.place}"


@dataclass(frozen=True)
class Search:
    """Looks for what makes a step go wrong.

    told: takes what a person should know.
    rows: compute them again one by one; False where other processes would have to compute along.
    gathered: what each process gives, in order (`World.gathered`); all come to the same fault at the same step.
    """

    model: Model
    adapter: Adapter
    objective: Objective
    plan: Plan
    guarding: Guarding
    watch: Watch
    told: list[str]
    rows: bool = True
    gathered: Callable[[Named], list[Named]] = field(default=lambda mine: [mine])

    def fault(self, step: int, loss: float, norm: float, tasks: Tasks, update: Update) -> UserError | None:
        """Why a step is not to be learnt from; None: all is well, or something is only `told` of."""
        numbers = f"loss {loss:.4g}, gradient norm {norm:.4g}"
        if not finite(loss, norm):
            found = self.culprits(update)
            problem = f"training diverged at step {step}: {numbers}; {found.in_words()}"
            return DivergedError(step, problem, found.remedy(self.plan))
        if not self.objective.repeats:  # a policy's loss says nothing of itself, and answers worth alike teach nothing
            return None
        if step == 1 and norm == 0.0:
            self.told.append("the gradient of step 1 is exactly zero: nothing that is trained moves")
        far = self.watch.leap(loss, tasks)
        if far is None:
            return None
        problem = f"the loss leaps at step {step}: {numbers}, {far:.0f} deviations above the median of late"
        problem += f"; its rows, the highest first: {self.shown(update, self.highest(update))}" if self.rows else ""
        if self.watch.settings.spikes == "act":
            return DivergedError(step, problem, "look at these rows, or set `plan.divergence.spikes: warn`")
        self.told.append(problem)
        return None

    def blank(self, error: BlankError, step: int, update: Update) -> BlankError:
        """The error of a step without anything to learn, with its number and its rows."""
        return BlankError(f"{error.problem}: step {step}, rows {self.shown(update, self.names(update))}", error.hint)

    def names(self, update: Update) -> tuple[str, ...]:
        """The rows that an update learns from, in order."""
        groups = sorted({group for batch in update.batches for row in batch.origin.groups for group in row})
        return tuple(dict.fromkeys(self._name(update, group) for group in groups))

    def _name(self, update: Update, group: int) -> str:
        return called(update.placed[self.objective.example_of(group, update.number, len(update.placed))])

    def named(self, update: Update, names: Sequence[str]) -> Named:
        """Some rows of an update, the first of them with the place where each stands, where that is known."""
        examples = {called(placed): placed.example for placed in update.placed}
        return [(name, self.watch.where(examples[name]) if number < NAMED else "") for number, name in enumerate(names)]

    def shown(self, update: Update, names: Sequence[str]) -> str:
        """The first of them in words."""
        return told_of(self.named(update, names))

    def everyone(self, update: Update, names: Sequence[str]) -> Named:
        """Such rows of all processes."""
        return [row for rows in self.gathered(self.named(update, names)) for row in rows]

    def culprits(self, update: Update) -> Culprits:
        """What makes the step of this update no number. The gradients that it left are looked at, and thrown away."""
        trained = self.adapter.trained()
        weights = tuple(spoiled({**dict(self.model.network.named_parameters()), **trained}))
        gradients = tuple(spoiled({name: p.grad for name, p in trained.items() if p.grad is not None}))
        free(trained)
        rows = self.everyone(update, self.names(update))
        if not self.rows or weights:
            return Culprits(0, len(rows), told_of(rows), "", weights, gradients)
        random = random_of(self.model)
        with torch.no_grad():
            mine = [name for name, loss in self._by_row(update) if not math.isfinite(float(loss))]
        found, what = self.everyone(update, list(dict.fromkeys(mine))), "loss"
        if not found:
            found, what = self.everyone(update, self._steep(update, trained)), "gradient"
        put_random(self.model, random)
        return Culprits(len(found), len(rows), told_of(found or rows), what, weights, gradients)

    def highest(self, update: Update) -> tuple[str, ...]:
        """The rows of an update by their losses, the highest first. Random states stay as they were."""
        random = random_of(self.model)
        with torch.no_grad():
            losses = {name: float(loss) for name, loss in self._by_row(update)}
        put_random(self.model, random)
        return tuple(sorted(losses, key=lambda name: -losses[name]))

    def _by_row(self, update: Update) -> Iterator[tuple[str, Tensor]]:
        """Each row's name and its loss, over what it counts."""
        for piece in pieces(update.batches):
            for batch in laid_again([piece], partial(self.model.pack, room=Room()), self.model.device):
                with arithmetic(self.model, self.plan):
                    total, _ = self.guarding.loss(self.objective, self.model, batch)
                yield self._name(update, piece.group), total / max(batch.count(self.objective.per), 1e-12)

    def _steep(self, update: Update, trained: Mapping[str, nn.Parameter]) -> list[str]:
        """The rows whose gradient is no number."""
        found = []
        for name, loss in self._by_row(update):
            if loss.requires_grad:
                loss.backward()  # type: ignore[no-untyped-call]
            gradients = [p.grad for p in trained.values() if p.grad is not None]
            if gradients and not math.isfinite(float(nn.utils.get_total_norm(gradients))):
                found.append(name)
            free(trained)
        return list(dict.fromkeys(found))


def free(trained: Mapping[str, nn.Parameter]) -> None:
    """Throw the gradients away."""
    for parameter in trained.values():
        parameter.grad = None


def spoiled(tensors: Mapping[str, Tensor]) -> list[str]:
    """Names of those that hold something else than finite numbers."""
    floating = {name: value.detach() for name, value in tensors.items() if value.is_floating_point()}
    dense = {name: value.coalesce().values() if value.is_sparse else value for name, value in floating.items()}
    return [name for name, value in dense.items() if not bool(torch.isfinite(value).all())]
