"""The playground's model: loaded when somebody wants it, with the adapters of the runs that stand on it."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, Field
from starlette.types import ASGIApp, Receive, Scope, Send

from tunesmith.errors import UserError
from tunesmith.serving.refusals import RefusalError
from tunesmith.serving.studio.index import Entry, Index

if TYPE_CHECKING:
    from tunesmith.models.load import ModelSettings
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
    model:    its name for people; `base` is how it was loaded, by which adapters that fit are found.
    """

    index: Index
    speaks: "Callable[[Worker, str], ASGIApp]"
    given: str | None = None
    standing: Standing = "none"
    model: str = ""
    base: "ModelSettings | None" = None
    said: str = ""
    since: float = 0.0
    worker: "Worker | None" = None
    _api: "ASGIApp | None" = None
    _adapters: dict[str, int] = field(default_factory=dict)
    _bases: "dict[str, ModelSettings | None]" = field(default_factory=dict)
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
        source = self.base_of(entry) if entry is not None else settled(str(self.given))
        if source is None:
            named = "" if entry is None else entry.name
            raise UserError(f"`{named}` names no network that it stands on", "look at its `adapter_config.json`")
        with self._lock:
            if self.standing == "loading":
                raise UserError(f"{self.model} is being loaded", "wait for it")
            name = entry.name if entry is not None and entry.holds == "model" else source.path
            self.standing, self.model, self.said, self.since = "loading", shown(name), "", time.time()
        threading.Thread(target=self._load, args=(source,), name="loading", daemon=True).start()

    def base_of(self, entry: Entry) -> "ModelSettings | None":
        """The network that a run's adapter stands on, as it was trained on it, or the whole network that the run has learnt."""
        if entry.id not in self._bases or not entry.ended:
            try:
                self._bases[entry.id] = settled(str(entry.run.folder)) if entry.holds else None
            except UserError:
                self._bases[entry.id] = None
        return self._bases[entry.id]

    def fits(self, entry: Entry) -> bool:
        """Whether it can speak on the network that is loaded."""
        return self.standing == "ready" and self.base is not None and self.base_of(entry) == self.base

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
            base = self.base_of(entry)
            hint = (
                "choose that run, and its network is loaded" if base is None else f"load {shown(base.path)} as that run has it"
            )
            raise UserError(f"`{entry.name}` stands on another network, or on this one as it was not loaded", hint)
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

    def _load(self, source: "ModelSettings") -> None:
        try:
            from tunesmith.models.load import load
            from tunesmith.serving.worker import Worker

            before, self.worker, self._api = self.worker, None, None
            if before is not None:
                before.close(patience=5.0)
            del before  # two networks need not stand in memory
            model = load(source)
            if model.family == "masked":
                raise UserError(f"{self.model} fills words in, and cannot speak", "take a causal or an encoder-decoder model")
            self.base = source
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


def settled(path: str) -> "ModelSettings":
    """How the network of a folder is loaded: that of an adapter in as many bits and asked as it was trained."""
    from tunesmith.models.load import ModelSettings, adapter_of, below

    source, adapter = ModelSettings(path=path), adapter_of(path)
    source = source if adapter is None else below(source, adapter)
    return replace(source, path=placed(source.path))


def placed(path: str) -> str:
    """The same text for the same place."""
    return str(Path(path).resolve()) if path and not path.startswith("town/") and Path(path).is_dir() else path


def shown(path: str) -> str:
    """A name for people: no more of a path than its end."""
    return path if path.count("/") <= 1 and not path.startswith("/") else Path(path).name
