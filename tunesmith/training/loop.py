"""The one training loop: a generator of steps. Whoever pulls it logs, saves, validates and stops.

The loop divides the summed loss by the count over all batches and all processes of the step: how a step is cut into batches
is a matter of memory and never changes the result.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from tunesmith.data.example import Example
from tunesmith.data.rows import Made
from tunesmith.errors import UserError
from tunesmith.models.adapter import Adapter
from tunesmith.models.model import Model
from tunesmith.objectives.objective import Loss, Objective, Placed
from tunesmith.tokens.batch import Batch
from tunesmith.tokens.tally import Tally
from tunesmith.training.guard import Guarding
from tunesmith.training.holding import holding
from tunesmith.training.optimizers import clip, rows_alone
from tunesmith.training.plan import Plan
from tunesmith.training.schedule import learning_rate
from tunesmith.training.state import State
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

    Raises:
        UserError: when the loss or its gradient is no longer a number; the parameters are still those of the last good step.
    """
    assert plan.learning_rate is not None, "presets are resolved before training"
    parameters = list(state.trained.values())
    while state.step < steps:
        began = time.perf_counter()
        places = range(state.place, state.place + plan.examples)
        made = take(places.start) if take else None
        if made is None:
            everyone = [Placed(stream(place), place, seed) for place in places]
            made = world.share(everyone) if objective.shared == "examples" else everyone
        placed = made
        for laid in _within(objective.updates(placed, model, plan.room), model, plan):
            batches = laid if objective.shared == "examples" else world.share(laid)
            model.train()
            result = backward(model, adapter, objective, batches, plan, world, guarding, tasks)
            world.sum_gradients(parameters)
            norm = clip(parameters, plan.clip or math.inf)
            if not math.isfinite(result.loss) or not math.isfinite(norm):
                raise diverged(state.step + 1, result.loss, norm, placed, plan)
            rate = learning_rate(plan.learning_rate, plan.schedule, plan.warmup_steps(steps), steps, state.step, plan.floor)
            for group in state.optimizer.param_groups:
                group["lr"] = rate * group["multiple"]
            state.optimizer.step()
            state.step += 1
            adapter.method.on_step(adapter.deltas, state.step, steps)
            state.optimizer.zero_grad(set_to_none=True)
            state.place = places.stop
            ended = time.perf_counter()
            told = result.loss, rate, result.count, result.tokens, ended - began, norm, result.shown, result.tasks
            yield Step(state.step, *told)
            began = time.perf_counter()
            if state.step >= steps:
                return


def _within(updates: Iterator[Iterable[Batch]], model: Model, plan: Plan) -> Iterator[list[Batch]]:
    """The batches of each update; what an objective looks at first is computed in the plan's arithmetic."""
    while True:
        with arithmetic(model, plan):
            batches = next(updates, None)
            laid = None if batches is None else list(batches)
        if laid is None:
            return
        yield laid


@dataclass(frozen=True, slots=True)
class Result:
    """Means over a whole step."""

    loss: float
    count: float
    tokens: int
    shown: dict[str, float]
    tasks: dict[str, tuple[float, float]]


def backward(
    model: Model,
    adapter: Adapter,
    objective: Objective,
    batches: Sequence[Batch],
    plan: Plan,
    world: World,
    guarding: Guarding = Guarding(),
    tasks: Sequence[str] = (),
) -> Result:
    """Gradients of the mean over all that the batches of all processes hold, however they are cut."""
    count = world.total(sum(batch.count(objective.per) for batch in batches), model.device)
    if count <= 0:
        raise UserError("a step has nothing to learn: no example in it has a learnt token", "look at `tunesmith show`")
    totals: dict[str, torch.Tensor] = {}
    loss_sum = torch.zeros((), dtype=torch.float64, device=model.device)
    tally = Tally(objective.per)
    for batch, counts in world.passes(batches):
        with arithmetic(model, plan), rows_alone(model.network, world.size == 1 and not guarding.first):
            total, loss = guarding.loss(objective, model, batch)
        (total * counts / count).backward()  # type: ignore[no-untyped-call]
        if not counts:
            continue
        loss_sum += loss.total.detach()
        if len(tasks) > 1:
            tally.add(Loss(loss.total.detach(), parts=loss.parts, per=loss.per), batch)  # of its graph nothing is held
        for name, value in loss.shown.items():
            totals[name] = totals.get(name, torch.zeros_like(value)) + value.detach()
    penalty = adapter.method.penalty(adapter.deltas)
    if penalty.requires_grad:
        (penalty / world.size).backward()  # type: ignore[no-untyped-call]
        loss_sum += penalty.detach() * count / world.size
    mean = world.total(float(loss_sum), model.device) / count
    by_task: dict[str, tuple[float, float]] = {}
    held: dict[str, float] = {}
    sums = tally.sums(len(tasks)) if len(tasks) > 1 else None
    if len(tasks) > 1 and not world.any(sums is None) and sums is not None:
        by_task = by_name(world.totals(sums.ravel().tolist(), model.device), tasks)
        held = {"penalty": float(penalty.detach())} if penalty.requires_grad else {}
        mean = sum(total for total, _ in by_task.values()) / count + sum(held.values())
    sums_shown = world.totals_of({name: float(value) for name, value in totals.items()}, model.device)
    shown = {name: value / count for name, value in sums_shown.items()} | held
    shown |= guarding.pull(adapter, world.size)
    tokens = int(world.total(sum(batch.tokens for batch in batches), model.device))
    return Result(mean, count, tokens, shown, by_task)


def by_name(numbers: Sequence[float], tasks: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Task -> (sum, count), of those that count anything; `numbers` are sum and count of each task in turn."""
    pairs = zip(tasks, numbers[::2], numbers[1::2], strict=True)
    return {name: (total, count) for name, total, count in pairs if total or count}


def arithmetic(model: Model, plan: Plan) -> AbstractContextManager[object]:
    """float32 as it stands, or bfloat16 by autocast, with float32 parameters and sums."""
    if plan.precision == "float32":
        return nullcontext()
    return torch.autocast(model.device.type, dtype=torch.bfloat16)


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
        held = holding(objective, placed, model, plan, len(tasks), world)
    model.train(training)
    by_task = {} if held.tasks is None else by_name(held.tasks.ravel().tolist(), tasks)
    total = sum(one for one, _ in by_task.values()) if by_task else held.total
    return Validated(total / max(held.count, 1e-12), held.count, held.shown, held.samples, by_task)


def diverged(step: int, loss: float, norm: float, placed: Sequence[Placed], plan: Plan) -> UserError:
    names = ", ".join(p.example.id or str(p.place) for p in placed[:4])
    return UserError(
        f"training diverged at step {step}: loss {loss:.4g}, gradient norm {norm:.4g}, in a step with examples {names} ...; "
        "the last good checkpoint is kept",
        f"the likely cause is a learning rate that is too high (`plan.learning_rate` is {plan.learning_rate:g}): "
        "try a third of it, a longer `plan.warmup`, or `plan.clip`",
    )
