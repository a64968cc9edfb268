"""What is learnt from, made ready: the examples of each task, those that are drawn, what of that fits the window."""

import json
from collections.abc import Sequence

from tunesmith.data.example import Example
from tunesmith.data.faults import SHOWN
from tunesmith.data.passes import MANY, known
from tunesmith.data.subset import subset
from tunesmith.models.model import Model
from tunesmith.objectives.headed import wording
from tunesmith.recipe import Recipe
from tunesmith.run import Run
from tunesmith.tasks.examples import OwnTask, told_bad
from tunesmith.tasks.task import Task
from tunesmith.tokens.lengths import pass_key
from tunesmith.training.feed import Look, can_fork, spells_ahead

BAD_ROWS = "bad_rows.jsonl"


def learnable_sets(
    tasks: Sequence[Task], recipe: Recipe, model: Model, looks: list[Look] | None = None
) -> list[Sequence[Example]]:
    """The training examples of the tasks that are learnt from, a set a task; `limit.examples` of them all, if set.

    looks: takes up the passes over many rows that may be put off until training goes on; None: none may.
    """
    drawn = drawn_sets(tasks, recipe)
    return [within(examples, task, recipe, model, looks) for examples, task in zip(drawn, tasks, strict=True)]


def keep_bad_rows(record: Run, tasks: Sequence[Task]) -> list[str]:
    """Write the rows that are left out because they cannot be used into the run's folder, and give a line a task on them."""
    found = {task.name: task.bad for task in tasks if isinstance(task, OwnTask) and task.bad}
    if not found:
        return []
    path = record.folder / BAD_ROWS
    beside = path.with_name(f".{path.name}")
    lines = (json.dumps({"task": name, **fault.tree()}, ensure_ascii=False) for name, bad in found.items() for fault in bad)
    beside.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", errors="replace")
    beside.replace(path)
    firsts = {name: [fault.problem for fault in bad[:SHOWN]] for name, bad in found.items()}
    record.keep_world(bad_rows={name: {"left_out": len(bad), "first": firsts[name]} for name, bad in found.items()})
    return [f"{line}; all are in {path}" for line in told_bad(tasks).values()]


def drawn_sets(tasks: Sequence[Task], recipe: Recipe) -> list[Sequence[Example]]:
    """The training examples of the tasks that are learnt from, long ones among them."""
    found = [examples_of(task, "train", recipe) for task in tasks]
    return found if recipe.limit.examples is None else subset(found, recipe.limit.examples, recipe.seed)


def learnable(task: Task, split: str, recipe: Recipe, model: Model) -> Sequence[Example]:
    """The examples of a split that fit the network's window, under the plan's policy; none where there is no such split."""
    return within(examples_of(task, split, recipe), task, recipe, model)


def examples_of(task: Task, split: str, recipe: Recipe) -> Sequence[Example]:
    """The examples of a split; none where there is no such split."""
    if split not in task.source.splits():
        return []
    return task.sequence(split, wording(split, recipe.objective), getattr(recipe.limit, split))


def within(
    examples: Sequence[Example], task: Task, recipe: Recipe, model: Model, looks: list[Look] | None = None
) -> Sequence[Example]:
    """Those of a task's examples that fit the network's window, under the plan's policy for the others.

    Where one that does not fit is refused, all of them are learnt from, or none: then training may begin before the pass has
    ended, and `looks` takes it up.
    """
    window = min(filter(None, (recipe.plan.window, model.window)), default=None)
    policy = recipe.plan.too_long or recipe.objective.too_long
    objective = recipe.objective

    def look() -> Sequence[Example]:
        return objective.within(examples, model.renderer, window, policy, model.virtual_tokens, f"task `{task.name}`")

    if looks is None or policy != "refuse" or window is None or len(examples) < MANY:
        return look()
    key = pass_key(examples, objective.spelling_key(model.renderer), window, model.virtual_tokens)
    if not can_fork() or not spells_ahead(objective) or known(key):
        return look()
    looks.append(look)
    return examples
