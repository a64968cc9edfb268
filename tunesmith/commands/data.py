"""The command `data`, whose sub-commands look at rows before they are learnt from: what may be given, and what is printed.

A sub-command is a function `arguments(subverbs)` that adds its parser with `sub_command`.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tunesmith.commands import growing

SubCommands = Any  # argparse's own type of sub-commands has no public name


def arguments(verbs: SubCommands) -> None:
    """Add `data` and its sub-commands to a parser."""
    text = "rows before they are learnt from: `data check` says what is wrong with them"
    verb = verbs.add_parser("data", help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False)
    subverbs = verb.add_subparsers(dest="subverb", metavar="COMMAND", required=True)
    check_arguments(subverbs)
    growing.arguments(subverbs)


def sub_command(
    subverbs: SubCommands, name: str, call: Callable[[argparse.Namespace], None], text: str
) -> argparse.ArgumentParser:
    """A sub-command that calls `call` with what was given."""
    made: argparse.ArgumentParser = subverbs.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False
    )
    made.set_defaults(call=call)
    return made


def check_arguments(subverbs: SubCommands) -> None:
    """What may be given to `data check`."""
    verb = sub_command(
        subverbs, "check", check, "what is wrong with rows: duplicates, contradictions, leaked test rows, personal data ..."
    )
    verb.add_argument("data", help="task, file, folder, hub data set, or a recipe (.yaml), whose training rows are checked")
    verb.add_argument(
        "--against", nargs="+", default=[], metavar="TASK | FILE", help="evaluation sets that must not stand in the rows"
    )
    verb.add_argument("--clean", type=Path, metavar="OUT.jsonl", help="write the rows that stay, and OUT.dropped.jsonl")
    verb.add_argument("--into", type=Path, help="folder for page and JSON (checks/NAME)")
    verb.add_argument("--json", action="store_true", help="print the whole report as JSON")


def check(arguments: argparse.Namespace) -> None:
    from tunesmith import checking

    checking.check_data(arguments.data, against=arguments.against, clean=arguments.clean, into=arguments.into)
