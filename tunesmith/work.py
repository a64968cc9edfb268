"""The tasks of a recipe, found and tried: what is wrong with a recipe is told before anything is written."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from tunesmith import settings
from tunesmith.data.example import Example
from tunesmith.data.published import Published
from tunesmith.data.sources import FileSource
from tunesmith.data.standard_input import NAME
from tunesmith.errors import UserError
from tunesmith.methods.full import Full
from tunesmith.methods.method import Method
from tunesmith.objectives.headed import Headed, wording
from tunesmith.objectives.objective import Objective
from tunesmith.objectives.sft import SFT
from tunesmith.recipe import Named, Recipe, own, weight_of
from tunesmith.tasks.examples import OwnTask
from tunesmith.tasks.own import lenient, task_from, tasks_from
from tunesmith.tasks.task import Task
from tunesmith.training.guard import Guard
from tunesmith.training.portions import distinct


@dataclass(frozen=True)
class Work:
    """The tasks of a recipe.

    learnt:     what is learnt from.
    judged:     what the result is judged by; the first is the main one.
    forgetting: what tells what was forgotten.
    replayed:   what is shown beside it.
    objective:  the recipe's, with what it takes from the examples that are learnt from.
    """

    learnt: tuple[Task, ...]
    judged: tuple[Task, ...]
    forgetting: tuple[Task, ...]
    replayed: tuple[Task, ...] = ()
    objective: Objective = SFT()

    @property
    def all(self) -> tuple[Task, ...]:
        return (*self.learnt, *self.replayed, *self.judged, *self.forgetting)

    def names(self, recipe: Recipe) -> tuple[str, ...]:
        """What the tasks of the mixture are called in the log, those that are replayed last."""
        return distinct([task.name for task in (*self.learnt, *self.replayed)], [*recipe.tasks, *recipe.replay])

    def where(self, example: Example) -> str:
        """Words for where the row of an example that is learnt from stands: file and line, or else the task, of several."""
        tasks = (*self.learnt, *self.replayed)
        task = tasks[example.task] if example.task < len(tasks) else tasks[0]
        own = isinstance(task, OwnTask) and isinstance(task.source, FileSource)
        place = task.where("train", wording("train", self.objective), example.id) if own else ""  # type: ignore[attr-defined]
        return place or (f"task `{task.name}`" if len(tasks) > 1 else "")


def prepared(recipe: Recipe) -> Work:
    """The tasks, found and tried: what is wrong is told before anything is written.

    Raises:
        UserError: for what no single setting can tell, a task that is not there, and a wording that does not fit its rows.
    """
    if not recipe.name:
        raise UserError("`name` is empty", "give the run a name")
    if not recipe.tasks and not recipe.judged_by:
        raise UserError("the recipe has neither `tasks` nor `judged_by`", "name a task or a file under `tasks`")
    if recipe.method != "none" and not recipe.tasks:
        raise UserError("`tasks` is empty: there is nothing to learn from", "name a task or a file, or set `method: none`")
    recipe.plan.total_steps(1)
    recipe.mixture.refuse_unheard()
    recipe.seven.perturbations()
    refuse_random(recipe)
    refuse_guard(recipe)
    for tracker in recipe.track:
        tracker.require()
    for name, setting in recipe.tasks.items():
        weight_of(name, setting)
    for name, setting in recipe.replay.items():
        weight_of(name, setting, "replay")
    learnt = tuple(task_of(recipe, own(name, setting)) for name, setting in recipe.tasks.items())
    judged = tuple(task for setting in recipe.judged_by for task in tasks_from(lenient(setting, recipe.bad_rows))) or learnt
    replayed = tuple(task_of(recipe, own(name, setting)) for name, setting in recipe.replay.items())
    learnt, replayed = (tuple(dataclasses.replace(one, seed=recipe.seed) for one in many) for many in (learnt, replayed))
    work = Work(learnt, judged, forgetting(recipe, (*learnt, *replayed), judged), replayed)
    for task in (*work.learnt, *work.replayed) if recipe.method != "none" else ():
        try_out(task, "train")
    asked = [task.name for task in (*work.judged, *work.forgetting)]
    for name in asked:
        if asked.count(name) > 1:
            raise UserError(
                f"two tasks that judge are called `{name}`", "give one of them a `name` of its own, or leave it out"
            )
    for task in (*work.judged, *work.forgetting):
        try_out(task, "test")
    return dataclasses.replace(work, objective=fitted(recipe, learnt))


def task_of(recipe: Recipe, setting: Named) -> Task:
    """A task as a recipe names it, with what the recipe does with bad rows."""
    return task_from(lenient(setting, recipe.bad_rows))


def fitted(recipe: Recipe, learnt: Sequence[Task]) -> Objective:
    """The objective with what it takes from the examples that are learnt from: the labels of a head."""
    if not isinstance(recipe.objective, Headed) or not learnt:
        return recipe.objective
    return recipe.objective.fitted(training(recipe, recipe.objective, learnt))


def training(recipe: Recipe, objective: Objective, learnt: Sequence[Task]) -> Iterator[Example]:
    """The examples that are learnt from, task by task."""
    for task in learnt:
        yield from islice(task.examples("train", wording("train", objective)), recipe.limit.train)


def try_out(task: Task, split: str) -> None:
    """Put the first rows of a split into every wording that they will be learnt or asked in."""
    if split not in task.source.splits():
        if isinstance(task.source, Published):
            task.source.held(split)  # which says what files it lacks
        raise UserError(f"task `{task.name}` has no split `{split}`", f"it has: {', '.join(task.source.splits()) or 'none'}")
    learning = split == "train"
    if not list(islice(task.examples(split, None if learning else 0), 1)):
        raise UserError(f"task `{task.name}` has no example in its split `{split}`", "look at its rows and its `template`")
    wordings = (*task.learnt, *task.backward) if learning else task.asked
    for row in islice(task.source.rows(split), 1):
        for template in wordings:
            place = task.templates.index(template) if template in task.templates else None
            _ = template.apply(row) if place is None else task.example(split, place, 0, row)


def refuse_random(recipe: Recipe) -> None:
    """What stands beside random weights is of no use without them, and they are kept nowhere."""
    if recipe.model.random and isinstance(recipe.method, Method) and not isinstance(recipe.method, Full):
        raise UserError(
            f"`model.random` with `method={settings.kind_of(type(recipe.method))}`: its random weights would not be saved",
            "use `method=full`, or train the base first and start from its run",
        )


def refuse_guard(recipe: Recipe) -> None:
    """What there is nothing to hold near, or no words to compare."""
    if recipe.guard != Guard() and recipe.model.random:
        raise UserError("`guard` with `model.random`: random weights know nothing that could be forgotten", "leave `guard` out")
    if recipe.guard.over == "replay" and not recipe.replay:
        raise UserError(
            "`guard.over` is `replay`, and `replay` names nothing", "name a task under `replay`, or set `guard.over: all`"
        )
    if recipe.guard.divergence and isinstance(recipe.objective, Headed):
        raise UserError(
            "`guard.divergence` compares probabilities of words, and "
            f"`objective={settings.kind_of(type(recipe.objective))}` reads numbers of a head instead",
            "use `guard.distance`",
        )


def forgetting(recipe: Recipe, learnt: Sequence[Task], judged: Sequence[Task]) -> tuple[Task, ...]:
    """The tasks of other clusters that tell what was forgotten."""
    if recipe.forgetting == "none":
        return ()
    if recipe.forgetting != "auto":
        named = [recipe.forgetting] if isinstance(recipe.forgetting, str) else recipe.forgetting
        return tuple(task_of(recipe, setting) for setting in named)
    from tunesmith.tasks.town import FORGETTING

    clusters, names = {task.cluster for task in judged}, {task.name for task in learnt}
    found = [task_from(name) for name in FORGETTING]
    return tuple(task for task in found if task.cluster not in clusters and task.name not in names)


def refuse_together(recipe: Recipe, processes: int) -> None:
    """What several processes cannot do together."""
    if processes == 1:
        return
    if isinstance(recipe.method, Method) and recipe.objective.shared == "nothing":
        raise UserError(
            f"`objective: {settings.kind_of(type(recipe.objective))}` learns from answers of its own to all prompts of a step, "
            f"which {processes} processes cannot do together",
            "start it alone: without torchrun and `--processes`",
        )
    given = [*recipe.tasks, *recipe.replay, *recipe.judged_by]
    if any(one == NAME or (not isinstance(one, str) and one.get("data") == NAME) for one in given):
        raise UserError("standard input can be read by one process only, and several were started", "put the rows into a file")
