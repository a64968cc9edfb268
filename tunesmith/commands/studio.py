"""The command `studio`: what may be given, and what is printed."""

import argparse
from pathlib import Path
from typing import Any

from tunesmith.commands.given import open_page

SubCommands = Any  # argparse's own type of sub-commands has no public name
TEXT = "a page of runs with live curves, comparisons, a playground, and rows as the model reads them"


def arguments(verbs: SubCommands) -> None:
    """Add `studio` to a parser."""
    verb = verbs.add_parser("studio", help=TEXT, description=TEXT[0].upper() + TEXT[1:] + ".", allow_abbrev=False)
    verb.set_defaults(call=studio)
    verb.add_argument("folders", nargs="*", metavar="FOLDER", help="runs are looked for below (runs, comparisons, sweeps)")
    verb.add_argument("--model", help="of the playground: run, folder or hub name (loaded when somebody chooses a run)")
    verb.add_argument("--data", action="append", default=[], metavar="TASK | FILE", help="to be looked at; may be repeated")
    verb.add_argument("--labels", type=Path, metavar="FILE", help="serve the page of `tunesmith label` for this file too")
    verb.add_argument("--writing", type=Path, metavar="FILE", help="serve the page of `tunesmith label --write` too")
    verb.add_argument("--host", default="127.0.0.1", help="where to listen; beyond this machine a token is in the link")
    verb.add_argument("--port", type=int, default=8766, help="0 for any (8766)")
    verb.add_argument("--token", help="what visitors need (made up where they need one)")
    verb.add_argument("--open", action=argparse.BooleanOptionalAction, default=None, help="open the page in a browser")


def studio(given: argparse.Namespace) -> None:
    from tunesmith import watching as made

    def ready(address: str) -> None:
        made.announce(address)
        open_page(address, given.open)

    names = ["model", "data", "labels", "writing", "host", "port", "token"]
    made.studio(given.folders, ready=ready, **{name: getattr(given, name) for name in names})
