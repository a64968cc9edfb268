"""Commands that train, or that look at what was trained."""

import argparse
import sys
from pathlib import Path

from tunesmith.commands.given import one_recipe, open_page, split_given
from tunesmith.commands.judging import print_scores
from tunesmith.commands.parsing import OVERRIDES, Verbs, at_least_one, command
from tunesmith.errors import UserError


def arguments(verbs: Verbs) -> None:
    """Add the commands that make runs, and the one that looks into a run."""
    verb = command(verbs, "compare", compare, "train and judge several ways of tuning, or compare runs: one page of evidence")
    verb.add_argument(
        "given", nargs="*", metavar="RECIPE | RUN ... | name=value", help=f"a recipe, run folders, or {OVERRIDES}"
    )
    verb.add_argument("--model", action="append", default=[], help="hub name or folder; may be given several times")
    verb.add_argument("--data", help="task, file, folder or hub data set")
    verb.add_argument("--template", help="built-in wording, file, or 'prompt ||| answer'")
    verb.add_argument("--systems", help="which systems, separated by commas")
    verb.add_argument("--into", type=Path, help="folder for runs and page (comparisons/NAME)")
    side_by_side(verb)
    verb.add_argument("--open", action=argparse.BooleanOptionalAction, default=None, help="open the page in a browser")

    verb = command(verbs, "train", train, "train one system and judge it; goes on where an interrupted run stopped")
    verb.add_argument("given", nargs="+", metavar="RECIPE | name=value", help=f"a recipe, and {OVERRIDES}")
    verb.add_argument("--into", type=Path, help="folder of the run (runs/NAME)")
    verb.add_argument("--brief", action="store_true", help="print neither scores nor what rows were recognised as")
    verb.add_argument("--processes", type=at_least_one, default=1, help="that learn together, one a GPU (1)")

    verb = command(
        verbs, "sweep", sweep, "a study: settings with several values, seeds, a search; one page of what each is worth"
    )
    verb.add_argument(
        "given",
        nargs="+",
        metavar="RECIPE | name=value,value ...",
        help=f"a recipe, settings with values to try, and {OVERRIDES}",
    )
    verb.add_argument("--into", type=Path, help="folder for runs and page (sweeps/NAME)")
    side_by_side(verb)
    verb.add_argument("--halving", type=at_least_one, nargs="?", const=2, default=0, help="keep one in so many arms a rung (2)")
    verb.add_argument("--engine", help="grid, random or optuna (grid, or random where a range is searched)")
    verb.add_argument("--trials", type=at_least_one, help="arms that a search tries (16)")
    verb.add_argument("--examples", metavar="N,N,...,all", help="numbers of examples to learn from: how many are enough?")
    verb.add_argument("--same", choices=("steps", "epochs"), help="what all of these make as many of (steps)")
    verb.add_argument("--open", action=argparse.BooleanOptionalAction, default=None, help="open the page in a browser")

    verb = command(verbs, "clusters", clusters, "tune on all clusters of tasks but one, and judge the one left out; for each")
    verb.add_argument("given", nargs="+", metavar="RECIPE | name=value", help=f"a recipe, and {OVERRIDES}")
    verb.add_argument("--into", type=Path, help="folder for runs and page (clusters/NAME)")
    side_by_side(verb)
    verb.add_argument("--open", action=argparse.BooleanOptionalAction, default=None, help="open the page in a browser")

    verb = command(
        verbs,
        "inspect",
        inspect,
        "what tuning did inside: change of each weight and its rank, words near soft prompts",
    )
    verb.add_argument("run", help="folder of a run")
    verb.add_argument("--nearest", type=at_least_one, default=5, help="words named beside each virtual token")
    verb.add_argument("--base", help="the network it was tuned from, where it has moved")
    verb.add_argument("--into", type=Path, help="folder for tables and plots (RUN/inspection)")
    verb.add_argument("--json", action="store_true", help="print everything as JSON")


def side_by_side(verb: argparse.ArgumentParser) -> None:
    """Where several runs are made, and how many at a time."""
    verb.add_argument("--parallel", type=at_least_one, help="runs at a time, each with its share of the threads (1)")
    verb.add_argument("--on", choices=("here", "ray"), default="here", help="make the runs on a cluster of Ray (here)")


def compare(arguments: argparse.Namespace) -> None:
    from rich.console import Console

    from tunesmith import verbs
    from tunesmith.comparison.report import terminal_table

    paths, overrides = split_given(arguments.given)
    runs = [path for path in paths if Path(path).is_dir()]
    recipes = [path for path in paths if path not in runs]
    compared = verbs.compare(
        one_recipe(recipes),
        runs=runs,
        model=arguments.model,
        data=arguments.data,
        template=arguments.template,
        systems=arguments.systems.split(",") if arguments.systems else (),
        into=arguments.into,
        overrides=overrides,
        parallel=arguments.parallel,
        on=arguments.on,
    )
    Console().print(terminal_table(compared.comparison))
    print(compared.page)
    open_page(compared.page, arguments.open)


