"""Written rows as rows to learn from: the form's columns, an `id`, and where they come from under `meta`."""

import secrets
from collections.abc import Callable, Sequence
from hashlib import blake2b
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
    called = pseudonyms_of(writing) if pseudonyms else str
    mended = {event.row for event in writing.events() if event.kind == "mended"}
    return [
        {"id": row.id, **writing.form.row(row.fields), "meta": _origin(row, called, row.id in mended)}
        for row in writing.every(states)
    ]


def pseudonyms_of(writing: Writing) -> Callable[[str], str]:
    """Names -> words that tell people apart and do not tell who they are; the same whenever the file is asked.

    They are hashes under a key that the file keeps: without it no list of names tells who is who.
    """
    with writing.writing() as connection:
        key = [secrets.token_hex(16)]
        connection.execute("INSERT INTO settings VALUES ('pseudonyms', ?) ON CONFLICT DO NOTHING", key)
        kept = bytes.fromhex(connection.execute("SELECT value FROM settings WHERE name = 'pseudonyms'").fetchone()[0])
    return lambda name: "p-" + blake2b(name.encode(), digest_size=5, key=kept).hexdigest() if name else ""


def _origin(row: Row, called: Callable[[str], str], mended: bool) -> dict[str, Any]:
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
