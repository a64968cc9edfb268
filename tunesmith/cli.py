"""The command line: parses, calls `tunesmith.verbs`, prints. Data to stdout, talk to stderr."""

import argparse
import errno
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from tunesmith import __version__
from tunesmith.errors import UserError, did_you_mean

OVERRIDES = "settings to change, as dotted.name=value (plan.epochs=2)"


class Parser(argparse.ArgumentParser):
    """Options and other arguments may stand in any order; a wrong option gets the nearest right one."""

    mixing = False

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        if self._subparsers is not None or self.mixing:
            return super().parse_known_args(args, namespace)
        self.mixing = True
        try:
            found, unknown = self.parse_known_intermixed_args(args, namespace)
        finally:
            self.mixing = False
        if unknown:
            self.error(f"there is no option `{unknown[0]}`; {did_you_mean(unknown[0], self.options())}")
        return found, unknown

    def options(self) -> list[str]:
        return [name for action in self._actions for name in action.option_strings if name.startswith("--")]


def parser() -> Parser:
    top = Parser(
        prog="tunesmith",
        description="Fine-tune language models, and know what the tuning was worth.",
        epilog="`tunesmith compare` without anything else shows the main job on the embedded model and data.",
    )
    top.add_argument("--version", action="version", version=f"tunesmith {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="COMMAND", required=True)

    verb = _verb(verbs, "compare", compare, "train and judge several ways of tuning, or compare runs: one page of evidence")
    verb.add_argument(
        "given", nargs="*", metavar="RECIPE | RUN ... | name=value", help=f"a recipe, run folders, or {OVERRIDES}"
    )
    verb.add_argument("--model", action="append", default=[], help="hub name or folder; may be given several times")
    verb.add_argument("--data", help="task, file, folder or hub data set")
    verb.add_argument("--template", help="built-in wording, file, or 'prompt ||| answer'")
    verb.add_argument("--systems", help="which systems, separated by commas")
    verb.add_argument("--into", type=Path, help="folder for runs and page (comparisons/NAME)")
    verb.add_argument("--open", action=argparse.BooleanOptionalAction, default=None, help="open the page in a browser")

    verb = _verb(verbs, "train", train, "train one system and judge it; goes on where an interrupted run stopped")
    verb.add_argument("given", nargs="+", metavar="RECIPE | name=value", help=f"a recipe, and {OVERRIDES}")
    verb.add_argument("--into", type=Path, help="folder of the run (runs/NAME)")
    verb.add_argument("--brief", action="store_true", help="print no scores at the end")

    _studying(verbs)

    verb = _verb(verbs, "eval", evaluate, "judge a model or a run on tasks")
    verb.add_argument("model", help="run folder, model folder or hub name")
    verb.add_argument("tasks", nargs="+", metavar="TASK | name=value", help=f"tasks or files, and {OVERRIDES}")
    verb.add_argument("--into", type=Path, help="folder of the run (runs/NAME)")

    verb = _verb(verbs, "answer", answer, "what a run says to a prompt")
    verb.add_argument("run")
    verb.add_argument("prompt", help="the prompt; - reads it from stdin")
    verb.add_argument("given", nargs="*", metavar="name=value", help="tokens=64 temperature=0.7 ...")

    verb = _verb(verbs, "chat", chat, "a conversation with a run")
    verb.add_argument("run")
    verb.add_argument("given", nargs="*", metavar="name=value", help="tokens=64 temperature=0.7 ...")

    verb = _verb(verbs, "predict", predict, "answer every row of a file: rows in, rows out")
    verb.add_argument("run")
    verb.add_argument("file", type=Path)
    verb.add_argument("given", nargs="*", metavar="name=value", help="tokens=64 temperature=0.7 ...")
    verb.add_argument("--template", help="how a row becomes a prompt (the run's own)")
    verb.add_argument("--into", type=Path, help="file for the rows with their answers")

    _handing_over(verbs)

    verb = _verb(verbs, "show", show, "examples with what is learnt marked, lengths, what would be cut; runs nothing")
    verb.add_argument("given", nargs="*", metavar="RECIPE | name=value", help=f"a recipe, and {OVERRIDES}")
    verb.add_argument("--model", help="hub name or folder (only its tokenizer is read)")
    verb.add_argument("--data", help="task, file, folder or hub data set")
    verb.add_argument("--template", help="built-in wording, file, or 'prompt ||| answer'")
    verb.add_argument("--examples", type=int, default=3, help="how many examples to show")

    verb = _verb(verbs, "plan", plan, "memory, time and disk of a run, and what would fit where; before anything runs")
    verb.add_argument("given", nargs="*", metavar="RECIPE | name=value", help=f"a recipe, and {OVERRIDES}")
    verb.add_argument("--model", help="hub name, folder, or a well-known shape such as Qwen3-8B; alone: what would fit")
    verb.add_argument("--probe", action="store_true", help="make a few real steps first, in a process of their own")
    verb.add_argument("--json", action="store_true", help="print it as JSON")

    verb = _verb(verbs, "list", list_, "what a recipe can name: methods, objectives, metrics, tasks")
    verb.add_argument("kind", nargs="?")

    verb = _verb(verbs, "schema", schema, "the JSON schema of a recipe, for editors")
    verb.add_argument("recipe", nargs="?", choices=("run", "comparison"), default="comparison")
    return top


def _handing_over(verbs: "argparse._SubParsersAction[Parser]") -> None:
    verb = _verb(verbs, "merge", merge, "write an adapter into the weights of its base, with proof; or combine several")
    verb.add_argument("given", nargs="+", metavar="RUN ... OUT", help="a run, or several with --combine, and a new folder")
    verb.add_argument("--dtype", choices=("float16", "bfloat16", "float32"), help="of the weights (as in the base's file)")
    verb.add_argument("--prompts", type=Path, help="file with a prompt a line, to compare on (rows of the run's own task)")
    verb.add_argument("--combine", choices=("linear", "ties", "dare"), help="make one adapter of several (docs/merge.md)")
    verb.add_argument("--weights", nargs="+", type=float, default=[], help="one a run (equal shares; 1 each for ties)")
    verb.add_argument("--density", type=float, default=0.2, help="share of the entries that ties and dare keep (0.2)")
    verb.add_argument("--seed", type=int, default=0, help="of what dare drops (0)")
    verb.add_argument("--rank", type=int, help="bring the combination down to a LoRA of this rank")
    verb.add_argument("--fold", action="store_true", help="write the combination into the base, not as an adapter")

    verb = _verb(verbs, "export", export, "write a run as a network for other programs, and let it answer as proof")
    verb.add_argument("run")
    verb.add_argument("out", type=Path, help="a new folder")
    verb.add_argument("--to", choices=("folder", "gguf"), default="folder", help="gguf: by llama.cpp's converter, besides")
    verb.add_argument("--dtype", choices=("float16", "bfloat16", "float32"), help="of the weights (as in the base's file)")
    verb.add_argument("--prompts", type=Path, help="file with a prompt a line, to replay (rows of the run's own task)")
    verb.add_argument("--converter", type=Path, help="llama.cpp's convert_hf_to_gguf.py, or its folder (LLAMA_CPP)")


def _studying(verbs: "argparse._SubParsersAction[Parser]") -> None:
    verb = _verb(
        verbs, "sweep", sweep, "a study: settings with several values, seeds, a search; one page of what each is worth"
    )
    verb.add_argument(
        "given",
        nargs="+",
        metavar="RECIPE | name=value,value ...",
        help=f"a recipe, settings with values to try, and {OVERRIDES}",
    )
    verb.add_argument("--into", type=Path, help="folder for runs and page (sweeps/NAME)")
    verb.add_argument("--parallel", type=at_least_one, default=1, help="runs at a time, each with its share of the threads")
    verb.add_argument("--halving", type=at_least_one, nargs="?", const=2, default=0, help="keep one in so many arms a rung (2)")
    verb.add_argument("--engine", help="grid, random or optuna (grid, or random where a range is searched)")
    verb.add_argument("--trials", type=at_least_one, default=16, help="arms that a search tries")
    verb.add_argument("--open", action=argparse.BooleanOptionalAction, default=None, help="open the page in a browser")

    verb = _verb(
        verbs, "inspect", inspect, "what tuning did inside: change of each weight and its rank, words near soft prompts"
    )
    verb.add_argument("run", help="folder of a run")
    verb.add_argument("--nearest", type=at_least_one, default=5, help="words named beside each virtual token")
    verb.add_argument("--base", help="the network it was tuned from, where it has moved")
    verb.add_argument("--into", type=Path, help="folder for tables and plots (RUN/inspection)")
    verb.add_argument("--json", action="store_true", help="print everything as JSON")


def _verb(
    verbs: "argparse._SubParsersAction[Parser]", name: str, call: Callable[[argparse.Namespace], None], text: str
) -> Parser:
    made = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False)
    made.set_defaults(call=call)
    return made


