"""The one training loop: a generator of steps. Whoever pulls it logs, saves, validates and stops.

The loop divides the summed loss by the count over all batches and all processes of the step: how a step is cut into batches
is a matter of memory and never changes the result.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from tunesmith.data.example import Example
from tunesmith.data.rows import Made
from tunesmith.errors import UserError
from tunesmith.models.adapter import Adapter
from tunesmith.models.fitting import optimizing
from tunesmith.models.model import Model
from tunesmith.objectives.objective import Loss, Objective, Placed
from tunesmith.tokens.batch import Batch
from tunesmith.tokens.tally import Tally
from tunesmith.training.arithmetic import arithmetic
from tunesmith.training.culprits import Search, listed
from tunesmith.training.guard import Guarding
from tunesmith.training.holding import holding
from tunesmith.training.laying import Laying, Update, fits
from tunesmith.training.movement import STEPS as MOVES
from tunesmith.training.movement import Movement, judge
from tunesmith.training.optimizers import clip, into_place
from tunesmith.training.plan import Plan
from tunesmith.training.schedule import learning_rate
from tunesmith.training.state import State
from tunesmith.training.watch import BlankError, Watch, lower
from tunesmith.training.world import World

Stream = Callable[[int], Example]  # place -> example


@dataclass(frozen=True, slots=True)
class Step:
    """What happened in one step.

    step:          number of this step; the first is 1.
    loss:          mean over what the objective counts (learnt tokens, sequences or pairs).
    count:         what that mean was taken over.
    tokens:        real tokens that the network read.
    seconds:       wall-clock time of the step.
    gradient_norm: before clipping.
    tasks:         of a mixture: task -> (sum of the losses, what they count) of this step, where it has any. All sums over all
                   counts, and the method's own penalty (`shown`), are exactly `loss`.
    shown:         further means that the objective shows. With a guard: `divergence` from the model before tuning, a mean as
                   `loss` is, and `distance` of the parameters from their first values, both as they are before the step.
                   Neither is part of `loss`, which so stays comparable with that of validation.
    skipped:       why its update was left out; empty: it was made.
    warned:        what a person should know of it.
    """

    step: int
    loss: float
    learning_rate: float
    count: float
    tokens: int
    seconds: float
    gradient_norm: float
    shown: dict[str, float] = field(default_factory=dict)
    tasks: dict[str, tuple[float, float]] = field(default_factory=dict)
    skipped: str = ""
    warned: tuple[str, ...] = ()


def train(
    model: Model,
    adapter: Adapter,
    objective: Objective,
    stream: Stream,
    plan: Plan,
    state: State,
    steps: int,
    seed: int = 0,
    world: World = World(),
    guarding: Guarding = Guarding(),
    take: Callable[[int], Sequence[Placed]] | None = None,
    tasks: Sequence[str] = (),
    watch: Watch | None = None,
) -> Iterator[Step]:
    """Make steps from `state.step` on until `steps` are made, and yield a record of each.

    Args:
        model: with `adapter` attached and active.
        stream: the example at each place of an endless stream.
        plan: `plan.learning_rate` is set (presets are resolved).
        state: advanced in place; may be saved whenever the generator is suspended.
        steps: length of the whole run, which the schedule needs.
        seed: of masks and other randomness of the objective.
        guarding: penalties against forgetting, begun before the first step.
        take: gives this process's examples of the step that begins at a place, where they were made ready before (`feed.py`).
        tasks: names of a mixture's tasks, by the numbers that its examples have.
        watch: what is known of the steps before; None: nothing.

    Raises:
        DivergedError: when the loss or its gradient is no longer a number; the parameters are those of the last good step.
        BlankError: a step has nothing to learn.
        NoMemoryError: a single row does not fit into memory.
        UserError: what is trained does not move, or what is frozen does.
    """
    assert plan.learning_rate is not None, "presets are resolved before training"
    parameters, told = list(state.trained.values()), list[str]()
    watch = watch or Watch(plan.divergence)
    alone = world.size == 1 or (objective.shared == "examples" and not world.sharded)  # whether each process goes its own way
    laying = Laying(objective, model, plan, state, told.append, alone)
    search = Search(model, adapter, objective, plan, guarding, watch, told, rows=alone, gathered=world.gathered)
    begun = Movement(model, state.trained) if state.step == 0 and steps >= MOVES else None
    while state.step < steps:
        began = time.perf_counter()
        places = range(state.place, state.place + plan.examples)
        made = take(places.start) if take else None
        if made is None:
            everyone = [Placed(stream(place), place, seed) for place in places]
            made = world.share(everyone) if objective.shared == "examples" else everyone
        for update in laying.updates(made):
            update.batches = list(update.batches if objective.shared == "examples" else world.share(update.batches))
            model.train()
            skipped, norm = "", math.nan
            fault: UserError | None
            try:
                result = backward(model, adapter, objective, update.batches, plan, world, guarding, tasks, laying, update)
            except BlankError as blank:
                result, fault = NOTHING, search.blank(blank, state.step + 1, update)
            else:
                world.sum_gradients(parameters)
                norm = clip(parameters, plan.clip or math.inf)
                fault = search.fault(state.step + 1, result.loss, norm, result.tasks, update)
            rate = learning_rate(plan.learning_rate, plan.schedule, plan.warmup_steps(steps), steps, state.step, plan.floor)
            rate *= lower(state.facts)
            if fault is not None:
                watch.leave_out(state.facts, state.step + 1, fault)
                skipped = fault.problem
            else:
                for group in state.optimizer.param_groups:
                    group["lr"] = rate * group["multiple"]
                with optimizing():
                    state.optimizer.step()
            state.step += 1
            if not skipped:
                adapter.method.on_step(adapter.deltas, state.step, steps)
            state.optimizer.zero_grad(set_to_none=True)
            state.place = places.stop
            if state.step == MOVES and begun is not None:
                still, begun = begun.found(state.trained, state.optimizer), None
                told += judge(still, list(state.trained), objective.repeats) if world.first else []
            ended = time.perf_counter()
            means = result.loss, rate, result.count, result.tokens, ended - began, norm, result.shown, result.tasks
            yield Step(state.step, *means, skipped, tuple(told))
            told.clear()
            began = time.perf_counter()
            if state.step >= steps:
                return


@dataclass(frozen=True, slots=True)
class Result:
    """Means over a whole step."""

    loss: float
    count: float
    tokens: int
    shown: dict[str, float]
    tasks: dict[str, tuple[float, float]]


NOTHING = Result(math.nan, 0.0, 0, {}, {})  # of a step in which no row has anything to learn


def backward(
    model: Model,
    adapter: Adapter,
    objective: Objective,
    batches: Sequence[Batch],
    plan: Plan,
    world: World,
    guarding: Guarding = Guarding(),
    tasks: Sequence[str] = (),
    laying: Laying | None = None,
    update: Update | None = None,
) -> Result:
    """Gradients of the mean over all that the batches of all processes hold, however they are cut.

    laying, update: what the batches came from, by which they are cut anew where memory runs out; None: they are not.

    Raises:
        BlankError: they hold nothing to learn.
    """
    count = world.total(sum(batch.count(objective.per) for batch in batches), model.device)
    if count <= 0:
        raise BlankError("a step has nothing to learn: no example in it has a learnt token", "look at `tunesmith show`")

    def learn(batches: Sequence[Batch]) -> Sums:
        whole = sum(batch.count(objective.per) for batch in batches) if world.size == 1 else count
        alone = world.size == 1 and not guarding.first
        return summed(model, objective, world.passes(batches), whole, plan, guarding, alone, len(tasks) > 1)

    sums = learn(batches) if laying is None or update is None else laying.learn(update, learn)
    count, loss_sum, totals, tally = sums.count, sums.loss, sums.shown, sums.tally
    penalty = adapter.method.penalty(adapter.deltas)
    if penalty.requires_grad:
        (penalty / world.size).backward()  # type: ignore[no-untyped-call]
        loss_sum += penalty.detach() * count / world.size
    mean = world.total(float(loss_sum), model.device) / count
    by_task: dict[str, tuple[float, float]] = {}
    held: dict[str, float] = {}
    by_tasks = tally.sums(len(tasks)) if len(tasks) > 1 else None
    if len(tasks) > 1 and not world.any(by_tasks is None) and by_tasks is not None:
        by_task = by_name(world.totals(by_tasks.ravel().tolist(), model.device), tasks)
        held = {"penalty": float(penalty.detach())} if penalty.requires_grad else {}
        mean = sum(total for total, _ in by_task.values()) / count + sum(held.values())
    sums_shown = world.totals_of({name: float(value) for name, value in totals.items()}, model.device)
    shown = {name: value / count for name, value in sums_shown.items()} | held
    shown |= guarding.pull(adapter, world.size)
    tokens = int(world.total(sum(batch.tokens for batch in batches), model.device))
    return Result(mean, count, tokens, shown, by_task)


@dataclass(frozen=True, slots=True)
class Sums:
    """What the batches of this process add up to; their gradients stand in the parameters.

    count: what the whole step counts. loss: float64, as `shown` on the model's device.
    """

    count: float
    loss: torch.Tensor
    shown: dict[str, torch.Tensor]
    tally: Tally


def summed(
    model: Model,
    objective: Objective,
    batches: Iterable[tuple[Batch, bool]],
    count: float,
    plan: Plan,
    guarding: Guarding,
    alone: bool,
    apart: bool,
) -> Sums:
    """Read the batches one after the other, forth and back.

    batches: with word of whether they count (`World.passes`).
    alone: whether gradients may be made where they stand, and of an embedding hold only the rows that were read.
    apart: whether tasks are told apart.
    """
    sums = Sums(count, torch.zeros((), dtype=torch.float64, device=model.device), {}, Tally(objective.per))
    met = reached = False
    for batch, counts in batches:
        met = True
        with fits(batch):
            with arithmetic(model, plan), into_place(model, alone):
                total, loss = guarding.loss(objective, model, batch)
            if total.requires_grad:
                (total * counts / count).backward()  # type: ignore[no-untyped-call]
                reached = True
        if not counts:
            continue
        sums.loss.add_(loss.total.detach())
        if apart:
            sums.tally.add(Loss(loss.total.detach(), parts=loss.parts, per=loss.per), batch)  # of its graph nothing is held
        for name, value in loss.shown.items():
            sums.shown[name] = sums.shown.get(name, torch.zeros_like(value)) + value.detach()
    if met and not reached:
        raise UserError(
            "the loss hangs on nothing that is trained", "look at `method.on`, and at the objective's `loss`: is it cut off?"
        )
    return sums


def by_name(numbers: Sequence[float], tasks: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Task -> (sum, count), of those that count anything; `numbers` are sum and count of each task in turn."""
    pairs = zip(tasks, numbers[::2], numbers[1::2], strict=True)
    return {name: (total, count) for name, total, count in pairs if total or count}


