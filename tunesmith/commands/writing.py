"""`tunesmith label --write`: its options, and what it prints."""

import argparse
import json
import sys
from pathlib import Path

from tunesmith.commands.given import open_page
from tunesmith.errors import UserError

CALLED = {"given": "files and settings", "columns": "--given", "layout": "--as"}
OWN: dict[str, object] = {
    "seeds": None,
    "columns": None,
    "reviewers": None,
    "choices": None,
    "state": None,
    "pseudonyms": False,
}
OF_VOTES: dict[str, object] = {
    "given": [],
    "prompts": None,
    "model": [],
    "template": None,
    "limit": None,
    "gold": None,
    "judge": None,
    "seed": None,
    "layout": "dpo",
    "ties": "drop",
    "votes": "majority",
}


def arguments(verb: argparse.ArgumentParser) -> None:
    """The options that only `--write` has."""
    verb.add_argument(
        "--write",
        nargs="*",
        metavar="SHAPE | FILE.yaml | GUIDE.md",
        help="a page on which people write rows: triplet, completion, label, chat, preference, or a form of your own",
    )
    verb.add_argument("--seeds", type=Path, help="of --write: rows that give a writer some of the columns")
    verb.add_argument("--given", dest="columns", help="of --seeds: which columns, separated by commas (all that the form has)")
    verb.add_argument("--reviewers", help="of --write: who may review, separated by commas (everybody, never their own rows)")
    verb.add_argument("--choices", help="of --write label: the labels, separated by commas")
    verb.add_argument("--state", help="of --export: accepted, submitted, 'sent back', draft or all (accepted)")
    verb.add_argument("--pseudonyms", action="store_true", help="of --export: no names of people")


def refuse_unheard(given: argparse.Namespace) -> None:
    """Refuse options of votes where rows are written, and the other way round."""
    writes = given.write is not None
    for name, default in (OF_VOTES if writes else OWN).items():
        if getattr(given, name) != default:
            called = CALLED.get(name, f"--{name}")
            if writes:
                raise UserError(f"`--write` does not hear `{called}`", "leave it out: it belongs to the page for preferences")
            raise UserError(f"`{called}` belongs to `--write`", "add `--write`, or leave it out")


def write(given: argparse.Namespace) -> None:
    from rich.console import Console

    from tunesmith import labelling, writing

    db = given.db or Path(writing.WRITTEN)
    if given.export:
        count = writing.export_writing(given.export, db=db, state=given.state or "accepted", pseudonyms=given.pseudonyms)
        print(f"{count} rows", file=sys.stderr)
        print(given.export)
    if given.report:
        made = writing.report_writing(db)
        if given.json:
            print(json.dumps(made.tree(), indent=2, ensure_ascii=False))
        else:
            Console().print(writing.rendered(made))
    if given.export or given.report:
        return

    def ready(address: str) -> None:
        labelling.announce(address, "write", "all that was written is kept")
        open_page(address, given.open)

    writing.write(
        given.write,
        guidelines=given.guidelines,
        choices=listed(given.choices),
        seeds=given.seeds,
        given=listed(given.columns),
        overlap=given.overlap,
        reviewers=listed(given.reviewers),
        db=db,
        host=given.host,
        port=given.port,
        token=given.token,
        ready=ready,
    )


def listed(text: str | None) -> list[str]:
    """Words separated by commas."""
    return [one.strip() for one in text.split(",")] if text else []