def at_least_one(text: str) -> int:
    """A whole number above nought."""
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"`{text}` is not a whole number above nought")
    return int(text)


def split_given(given: Sequence[str]) -> tuple[list[str], list[str]]:
    """(paths, overrides): an argument with `=` that is no file is an override."""
    overrides = [item for item in given if "=" in item and not Path(item).exists()]
    return [item for item in given if item not in overrides], overrides


def one_recipe(paths: Sequence[str]) -> Path | None:
    for path in paths:
        if not Path(path).is_file():
            raise UserError(f"there is no recipe and no run at `{path}`", near(Path(path)))
    if len(paths) > 1:
        raise UserError(f"several recipes are given: {', '.join(paths)}", "give one")
    return Path(paths[0]) if paths else None


def near(path: Path) -> str:
    """What lies beside a path that is not there, and is called much like it."""
    beside = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
    hint = did_you_mean(path.name, beside)
    return hint if hint.startswith("did") else "give a YAML file, or settings as dotted.name=value"


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
    )
    Console().print(terminal_table(compared.comparison))
    print(compared.page)
    open_page(compared.page, arguments.open)


def open_page(page: Path, wanted: bool | None) -> None:
    """Open the page where there is a browser and somebody at the terminal."""
    import webbrowser

    screen = sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if wanted or (wanted is None and screen and sys.stdout.isatty()):
        webbrowser.open(page.resolve().as_uri())


