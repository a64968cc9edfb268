"""The command `data`, whose sub-commands look at rows before they are learnt from: what may be given, and what is printed.

A sub-command is a function `arguments(subverbs)` that adds its parser with `sub_command`.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tunesmith.commands import growing
from tunesmith.commands.given import open_page, split_given
from tunesmith.errors import UserError

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
    verb.add_argument(
        "given",
        nargs="+",
        metavar="DATA | name=value",
        help="task, file, folder, hub data set, or a recipe (.yaml), whose training rows are checked; and settings of "
        "findings, as near_duplicates.threshold=0.9",
    )
    verb.add_argument(
        "--against", nargs="+", default=[], metavar="TASK | FILE", help="evaluation sets whose rows must not be learnt from"
    )
    verb.add_argument("--template", help="built-in wording, file, or 'prompt ||| answer'")
    verb.add_argument("--only", default="", help="findings to look for, separated by commas (all)")
    verb.add_argument("--skip", default="", help="findings to leave out, separated by commas")
    verb.add_argument(
        "--drop",
        help="findings whose rows --clean leaves out, separated by commas, or none (exact_duplicates,empty,contamination)",
    )
    verb.add_argument("--clean", type=Path, metavar="OUT.jsonl", help="write the rows that stay, and OUT.dropped.jsonl")
    verb.add_argument("--into", type=Path, help="folder for page and JSON (checks/NAME)")
    verb.add_argument("--unmasked", action="store_true", help="show personal data in the reports as it is")
    verb.add_argument("--json", action="store_true", help="print the whole report as JSON")
    verb.add_argument("--open", action=argparse.BooleanOptionalAction, default=None, help="open the page in a browser")


def check(arguments: argparse.Namespace) -> None:
    import json

    from rich.console import Console

    from tunesmith import checking
    from tunesmith.comparison.quality_page import plain, terminal

    paths, overrides = split_given(arguments.given)
    if len(paths) != 1:
        raise UserError(f"{len(paths) or 'no'} sets of rows are given", "give one; evaluation sets stand behind `--against`")
    against, more = split_given(arguments.against)
    dropping = None if arguments.drop is None else [] if arguments.drop == "none" else listed(arguments.drop)
    checked = checking.check_data(
        paths[0],
        against=against,
        template=arguments.template,
        only=listed(arguments.only),
        skip=listed(arguments.skip),
        drop=dropping,
        clean=arguments.clean,
        into=arguments.into,
        overrides=[*overrides, *more],
        mask=not arguments.unmasked,
        quiet=False,
    )
    assert checked.page is not None
    if arguments.json:
        print(json.dumps(plain(checked), indent=2, ensure_ascii=False))
        return
    Console().print(terminal(checked))
    if checked.clean is not None:
        print(checked.clean)
        print(checking.dropped_beside(checked.clean))
    print(checked.page)
    open_page(checked.page, arguments.open)


def listed(names: str) -> list[str]:
    """Names separated by commas."""
    return [name.strip() for name in names.split(",") if name.strip()]
