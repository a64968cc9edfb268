"""The page on which people write rows and review those of others, and what it asks of the server.

Neither side is told who the other is: what a browser is sent of a row names no writer and no reviewer.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, Field

from tunesmith.serving.form import LONGEST
from tunesmith.serving.guidelines import as_html
from tunesmith.serving.people import Id, Name, RefusedError
from tunesmith.serving.reviewing import Reviews
from tunesmith.serving.server import page
from tunesmith.serving.standing import Standing
from tunesmith.serving.writing import ChangedError, Draft, FaultyError, Row, Writing

LONGEST_COMMENT = 10_000
SHOWN = 90  # letters of a row in a list
LISTED = 500  # rows of one's own, the last changed

Fields = dict[Id, Any]


class Asked(BaseModel):
    """Who asks, from which tab of a browser."""

    person: Name
    tab: Id


class OfRow(Asked):
    """Asks something of a row."""

    row: Id


class Acted(OfRow):
    """Does something with a row. `id` is made by the page: sent again, it counts once."""

    id: Id


class Typed(OfRow):
    """A row as it stands in a tab."""

    version: Annotated[int, Field(ge=0)]
    number: Annotated[int, Field(ge=0, lt=2**60)]
    fields: Fields
    seconds: Annotated[float, Field(ge=0, le=1e7, allow_inf_nan=False)] = 0.0

    @property
    def draft(self) -> Draft:
        return Draft(self.row, self.version, self.tab, self.number, self.fields, self.seconds)


class Submitted(Acted, Typed):
    """A row that its writer puts before the reviewers."""


class ToReview(Asked):
    """Asks for a row to review, the one behind `after` in the queue."""

    after: Annotated[str, Field(pattern=r"^[\w-]{0,64}$")] = ""


class Judged(Acted):
    """A reviewer's verdict; `fields`: as they mended them."""

    version: Annotated[int, Field(ge=0)]
    verdict: Literal["accepted", "sent back", "mended"]
    fields: Fields = {}
    comment: Annotated[str, Field(max_length=LONGEST_COMMENT)] = ""


class Undo(Asked):
    """Takes the reviewer's last verdict back."""

    id: Id


def router(writing: Writing, reviews: Reviews) -> APIRouter:
    """The page `/write` and its requests."""
    made, standing = APIRouter(), Standing(writing)

    @made.get("/write")
    def show() -> HTMLResponse:
        form = writing.form
        guidelines = as_html(writing.guidelines)
        return page("write", title=form.title, guidelines=guidelines, longest=LONGEST_COMMENT)

    def told(asked: Asked, **more: Any) -> JSONResponse:
        """What every answer has: the person, their rows, and how many wait for a review."""
        mine = writing.mine(asked.person)
        counts = {"waiting": reviews.waiting(asked.person), "mine": len(mine), "reviewer": reviews.is_reviewer(asked.person)}
        listed = [_listed(row, writing) for row in mine[:LISTED]]
        return JSONResponse({"person": asked.person, "mine": listed, "counts": counts, **more})

    def guarded(answer: Callable[[], JSONResponse]) -> JSONResponse:
        try:
            return answer()
        except FaultyError as error:
            return JSONResponse({"said": str(error), "faults": error.faults}, 422)
        except ChangedError as error:
            return JSONResponse({"said": str(error), "changed": True}, 409)
        except RefusedError as error:
            return JSONResponse({"said": str(error)}, 409)

    @made.post("/api/write/form")
    def form(asked: Asked) -> JSONResponse:
        return told(asked, form=writing.form.tree(), longest=LONGEST)

    @made.post("/api/write/next")
    def next_(asked: Asked) -> JSONResponse:
        row = writing.next(asked.person, asked.tab)
        return told(asked, row=row and _sent(row, writing))

    @made.post("/api/write/open")
    def open_(asked: OfRow) -> JSONResponse:
        return guarded(lambda: told(asked, row=_sent(writing.open(asked.person, asked.row, asked.tab), writing)))

    @made.post("/api/write/save")
    def save(typed: Typed) -> JSONResponse:
        return guarded(lambda: JSONResponse({"version": writing.save(typed.person, typed.draft).version}))

    @made.post("/api/write/submit")
    def submit(typed: Submitted) -> JSONResponse:
        return guarded(lambda: told(typed, done=writing.submit(typed.id, typed.person, typed.draft).id))

    @made.post("/api/write/discard")
    def discard(asked: Acted) -> JSONResponse:
        return guarded(lambda: told(asked, done=writing.discard(asked.id, asked.person, asked.row).id))

    @made.post("/api/write/alike")
    def alike(typed: Typed) -> JSONResponse:
        def found() -> JSONResponse:
            row = writing.row(typed.row)
            near = standing.nearest(row, typed.fields)
            return JSONResponse({"alike": {name: {"score": one.score, "text": one.text} for name, one in near.items()}})

        return guarded(found)

    @made.post("/api/review/next")
    def to_review(asked: ToReview) -> JSONResponse:
        row = reviews.next(asked.person, asked.tab, asked.after)
        return told(asked, row=row and _reviewed(row, writing, standing))

    @made.post("/api/review/judge")
    def judge(judged: Judged) -> JSONResponse:
        said = judged.row, judged.version, judged.verdict, judged.fields, judged.comment
        return guarded(lambda: told(judged, done=reviews.judge(judged.id, judged.person, *said).id))

    @made.post("/api/review/undo")
    def undo(asked: Undo) -> JSONResponse:
        row = reviews.undo(asked.id, asked.person, asked.tab)
        return told(asked, row=row and _reviewed(row, writing, standing))

    return made


def _listed(row: Row, writing: Writing) -> dict[str, Any]:
    """A row in the list of one's own."""
    fixed = writing.fixed(row.seed) if row.seed else []
    own = [one.plain(row.fields[one.name]) for one in writing.form.fields if one.name not in fixed]
    text = " ".join(" · ".join(text for text in own if text).split())
    said = text if len(text) <= SHOWN else text[:SHOWN] + "…"
    return {"row": row.id, "state": row.state, "text": said, "comment": row.comment, "ts": row.submitted or row.made}


def _sent(row: Row, writing: Writing) -> dict[str, Any]:
    """A row as its writer gets it."""
    return {
        "row": row.id,
        "version": row.version,
        "state": row.state,
        "fields": row.fields,
        "fixed": writing.fixed(row.seed),
        "comment": row.comment if row.state == "sent back" else "",
        "seconds": row.seconds,
    }


def _reviewed(row: Row, writing: Writing, standing: Standing) -> dict[str, Any]:
    """A row as a reviewer gets it, with what was said of it before and what it is much like."""
    past = [event for event in writing.events(row.id) if event.kind != "draft"]
    near = standing.nearest(row, dict(row.fields), writing=False)
    return _sent(row, writing) | {
        "history": [{"kind": event.kind, "comment": event.comment, "ts": event.ts} for event in past],
        "alike": {name: {"score": one.score, "text": one.text} for name, one in near.items()},
    }
