"""What a run writes of steps that went astray, and how it goes back to its last checkpoint."""

from collections.abc import Callable, Iterable
from typing import Any

from tunesmith.run import Run
from tunesmith.training.laying import ROOM
from tunesmith.training.plan import Plan
from tunesmith.training.state import State
from tunesmith.training.watch import DivergedError

TOLD, BACK, LOWER, LEFT_OUT = "warnings", "back", "lower", "left_out"  # where a state keeps them
MOST = 100  # warnings that are kept; more are counted

Say = Callable[[str], None]


def warn(record: Run, state: State, texts: Iterable[str], say: Say) -> None:
    """Say what a person should know, and keep it in the state and in `world.json`: once, however often a run is resumed."""
    for text in texts:
        say(f"warning: {text}")
        state.facts[TOLD] = [*state.facts.get(TOLD, ()), text]
        if len(state.facts[TOLD]) > MOST:
            del state.facts[TOLD][MOST // 2]  # neither how it began nor how it is now
    tell(record, state)


def tell(record: Run, state: State) -> None:
    """What `world.json` says of it."""
    facts: dict[str, Any] = {}
    if state.facts.get(TOLD):
        facts["warnings"] = state.facts[TOLD]
    if state.facts.get(LEFT_OUT):
        facts["skipped_steps"] = state.facts[LEFT_OUT]["all"]
    if state.facts.get(BACK):
        facts["went_back"] = state.facts[BACK]
    world = record.world()
    gone = {name: None for name in ("warnings", "skipped_steps", "went_back") if name in world and name not in facts}
    if facts or gone:
        record.keep_world(**facts, **gone)


def go_back(record: Run, restore: Callable[[State], bool], state: State, plan: Plan, error: DivergedError, say: Say) -> None:
    """Take up the last checkpoint again, to go on from there with a lower rate.

    restore: takes up the newest whole checkpoint; False: there is none.

    Raises:
        DivergedError: `error`, where the plan says otherwise, or the run went back too often already.
    """
    settings, went = plan.divergence, list(state.facts.get(BACK, ()))
    if settings.then != "back":
        raise error
    if len(went) >= settings.times:
        often = f"it went back {len(went)} times already (`plan.divergence.times`)"
        raise DivergedError(error.step, f"{error.problem}; {often}", error.hint)
    kept = {name: state.facts[name] for name in (TOLD, ROOM) if name in state.facts}
    state.optimizer.state.clear()
    state.optimizer.zero_grad(set_to_none=True)
    if not restore(state):
        raise error
    factor = settings.lower ** (len(went) + 1)
    state.facts |= kept | {BACK: [*went, {"from": error.step, "to": state.step, "rate": factor}], LOWER: factor}
    record.cut(state.step)
    warn(record, state, [f"{error.problem}: back to step {state.step}, and on with {factor:g} of the learning rate"], say)
