"""Commands that keep house: runs and their room, what the machine can do, trackers, the hub."""

import argparse
import json
import sys
from pathlib import Path

from tunesmith.commands.data import SubCommands, sub_command
from tunesmith.errors import UserError


def arguments(verbs: SubCommands) -> None:
    """Add `runs`, `convert`, `doctor`, `push` and `track` to a parser."""
    _runs(verbs)
    verb = sub_command(verbs, "convert", convert, "weights in pickles become safetensors; no code in them is run")
    verb.add_argument("folder", type=Path, help="of a network or an adapter")
    verb.add_argument("out", type=Path, help="a new folder")

    verb = sub_command(
        verbs, "doctor", doctor, "what this machine can do and what is missing; status 1 where something is broken"
    )
    verb.add_argument("--json", action="store_true", help="print it as JSON")

    verb = sub_command(verbs, "push", push, "send what a run learnt to a hub, with its model card")
    verb.add_argument("run", help="folder of a run that has ended")
    verb.add_argument("repo", help="OWNER/NAME on the hub; it is made where it is missing")
    verb.add_argument("--weights", type=Path, help="a folder that `merge` or `export` made of the run, instead of its own")
    verb.add_argument("--private", action="store_true", help="make the repository private, where it is made")
    verb.add_argument("--dry-run", action="store_true", help="only list what would be sent")

    verb = sub_command(verbs, "track", track, "send a run that exists to trackers: tensorboard, mlflow, wandb, trackio")
    verb.add_argument("run", help="folder of a run")
    verb.add_argument("--to", required=True, help="trackers, separated by commas (docs/tracking.md)")
    verb.add_argument("settings", nargs="*", metavar="name=value", help="settings of the tracker: project=mine")


def _runs(verbs: SubCommands) -> None:
    text = "runs with their scores and room on the disk; `runs show`, `runs remove` and `runs prune`"
    verb = verbs.add_parser("runs", help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False)
    subverbs = verb.add_subparsers(dest="subverb", metavar="COMMAND", required=False)
    verb.set_defaults(call=list_runs, folders=[], sort="time", json=False)

    one = sub_command(subverbs, "list", list_runs, "runs below folders: method, model, state, score, time, room on the disk")
    one.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="where runs lie (runs, comparisons, sweeps)")
    one.add_argument("--sort", choices=("name", "method", "model", "state", "score", "time", "disk"), default="time")
    one.add_argument("--json", action="store_true", help="print them as JSON")

    one = sub_command(subverbs, "show", show_run, "settings, scores, and files with their sizes of one run")
    one.add_argument("run", type=Path)
    one.add_argument("--json", action="store_true", help="print it as JSON")

    one = sub_command(subverbs, "remove", remove_runs, "remove runs; asks first, and never takes what is not a run's")
    one.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    one.add_argument("--only", choices=("state", "weights", "answers", "tracking"), help="remove this part alone")
    one.add_argument("--yes", action="store_true", help="do not ask")

    one = sub_command(subverbs, "prune", prune_runs, "remove checkpoints that nothing goes on from; the runs stay")
    one.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="where runs lie (runs, comparisons, sweeps)")
    one.add_argument("--older", type=float, metavar="DAYS", help="also those of unfinished runs that rest for so long")
    one.add_argument("--yes", action="store_true", help="do not ask")


def list_runs(arguments: argparse.Namespace) -> None:
    from rich.console import Console

    from tunesmith import housekeeping

    found = housekeeping.runs(arguments.folders, sort=arguments.sort)
    if arguments.json:
        print(json.dumps([one.tree() for one in found], indent=2, ensure_ascii=False))
        return
    if not found:
        print("no runs here; `tunesmith runs list FOLDER` looks elsewhere", file=sys.stderr)
        return
    Console().print(housekeeping.table(found))


def show_run(arguments: argparse.Namespace) -> None:
    from rich.console import Console

    from tunesmith import housekeeping

    shown = housekeeping.show_run(arguments.run)
    if arguments.json:
        print(json.dumps(shown.tree(), indent=2, ensure_ascii=False))
    else:
        Console().print(*housekeeping.shown_tables(shown), sep="\n")


def remove_runs(arguments: argparse.Namespace) -> None:
    from tunesmith import removing

    carry_out(removing.to_remove(arguments.runs, only=arguments.only), arguments.yes)


def prune_runs(arguments: argparse.Namespace) -> None:
    from tunesmith import removing

    carry_out(removing.to_prune(arguments.folders, older=arguments.older), arguments.yes)


def carry_out(removals, yes: bool) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Say what would go, ask, and remove it."""
    from tunesmith import removing
    from tunesmith.training.progress import gigabytes

    removals = [one for one in removals if one.entries]
    for one in removals:
        parts = ", ".join(entry.name for entry in one.entries)
        print(f"{one.folder}  {gigabytes(one.bytes)}  ({parts})", file=sys.stderr)
        if one.kept:
            print(f"  stays, since no run writes it: {', '.join(one.kept)}", file=sys.stderr)
    if not removals:
        print("nothing to remove", file=sys.stderr)
        return
    total = gigabytes(sum(one.bytes for one in removals))
    if not yes:
        if not sys.stdin.isatty():
            raise UserError("nobody is there to be asked", "look at the list above, and give `--yes`")
        print(f"Remove these, {total}? [y/N] ", end="", file=sys.stderr, flush=True)
        if input().strip().lower() not in ("y", "yes"):
            print("nothing was removed", file=sys.stderr)
            return
    for one in removals:
        removing.remove(one)
        print(one.folder)
    print(f"{total} freed", file=sys.stderr)


def convert(arguments: argparse.Namespace) -> None:
    from tunesmith.models import pickles

    made = pickles.convert(arguments.folder, arguments.out)
    print(f"{made.tensors} tensors, {made.bytes:,} bytes: {', '.join(made.files)}", file=sys.stderr)
    print(made.folder)


def doctor(arguments: argparse.Namespace) -> None:
    from rich.console import Console

    from tunesmith import examination

    found = examination.doctor()
    if arguments.json:
        print(json.dumps(found.tree(), indent=2, ensure_ascii=False))
    else:
        Console().print(examination.table(found))
    if found.broken:
        sys.exit(1)


def push(arguments: argparse.Namespace) -> None:
    from tunesmith import pushing

    pushed = pushing.push(
        arguments.run, arguments.repo, weights=arguments.weights, private=arguments.private, dry_run=arguments.dry_run
    )
    for file in pushed.files:
        print(f"{file.name}  {file.bytes:,} bytes", file=sys.stderr)
    print(pushed.address if pushed.sent else f"{len(pushed.files)} files would go to {pushed.address}; nothing was sent")


def track(arguments: argparse.Namespace) -> None:
    from tunesmith import tracked

    tracked.track(arguments.run, [one for one in arguments.to.split(",") if one], overrides=arguments.settings)
