"""`tunesmith serve`: one base and any number of adapters behind OpenAI's API."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tunesmith.errors import UserError

if TYPE_CHECKING:
    from tunesmith.models.model import Model
    from tunesmith.serving.worker import Worker

HOST, PORT = "127.0.0.1", 8000
ROWS, BEGUN, RESTARTS = 64, 4096, 8


@dataclass(frozen=True)
class Address:
    """Where a server answers, and by which names.

    base: what clients take for OpenAI's address: `http://.../v1`.
    """

    base: str
    token: str | None
    models: tuple[str, ...]


def serve(
    model: str,
    *,
    adapters: Mapping[str, str | Path] | None = None,
    name: str | None = None,
    adapters_folder: str | Path | None = None,
    watch: bool = False,
    host: str = HOST,
    port: int = PORT,
    token: str | None = None,
    rows: int = ROWS,
    room: int | None = None,
    begun: int = BEGUN,
    queue: int = 1024,
    longest: int = 4096,
    body: int = 1 << 20,
    patience: float = 30.0,
    restarts: int = RESTARTS,
    backend: Literal["tunesmith", "vllm"] = "tunesmith",
    vllm: Sequence[str] = (),
    ready: Callable[[Address], None] | None = None,
) -> None:
    """Serve a model until it is interrupted, or told to end (SIGTERM), which lets answers under way end.

    Args:
        model:    a folder, a hub name, `town/llama`, or a run: then its base, with the run as an adapter.
        adapters: name -> folder of a run or an adapter.
        name:     by which clients call the base (the hub name, or the folder's).
        adapters_folder: whose adapters requests may load and unload; None: none may.
        watch:    put on, replace and drop the adapters of that folder as they come, change and go.
        host, port: where to listen; port 0 is any. Beyond this machine clients need the token.
        token:    None: made up where one is needed.
        rows:     most answers under way at once.
        room:     most tokens that are kept of all of them; None: no bound.
        begun:    tokens kept of what prompts of late began with alike, for each adapter; 0: none.
        queue, longest, body: most answers that wait, tokens of an answer, bytes of a request.
        patience: seconds that answers under way have to end in.
        restarts: most faults of the network in a row; after the next one the server ends.
        backend:  `vllm` starts vLLM's own server, which has to be installed, with the base and LoRAs alone.
        vllm:     further words of its command. Of the limits it has `rows` only.
        ready:    called when requests are taken; None: prints the address.

    Raises:
        UserError: something that was given cannot be served, or the network failed so often that the server has ended.
    """
    if backend == "vllm":
        limits = {"room": room, "begun": begun, "queue": queue, "longest": longest, "body": body, "restarts": restarts}
        others = {"adapters_folder": adapters_folder, "watch": watch}
        refuse_unknown({**limits, **others})
        return by_vllm(model, name, adapters or {}, host, port, token, rows, patience, vllm, ready)
    if vllm:
        raise UserError("words for vLLM are given, and tunesmith is to serve", "add `--backend vllm`")
    from tunesmith.evaluation.heads import classify
    from tunesmith.serving import draining, server
    from tunesmith.serving.api import application
    from tunesmith.serving.served import Limits, Served
    from tunesmith.serving.swapping import Watching
    from tunesmith.serving.worker import Worker

    folder = _folder(adapters_folder, watch)
    base, given = opened(model, name, {one: Path(place) for one, place in (adapters or {}).items()})
    worker = Worker(base.model, rows, room, begun, restarts).start()
    watching = None
    try:
        _put(worker, base.name, given)
        served = Served(worker, base.name, Limits(queue, longest, body), folder)
        watching = Watching(worker, folder, base.name).start() if folder is not None and watch else None
        listening, token = server.bind(host, port, token)
        app = application(served, classify, token=token)
        names = (base.name, *worker.shelf.names())
        (ready or announce)(Address(server.link(listening, "/v1", None), token, names))
        draining.serve(app, served, listening, patience)
    finally:
        if watching is not None:
            watching.close()
        worker.close(0)


def refuse_unknown(given: Mapping[str, object]) -> None:
    """vLLM has limits of its own, and its own path for loading adapters takes any place on the disk."""
    usual = {key: one.default for key, one in signature(serve).parameters.items()}
    changed = [f"`--{key.replace('_', '-')}`" for key, value in given.items() if value != usual[key]]
    if changed:
        raise UserError(f"vLLM does not know {', '.join(changed)}", "leave it out; `--vllm` hands further words on to vLLM")


def by_vllm(
    path: str,
    name: str | None,
    adapters: Mapping[str, str | Path],
    host: str,
    port: int,
    token: str | None,
    rows: int,
    patience: float,
    more: Sequence[str],
    ready: Callable[[Address], None] | None,
) -> None:
    """Start vLLM's server and stay with it. No network is read here."""
    from tunesmith.models.load import ModelSettings, adapter_of, below
    from tunesmith.serving import server, vllm_server
    from tunesmith.serving.swapping import is_fit

    source, place = ModelSettings(path=path), adapter_of(path)
    given = {} if place is None else {named(path): place}
    source = source if place is None else below(source, place)
    for one, folder in adapters.items():
        found = adapter_of(str(folder))
        if found is None or not is_fit(one):
            raise UserError(f"`{one}={folder}` names no adapter", "write `--adapter NAME=FOLDER` with the folder of a run")
        given[one] = found
    called = name or named(source.path)
    plan = vllm_server.planned(source, called, given)
    listening, token = server.bind(host, port, token)
    address, port = server.link(listening, "", None), listening.getsockname()[1]
    listening.close()  # vLLM opens it itself
    told = Address(f"{address}/v1", token, (called, *given))
    vllm_server.run(plan.command(host, port, rows, more), address, token, lambda: (ready or announce)(told), patience)


@dataclass(frozen=True)
class Base:
    """A network, and the name that clients call it by."""

    name: str
    model: "Model"


def opened(path: str, name: str | None, adapters: Mapping[str, Path]) -> tuple[Base, dict[str, Path]]:
    """The base that a path names, with its adapter among the others where it is a run with one.

    A run that changed weights of the network itself is served as a base of its own.
    """
    from tunesmith.models.load import ModelSettings, adapter_of, below, load
    from tunesmith.models.weights import CONFIG, method_of, read_config

    settings, place = ModelSettings(path=path), adapter_of(path)
    if place is None:
        model = load(settings)
        return Base(name or named(path), model), dict(adapters)
    source = below(settings, place)
    model = load(source, headed=_is_headed(place))
    if not model.frees(method_of(read_config(place), place / CONFIG, model.network)):
        return Base(name or named(source.path), model), {named(path): place, **adapters}
    if adapters:
        raise UserError(
            f"`{path}` changes weights of the network itself, which the other adapters were not trained on",
            "serve it without `--adapter`, or its base with the others",
        )
    return Base(name or named(path), load(settings)), {}


def _is_headed(place: Path) -> bool:
    from tunesmith.models.classifiers import has_head

    return has_head(place)


def named(path: str) -> str:
    """What clients call a model: a hub name as it is, a folder by its last part (of a run's own parts, the run's)."""
    folder = Path(path).expanduser()
    if path.startswith("town/") or not folder.is_dir():
        return path
    parts = [part for part in folder.resolve().parts if part not in ("adapter", "model")]
    return parts[-1]


def _folder(given: str | Path | None, watch: bool) -> Path | None:
    if given is None:
        if watch:
            raise UserError("there is no folder to watch", "name one with `--adapters-folder`")
        return None
    if not Path(given).is_dir():
        raise UserError(f"there is no folder `{given}`", "`--adapters-folder` names one that holds folders of adapters")
    return Path(given)


def _put(worker: "Worker", base: str, adapters: Mapping[str, Path]) -> None:
    """Put the first adapters on, and tell what is odd about them."""
    from tunesmith.serving.swapping import is_fit

    for name, place in adapters.items():
        if name == base or not is_fit(name):
            hint = "another name than the base's: letters, figures, `.`, `_`, `-`: `--adapter NAME=FOLDER`"
            raise UserError(f"an adapter cannot be called `{name}`", hint)
        version = worker.call(lambda name=name, place=place: worker.shelf.put(name, place)).result()  # type: ignore[misc]
        for warning in version.warnings:
            print(f"warning: {warning}", file=sys.stderr)


def announce(address: Address) -> None:
    """Say where it answers: the address to stdout, talk to stderr."""
    print(address.base, flush=True)
    key = f" -H 'Authorization: Bearer {address.token}'" if address.token else ""
    body = f'{{"model": "{address.models[-1]}", "prompt": "Hello", "max_tokens": 16}}'
    print(f"models: {', '.join(address.models)}", file=sys.stderr)
    if address.token:
        print(f"API key: {address.token}", file=sys.stderr)
    print(f"curl {address.base}/completions{key} -H 'Content-Type: application/json' -d '{body}'", file=sys.stderr, flush=True)
