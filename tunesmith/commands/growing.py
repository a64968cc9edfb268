"""`tunesmith data grow`: instruction data written by a model."""

import argparse
from pathlib import Path
from typing import Any

from tunesmith.commands.given import split_given
from tunesmith.errors import UserError


def arguments(subverbs: Any) -> None:
    """What may be given to `data grow`."""
    text = "instruction data written by a model, from seeds of people; goes on where it stopped"
    verb = subverbs.add_parser("grow", help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False)
    verb.set_defaults(call=grow)
    verb.add_argument(
        "given",
        nargs="+",
        metavar="SEEDS OUT.jsonl | name=value",
        help="rows of people, the file of rows, rows=1000 way=alpaca ...",
    )
    verb.add_argument("--model", help="a local model that writes: run, folder or hub name; or")
    verb.add_argument("--endpoint", metavar="URL", help="an OpenAI-compatible endpoint, such as http://127.0.0.1:8000/v1")
    verb.add_argument("--name", metavar="MODEL", help="of --endpoint: the model that it is asked for")
    verb.add_argument("--report", action="store_true", help="tell what stands in OUT.jsonl; asks nothing")
    verb.add_argument("--json", action="store_true", help="print the report as JSON")


def grow(arguments: argparse.Namespace) -> None:
    from tunesmith.synthesis import growing, report

    paths, overrides = split_given(arguments.given)
    if arguments.report:
        if len(paths) > 2 or overrides or arguments.model or arguments.endpoint:
            raise UserError("`--report` takes the file of rows alone", "tunesmith data grow OUT.jsonl --report")
        show(report.report(paths[-1]), arguments.json)
        return
    if len(paths) != 2:
        raise UserError(f"{len(paths)} paths are given", "give two: the seeds, and the file for the rows: SEEDS OUT.jsonl")
    made = growing.grow(*paths, model=arguments.model, endpoint=arguments.endpoint, name=arguments.name, overrides=overrides)
    show(made, arguments.json)
    if not arguments.json:
        print(Path(paths[1]))
    if not made.rows:
        raise UserError("no row was kept", "the table tells which filter refused what; `docs/growing.md` tells what helps")


def show(made: "object", as_json: bool) -> None:
    import json

    from rich.console import Console

    from tunesmith.synthesis.report import Report, rendered

    assert isinstance(made, Report)
    if as_json:
        print(json.dumps(made.tree(), indent=2, ensure_ascii=False))
    else:
        Console().print(rendered(made))
