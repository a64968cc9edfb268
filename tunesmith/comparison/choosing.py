"""What arms of a study are chosen by: the validation of the weights that their runs keep, and whether it measures one thing."""

from collections.abc import Iterable, Mapping, Sequence
from math import inf, isfinite
from typing import Any

from tunesmith.run import Run

ARCHITECTURE = ("pooling", "hidden", "dropout", "reference")  # settings of objectives that leave the loss what it measures
ALIKE = 0.01  # share by which learnt tokens may differ: virtual tokens take room in the window, and a row too long is left out
Record = Mapping[str, Any]


def kept(run: Run, last: int | None = None) -> Record:
    """The validation of the weights that a run keeps (`plan.best`), were it to end at a step; empty where there was none.

    last: the step; None: the last one made.
    """
    by_step = {int(one["step"]): one for one in run.validations() if last is None or one["step"] <= last}
    if last is None and (told := run.world().get("best_step")) in by_step:  # a method may let early weights not count
        return by_step[told]
    found = [by_step[step] for step in sorted(by_step)]
    if not found or best_of(run) == "last":
        return found[-1] if found else {}
    sound = [one for one in found if isfinite(one["loss"])]
    scored = by_score([run]) and all("score" in one for one in sound)
    worth = [(one["score"] if scored else 0.0, -one["loss"]) for one in sound]
    return sound[worth.index(max(worth))] if sound else {}


def best_of(run: Run) -> str:
    """A run's `plan.best`."""
    return str(run.recipe().get("plan", {}).get("best") or "loss")


def by_score(runs: Iterable[Run]) -> bool:
    """Whether every run keeps the weights of the best validation score; then arms are chosen by it, else by the loss."""
    return all(best_of(run) == "score" for run in runs)


def cost(run: Run, last: int | None = None) -> float:
    """What a search makes small: the loss of what a run keeps, or its score with the sign turned; infinite where unknown."""
    found = kept(run, last)
    value = -float(found["score"]) if "score" in found and by_score([run]) else float(found.get("loss", inf))
    return value if isfinite(value) else inf


def unlike(arms: Iterable[Mapping[int, Run]]) -> str:
    """Why losses of arms, seed -> run, cannot be held against each other; empty where they can."""
    known = [one for one in arms if any(run.validations() for run in one.values())]
    trees = [run.recipe() for one in known for run in one.values()]
    if name := differing(trees):
        return f"{name} differs, {'so each arm has a loss of its own' if name == 'objective' else 'which no loss tells of'}"
    for seed in {seed for one in known for seed in one}:
        records = [one[seed].validations()[:1] for one in known if seed in one]
        counts = [float(record.get("tokens", 0)) for some in records for record in some]
        if counts and max(counts) - min(counts) > ALIKE * max(counts):
            return "arms were validated on other tokens (other rows, or another tokenizer)"
    return ""


def differing(trees: Sequence[Record]) -> str:
    """The setting in which recipes differ so that their losses tell of different things; empty where there is none."""
    if len({repr(measuring(tree)) for tree in trees}) > 1:
        return "objective"
    return "ask" if len({repr(tree.get("ask")) for tree in trees}) > 1 else ""


def measuring(tree: Record) -> Record:
    """What a recipe's objective measures."""
    given = tree.get("objective") or {}
    own = given if isinstance(given, Mapping) else {"kind": given}
    return {name: own[name] for name in sorted(own) if name not in ARCHITECTURE}
