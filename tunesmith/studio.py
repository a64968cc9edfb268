"""`tunesmith studio`: runs with live curves, comparisons, a playground and the rows as a model reads them, on one server."""

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from tunesmith.errors import UserError, did_you_mean
from tunesmith.serving.studio.index import FOLDERS

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
    from tunesmith.serving.studio import routes
    from tunesmith.serving.studio.index import Index

    index = Index([existing(folder) for folder in folders] or [Path(one) for one in FOLDERS if Path(one).is_dir()])
    with ExitStack() as kept:
        places = [routes.Place("/runs", "Runs"), routes.Place("/compare", "Compare")]
        made = []
        listening, token = server.bind(host, port, token)
        made.append(routes.router(index, places))
        ready(server.link(listening, "/runs", token))
        server.serve(server.create(made, home="/runs", token=token), listening)


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