def train(arguments: argparse.Namespace) -> None:
    from tunesmith import verbs

    paths, overrides = split_given(arguments.given)
    run = verbs.train(one_recipe(paths) or {}, into=arguments.into, overrides=overrides)
    if not arguments.brief:
        print_scores(run.scores())
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
        halving=arguments.halving,
        engine=arguments.engine,
        trials=arguments.trials,
        say=say,
    )
    Console().print(terminal_table(made.study))
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


def evaluate(arguments: argparse.Namespace) -> None:
    from tunesmith import verbs

    tasks, overrides = split_given(arguments.tasks)
    run = verbs.evaluate(arguments.model, tasks, into=arguments.into, overrides=overrides)
    print_scores(run.scores())
    print(run.folder)


def print_scores(scores: object) -> None:
    from rich.console import Console
    from rich.table import Table

    assert isinstance(scores, dict)
    table = Table("task", "metric", "score", "answers")
    for task, row in scores.items():
        for metric, score in row.items():
            table.add_row(task, metric, f"{score.value:.4f}", str(score.answers))
    Console().print(table)


def answer(arguments: argparse.Namespace) -> None:
    from tunesmith import verbs

    prompt = sys.stdin.read().rstrip("\n") if arguments.prompt == "-" else arguments.prompt
    print(verbs.answer(arguments.run, prompt, overrides=arguments.given))


def chat(arguments: argparse.Namespace) -> None:
    from tunesmith import verbs

    conversation = verbs.chat(arguments.run, overrides=arguments.given)
    print("Empty line or Ctrl-D ends.", file=sys.stderr)
    while True:
        try:
            text = input("> ").strip()
        except (EOFError, KeyboardInterrupt):
            return
        if not text:
            return
        print(conversation.say(text))


def predict(arguments: argparse.Namespace) -> None:
    from tunesmith import verbs

    print(
        verbs.predict(
            arguments.run, arguments.file, into=arguments.into, template=arguments.template, overrides=arguments.given
        )
    )


def merge(arguments: argparse.Namespace) -> None:
    from tunesmith import handover
    from tunesmith.models.combine import Combination

    *runs, out = arguments.given
    if not runs:
        raise UserError(f"only `{out}` is given", "name a run and a new folder: `tunesmith merge runs/mine merged`")
    if arguments.combine is None:
        if len(runs) > 1:
            raise UserError(f"{len(runs)} runs are given", "say how they become one: `--combine linear`")
        handed = handover.merge_run(runs[0], Path(out), arguments.dtype, arguments.prompts)
    else:
        wanted = Combination(arguments.combine, tuple(arguments.weights), arguments.density, arguments.seed)
        rest = arguments.rank, arguments.fold, arguments.dtype, arguments.prompts
        handed = handover.combine_runs(runs, Path(out), wanted, *rest)
    print(handed, file=sys.stderr)
    print(handed.folder)


