"""`tunesmith sweep`: run the arms of a study, drop the worse ones on the way where that is asked for, and write its page."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

from tunesmith import settings
from tunesmith.comparison import words
from tunesmith.comparison.choosing import cost
from tunesmith.comparison.study import Study, Tried
from tunesmith.comparison.study import study as judged
from tunesmith.errors import UserError
from tunesmith.methods.method import Method
from tunesmith.planning.attaching import refuse_unattachable
from tunesmith.planning.beside import pool_for
from tunesmith.recipe import Recipe
from tunesmith.resume import refuse_other, refuse_other_rows, started
from tunesmith.run import Run
from tunesmith.settings import Tree
from tunesmith.studies.grid import Arm, Range, Space, Values, arm, grid, named, space
from tunesmith.studies.halving import rungs, survivors
from tunesmith.studies.measures import refuse_unlike
from tunesmith.studies.search import Engine, engine
from tunesmith.studies.sizes import EXAMPLES, Same, sizes_of
from tunesmith.studies.sizes import told as sizes_told
from tunesmith.tasks.task import Task
from tunesmith.work import prepared
from tunesmith.workers.job import Job, Say
from tunesmith.workers.pool import Outcomes, Pool

SWEEPS = Path("sweeps")
TRIALS = 16
ENGINES = ("grid", "random", "optuna")


@dataclass(frozen=True)
class Studied:
    """A study and the page that shows it. failed: run -> why it stopped."""

    study: Study
    page: Path
    failed: Mapping[str, str] = field(default_factory=dict)


def study(
    recipe: str | Path | Tree | None = None,
    *,
    given: Sequence[str] = (),
    into: str | Path | None = None,
    parallel: int | None = None,
    on: str = "here",
    halving: int = 0,
    engine: str | None = None,
    trials: int | None = None,
    examples: Sequence[int | str] = (),
    same: Same | None = None,
    say: Say = lambda text: None,
) -> Studied:
    """Run a recipe with several values of its settings, and write one page. Command: `tunesmith sweep`.

    Args:
        recipe: a recipe; its `sweep` names what is varied. With `systems`, each of them is an arm.
        given: `method.rank=2,4,8` varies a setting too, `plan.learning_rate=1e-5..1e-3:log` searches a range, `plan.steps=100`
            changes one.
        into: folder for runs and page; `sweeps/NAME` where None.
        parallel: runs at a time, each with its share of the threads; None: one here, on a cluster as many as it has room for.
        on: `here`, or `ray`: a cluster of Ray (docs/spreading.md).
        halving: keep 1 / halving of the arms at each rung; 0: all are run to the end.
        engine: `grid`, `random` or `optuna`; None: `grid`, or `random` where a range is searched.
        trials: arms that a search tries; None: 16.
        examples: numbers of examples to learn from, and `all`: a curve of quality, from the network as it comes on.
        same: what every arm of a curve makes as many of, `steps` or `epochs`; None: what `sweep.same` says, else steps.
        say: told how it goes.

    Raises:
        UserError: for whatever is wrong in the recipe or the data, and where no run ended.
    """
    made = space(recipe, given, examples)
    kind = chosen_engine(engine, made, halving)
    if kind == "grid" and trials is not None:
        raise UserError("`--trials` is for a search, and a grid tries every arm", "leave it out, or add `--engine random`")
    trials = TRIALS if trials is None else trials
    folder = Path(into or SWEEPS / str(made.tree.get("name", "sweep")))
    with Run(folder).holding():
        made = with_sizes(made, same or made.same, folder, say)
        source = None if kind == "grid" else engine_of(kind, made, folder)
        work = Work(made, folder, say)
        if kind != "optuna":
            work.check(grid_of(made) if source is None else drawn(made, source, trials))
        widest = work.arms or [
            arm(made, {name: axis.high if isinstance(axis, Range) else axis[-1] for name, axis in made.axes.items()})
        ]

        def runs() -> list[Recipe]:
            return [recipe for one in widest for recipe in one.recipes.values()]

        work.made_by(pool_for(runs, on=on, parallel=parallel, logs=folder / "logs", say=say))
        if kind == "optuna" and source is not None:
            work.search(source, trials)
        else:
            work.halve(halving) if halving else work.run(work.arms)
        found = work.result(told(kind, work, halving))
        return Studied(found, written(found, folder), work.failed)


def written(found: Study, folder: Path) -> Path:
    from tunesmith.comparison.study_page import write_study

    return write_study(found, folder)


def with_sizes(made: Space, same: Same, folder: Path, say: Say) -> Space:
    """The space with what its arms share where the number of examples is varied; what `all` stands for anyway is left out."""
    sizes = made.axes.get(EXAMPLES)
    if not isinstance(sizes, tuple):
        return made
    found = sizes_of(made.tree, sizes, same, folder)
    kept = tuple(size for size in sizes if size == "all" or "all" not in sizes or size < found.there)
    for size in sizes:
        if size not in kept:
            say(f"{size:,} examples: left out, for there are {found.there:,}, which `all` stands for")
    return dataclasses.replace(made, axes={**made.axes, EXAMPLES: kept}, sizes=found)


def chosen_engine(kind: str | None, made: Space, halving: int) -> str:
    kind = kind or ("random" if made.ranges else "grid")
    if kind not in ENGINES:
        raise UserError(f"there is no engine `{kind}`", f"there are: {', '.join(ENGINES)}")
    if kind == "grid" and made.ranges:
        raise UserError(f"`{made.ranges[0]}` is a range, and a grid needs values", "name the values, or `--engine random`")
    if kind != "grid" and not made.axes:
        raise UserError(f"the engine `{kind}` has nothing to search", "give a range: `plan.learning_rate=1e-5..1e-3:log`")
    if EXAMPLES in made.axes and (kind != "grid" or halving):
        raise UserError("a curve over numbers of examples needs every arm of it", "leave `--halving` and `--engine` out")
    if kind == "optuna" and halving:
        raise UserError(
            "`--halving` drops arms from a set that is known from the start; Optuna proposes one after another",
            "use `--engine random` with `--halving`",
        )
    if halving or kind == "optuna":
        refuse_unlike(made)
    if halving == 1:
        raise UserError("`--halving 1` drops nothing", "2 keeps the better half at each rung, 3 the best third")
    return kind


def engine_of(kind: str, made: Space, folder: Path) -> Engine:
    return engine(kind, made, int(made.tree.get("seed", 0)), folder)


def grid_of(made: Space) -> list[Arm]:
    return [arm(made, values) for values in grid(made)]


def drawn(made: Space, source: Engine, trials: int) -> list[Arm]:
    """The arms of a random search; what is drawn twice is tried once."""
    return list({one.name: one for one in (arm(made, source.ask()) for _ in range(trials))}.values())


@dataclass
class Work:
    """The runs of a study while they are made.

    shares: arm -> the share of the steps to which halving let it go.
    failed: run -> why it stopped.
    pool:   who makes the runs.
    """

    made: Space
    folder: Path
    say: Say
    arms: list[Arm] = field(default_factory=list)
    shares: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    pool: Pool = field(init=False)
    outcomes: Outcomes = field(init=False)

    def made_by(self, pool: Pool) -> None:
        self.pool, self.outcomes = pool, Outcomes(pool, self.say, self.failed)

    def of(self, recipe: Recipe) -> Run:
        return Run(self.folder / "runs" / recipe.name)

    def called(self, one: Arm) -> Arm:
        """The arm with the names under which its runs stand: those of a single seed were once named without it."""
        recipes = {}
        for seed, recipe in one.recipes.items():
            old = recipe.name.removesuffix(f"-seed-{seed}")
            before = Run(self.folder / "runs" / old)
            stands = old != recipe.name and started(before) and before.recipe().get("seed") == seed
            recipes[seed] = dataclasses.replace(recipe, name=old) if stands and not started(self.of(recipe)) else recipe
        return dataclasses.replace(one, recipes=recipes)

    def check(self, arms: Sequence[Arm]) -> None:
        """Take up arms; every mistake is found before one of them runs."""
        arms = [self.called(one) for one in arms]
        names = [recipe.name for one in (*self.arms, *arms) for recipe in one.recipes.values()]
        for name in names:
            if names.count(name) > 1:
                raise UserError(f"two arms would be called `{name}`", "give values that differ in their first six digits")
        tasks: dict[str, Sequence[Task]] = {}
        for one in arms:
            for recipe in one.recipes.values():
                refuse_other(self.of(recipe), recipe)
                wanted = repr(rows_of(recipe))
                if wanted not in tasks:
                    tasks[wanted] = prepared(recipe).all
                refuse_other_rows(self.of(recipe), tasks[wanted])
        runs = [recipe for one in arms for recipe in one.recipes.values()]
        refuse_unattachable(recipe for recipe in runs if not self.of(recipe).world().get("ended"))
        self.arms += arms

    def run(self, arms: Sequence[Arm], share: float | None = None) -> None:
        """Bring arms to a share of their steps, or to their end; what came as far before is kept."""
        self.pool.make(self.jobs(arms, share), self.outcomes)

    def jobs(self, arms: Sequence[Arm], share: float | None = None) -> Iterator[Job]:
        runs = [recipe for one in arms for recipe in one.recipes.values()]
        for number, recipe in enumerate(runs, start=1):
            recipe = dataclasses.replace(recipe, plan=dataclasses.replace(recipe.plan, stop_after=share))  # noqa: PLW2901
            kept = reached(self.of(recipe), recipe)
            self.say(f"[{number}/{len(runs)}] {recipe.name}" + (": kept from before" if kept else ""))
            if kept:
                self.of(recipe).tidy()
            elif recipe.name not in self.failed:
                yield Job(recipe, self.of(recipe))

    def cost(self, one: Arm, share: float | None = None) -> float:
        """Mean over seeds of what arms are chosen by, up to a share of the steps; infinite where a run failed."""
        costs = []
        for recipe in one.recipes.values():
            run = self.of(recipe)
            plan = dataclasses.replace(recipe.plan, stop_after=share)
            last = plan.stop_step(run.world().get("planned_steps", 0) or 1) if share else None
            costs.append(inf if recipe.name in self.failed else cost(run, last))
        return sum(costs) / len(costs)

    def halve(self, keep: int) -> None:
        """Successive halving: at each rung the better part goes on."""
        arms = self.arms
        for share in rungs(len(arms), keep):
            self.say(f"{len(arms)} arms go on to {words.percent(share)} of their steps")
            self.run(arms, None if share == 1 else share)
            self.shares.update({one.name: share for one in arms})
            if share < 1:
                arms = [arms[place] for place in survivors([self.cost(one, share) for one in arms], keep)]

    def search(self, source: Engine, trials: int) -> None:
        """Let an engine propose arms one after another, and tell it what they were worth."""
        arms: dict[str, Arm] = {}
        proposed: dict[str, list[Values]] = {}  # arm -> what was asked, and not told the worth of yet
        left: dict[str, int] = {}  # arm -> runs that have not ended
        owner: dict[str, str] = {}  # run -> arm
        refused: list[UserError] = []  # of proposals that are no recipe, or find no place in their network

        def tell(name: str) -> None:
            for values in proposed.pop(name, []) if not left[name] else []:
                source.tell(values, self.cost(arms[name]))

        def jobs() -> Iterator[Job]:
            again = 0
            while len(arms) < trials and again < trials:  # a space of few arms is soon known
                values, one = source.ask(), None
                try:
                    one = self.called(arm(self.made, values))
                    if one.name not in arms:
                        self.check([one])
                except UserError as error:
                    if one is not None and any(started(self.of(recipe)) for recipe in one.recipes.values()):
                        raise  # it could be once: what is wrong is not the proposal, and all others have it too
                    again += 1
                    refused.append(error)
                    self.say(f"{named(values)}: left out, for {error.problem}")
                    source.tell(values, inf)
                    continue
                proposed.setdefault(one.name, []).append(values)
                if one.name in arms:
                    again += 1
                    tell(one.name)
                    continue
                new = list(self.jobs([one]))
                arms[one.name], left[one.name] = one, len(new)
                owner.update({job.recipe.name: one.name for job in new})
                tell(one.name)
                yield from new

        def ended(job: Job, status: int) -> None:
            self.outcomes(job, status)
            name = owner[job.recipe.name]
            left[name] -= 1
            tell(name)

        self.pool.make(jobs(), ended)
        if not arms and refused:
            raise refused[0]

    def result(self, how: str) -> Study:
        """What came of it, read from the runs' folders."""
        tried = [
            Tried(
                one.name,
                one.values,
                {seed: self.of(recipe) for seed, recipe in one.recipes.items() if recipe.name not in self.failed},
                [self.failed[recipe.name] for recipe in one.recipes.values() if recipe.name in self.failed],
                self.shares.get(one.name, 1.0),
                scale_of(one),
            )
            for one in self.arms
        ]
        if not any(one.runs for one in tried):
            raise UserError(
                f"every run failed; the first: {next(iter(self.failed.values()))}", "mend it and give the command again"
            )
        varied = list(dict.fromkeys(name for one in self.arms for name in one.values))
        return judged(str(self.made.tree.get("name", self.folder.name)), tried, varied, how)


