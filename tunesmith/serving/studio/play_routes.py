"""The playground's page, and what it asks beside the API: which runs can speak, a model to be loaded, an adapter on it."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, Response

from tunesmith.serving.server import page
from tunesmith.serving.studio.index import Index, found
from tunesmith.serving.studio.playing import Chosen, Playground, shown
from tunesmith.serving.studio.routes import Place, guarded, told

LISTED = 100


def router(index: Index, playground: Playground, places: list[Place]) -> APIRouter:
    """`/play` and its requests."""
    made = APIRouter()

    @made.get("/play")
    def show() -> HTMLResponse:
        return page("studio-play", title="Playground", here="/play", places=places)

    @made.get("/api/studio/play")
    def state(
        find: Annotated[str, Query(max_length=300)] = "",
        ids: Annotated[list[Annotated[str, Query(pattern="^[0-9a-f]{16}$")]], Query(max_length=16)] = [],  # noqa: B006
    ) -> Response:
        every = [entry for entry in index.entries() if entry.holds]
        rows = [entry for entry in found(every, find, "time", True, time.time()) if entry.id not in ids]
        fitting = sorted(rows, key=lambda entry: not playground.fits(entry))[:LISTED]
        speaking = [entry for entry in every if entry.id in ids] + fitting
        return told({**standing(playground), "runs": [runs_told(playground, entry) for entry in speaking]})

    @made.post("/api/studio/play/load")
    def load(chosen: Chosen) -> Response:
        def answer() -> dict[str, Any]:
            playground.choose(index.entry(chosen.run) if chosen.run else None)
            return standing(playground)

        return guarded(answer)

    @made.post("/api/studio/play/stand")
    def stand(chosen: Chosen) -> Response:
        return guarded(lambda: {"model": playground.stand(index.entry(chosen.run) if chosen.run else None)})

    return made


def standing(playground: Playground) -> dict[str, Any]:
    playground.look()
    worker = playground.worker
    return {
        "standing": playground.standing,
        "model": playground.model,
        "said": playground.said,
        "seconds": time.time() - playground.since if playground.standing == "loading" else 0,
        "given": shown(playground.given) if playground.given else "",
        "family": worker.model.family if worker else "",
        "chats": worker is not None and worker.model.renderer.chat is not None,
        "window": worker.model.window if worker else None,
    }


def runs_told(playground: Playground, entry: Any) -> dict[str, Any]:
    names = ["id", "name", "group", "method", "task", "metric", "score", "holds"]
    found = playground.base_of(entry)
    base = shown(found.path if found else "") if entry.holds == "adapter" else entry.name
    return {name: getattr(entry, name) for name in names} | {"fits": playground.fits(entry), "base": base}
