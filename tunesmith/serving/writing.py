"""Rows that people write: one SQLite file with what stands and, in events that are only ever added, how it came to be.

A row is a draft, submitted, sent back, accepted or discarded. Its writer changes it as a draft or when it was sent back, and
may take it back from the queue; reviewers are in `reviewing.py`. Each call that changes something is one transaction.
"""

import json
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, get_args

from tunesmith.errors import UserError
from tunesmith.serving.database import Database, now
from tunesmith.serving.form import Fields, Form, form_of, parts, stripped
from tunesmith.serving.people import RefusedError
from tunesmith.serving.writing_tables import APPLICATION, OPEN_SEED, STEPS

State = Literal["draft", "submitted", "sent back", "accepted", "discarded"]
STATES: tuple[State, ...] = get_args(State)
UNTOUCHED = 600.0  # seconds for which a seed waits for somebody who has it before them and has typed nothing
TOUCHED = 24 * 3600.0  # and where something was typed
SNAPSHOT = 60.0  # seconds between two events of a draft


class FaultyError(RefusedError):
    """A row that cannot be submitted: what is wrong, by field."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__("Some fields need another look.")
        self.faults = dict(faults)


class ChangedError(RefusedError):
    """The row is no longer what the person saw."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it stands.

    fields:    by name; drafts may hold anything.
    guide:     hash of the form and guidelines it was written under.
    seconds:   for which its writer was at it.
    tab, number: where the last draft came from, and which of that tab's it was.
    changed:   seconds since 1970; made, submitted, reviewed: ISO, empty where it was not yet.
    """

    id: str
    writer: str
    seed: str | None
    state: State
    fields: Fields
    guide: str
    version: int
    seconds: float
    comment: str
    reviewer: str
    tab: str
    number: int
    changed: float
    made: str
    submitted: str
    reviewed: str


@dataclass(frozen=True, slots=True)
class Event:
    """A change: `kind` says what was done, `state` and `fields` how the row stood afterwards."""

    number: int
    row: str
    person: str
    kind: str
    state: State
    version: int
    fields: Fields
    comment: str
    ts: str


@dataclass(frozen=True, slots=True)
class Draft:
    """What a tab sends of a row. number: grows with each that the tab sends; seconds: all that the writer was at the row."""

    row: str
    version: int
    tab: str
    number: int
    fields: Mapping[str, Any]
    seconds: float = 0.0


COLUMNS = ", ".join(one.name for one in fields(Row))


class Writing(Database):
    """The file of written rows.

    form, guidelines: what is asked for now; None: what the file says.
    overlap:          so many people write on every seed; None: what was said last, or 1.
    """

    what, application, steps = "file of written rows", APPLICATION, STEPS

    def __init__(
        self, path: str | Path, form: Form | None = None, guidelines: str = "", *, overlap: int | None = None, new: bool = True
    ) -> None:
        super().__init__(path, new=new)
        self.connection.create_function("fold", 1, str.casefold, deterministic=True)
        if form is not None:
            self._settle(form, guidelines)
        found = self._rows("SELECT hash, form, guidelines FROM guides ORDER BY number DESC LIMIT 1")
        if not found:
            raise UserError(f"`{self.path}` says no form", "name one: `tunesmith label --write triplet`")
        self.guide, self.form = str(found[0]["hash"]), form_of(json.loads(found[0]["form"]))
        self.guidelines = str(found[0]["guidelines"])
        if overlap is not None:
            with self.writing() as connection:
                connection.execute("INSERT OR REPLACE INTO settings VALUES ('overlap', ?)", [str(overlap)])
        self.overlap = self._number("SELECT coalesce(max(CAST(value AS INTEGER)), 1) FROM settings WHERE name = 'overlap'")

    def add_seeds(self, seeds: Iterable[tuple[str, Mapping[str, Any]]]) -> int:
        """Put (id, given fields) in, in their order; those that are there stay. How many are new."""
        before = self._number("SELECT count(*) FROM seeds")
        with self.writing() as connection:
            for id_, given in seeds:
                text = json.dumps(given, ensure_ascii=False)
                there = connection.execute("SELECT given FROM seeds WHERE id = ?", [id_]).fetchone()
                if there is not None and there["given"] != text:
                    hint = "give the rows ids of their own, or take a new file with `--db`"
                    raise UserError(f"the seed `{id_}` is another than the one of that id in `{self.path}`", hint)
                if there is None:
                    connection.execute("INSERT INTO seeds (id, given) VALUES (?, ?)", [id_, text])
        return self._number("SELECT count(*) FROM seeds") - before

    def given(self, seed: str | None) -> dict[str, Any]:
        """What a seed gives, by field."""
        found = self._rows("SELECT given FROM seeds WHERE id = ?", [seed])
        return dict(json.loads(found[0]["given"])) if found else {}

    def fixed(self, seed: str | None) -> list[str]:
        """The fields of a seed that its writer does not change."""
        return [name for name in self.given(seed) if self.form[name].seeded == "fixed"]

    def next(self, person: str, tab: str) -> Row | None:
        """An empty draft for this person: one they have not touched, or a new one; None where no seed is open to them."""
        with self.writing() as connection:
            old = time.time() - UNTOUCHED
            found = connection.execute(
                f"SELECT {COLUMNS} FROM rows WHERE writer = ? AND state = 'draft' AND NOT begun AND (tab = ? OR changed < ?)"
                " ORDER BY tab = ? DESC, changed DESC LIMIT 1",
                [person, tab, old, tab],
            ).fetchone()
            if found is not None and (found["tab"] == tab or self._has_room(found["seed"])):
                connection.execute("UPDATE rows SET tab = ?, changed = ? WHERE id = ?", [tab, time.time(), found["id"]])
                return self._row(found["id"])
            seeded = bool(connection.execute("SELECT 1 FROM seeds LIMIT 1").fetchone())
            seed = self._open_seed(person) if seeded else None
            if seeded and seed is None:
                return None
            id_ = secrets.token_hex(8)
            start = json.dumps(self.form.read(self.given(seed)), ensure_ascii=False)
            row = [id_, person, seed, "draft", start, self.guide, tab, time.time(), now()]
            names = "id, writer, seed, state, fields, guide, tab, changed, made"
            connection.execute(f"INSERT INTO rows ({names}) VALUES (?,?,?,?,?,?,?,?,?)", row)
            return self._row(id_)

    def save(self, person: str, draft: Draft) -> Row:
        """Keep what is typed, in place of what the tab sent before; one that comes late changes nothing.

        Raises:
            ChangedError: the row was changed elsewhere since.
        """
        with self.writing():
            row = self._own(person, draft.row)
            if row.tab == draft.tab and draft.number <= row.number:
                return row
            return self._saved(person, row, draft)

    def submit(self, id_: str, person: str, draft: Draft) -> Row:
        """Put a row before the reviewers, once for each id.

        Raises:
            FaultyError: it breaks the form's rules; what was typed is kept as a draft.
            ChangedError: the row was changed elsewhere since.
        """
        with self.writing() as connection:
            row = self._own(person, draft.row)
            if self._is_known(id_):
                return row
            row = self._saved(person, row, draft)
            faults = self.form.faults(row.fields, self.fixed(row.seed))
            if not faults:
                values = ["submitted", now(), self.guide, row.id]
                connection.execute("UPDATE rows SET state = ?, submitted = ?, guide = ? WHERE id = ?", values)
                row = self._note(id_, row.id, person, "submitted")
        if faults:
            raise FaultyError(faults)
        return row

    def open(self, person: str, row: str, tab: str) -> Row:
        """One of this person's rows, to go on with: out of the queue, or back from those that were discarded."""
        with self.writing() as connection:
            found = self._own(person, row)
            if found.state == "accepted":
                raise RefusedError("This row was accepted, and is no longer changed.")
            if found.state in ("submitted", "discarded"):
                connection.execute("UPDATE rows SET state = 'draft', tab = '' WHERE id = ?", [row])
                connection.execute("DELETE FROM claims WHERE row = ?", [row])
                found = self._note(secrets.token_hex(8), row, person, "taken back")
            connection.execute("UPDATE rows SET changed = ?, tab = ?, number = 0 WHERE id = ?", [time.time(), tab, row])
            return self._row(row)

    def discard(self, id_: str, person: str, row: str) -> Row:
        """Lay a row of this person aside, once for each id; its seed is for others."""
        with self.writing() as connection:
            found = self._own(person, row)
            if self._is_known(id_):
                return found
            if found.state == "accepted":
                raise RefusedError("This row was accepted, and is no longer changed.")
            connection.execute("UPDATE rows SET state = 'discarded', tab = '' WHERE id = ?", [row])
            connection.execute("DELETE FROM claims WHERE row = ?", [row])
            return self._note(id_, row, person, "discarded")

    def mine(self, person: str) -> list[Row]:
        """This person's rows, the last changed first; drafts in which nothing was typed are none."""
        return self._found("writer = ? AND begun ORDER BY changed DESC, id", [person])

    def every(self, states: Iterable[State] = STATES) -> list[Row]:
        """All rows of these states in which something was typed, in the order in which they were begun."""
        wanted = list(states)
        return self._found(f"begun AND state IN ({','.join('?' * len(wanted))}) ORDER BY made, id", wanted)

    def row(self, id_: str) -> Row:
        """A row; `RefusedError` where there is none."""
        with self.lock:
            return self._row(id_)

    def events(self, row: str = "") -> list[Event]:
        """All that happened, or what happened to one row, in order."""
        names = [one.name for one in fields(Event)]
        found = self._rows(f"SELECT {', '.join(names)} FROM events WHERE ? IN ('', row) ORDER BY number", [row])
        return [Event(**{**dict(one), "fields": json.loads(one["fields"])}) for one in found]

    def guides(self) -> dict[str, str]:
        """Hash -> guidelines, of all that were in force."""
        return {one["hash"]: one["guidelines"] for one in self._rows("SELECT hash, guidelines FROM guides ORDER BY number")}

    # --- within a transaction -------------------------------------------------------------------------------------------

    def _settle(self, form: Form, guidelines: str) -> None:
        """Make this form and these guidelines the ones in force."""
        tree = json.dumps(form.tree(), ensure_ascii=False, sort_keys=True)
        digest = blake2b(f"{tree}\n{guidelines}".encode(), digest_size=8).hexdigest()
        with self.writing() as connection:
            last = connection.execute("SELECT hash, form FROM guides ORDER BY number DESC LIMIT 1").fetchone()
            if last is not None and last["hash"] == digest:
                return
            used = connection.execute("SELECT (SELECT count(*) FROM rows) + (SELECT count(*) FROM seeds)").fetchone()[0]
            if last is not None and used and (there := form_of(json.loads(last["form"])).columns) != form.columns:
                names = ", ".join(f"`{name}` ({kind})" for name, kind in there)
                hint = f"labels, help, limits and guidelines may change, columns may not: {names}; or take a new `--db`"
                raise UserError(f"the rows of `{self.path}` have other columns than the form `{form.name}`", hint)
            number = connection.execute("SELECT coalesce(max(number), 0) + 1 FROM guides").fetchone()[0]
            connection.execute(
                "INSERT INTO guides VALUES (?,?,?,?,?) ON CONFLICT (hash) DO UPDATE SET number = excluded.number",
                [number, digest, tree, guidelines, now()],
            )

    def _saved(self, person: str, row: Row, draft: Draft) -> Row:
        """A draft over what stands, with what its seed fixes."""
        if row.state not in ("draft", "sent back"):
            raise ChangedError(f"This row is {row.state}, perhaps from another tab. Open it again to change it.")
        if row.version != draft.version and row.tab != draft.tab:
            raise ChangedError("This row was changed elsewhere, perhaps in another tab.")
        given = self.given(row.seed)
        found = self.form.read({**draft.fields, **{name: given[name] for name in self.fixed(row.seed)}})
        changed = found != row.fields
        begun = any(stripped(part) for name in self._written(found, given) for part in parts(found[name]))
        values = [json.dumps(found, ensure_ascii=False), begun, max(row.seconds, draft.seconds), draft.tab, draft.number]
        self.connection.execute(
            "UPDATE rows SET fields = ?, begun = begun OR ?, seconds = ?, tab = ?, number = ?, changed = ?,"
            " version = version + ? WHERE id = ?",
            [*values, time.time(), changed, row.id],
        )
        last = self.connection.execute(
            "SELECT kind, (julianday('now') - julianday(ts)) * 86400 AS age FROM events WHERE row = ?"
            " ORDER BY number DESC LIMIT 1",
            [row.id],
        ).fetchone()
        if changed and (last is None or last["kind"] != "draft" or last["age"] > SNAPSHOT):
            self._append(secrets.token_hex(8), row.id, person, "draft", "")
        return self._row(row.id)

    def _written(self, found: Fields, given: Mapping[str, Any]) -> list[str]:
        """The fields that hold something of the writer's own."""
        start = self.form.read(given)
        return [name for name in found if found[name] != start[name]]

    def _own(self, person: str, id_: str) -> Row:
        row = self._row(id_)
        if row.writer != person:
            raise RefusedError("This row is somebody else's.")
        return row

    def _row(self, id_: str) -> Row:
        found = self._found("id = ?", [id_])
        if not found:
            raise RefusedError("There is no such row.")
        return found[0]

    def _found(self, where: str, given: Any) -> list[Row]:
        rows = self._rows(f"SELECT {COLUMNS} FROM rows WHERE {where}", given)
        return [Row(**{**dict(one), "fields": json.loads(one["fields"])}) for one in rows]

    def _is_known(self, event: str) -> bool:
        return self.connection.execute("SELECT 1 FROM events WHERE id = ?", [event]).fetchone() is not None

    def _note(self, id_: str, row: str, person: str, kind: str, comment: str = "") -> Row:
        """Write down a change of a row's state that was made: its version grows."""
        values = [time.time(), row]
        self.connection.execute("UPDATE rows SET version = version + 1, changed = ? WHERE id = ?", values)
        self._append(id_, row, person, kind, comment)
        return self._row(row)

    def _append(self, id_: str, row: str, person: str, kind: str, comment: str) -> None:
        self.connection.execute(
            "INSERT INTO events (id, row, person, kind, state, version, fields, comment, ts)"
            " SELECT ?, id, ?, ?, state, version, fields, ?, ? FROM rows WHERE id = ?",
            [id_, person, kind, comment, now(), row],
        )

    def _open_seed(self, person: str) -> str | None:
        here = time.time()
        asked = {"writer": person, "overlap": self.overlap, "untouched": here - UNTOUCHED, "touched": here - TOUCHED}
        found = self._rows(OPEN_SEED, asked)
        return str(found[0]["id"]) if found else None

    def _has_room(self, seed: str | None) -> bool:
        """Whether fewer than `overlap` people are at a seed."""
        others = "SELECT count(*) FROM rows WHERE seed = ? AND state <> 'discarded' AND (begun OR changed > ?)"
        return seed is None or self._number(others, [seed, time.time() - UNTOUCHED]) < self.overlap
