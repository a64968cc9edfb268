"""Written rows as rows to learn from: the form's columns, an `id`, and where they come from under `meta`."""

from collections.abc import Sequence
from typing import Any

from tunesmith.serving.writing import Row, State, Writing

EXPORTED: dict[str, tuple[State, ...]] = {
    "accepted": ("accepted",),
    "submitted": ("submitted",),
    "sent back": ("sent back",),
    "draft": ("draft",),
    "all": ("draft", "submitted", "sent back", "accepted"),
}


def rows(writing: Writing, states: Sequence[State] = ("accepted",), pseudonyms: bool = False) -> list[dict[str, Any]]:
    """The rows of these states, in the order in which they were begun.

    `meta` is {state, writer, reviewer, mended, made, submitted, reviewed, seconds, guidelines, seed}: times in ISO, `seconds`
    for which the writer was at the row, `guidelines` the hash of form and guidelines in force.

    pseudonyms: people are called `p-` and ten figures, the same whenever this file of rows is exported.
    """
    called = writing.pseudonyms() if pseudonyms else str
    mended = {event.row for event in writing.events() if event.kind == "mended"}
    return [
        {"id": row.id, **writing.form.row(row.fields), "meta": _origin(row, called, row.id in mended)}
        for row in writing.every(states)
    ]


def _origin(row: Row, called: Any, mended: bool) -> dict[str, Any]:
    return {
        "state": row.state,
        "writer": called(row.writer),
        "reviewer": called(row.reviewer),
        "mended": mended and row.state == "accepted",
        "made": row.made,
        "submitted": row.submitted,
        "reviewed": row.reviewed,
        "seconds": round(row.seconds, 1),
        "guidelines": row.guide,
        "seed": row.seed or "",
    }
