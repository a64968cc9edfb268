"""What an objective makes of examples that are held out, over all processes."""

from collections.abc import Sequence

import numpy as np

from tunesmith.models.fitting import fitted
from tunesmith.models.model import Model
from tunesmith.objectives.objective import Held, Objective, Placed
from tunesmith.tokens.packing import Room
from tunesmith.training.sharding import by_turns
from tunesmith.training.world import World

WHAT = "a validation example"


def holding(objective: Objective, examples: Sequence[Placed], model: Model, room: Room, tasks: int, world: World) -> Held:
    """As `Objective.held`; each process looks at its share, where an example's loss hangs on it alone, and else at all."""
    if world.size == 1 or objective.shared != "examples":
        return fitted(lambda less: objective.held(examples, model, less, tasks), room, model, WHAT)
    spare = next(iter(next(iter(objective.updates(examples[:1], model, room)))), None) if world.sharded else None
    with by_turns(model, world, spare):
        own = world.share(examples)
        mine = fitted(lambda less: objective.held(own, model, less, tasks), room, model, WHAT)
    return joined(mine, model, tasks, world)


def joined(mine: Held, model: Model, tasks: int, world: World) -> Held:
    """The sums of all processes."""
    total, count = world.totals((mine.total, mine.count), model.device)
    shown = world.totals_of({name: value * mine.count for name, value in mine.shown.items()}, model.device)
    samples = [one for some in world.gathered(list(mine.samples)) for one in some]
    sums = None
    if tasks > 1 and not world.any(mine.tasks is None) and mine.tasks is not None:
        sums = np.array(world.totals(mine.tasks.ravel().tolist(), model.device)).reshape(mine.tasks.shape)
    return Held(total, count, {name: value / max(count, 1e-12) for name, value in shown.items()}, samples, sums)
