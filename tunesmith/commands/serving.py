"""`tunesmith serve`: its options, and what it prints."""

import argparse
import shlex
from pathlib import Path
from typing import Any

from tunesmith.commands.given import open_page
from tunesmith.errors import UserError
from tunesmith.hosting import BEGUN, HOST, PORT, RESTARTS, ROWS, Address, announce


def arguments(verbs: Any) -> None:
    """Add the command to the others."""
    text = "one base and many adapters behind OpenAI's API"
    verb = verbs.add_parser("serve", help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False)
    verb.set_defaults(call=serve)
    verb.add_argument("model", help="run folder, model folder, hub name, or town/llama")
    verb.add_argument("--adapter", action="append", default=[], metavar="NAME=FOLDER", help="may be given several times")
    verb.add_argument("--name", help="by which clients call the base (its hub name, or its folder's)")
    verb.add_argument("--adapters-folder", type=Path, metavar="FOLDER", help="whose adapters requests may load and unload")
    verb.add_argument("--watch", action="store_true", help="put on, replace and drop the adapters of that folder as they come")
    verb.add_argument("--host", default=HOST, help="where to listen; beyond this machine clients need the token")
    verb.add_argument("--port", type=int, default=PORT, help=f"0 for any ({PORT})")
    verb.add_argument("--token", help="what clients bring as their API key (made up where they need one)")
    verb.add_argument("--rows", type=_number, default=ROWS, help=f"most answers under way at once ({ROWS})")
    verb.add_argument("--room", type=_number, help="most tokens that are kept of all of them (no bound)")
    verb.add_argument(
        "--begun", type=int, default=BEGUN, help=f"tokens kept of what prompts begin with alike; 0: none ({BEGUN})"
    )
    verb.add_argument("--queue", type=int, default=1024, help="most answers that wait; others are refused with 429 (1024)")
    verb.add_argument("--longest", type=_number, default=4096, help="most tokens of an answer (4096)")
    verb.add_argument("--body", type=_number, default=1 << 20, help="most bytes of a request (1048576)")
    verb.add_argument("--patience", type=float, default=30.0, help="seconds for what is under way once it is to end (30)")
    verb.add_argument(
        "--restarts", type=_number, default=RESTARTS, help=f"faults of the network in a row, then the server ends ({RESTARTS})"
    )
    verb.add_argument("--backend", choices=("tunesmith", "vllm"), default="tunesmith", help="who serves: vLLM knows LoRA alone")
    verb.add_argument("--vllm", type=shlex.split, default=[], metavar="WORDS", help="further words for `vllm serve`, in quotes")
    verb.add_argument("--open", action=argparse.BooleanOptionalAction, default=False, help="open the list of models")


def serve(given: argparse.Namespace) -> None:
    from tunesmith import hosting

    def ready(address: Address) -> None:
        announce(address)
        where = f"{address.base}/models" + (f"?token={address.token}" if address.token else "")
        open_page(where, given.open)

    hosting.serve(
        given.model,
        adapters=dict(map(_adapter, given.adapter)),
        name=given.name,
        adapters_folder=given.adapters_folder,
        watch=given.watch,
        host=given.host,
        port=given.port,
        token=given.token,
        rows=given.rows,
        room=given.room,
        begun=max(0, given.begun),
        queue=max(0, given.queue),
        longest=given.longest,
        body=given.body,
        patience=given.patience,
        restarts=given.restarts,
        backend=given.backend,
        vllm=given.vllm,
        ready=ready,
    )


def _adapter(text: str) -> tuple[str, Path]:
    name, equals, folder = text.partition("=")
    if not equals or not name or not folder:
        raise UserError(f"`--adapter` is `{text}`", "write it as NAME=FOLDER")
    return name, Path(folder)


def _number(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"`{text}` is not a whole number above nought")
    return int(text)