class Validated(NamedTuple):
    """Mean loss of held-out examples and what it was taken over; further means; a few records of what was said.

    tasks: sum and count of each task of a mixture, as a step has them.
    """

    loss: float
    counted: float
    shown: Mapping[str, float] = {}
    samples: Sequence[Mapping[str, Any]] = ()
    tasks: Mapping[str, tuple[float, float]] = {}


@torch.no_grad()
def validate(
    model: Model,
    objective: Objective,
    examples: Sequence[Example],
    plan: Plan,
    seed: int = 0,
    tasks: Sequence[str] = (),
    world: World = World(),
) -> Validated:
    """The mean over examples, token by token and not batch by batch; leaves mode and random states as they were."""
    training = model.training
    model.eval()
    with torch.random.fork_rng(), arithmetic(model, plan):
        placed = Made(lambda place, example: Placed(example, place, seed), examples)
        held = holding(objective, placed, model, plan.room, len(tasks), world)
    model.train(training)
    by_task = {} if held.tasks is None else by_name(held.tasks.ravel().tolist(), tasks)
    total = sum(one for one, _ in by_task.values()) if by_task else held.total
    return Validated(total / max(held.count, 1e-12), held.count, held.shown, held.samples, by_task)


@torch.no_grad()
def unsound(
    model: Model, objective: Objective, examples: Sequence[Example], plan: Plan, seed: int = 0, step: int = 0
) -> tuple[str, str]:
    """Why the loss of held-out examples is no number after a step, and what to do: each is validated by itself."""
    rows = []
    for example in examples:
        with suppress(UserError):  # an objective that compares rows asks for two
            if not math.isfinite(validate(model, objective, [example], plan, seed).loss):
                rows.append(example.id)
    every = len(rows) == len(examples)
    what = (
        f"rows {listed(rows)} of {len(examples):,}" if rows and not every else f"{len(examples):,} rows, no one of them alone"
    )
    what = f"each of its {len(examples):,} rows" if every else what
    hint = "look at these rows" if rows and not every else "a lower `plan.learning_rate`; or weights that are no numbers"
    return f"training diverged: after step {step} the loss of the validation examples is no number, by {what}", hint
