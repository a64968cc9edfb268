"""The command line: parses, calls `tunesmith.verbs`, prints. Data to stdout, talk to stderr."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tunesmith import __version__
from tunesmith.errors import UserError

OVERRIDES = "settings to change, as dotted.name=value (plan.epochs=2)"


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="tunesmith",
        description="Fine-tune language models, and know what the tuning was worth.",
        epilog="`tunesmith compare` without anything else shows the main job on the embedded model and data.",
    )
    top.add_argument("--version", action="version", version=f"tunesmith {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="COMMAND", required=True)

    verb = _verb(verbs, "compare", compare, "train and judge several ways of tuning, or compare runs: one page of evidence")
    verb.add_argument("given", nargs="*", metavar="RECIPE | RUN ... | name=value", help=f"a recipe, run folders, or {OVERRIDES}")
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

    verb = _verb(verbs, "show", show, "examples with what is learnt marked, lengths, what would be cut; runs nothing")
    verb.add_argument("given", nargs="*", metavar="RECIPE | name=value", help=f"a recipe, and {OVERRIDES}")
    verb.add_argument("--model", help="hub name or folder (only its tokenizer is read)")
    verb.add_argument("--data", help="task, file, folder or hub data set")
    verb.add_argument("--template", help="built-in wording, file, or 'prompt ||| answer'")
    verb.add_argument("--examples", type=int, default=3, help="how many examples to show")

    verb = _verb(verbs, "list", list_, "what a recipe can name: methods, objectives, metrics, tasks")
    verb.add_argument("kind", nargs="?")

    verb = _verb(verbs, "schema", schema, "the JSON schema of a recipe, for editors")
    verb.add_argument("recipe", nargs="?", choices=("run", "comparison"), default="comparison")
    return top


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, call: Callable[[argparse.Namespace], None], text: str
) -> argparse.ArgumentParser:
    made = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    made.set_defaults(call=call)
    return made


def split_given(given: Sequence[str]) -> tuple[list[str], list[str]]:
    """(paths, overrides): an argument with `=` that is no file is an override."""
    overrides = [item for item in given if "=" in item and not Path(item).exists()]
    return [item for item in given if item not in overrides], overrides


def one_recipe(paths: Sequence[str]) -> Path | None:
    if len(paths) > 1:
        raise UserError(f"several recipes are given: {', '.join(paths)}", "give one")
    if paths and not Path(paths[0]).is_file():
        raise UserError(f"no recipe at `{paths[0]}`", "give a YAML file, or settings as dotted.name=value")
    return Path(paths[0]) if paths else None


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
        except EOFError:
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
    from tunesmith.experiment import Recipe
    from tunesmith.sweep import ComparisonRecipe

    print(json.dumps(settings.schema(ComparisonRecipe if arguments.recipe == "comparison" else Recipe), indent=2))


def main(given: Sequence[str] | None = None) -> None:
    """Entry point: errors that a person can mend are shown without a traceback."""
    arguments = parser().parse_args(given)
    try:
        arguments.call(arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from the last checkpoint", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
