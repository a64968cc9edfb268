"""Adapters put on, replaced and dropped while others are asked: by requests, and by a folder that is watched.

Only names cross from a request, and only those of folders that lie in the server's folder of adapters; they are compared with
what is listed there, so no path is ever made of a request's words.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response

from tunesmith.errors import UserError
from tunesmith.models.load import adapter_of
from tunesmith.serving.refusals import RefusalError
from tunesmith.serving.served import Served
from tunesmith.serving.shelf import UnknownError
from tunesmith.serving.wire import LoadRequest, UnloadRequest
from tunesmith.serving.worker import Worker

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
EVERY = 1.0  # seconds between two looks at a watched folder
State = tuple[tuple[str, int, int], ...]  # (file, bytes, nanoseconds of its last change)


def is_fit(name: str) -> bool:
    """Whether an adapter may be called so: letters, figures, `.`, `_`, `-`, and no more than 128."""
    return NAME.fullmatch(name) is not None


def inside(folder: Path) -> dict[str, Path]:
    """The folders in a folder, by name; links that lead out of it are none of them."""
    home = folder.resolve()
    return {
        one.name: one
        for one in sorted(folder.iterdir())
        if is_fit(one.name) and one.is_dir() and one.resolve().is_relative_to(home)
    }


def router(served: Served, folder: Path) -> APIRouter:
    """vLLM's paths for loading and unloading, within one folder."""
    made = APIRouter()

    @made.post("/v1/load_lora_adapter")
    async def load(body: LoadRequest) -> Response:
        """Put an adapter of the server's folder on; with `load_inplace`, in the place of what stands under its name."""
        name = body.lora_name
        _refuse_name(name, served)
        place = inside(folder).get(body.lora_path)
        if place is None:
            told = "`lora_path` names no folder in the server's folder of adapters"
            raise RefusalError(404, told, "adapter_not_found", "lora_path")
        if name in served.worker.shelf.names() and not body.load_inplace:
            told = f"The adapter `{name}` is loaded already; set `load_inplace` to replace it"
            raise RefusalError(400, told, None, "lora_name")
        shelf = served.worker.shelf
        try:
            version = await served.call(lambda: shelf.put(name, place))
        except UserError as error:
            raise RefusalError(400, str(error).replace(str(place), body.lora_path), None, "lora_path") from None
        return PlainTextResponse(f"Success: LoRA adapter '{name}' added successfully (version {version.number}).")

    @made.post("/v1/unload_lora_adapter")
    async def unload(body: UnloadRequest) -> Response:
        """Drop an adapter; answers that it has begun go on to their end."""
        try:
            await served.call(lambda: served.worker.shelf.drop(body.lora_name))
        except UnknownError:
            raise served.unknown(body.lora_name) from None
        return PlainTextResponse(f"Success: LoRA adapter '{body.lora_name}' removed successfully.")

    return made


def _refuse_name(name: str, served: Served) -> None:
    if not is_fit(name):
        told = "An adapter is called by letters, figures, `.`, `_`, `-`, 128 at most, a letter or a figure first"
        raise RefusalError(400, told, None, "lora_name")
    if name == served.name:
        raise RefusalError(400, f"`{name}` is the base itself", None, "lora_name")


class Watching:
    """Looks at a folder: what is new in it is put on, what has changed is put on again, what has gone is dropped.

    A folder whose files change is left until two looks find it the same, since its copying may not have ended. What was put on
    by somebody else is left alone.
    """

    def __init__(self, worker: Worker, folder: Path, base: str, every: float = EVERY) -> None:
        self.worker, self.folder, self.base, self.every = worker, folder, base, every
        self._put: dict[str, State] = {}
        self._seen: dict[str, State] = {}
        self._refused: dict[str, State] = {}
        self._ends = Event()
        self._thread = Thread(target=self._run, name="watching", daemon=True)

    def start(self) -> "Watching":
        self.look()
        self.look()
        self._thread.start()
        return self

    def close(self) -> None:
        self._ends.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._ends.wait(self.every) and self.worker.alive:
            try:
                self.look()
            except Exception as error:  # a file that went while it was looked at; the next look finds the rest
                say(f"a look at `{self.folder}` failed: {error}")

    def look(self) -> None:
        """Look once."""
        found = {name: place for name, place in inside(self.folder).items() if adapter_of(str(place)) is not None}
        states = {name: state(place) for name, place in found.items()}
        for name in [name for name in self._put if name not in found]:
            del self._put[name]
            self._do(name, lambda name=name: self.worker.shelf.drop(name))  # type: ignore[misc]
        for name, now in states.items():
            settled = self._seen.get(name) == now
            new = now not in (self._put.get(name), self._refused.get(name))
            if settled and new and self._is_ours(name):
                if self._do(name, lambda name=name: self.worker.shelf.put(name, found[name])):  # type: ignore[misc]
                    self._put[name] = now
                else:
                    self._refused[name] = now
        self._seen = states

    def _is_ours(self, name: str) -> bool:
        return name != self.base and (name in self._put or name not in self.worker.shelf.names())

    def _do(self, name: str, work: Callable[[], object]) -> bool:
        try:
            self.worker.call(work).result(600)
        except Exception as error:
            say(f"the adapter `{name}` stays as it is: {error}")
            return False
        return True


def state(folder: Path) -> State:
    """What tells one content of a folder from another, without reading it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return tuple((str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns) for path in files)


def say(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr, flush=True)