def export(arguments: argparse.Namespace) -> None:
    from tunesmith import handover

    given = arguments.to, arguments.dtype, arguments.prompts, arguments.converter
    exported = handover.export_run(arguments.run, arguments.out, *given)
    print(exported, file=sys.stderr)
    print(exported.file or exported.folder)


def show(arguments: argparse.Namespace) -> None:
    from rich.console import Console

    from tunesmith import showing

    paths, overrides = split_given(arguments.given)
    shown = showing.show(
        one_recipe(paths),
        model=arguments.model,
        data=arguments.data,
        template=arguments.template,
        overrides=overrides,
        examples=arguments.examples,
    )
    Console().print(showing.rendered(shown))


def plan(arguments: argparse.Namespace) -> None:
    import json

    from rich.console import Console

    from tunesmith.planning import tables
    from tunesmith.planning.plan import plan as told

    paths, overrides = split_given(arguments.given)
    recipe: Path | dict[str, object] | None = one_recipe(paths) or ({} if overrides else None)
    planned = told(recipe, model=arguments.model, probing=arguments.probe, overrides=overrides)
    if arguments.json:
        print(json.dumps(planned.tree(), indent=2))
    else:
        Console().print(tables.rendered(planned))


def list_(arguments: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.table import Table

    from tunesmith import verbs

    for listed in verbs.listed(arguments.kind):
        table = Table(title=listed.kind, title_justify="left", show_header=False, box=None, padding=(0, 2))
        for name, line in listed.entries.items():
            table.add_row(f"[bold]{name}[/]", line)
        Console().print(table)


def schema(arguments: argparse.Namespace) -> None:
    import json

    from tunesmith import settings
    from tunesmith.recipe import Recipe
    from tunesmith.sweep import ComparisonRecipe

    print(json.dumps(settings.schema(ComparisonRecipe if arguments.recipe == "comparison" else Recipe), indent=2))


GOES_ON = ("compare", "train", "sweep", "eval")


def main(given: Sequence[str] | None = None) -> None:
    """Entry point: errors that a person can mend are shown without a traceback."""
    words = list(sys.argv[1:] if given is None else given)
    top = parser()
    refuse_unknown(top, words)
    arguments = top.parse_args(words)
    hush()
    try:
        arguments.call(arguments)
        sys.stdout.flush()
    except UserError as error:
        sys.exit(told(str(error)))
    except KeyboardInterrupt:
        more = "; the same command goes on where it stopped" if arguments.verb in GOES_ON else ""
        print(f"\nstopped{more}", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes at its end
        sys.exit(0)
    except Exception as error:
        known = mendable(error)
        if known is None:
            raise
        sys.exit(told(str(known)))


def told(text: str) -> int:
    """Say what is wrong; the exit status."""
    print(f"error: {text}", file=sys.stderr)
    return 1


def mendable(error: Exception) -> UserError | None:
    """What a person can do about an error of the system: a full disk, a full card, a file that may not be written."""
    if "No space left on device" in str(error) or getattr(error, "errno", None) == errno.ENOSPC:
        return UserError("the disk is full", "make room, and give the same command again: what was saved is kept")
    if type(error).__name__ == "OutOfMemoryError":
        return UserError(
            "the memory of the card is full",
            "set `plan.room.rows` or `plan.room.tokens` lower, `plan.recompute=true`, or, when answering, `ask.rows` lower: "
            "none of these changes a result",
        )
    if isinstance(error, OSError) and error.filename and error.strerror:
        return UserError(f"`{error.filename}`: {error.strerror}", "look at the path and its permissions")
    return None


def refuse_unknown(top: Parser, words: Sequence[str]) -> None:
    """A command that is misspelt gets the nearest right one."""
    if words and not words[0].startswith("-") and words[0] not in (known := commands(top)):
        top.error(f"there is no command `{words[0]}`; {did_you_mean(words[0], known)}")


def commands(top: Parser) -> list[str]:
    assert top._subparsers is not None
    return list(next(action.choices for action in top._subparsers._group_actions if action.choices))


def hush() -> None:
    """Other libraries' bars and warnings are not ours to show; `python -W` and their own variables bring them back."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


QUIET = {
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