def train(arguments: argparse.Namespace) -> None:
    from tunesmith import verbs
    from tunesmith.run import Run
    from tunesmith.training.joining import several, talks
    from tunesmith.training.launching import launch

    if arguments.processes > 1 and not several():
        into = ["--into", str(arguments.into)] if arguments.into else []
        more = ["--processes", str(arguments.processes)]  # which the processes say when they are stopped
        sys.exit(launch(arguments.processes, ["train", *arguments.given, *into, *more, *["--brief"] * arguments.brief]))
    paths, overrides = split_given(arguments.given)
    if arguments.brief and arguments.into:  # a run of a comparison or a study that was killed may still be saving there
        Run(arguments.into).wait_for_writer()
    run = verbs.train(one_recipe(paths) or {}, into=arguments.into, overrides=overrides, telling=not arguments.brief)
    if not arguments.brief and talks():
        print_scores(run)
        print(run.folder)


def sweep(arguments: argparse.Namespace) -> None:
    from rich.console import Console

    from tunesmith.comparison.study_page import terminal_table
    from tunesmith.studies.study import study
    from tunesmith.verbs import say

    paths, given = split_given(arguments.given)
    made = study(
        one_recipe(paths),
        given=given,
        into=arguments.into,
        parallel=arguments.parallel,
        on=arguments.on,
        halving=arguments.halving,
        engine=arguments.engine,
        trials=arguments.trials,
        examples=arguments.examples.split(",") if arguments.examples else (),
        same=arguments.same,
        say=say,
    )
    Console().print(terminal_table(made.study))
    print(made.page)
    open_page(made.page, arguments.open)
    if made.failed:
        sys.exit(1)  # what failed is told, and stands on the page


def clusters(arguments: argparse.Namespace) -> None:
    from rich.console import Console

    from tunesmith.comparison.left_out_page import terminal_table
    from tunesmith.studies.clusters import clusters as left_out
    from tunesmith.verbs import say

    paths, overrides = split_given(arguments.given)
    spread = {"parallel": arguments.parallel, "on": arguments.on}
    made = left_out(one_recipe(paths) or {}, overrides=overrides, into=arguments.into, say=say, **spread)
    Console().print(terminal_table(made.found))
    print(made.page)
    open_page(made.page, arguments.open)


def inspect(arguments: argparse.Namespace) -> None:
    from rich.console import Console

    from tunesmith.comparison.inspected import terminal_table
    from tunesmith.inspection import inspect as looked

    made = looked(arguments.run, nearest=arguments.nearest, base=arguments.base, into=arguments.into)
    if arguments.json:
        print((made.folder / "inspection.json").read_text(encoding="utf-8"), end="")
        return
    Console().print(terminal_table(made.found))
    print(made.folder)


def plan(arguments: argparse.Namespace) -> None:
    import json

    from rich.console import Console

    from tunesmith.planning import tables
    from tunesmith.planning.plan import plan as told

    paths, overrides = split_given(arguments.given)
    recipe: Path | dict[str, object] | None = one_recipe(paths) or ({} if overrides else None)
    planned = told(recipe, model=arguments.model, probing=arguments.probe, overrides=overrides)
    for line in planned.shapes:
        print(line, file=sys.stderr)
    if arguments.json:
        print(json.dumps(planned.tree(), indent=2))
    else:
        Console().print(tables.rendered(planned))


def merge(arguments: argparse.Namespace) -> None:
    from tunesmith import handover
    from tunesmith.models.combine import Combination

    *runs, out = arguments.given
    if not runs:
        raise UserError(f"only `{out}` is given", "name a run and a new folder: `tunesmith merge runs/mine merged`")
    _refuse_idle(arguments)
    if arguments.combine is None:
        if len(runs) > 1:
            raise UserError(f"{len(runs)} runs are given", "say how they become one: `--combine linear`")
        handed = handover.merge_run(runs[0], Path(out), arguments.dtype, arguments.prompts)
    else:
        given = {name: value for name in ("density", "seed") if (value := getattr(arguments, name)) is not None}
        wanted = Combination(arguments.combine, tuple(arguments.weights), **given)
        rest = arguments.rank, arguments.fold, arguments.dtype, arguments.prompts
        handed = handover.combine_runs(runs, Path(out), wanted, *rest)
    print(handed, file=sys.stderr)
    print(handed.folder)


def _refuse_idle(arguments: argparse.Namespace) -> None:
    """Options of `merge` that would do nothing beside the others."""
    how, fold = arguments.combine, arguments.fold
    idle = {
        "--weights": (bool(arguments.weights) and how is None, "is for `--combine`"),
        "--rank": (arguments.rank is not None and how is None, "is for `--combine`"),
        "--fold": (fold and how is None, "is for `--combine`: a run alone is always written into the base"),
        "--density": (arguments.density is not None and how not in ("ties", "dare"), "is for `--combine ties` and `dare`"),
        "--seed": (arguments.seed is not None and how != "dare", "is for `--combine dare`"),
        "--dtype": (arguments.dtype is not None and how is not None and not fold, "is for a network: add `--fold`"),
    }
    for option, (is_idle, why) in idle.items():
        if is_idle:
            raise UserError(f"`{option}` does nothing here: it {why}", "leave it out, or add what it is for")


def export(arguments: argparse.Namespace) -> None:
    from tunesmith import handover

    given = arguments.to, arguments.dtype, arguments.prompts, arguments.converter
    exported = handover.export_run(arguments.run, arguments.out, *given)
    print(exported, file=sys.stderr)
    print(exported.file or exported.folder)
