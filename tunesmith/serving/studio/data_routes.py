"""The page of rows as a model reads them, and what it asks. A request names a task by its place in a list, never by a path."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, Response

from tunesmith.errors import UserError
from tunesmith.run import Run
from tunesmith.serving.server import page
from tunesmith.serving.studio.facts import Kept
from tunesmith.serving.studio.index import Index
from tunesmith.serving.studio.routes import Place, Words, guarded

OPEN = 6  # tasks that are kept open

Pieces = Sequence[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class Read:
    """An example as a network reads it: what its encoder reads, and (piece, weight) of all else; weight 0 is not learnt."""

    id: str
    source: Sequence[str]
    pieces: Pieces


class View(Protocol):
    """A task that is open to be looked at."""

    @property
    def told(self) -> Mapping[str, Any]:
        """`name`, `model` (what reads it), `shape`, `wordings`, `splits`, and `marks`: special tokens -> what they are."""
        ...

    def rows(self, split: str, find: str, start: int, many: int) -> tuple[int, bool, list[Read]]:
        """How many examples have the words, whether there are more than were looked at, and some of them."""
        ...


Opener = Callable[[Run | None, str], View]  # a run whose recipe it is read by, and the task's name


def router(index: Index, names: Sequence[str], opened: Opener, places: list[Place]) -> APIRouter:
    """`/data` and its requests.

    names:  tasks and files of the command line.
    opened: reads a task, with a run's recipe or without one.
    """
    made, views = APIRouter(), Kept[View](OPEN)

    def tasks(run: str) -> list[str]:
        return [str(name) for name in index.entry(run).run.recipe().get("tasks") or {}] if run else list(names)

    @made.get("/data")
    def show() -> HTMLResponse:
        return page("studio-data", title="Data", here="/data", places=places)

    @made.get("/api/studio/tasks")
    def listed(id_: Annotated[str, Query(alias="id", pattern="^([0-9a-f]{16})?$")] = "") -> Response:
        def answer() -> dict[str, Any]:
            return {"given": list(names), "run": index.entry(id_).name if id_ else "", "tasks": tasks(id_)}

        return guarded(answer)

    @made.get("/api/studio/rows")
    def rows(
        task: Annotated[int, Query(ge=0, lt=10_000)] = 0,
        id_: Annotated[str, Query(alias="id", pattern="^([0-9a-f]{16})?$")] = "",
        split: Annotated[str, Query(max_length=40)] = "train",
        find: Words = "",
        start: Annotated[int, Query(ge=0, lt=2**31)] = 0,
        many: Annotated[int, Query(ge=1, le=50)] = 10,
    ) -> Response:
        def answer() -> dict[str, Any]:
            known = tasks(id_)
            if task >= len(known):
                raise UserError("there is no such task in the list", "open the page again")
            run = index.entry(id_).run if id_ else None
            stamp = (run.folder / "recipe.yaml").stat().st_mtime_ns if run else 0
            view = views.get((id_, known[task]), stamp, lambda: opened(run, known[task]))
            count, more, read = view.rows(split, find, start, many)
            shown = [{"id": one.id, "source": one.source, "pieces": one.pieces} for one in read]
            return {**view.told, "count": count, "more": more, "rows": shown}

        return guarded(answer)

    return made
