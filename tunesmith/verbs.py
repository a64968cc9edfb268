"""The commands as Python calls: `tunesmith.compare(...)` is `tunesmith compare`. Each returns what the command prints.

A recipe may be a path, or a tree of settings; `overrides` are `dotted.name=value`, as on the command line.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith import registry, settings
from tunesmith.comparison.table import Comparison
from tunesmith.comparison.table import compare as compare_runs
from tunesmith.errors import UserError, did_you_mean
from tunesmith.metrics.family import Family
from tunesmith.metrics.metric import Metric
from tunesmith.perturbations.perturbation import Perturbation
from tunesmith.run import Run
from tunesmith.settings import Tree
from tunesmith.tasks.task import Task

if TYPE_CHECKING:
    from tunesmith.experiment import Load
    from tunesmith.recipe import Recipe

RUNS = Path("runs")
COMPARISONS = Path("comparisons")
WEIGHED = ("perplexity", "bits_per_byte", "cross_entropy")


@dataclass(frozen=True)
class Compared:
    """A comparison and the page that shows it."""

    comparison: Comparison
    page: Path


def compare(
    recipe: str | Path | Tree | None = None,
    *,
    runs: Sequence[str | Path] = (),
    model: str | Sequence[str] = (),
    data: str | None = None,
    template: str | None = None,
    systems: Sequence[str] = (),
    into: str | Path | None = None,
    overrides: Sequence[str] = (),
    parallel: int | None = None,
    on: str = "here",
) -> Compared:
    """Train and judge several ways of tuning on one task, or compare runs that exist, and write one page of evidence.

    Args:
        recipe: a comparison recipe; without one the embedded model and data are used. Its `stages` run before its systems.
        runs: folders of existing runs; excludes everything else but `into`.
        model: a hub name or folder, or several of them.
        data: a task, a file, a folder or a hub data set, to learn from and to be judged by.
        template: how rows become prompts: the name of a built-in wording, a file, or `prompt ||| answer` itself.
        systems: the systems to run, by name; all of the recipe's where empty.
        into: folder for runs and page; `comparisons/NAME` where None.
        overrides: `systems.lora.method.rank=4`, `plan.epochs=2` ...
        parallel: systems made at a time, each with its share of the threads, and a GPU where there are several; None: one
            here, on a cluster as many as it has room for.
        on: `here`, or `ray`: a cluster of Ray (docs/spreading.md).

    Raises:
        UserError: for whatever is wrong in the recipe, the data or the runs; and, after the page is written, where a system
            failed.
    """
    from tunesmith.comparison.report import write_report

    if runs:
        if recipe is not None or model or data or template or systems or overrides:
            raise UserError("finished runs and a recipe, flags or overrides are mixed", "give either run folders or a recipe")
        compared = compare_runs([run for folder in runs for run in existing(folder)])
        return Compared(compared, write_report(compared, Path(into or COMPARISONS / "runs")))
    from tunesmith.planning.attaching import refuse_unattachable
    from tunesmith.planning.beside import pool_for
    from tunesmith.sweep import compare_systems, for_models, labels
    from tunesmith.sweep import recipes as recipes_of

    tree = comparison_tree(recipe, data, template, systems, overrides)
    models = [model] if isinstance(model, str) else list(model)
    tree = for_models(tree, models) if models else tree
    folder = Path(into or COMPARISONS / "-".join([str(tree.get("name", "comparison")), *labels(models)]))
    if "stages" in tree:
        from tunesmith.stages import before_systems

        tree = before_systems(tree, folder / "stages")
    made = recipes_of(tree)  # a mistake is told before a cluster is asked for
    refuse_unattachable(recipe for name, recipe in made.items() if not Run(folder / "runs" / name).world().get("ended"))
    pool = pool_for(made.values, on=on, parallel=parallel, logs=folder / "logs", say=say)
    with Run(folder).holding():
        compared, failed = compare_systems(tree, folder, say, pool)
        page = write_report(compared, folder)
        if failed:
            name, reason = next(iter(failed.items()))
            raise UserError(
                f"{len(failed)} of {len(made)} systems failed; the first, {name}: {reason}",
                f"mend it and give the same command again: what has ended is kept, and compared in `{page}`",
            )
        return Compared(compared, page)


def comparison_tree(
    recipe: str | Path | Tree | None, data: str | None, template: str | None, systems: Sequence[str], overrides: Sequence[str]
) -> Tree:
    """A comparison recipe as a tree, with flags and overrides laid over it."""
    tree = settings.load(recipe if recipe is not None else default_recipe(), ())
    if data is not None:
        tree["tasks"] = {data: {"template": template} if template else 1.0}
        tree["judged_by"] = []
        tree["name"] = data_label(data)
    elif template is not None:
        raise UserError("`--template` is given without `--data`", "name the data that it is for")
    refuse_misplaced(tree, overrides)
    tree = settings.override(tree, overrides)
    known = tree.get("systems", {})
    for name in systems:
        if name not in known:
            raise UserError(f"no system `{name}` in the recipe", did_you_mean(name, known))
    if systems:
        tree["systems"] = {name: known[name] for name in systems}
    return tree


def data_label(data: str) -> str:
    """What a comparison on some data is called: `rows` for `my/rows.csv.gz`."""
    from tunesmith.tasks.own import name_of

    return name_of(data).replace("/", "-")


def refuse_misplaced(tree: Tree, overrides: Sequence[str]) -> None:
    """`method.rank=8` says nothing in a comparison: each system has a method of its own."""
    for given in overrides:
        name = given.split("=", 1)[0]
        if name.split(".")[0] == "method":
            methods = {system: own.get("method") for system, own in tree.get("systems", {}).items()}
            having = [s for s, method in methods.items() if isinstance(method, Mapping) and name.split(".")[-1] in method]
            tuned = [s for s, method in methods.items() if method not in (None, "none")]
            system = next(iter([*having, *tuned]), "lora")
            raise UserError(f"`{name}` belongs to no system of the comparison", f"did you mean `systems.{system}.{name}`?")


def default_recipe() -> Path:
    """The comparison that runs without any argument: embedded model, embedded data."""
    return Path(str(files("tunesmith") / "assets" / "compare.yaml"))


def train(
    recipe: str | Path | Tree | None = None,
    *,
    into: str | Path | None = None,
    overrides: Sequence[str] = (),
    quiet: bool = False,
    telling: bool = True,
) -> Run:
    """Train one system and judge it. A folder with a half-done run of the same recipe goes on where it stopped.

    A recipe with `stages` makes a run of each below `into`; the last one is given. `telling`: say what rows were recognised as.
    """
    from tunesmith.experiment import run
    from tunesmith.stages import run_stages
    from tunesmith.training.joining import together

    with together():
        tree = settings.override(settings.load(recipe, ()), overrides)
        if "stages" in tree:
            return run_stages(tree, Path(into or RUNS / str(tree.get("name", "run"))), quiet)
        built = recipe_of(tree)
        return run(built, Path(into or RUNS / built.name), quiet, telling=telling)


def evaluate(
    model: str,
    tasks: Sequence[str] = (),
    *,
    text: Sequence[str] = (),
    column: str = "text",
    helm: bool = False,
    into: str | Path | None = None,
    overrides: Sequence[str] = (),
    quiet: bool = False,
    load_model: "Load | None" = None,
) -> Run:
    """Judge a model or a run on tasks, without learning anything. Command: `tunesmith eval`.

    Whatever the same weights were asked before in the same way is not asked again (docs/trust.md).

    Args:
        text: files or folders of plain text, weighed whole: perplexity and bits a byte.
        column: where their texts stand, if they are tables or JSON lines.
        helm: HELM's seven metrics of each task (docs/seven-metrics.md); everything is asked anew, since time is one of them.
        load_model: how the model is read, for several evaluations on one base (`models/one_base.py`).
    """
    from tunesmith import experiment

    judged: list[Any] = [*tasks, *(weighed(path, column) for path in text)]
    if not judged:
        raise UserError("there is nothing to judge by", "name tasks, or files of plain text with `--text`")
    for name in tasks:
        tell_missing(name)
    tree = judging_tree(model, judged) | {"helm": helm}
    built = recipe_of(settings.override(tree, overrides))
    return experiment.run(built, Path(into or RUNS / built.name), quiet, cached=True, load_model=load_model)


def judging_tree(model: str, judged: Sequence[Any]) -> Tree:
    """The recipe of judging a model, or a run, on tasks."""
    name = f"{Path(model).name}-eval"
    return {"name": name, "model": {"path": model}, "method": "none", "judged_by": list(judged), "forgetting": "none"}


def tell_missing(name: str) -> None:
    """Say how many tasks of a family are not asked."""
    from tunesmith.tasks.members import HERE, family_called, states

    if family_called(name) is not None:
        found = list(states(name).values())
        if found.count(HERE) < len(found):
            say(f"{name}: {found.count(HERE)} of {len(found)} tasks have rows here; `tunesmith list {name}` names them")


def weighed(path: str, column: str = "text") -> Tree:
    """The task of weighing all texts of a file or folder; a file of plain text is one text."""
    place = Path(path).expanduser()
    own: Tree = {"data": path, "cut_text": "file", "template": f"||| {{{{{column}}}}}", "metrics": list(WEIGHED)}
    return own | ({"splits": {"test": "." if place.is_dir() else place.name}} if place.exists() else {})


def existing(folder: str | Path) -> list[Run]:
    """The run in a folder; of a comparison's folder all its runs."""
    run = Run(Path(folder))
    if not run.folder.is_dir():
        raise UserError(f"there is no folder `{folder}`", did_you_mean(run.name, neighbours(run.folder)))
    inside = [Run(below.parent) for below in sorted(run.folder.glob("runs/*/recipe.yaml"))]
    if inside and not run.exists():
        return inside
    run.recipe()
    if not run.answered():
        raise UserError(
            f"`{folder}` has no answers yet", f"finish it first: `tunesmith train {folder}/recipe.yaml --into {folder}`"
        )
    return [run]


