"""The pages of runs: the list, one run, some beside one another, and pages that were written about them.

No path comes from a request: a run, a page and a task are looked up by what the list has.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, JSONResponse, Response

from tunesmith.comparison.report import finite
from tunesmith.errors import UserError
from tunesmith.serving.server import POLICY, SANDBOXED, page
from tunesmith.serving.studio.comparing import MOST, Comparing
from tunesmith.serving.studio.facts import Facts, readable
from tunesmith.serving.studio.index import Entry, Index, Sort, found
from tunesmith.serving.studio.tail import Tails

ID = "^[0-9a-f]{16}$"
Id = Annotated[str, Query(alias="id", pattern=ID)]
Words = Annotated[str, Query(max_length=300)]
At = Annotated[int, Query(ge=0, lt=2**53)]
STATES = ("running", "ended", "interrupted", "failed")


@dataclass(frozen=True)
class Place:
    """A page in the navigation."""

    path: str
    name: str


def told(tree: Any, status: int = 200) -> JSONResponse:
    """JSON in which a number that is none is null."""
    return JSONResponse(finite(tree), status)


def guarded(answer: Callable[[], Any]) -> Response:
    """What went wrong in words, where a person can mend it."""
    try:
        made = answer()
    except UserError as error:
        return told({"said": str(error)}, 404)
    return made if isinstance(made, Response) else told(made)


def router(index: Index, places: Sequence[Place]) -> APIRouter:
    """`/runs`, `/run/ID`, `/compare` and `/evidence/ID`, with what they ask for."""
    made, facts, tails, comparing = APIRouter(), Facts(), Tails(), Comparing()
    shown: Mapping[str, Any] = {"places": places}

    @made.get("/runs")
    def show_runs() -> HTMLResponse:
        return page("studio-runs", title="Runs", here="/runs", **shown)

    @made.get("/run/{id_}")
    def show_run(id_: str) -> HTMLResponse:
        return page("studio-run", title="Run", here="/runs", **shown)

    @made.get("/compare")
    def show_compare() -> HTMLResponse:
        return page("studio-compare", title="Comparison", here="/compare", **shown)

    @made.get("/evidence/{id_}")
    def evidence(id_: str) -> Response:
        def answer() -> Response:
            return HTMLResponse(readable(index.page(id_).path), headers={POLICY: SANDBOXED})

        return guarded(answer)

    @made.get("/api/studio/runs")
    def runs(
        find: Words = "",
        state: Annotated[str, Query(max_length=20)] = "",
        sort: Sort = "time",
        down: bool = True,
        start: At = 0,
        many: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> Response:
        now, every = time.time(), index.entries()
        kept = found(every, find, sort, down, now, state if state in STATES else "")
        counts = dict.fromkeys(STATES, 0)
        for entry in every:
            counts[entry.state(now)] += 1
        rows = [entry.tree(now) for entry in kept[start : start + many]]
        return told({"now": now, "all": len(every), "count": len(kept), "states": counts, "runs": rows})

    @made.get("/api/studio/pages")
    def pages() -> Response:
        return told([{"id": p.id, "name": p.name, "group": p.group, "changed": p.changed} for p in index.pages()])

    @made.get("/api/studio/run")
    def run(id_: Id) -> Response:
        def answer() -> dict[str, Any]:
            entry = index.entry(id_)
            return {"now": time.time(), **entry.tree(time.time()), **facts.about(entry), "pages": beside(index, entry)}

        return guarded(answer)

    @made.get("/api/studio/scores")
    def scores(id_: Id) -> Response:
        return guarded(lambda: facts.scores(index.entry(id_)))

    @made.get("/api/studio/answers")
    def answers(
        id_: Id,
        task: Words,
        find: Words = "",
        start: At = 0,
        many: Annotated[int, Query(ge=1, le=100)] = 20,
    ) -> Response:
        return guarded(lambda: facts.answers(index.entry(id_), task, find, start, many))

    @made.get("/api/studio/live")
    def live(
        id_: Id,
        steps: At = 0,
        steps_of: At = 0,
        validation: At = 0,
        validation_of: At = 0,
    ) -> Response:
        def answer() -> dict[str, Any]:
            entry, now = index.entry(id_), time.time()
            learnt = tails.of(entry.run.folder / "steps.jsonl").since(steps_of, steps)
            judged = tails.of(entry.run.folder / "validation.jsonl").since(validation_of, validation)
            return {"state": entry.state(now), "why": entry.tree(now)["why"], "steps": learnt, "validation": judged}

        return guarded(answer)

    @made.get("/api/studio/compare")
    def compared(
        ids: Annotated[list[Annotated[str, Query(pattern=ID)]], Query(min_length=1, max_length=MOST)],
        task: Words = "",
        baseline: str = "",
    ) -> Response:
        def answer() -> dict[str, Any]:
            entries, now = [index.entry(one) for one in dict.fromkeys(ids)], time.time()
            return {"runs": [entry.tree(now) for entry in entries], **comparing.tree(entries, task, baseline)}

        return guarded(answer)

    return made


def beside(index: Index, entry: Entry) -> list[dict[str, str]]:
    """Pages that were written about the folder this run lies in."""
    above = entry.run.folder.parents
    return [{"id": one.id, "name": one.name} for one in index.pages() if one.path.parent in list(above)[:2]]
