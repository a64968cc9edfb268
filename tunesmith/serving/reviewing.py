"""The review queue: a row that its writer submitted is accepted, sent back with a comment, or mended and accepted.

Nobody reviews a row of their own. A row that somebody has before them is held for them for a while; of two verdicts on one
version of a row the first counts, and the second person is told.
"""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from tunesmith.serving.database import now
from tunesmith.serving.form import Fields
from tunesmith.serving.people import RefusedError
from tunesmith.serving.writing import ChangedError, FaultyError, Row, State, Writing
from tunesmith.serving.writing_tables import QUEUE

LEASE = 180.0  # seconds for which a row is held for the reviewer who has it before them
Verdict = Literal["accepted", "sent back", "mended"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True, slots=True)
class Reviews:
    """The queue of a file.

    reviewers: who may review; empty: everybody, but never their own rows.
    """

    writing: Writing
    reviewers: tuple[str, ...] = ()

    def is_reviewer(self, person: str) -> bool:
        """Whether this person may review at all."""
        return not self.reviewers or person.casefold() in {name.casefold() for name in self.reviewers}

    def waiting(self, person: str) -> int:
        """How many rows wait for somebody like this person."""
        if not self.is_reviewer(person):
            return 0
        query = "SELECT count(*) FROM rows WHERE state = 'submitted' AND fold(writer) <> fold(?)"
        return self.writing._number(query, [person])

    def next(self, person: str, tab: str, after: str = "") -> Row | None:
        """A row to review, held for this tab a while: the one it has, or the oldest; the one behind the row `after`."""
        if not self.is_reviewer(person):
            return None
        with self.writing.writing() as connection:
            asked = {"now": time.time(), "person": person, "tab": tab, "after": after}
            found = connection.execute(QUEUE, asked).fetchone()
            connection.execute("DELETE FROM claims WHERE until < ? OR (person = ? AND tab = ?)", [time.time(), person, tab])
            if found is None:
                return None
            values = [found["id"], person, tab, time.time() + LEASE]
            connection.execute("INSERT INTO claims VALUES (?,?,?,?)", values)
            return self.writing._row(found["id"])

    def judge(
        self, id_: str, person: str, row: str, version: int, verdict: Verdict, given: Mapping[str, Any], comment: str = ""
    ) -> Row:
        """Say what becomes of a row, once for each id.

        given: the fields as the reviewer mended them; read for `mended` alone.

        Raises:
            ChangedError: somebody else has reviewed the row, or its writer took it back.
            FaultyError: what was mended breaks the form's rules.
        """
        with self.writing.writing() as connection:
            found = self.writing._row(row)
            if self.writing._is_known(id_):
                return found
            if not self.is_reviewer(person) or found.writer.casefold() == person.casefold():
                raise RefusedError("Nobody reviews a row of their own, and only reviewers review.")
            if found.state != "submitted" or found.version != version:
                raise ChangedError("Somebody else has reviewed this row, or its writer took it back.")
            if verdict == "sent back" and not comment.strip():
                raise RefusedError("Say what is missing: the writer reads it.")
            mended = self._mended(found, given) if verdict == "mended" else found.fields
            state: State = "sent back" if verdict == "sent back" else "accepted"
            connection.execute(
                "UPDATE rows SET state = ?, fields = ?, comment = ?, reviewer = ?, reviewed = ? WHERE id = ?",
                [state, json.dumps(mended, ensure_ascii=False), comment.strip(), person, now(), row],
            )
            connection.execute("DELETE FROM claims WHERE row = ?", [row])
            return self.writing._note(id_, row, person, verdict, comment.strip())

    def undo(self, id_: str, person: str, tab: str) -> Row | None:
        """Take this person's last verdict back, once for each id, and give them the row again.

        None where there is none, or where the row has gone on since.
        """
        with self.writing.writing() as connection:
            known = connection.execute("SELECT row FROM events WHERE id = ?", [id_]).fetchone()
            if known is not None:
                return self.writing._row(known["row"])
            last = connection.execute(
                "SELECT events.row, events.number FROM events JOIN rows ON rows.id = events.row"
                f" AND rows.version = events.version WHERE person = ? AND kind IN ({','.join('?' * len(VERDICTS))})"
                " ORDER BY events.number DESC LIMIT 1",
                [person, *VERDICTS],
            ).fetchone()
            if last is None:
                return None
            before = connection.execute(
                "SELECT fields FROM events WHERE row = ? AND number < ? ORDER BY number DESC LIMIT 1",
                [last["row"], last["number"]],
            ).fetchone()
            connection.execute(
                "UPDATE rows SET state = 'submitted', fields = ?, comment = '', reviewer = '', reviewed = '' WHERE id = ?",
                [before["fields"], last["row"]],
            )
            connection.execute("DELETE FROM claims WHERE person = ? AND tab = ?", [person, tab])
            values = [last["row"], person, tab, time.time() + LEASE]
            connection.execute("INSERT OR REPLACE INTO claims VALUES (?,?,?,?)", values)
            return self.writing._note(id_, last["row"], person, "undone")

    def _mended(self, row: Row, given: Mapping[str, Any]) -> Fields:
        form, seed, fixed = self.writing.form, self.writing.given(row.seed), self.writing.fixed(row.seed)
        found = form.read({**given, **{name: seed[name] for name in fixed}})
        if faults := form.faults(found, fixed):
            raise FaultyError(faults)
        return found


def names_of(given: Iterable[str]) -> tuple[str, ...]:
    """Names without blanks around them, empty ones left out."""
    return tuple(name.strip() for name in given if name.strip())