def neighbours(folder: Path) -> list[str]:
    return [one.name for one in folder.parent.iterdir()] if folder.parent.is_dir() else []


def recipe_of(tree: Tree) -> "Recipe":
    from tunesmith.recipe import Recipe

    if tree.get("sweep"):
        raise UserError("this recipe names a `sweep`: it is a study", "use `tunesmith sweep`")
    if "clusters" in tree:
        raise UserError("this recipe names `clusters`, which are left out one by one", "use `tunesmith clusters`")
    if "systems" in tree:
        raise UserError("this recipe names `systems`: it is a comparison", "use `tunesmith compare`")
    return settings.build(Recipe, tree)


@dataclass(frozen=True)
class Listed:
    """Names with a line about each."""

    kind: str
    entries: Mapping[str, str]


KINDS = {
    "methods": "tunesmith.methods",
    "objectives": "tunesmith.objectives",
    "metrics": "tunesmith.metrics",
    "perturbations": "tunesmith.perturbations",
    "rewards": "tunesmith.rewards",
    "tasks": "tunesmith.tasks",
    "trackers": "tunesmith.trackers",
}
VALUED: Mapping[str, type] = {
    "tunesmith.metrics": Metric,
    "tunesmith.perturbations": Perturbation,
    "tunesmith.tasks": Task,
}  # a file holds values with own names


