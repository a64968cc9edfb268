"""The playground's model: loaded when somebody wants it, with the adapters of the runs that stand on it."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, Field
from starlette.types import ASGIApp, Receive, Scope, Send

from tunesmith.errors import UserError
from tunesmith.serving.refusals import RefusalError
from tunesmith.serving.studio.index import Entry, Index

if TYPE_CHECKING:
    from tunesmith.serving.worker import Worker

Standing = Literal["none", "loading", "ready", "failed"]
ROWS = 16  # answers under way at once


class Chosen(BaseModel):
    """A run; empty: the network that was given, or that is loaded, without an adapter."""

    run: Annotated[str, Field(pattern="^([0-9a-f]{16})?$")] = ""


@dataclass
class Playground:
    """One network at a time, which answers on the paths of the API.

    speaks:   makes the API of a network (`serving/api.py`) that is called by a name.
    given:    what the command line named as its model; None: nothing.
    standing: `none` (nothing was asked for yet), `loading`, `ready` or `failed`, with what to say of it in `said`.
    model:    its name for people; `base` is the same as a place, by which adapters that fit are found.
    """

    index: Index
    speaks: "Callable[[Worker, str], ASGIApp]"
    given: str | None = None
    standing: Standing = "none"
    model: str = ""
    base: str = ""
    said: str = ""
    since: float = 0.0
    worker: "Worker | None" = None
    _api: "ASGIApp | None" = None
    _adapters: dict[str, int] = field(default_factory=dict)
    _bases: dict[str, str] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _turn: Lock = field(default_factory=Lock)

    def choose(self, entry: Entry | None) -> None:
        """Load the network of a run (the base of its adapter), or the one that was given; returns at once."""
        if entry is None and self.given is None:
            raise UserError("no model was given", "choose a run, or start the studio with `--model`")
        if entry is not None and not entry.holds:
            raise UserError(
                f"`{entry.name}` has learnt nothing yet that could speak", "wait for its end, or choose another run"
            )
        path = self.base_of(entry) if entry is not None else str(self.given)
        with self._lock:
            if self.standing == "loading":
                raise UserError(f"{self.model} is being loaded", "wait for it")
            name = entry.name if entry is not None and entry.holds == "model" else path
            self.standing, self.model, self.said, self.since = "loading", shown(name), "", time.time()
        threading.Thread(target=self._load, args=(path,), name="loading", daemon=True).start()

    def base_of(self, entry: Entry) -> str:
        """The place of the network that a run's adapter stands on, or of the whole network that it has learnt; "" for none."""
        from tunesmith.models.load import base_of

        if entry.id not in self._bases or not entry.ended:
            try:
                path = base_of(entry.run.folder / "adapter") if entry.holds == "adapter" else str(entry.run.folder)
            except UserError:
                path = ""
            self._bases[entry.id] = placed(path) if entry.holds else ""
        return self._bases[entry.id]

    def fits(self, entry: Entry) -> bool:
        """Whether it can speak on the network that is loaded."""
        return self.standing == "ready" and bool(entry.holds) and self.base_of(entry) == self.base

    async def ask(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An application: the API of the network that is loaded."""
        api = self._api or RefusalError(503, "No model is loaded; choose one in the playground").response()
        await api(scope, receive, send)

    def look(self) -> None:
        """A network whose worker has ended is loaded no more."""
        if self.standing == "ready" and self.worker is not None and not self.worker.alive:
            self.standing, self.said = "failed", self.worker.fault

    def stand(self, entry: Entry | None) -> str:
        """The name by which the API knows a run from now on; None: the network without an adapter.

        Raises:
            UserError: nothing is loaded, or the run's adapter does not stand on it.
        """
        self.look()
        worker = self.worker
        if self.standing != "ready" or worker is None:
            raise UserError("no model is loaded", "load one first")
        if entry is None or entry.holds == "model":
            return self.model
        if not self.fits(entry):
            raise UserError(f"`{entry.name}` stands on another network", f"load {shown(self.base_of(entry))} first")
        folder = entry.run.folder
        changed = max(one.stat().st_mtime_ns for one in (folder / "adapter").iterdir())
        with self._turn:
            if self._adapters.get(entry.id) != changed:
                refuse_heads(entry)
                worker.call(lambda: worker.shelf.put(entry.id, folder)).result()
                self._adapters[entry.id] = changed
        return entry.id

    def close(self) -> None:
        if self.worker is not None:
            self.worker.close(patience=1.0)

    def _load(self, path: str) -> None:
        try:
            from tunesmith.models.load import ModelSettings, adapter_of, below, load
            from tunesmith.serving.worker import Worker

            before, self.worker, self._api = self.worker, None, None
            if before is not None:
                before.close(patience=5.0)
            del before  # two networks need not stand in memory
            source = ModelSettings(path=path)
            adapter = adapter_of(path)
            model = load(source if adapter is None else below(source, adapter))
            if model.family == "masked":
                raise UserError(f"{self.model} fills words in, and cannot speak", "take a causal or an encoder-decoder model")
            self.base = placed(path if adapter is None else below(source, adapter).path)
            self._adapters.clear()
            self.worker = Worker(model, rows=ROWS).start()
            self._api = self.speaks(self.worker, self.model)
            self.standing = "ready"
        except Exception as error:  # whatever it is, the page says it, and another model may be chosen
            self.standing, self.said = "failed", str(error) or type(error).__name__


def refuse_heads(entry: Entry) -> None:
    from tunesmith.models.classifiers import has_head

    if has_head(entry.run.folder / "adapter"):
        raise UserError(f"`{entry.name}` has learnt labels, and does not speak", "ask it with `tunesmith answer`")


def placed(path: str) -> str:
    """The same text for the same place."""
    return str(Path(path).resolve()) if path and not path.startswith("town/") and Path(path).is_dir() else path


def shown(path: str) -> str:
    """A name for people: no more of a path than its end."""
    return path if path.count("/") <= 1 and not path.startswith("/") else Path(path).name
