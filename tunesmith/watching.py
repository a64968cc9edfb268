"""`tunesmith studio`: runs with live curves, comparisons, a playground and the rows as a model reads them, on one server."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tunesmith.errors import UserError, did_you_mean
from tunesmith.serving.studio.index import FOLDERS

if TYPE_CHECKING:
    from fastapi import APIRouter
    from starlette.types import ASGIApp

    from tunesmith.run import Run
    from tunesmith.serving.studio.data_routes import View
    from tunesmith.serving.worker import Worker

PLACES = (("/runs", "Runs"), ("/compare", "Compare"), ("/play", "Playground"), ("/data", "Data"))
HOST, PORT = "127.0.0.1", 8766


def studio(
    folders: Sequence[str | Path] = (),
    *,
    model: str | None = None,
    data: Sequence[str] = (),
    labels: str | Path | None = None,
    writing: str | Path | None = None,
    host: str = HOST,
    port: int = PORT,
    token: str | None = None,
    ready: Callable[[str], None] = print,
) -> None:
    """Serve the studio until it is interrupted. Nothing below the folders is changed. Command: `tunesmith studio`.

    Args:
        folders:    runs are looked for below these; empty: `runs`, `comparisons` and `sweeps`, those that are there.
        model:      the playground's first model: run, folder or hub name; None: loaded when somebody chooses a run.
        data:       tasks and files that the data viewer shows beside the tasks of the runs.
        labels:     a file of `tunesmith label`, whose page is served too; `writing`: one of `tunesmith label --write`.
        host, port: where to listen; port 0 is any. Beyond this machine visitors need the token, which is in the link.
        token:      None: made up where one is needed.
        ready:      called with the address when it can be opened.

    Raises:
        UserError: a folder or file is not there, or the port is taken.
    """
    from tunesmith.serving import server
    from tunesmith.serving.studio import data_routes, play_routes, routes
    from tunesmith.serving.studio.index import Index
    from tunesmith.serving.studio.playing import Playground

    index = Index([existing(folder) for folder in folders] or [Path(one) for one in FOLDERS if Path(one).is_dir()])
    playground = Playground(index, speaking, model)
    for name in data:
        refuse_missing(name)
    places = [routes.Place(*place) for place in PLACES]
    with ExitStack() as kept:
        kept.callback(playground.close)
        pages = list(people(labels, writing, kept))
        places += [routes.Place(path, name) for path, name, _ in pages]
        listening, token = server.bind(host, port, token)
        made = [
            routes.router(index, places),
            play_routes.router(index, playground, places),
            data_routes.router(index, data, partial(opened, model), places),
            *(router for *_, router in pages),
        ]
        if model is not None:
            playground.choose(None)
        ready(server.link(listening, "/runs", token))
        server.serve(server.create(made, home="/runs", token=token, api=playground.ask), listening)


def speaking(worker: "Worker", name: str) -> "ASGIApp":
    """The API of the playground's network: that of `tunesmith serve`."""
    from tunesmith.evaluation.heads import classify
    from tunesmith.serving.api import within
    from tunesmith.serving.served import Served

    return within(Served(worker, name), classify)


def opened(model: str | None, run: "Run | None", name: str) -> "View":
    """A task as a network reads it; what that needs is imported when somebody looks."""
    from tunesmith.viewing import opener

    view: View = opener(model)(run, name)
    return view


def people(labels: str | Path | None, writing: str | Path | None, kept: ExitStack) -> "Iterator[tuple[str, str, APIRouter]]":
    """(path, name, router) of the pages for people whose files were given."""
    if labels is not None:
        from tunesmith.serving import labels as labelling
        from tunesmith.serving.votes import Votes

        votes = Votes(labels, new=False)
        kept.callback(votes.close)
        yield "/label", "Labelling", labelling.router(votes)
    if writing is not None:
        from tunesmith.serving import writers
        from tunesmith.serving.reviewing import Reviews
        from tunesmith.serving.writing import Writing

        rows = Writing(writing, new=False)
        kept.callback(rows.close)
        yield "/write", "Writing", writers.router(rows, Reviews(rows))


def existing(folder: str | Path) -> Path:
    """A folder that somebody named."""
    path = Path(folder).expanduser()
    if not path.is_dir():
        beside = [one.name for one in path.parent.iterdir() if one.is_dir()] if path.parent.is_dir() else []
        raise UserError(f"there is no folder `{folder}`", did_you_mean(path.name, beside))
    return path


def announce(address: str) -> None:
    """Say where the studio is: the address to stdout, talk to stderr."""
    print(address, flush=True)
    print("Open this page. Ctrl-C ends it; runs go on without it.", file=sys.stderr)


def refuse_missing(name: str) -> None:
    """A file that was named and is not there is told before anybody opens the page."""
    looks_like_one = Path(name).suffix or name.startswith(("/", "~", "."))
    if looks_like_one and not Path(name).expanduser().exists():
        raise UserError(f"there is no file `{name}`", "`--data` names a task or a file of rows")