def listed(kind: str | None = None) -> list[Listed]:
    """Everything that can be named in a recipe, by kind; or the tasks of a family, and which have rows here.

    Reads names and docstrings; imports no torch. Command: `tunesmith list`.
    """
    from tunesmith.tasks.members import every_family, states

    if kind is not None and kind not in KINDS:
        families = [family.name for family in every_family()]
        if kind not in families:
            raise UserError(f"nothing is listed under `{kind}`", did_you_mean(kind, [*KINDS, "templates", *families]))
        return [Listed(kind, states(kind))]
    return [Listed(name, _entries(package)) for name, package in KINDS.items() if kind in (None, name)]


def _entries(package: str) -> dict[str, str]:
    """A file's names and its first docstring line; a file of metrics or tasks holds several names, or families of them."""
    lines = registry.described(package)
    if package not in VALUED:
        return lines
    named: dict[str, dict[str, Any]] = {
        file: registry.members(file, package, Family) or registry.members(file, package, VALUED[package]) for file in lines
    }
    return {", ".join(names): lines[file] for file, names in named.items() if names}


def say(text: str) -> None:
    """Talk, to stderr."""
    from rich.console import Console

    Console(stderr=True, highlight=False).print(f"{time.strftime('%H:%M:%S')}  {text}", markup=False)


__all__ = ["Compared", "compare", "evaluate", "listed", "train"]