def rows_of(recipe: Recipe) -> dict[str, Any]:
    """What of a recipe decides which rows are read, and how they may be."""
    tree: dict[str, Any] = settings.dump(recipe)
    apart = {"name", "seed", "model", "method", "plan", "track"}
    named = {key: value for key, value in tree.items() if key not in apart}
    return {**named, "learns": recipe.method != "none", "epochs": recipe.plan.epochs}


def reached(run: Run, recipe: Recipe) -> bool:
    """Whether a run came as far as it is to go."""
    world = run.world()
    if recipe.plan.stop_after is None or world.get("ended"):
        return bool(world.get("ended"))
    planned = world.get("planned_steps")
    return "best_step" in world or bool(planned and world.get("steps", 0) >= recipe.plan.stop_step(planned))


def scale_of(one: Arm) -> float | None:
    """What the method multiplies its change by, where it says so."""
    method = next(iter(one.recipes.values())).method
    scale = getattr(method, "scale", None) if isinstance(method, Method) else None
    return float(scale) if isinstance(scale, int | float) else None


def told(kind: str, work: Work, halving: int) -> str:
    """How the arms were chosen, in words."""
    many = len(work.arms)
    best = next((recipe.plan.best for one in work.arms for recipe in one.recipes.values()), "loss")
    measure = "score on the validation examples" if best == "score" else "validation loss"
    how = {
        "grid": f"Every combination of the values that were given: {many} arms.",
        "random": f"Random search: {many} arms drawn from the ranges, by the recipe's seed.",
        "optuna": f"Optuna's sampler (TPE) proposed {many} arms one after another, and was told the {measure} of each.",
    }[kind]
    if halving:
        shares = ", ".join(words.percent(share) for share in rungs(many, halving))
        how += (
            f" Successive halving (Jamieson and Talwalkar, 2016): at {shares} of the steps the better 1/{halving} of the arms "
            "went on from where it stood, under the schedule of the whole run; the others were left there and not asked. "
            "Losses of arms that stopped at different shares are not to be held against each other."
        )
    if work.made.sizes:
        how += " " + sizes_told(work.made.sizes, best)
    return how
