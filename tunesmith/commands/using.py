"""Commands that use a model, collect votes, and show what there is."""

import argparse
import sys
from pathlib import Path

from tunesmith.commands.given import one_recipe, open_page, split_given
from tunesmith.commands.writing import refuse_unheard, write


def answer(arguments: argparse.Namespace) -> None:
    from tunesmith import answering

    prompt = sys.stdin.read().rstrip("\n") if arguments.prompt == "-" else arguments.prompt
    print(answering.answer(arguments.run, prompt, second=arguments.second, overrides=arguments.given))


def chat(arguments: argparse.Namespace) -> None:
    from tunesmith import answering

    conversation = answering.chat(arguments.run, overrides=arguments.given)
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
    from tunesmith import answering

    print(
        answering.predict(
            arguments.run, arguments.file, into=arguments.into, template=arguments.template, overrides=arguments.given
        )
    )


def label(arguments: argparse.Namespace) -> None:
    from tunesmith import labelling

    refuse_unheard(arguments)
    if arguments.write is not None:
        write(arguments)
        return
    arguments.db = arguments.db or Path(labelling.DB)
    if arguments.export:
        count = labelling.export_labels(
            arguments.export, db=arguments.db, layout=arguments.layout, ties=arguments.ties, policy=arguments.votes
        )
        print(f"{count} rows", file=sys.stderr)
        print(arguments.export)
    if arguments.report:
        report_labels(arguments)
    if arguments.export or arguments.report:
        return
    pairs, overrides = split_given(arguments.given)
    names = "prompts template limit db overlap gold guidelines seed host port token"

    def ready(address: str) -> None:
        labelling.announce(address)
        open_page(address, arguments.open)

    given = {name: getattr(arguments, name) for name in names.split()}
    if arguments.judge:
        judge = labelling.judge_of(arguments.judge)
        given |= {"judge": judge.score, "annotator": type(judge).__name__}
    labelling.label(pairs, models=arguments.model, overrides=overrides, ready=ready, **given)


def report_labels(arguments: argparse.Namespace) -> None:
    import json

    from rich.console import Console

    from tunesmith import labelling

    made = labelling.report_labels(arguments.db)
    if arguments.json:
        print(json.dumps(made.tree(), indent=2, ensure_ascii=False))
    else:
        Console().print(labelling.rendered(made))


def show(arguments: argparse.Namespace) -> None:
    from rich.console import Console

    from tunesmith import showing
    from tunesmith.shown import rendered

    paths, overrides = split_given(arguments.given)
    runs = [path for path in paths if Path(path).is_dir()]
    if runs:
        for table in showing.mistaken(runs):
            Console().print(table)
        return
    shown = showing.show(
        one_recipe(paths),
        model=arguments.model,
        data=arguments.data,
        template=arguments.template,
        overrides=overrides,
        examples=arguments.examples,
    )
    for task in shown:
        for line in filter(None, (task.told, task.left_out)):
            print(line, file=sys.stderr)
    screen = Console()
    screen.print(rendered(shown, screen.is_terminal and not screen.no_color))


def list_(arguments: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.table import Table

    from tunesmith import verbs
    from tunesmith.errors import UserError

    if arguments.kind == "templates":
        list_templates(arguments.file, arguments.json)
        return
    if arguments.file or arguments.json:
        given = arguments.file or "--json"
        raise UserError(
            f"`{given}` belongs to `list templates`", "`tunesmith list templates FILE` shows the wordings of a file"
        )
    for listed in verbs.listed(arguments.kind):
        table = Table(title=listed.kind, title_justify="left", show_header=False, box=None, padding=(0, 2))
        for name, line in listed.entries.items():
            table.add_row(f"[bold]{name}[/]", line)
        Console().print(table)


def list_templates(name: str | None, as_json: bool) -> None:
    import json

    from rich.console import Console
    from rich.text import Text

    from tunesmith.wordings import listed_templates

    found = listed_templates(name)
    if as_json:
        print(json.dumps({file: [one.tree() for one in many] for file, many in found.items()}, indent=2, ensure_ascii=False))
        return
    console = Console(highlight=False)
    for file, many in found.items():
        console.print(Text(file, style="italic"))
        for one in many:
            needs = ", ".join(column.partition("|")[0] for column in one.columns)
            console.print(Text.assemble("  ", (one.name, "bold"), f"   {needs}", *(f" · {mark}" for mark in one.marks)))
            console.print(Text(f"      {one.begins}", style="dim"), soft_wrap=True)


def schema(arguments: argparse.Namespace) -> None:
    import json

    from tunesmith import settings
    from tunesmith.recipe import Recipe
    from tunesmith.sweep import ComparisonRecipe

    print(json.dumps(settings.schema(ComparisonRecipe if arguments.recipe == "comparison" else Recipe), indent=2))
