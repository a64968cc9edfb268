"""The page on which people say which of two answers is better, and what it asks of the server.

What a browser is sent names no model, and does not tell which answer stands first in the file, nor which item is a control.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, Field

from tunesmith.serving.guidelines import as_html
from tunesmith.serving.people import Id, Name, RefusedError
from tunesmith.serving.server import page
from tunesmith.serving.votes import Votes

REASONS = {
    "cannot": "I cannot judge this",
    "prompt": "The prompt is unclear",
    "alike": "The answers say the same",
    "harmful": "It is harmful or upsetting",
    "other": "Another reason (see the note)",
}
LONGEST_NOTE = 10_000


class Asked(BaseModel):
    """Who asks, from which tab of a browser."""

    annotator: Name
    tab: Id


class Cast(Asked):
    """A vote or a skip. `id` is made by the page: sent again, it counts once."""

    id: Id
    pair: Id
    choice: Literal["left", "right", "tie", "bad", "skip"]
    note: Annotated[str, Field(max_length=LONGEST_NOTE)] = ""
    reason: Literal["", "cannot", "prompt", "alike", "harmful", "other"] = ""
    seconds: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] = 0.0


class Undo(Asked):
    """Takes the person's last vote or skip back."""

    id: Id


def router(votes: Votes, guidelines: str = "", is_drawing: Callable[[], bool] = lambda: False) -> APIRouter:
    """The page `/label` and its requests.

    guidelines: Markdown that is shown beside the pair.
    is_drawing: whether more answers are being drawn now.
    """
    made = APIRouter()

    @made.get("/label")
    def show() -> HTMLResponse:
        return page(
            "label", title="Which answer is better?", guidelines=as_html(guidelines), reasons=REASONS, longest=LONGEST_NOTE
        )

    def state(asked: Asked, status: int = 200, **more: Any) -> JSONResponse:
        shown = votes.next(asked.annotator, asked.tab)
        progress = votes.progress(asked.annotator)
        pair = shown and {
            "key": shown.key,
            "prompt": [{"role": turn.role, "content": turn.content} for turn in shown.prompt],
            "left": shown.left,
            "right": shown.right,
            "note": shown.note,
        }
        told = {"done": progress.done, "left": progress.left, "votes": progress.votes, "drawing": is_drawing()}
        return JSONResponse({"annotator": asked.annotator, "pair": pair, "progress": told, **more}, status)

    @made.post("/api/label/next")
    def next_(asked: Asked) -> JSONResponse:
        return state(asked)

    @made.post("/api/label/vote")
    def vote(cast: Cast) -> JSONResponse:
        said = cast.choice, cast.note.strip(), cast.reason, cast.seconds
        try:
            votes.vote(cast.id, cast.annotator, cast.pair, *said)
        except RefusedError as conflict:
            return state(cast, 409, said=str(conflict))
        return state(cast)

    @made.post("/api/label/undo")
    def undo(asked: Undo) -> JSONResponse:
        return state(asked, undone=votes.undo(asked.id, asked.annotator, asked.tab))

    return made
