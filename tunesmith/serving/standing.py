"""What stands in a file of written rows, kept at hand so that a draft can be held against it while it is typed."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from tunesmith.serving.alike import Near, Pool
from tunesmith.serving.form import TEXTS, Fields, Form
from tunesmith.serving.writing import Row, Writing

STANDS = ("submitted", "sent back", "accepted")


@dataclass(slots=True)
class Standing:
    """Pools of texts, a column each, brought up to date by the events that came since."""

    writing: Writing
    pools: dict[str, Pool] = field(default_factory=dict)
    seen: int = 0
    lock: Lock = field(default_factory=Lock)

    def nearest(self, row: Row, given: dict[str, Any], writing: bool = True) -> dict[str, Near]:
        """What is much like the fields of a row, by field; what its seed fixes is not looked at.

        writing: to its writer nothing is told of what others wrote on the same seed: each shall do it alone.
        """
        form, but = self.writing.form, {row.id}
        if writing and row.seed is not None:
            but |= {str(id_) for (id_,) in self.writing._rows("SELECT id FROM rows WHERE seed = ?", [row.seed])}
        with self.lock:
            self._refresh()
            return near(self.pools, form, form.read(given), but, self.writing.fixed(row.seed))

    def _refresh(self) -> None:
        newest = self.writing._number("SELECT coalesce(max(number), 0) FROM events")
        if newest == self.seen:
            return
        query = "SELECT DISTINCT row FROM events WHERE number > ? AND number <= ?"
        for (id_,) in self.writing._rows(query, [self.seen, newest]):
            row = self.writing.row(id_)
            if row.state in STANDS:
                put(self.pools, self.writing.form, row, self.writing.fixed(row.seed))
            else:
                for pool in self.pools.values():
                    pool.take(id_)
        self.seen = newest


def put(pools: dict[str, Pool], form: Form, row: Row, fixed: Iterable[str]) -> None:
    """Let a row's texts stand."""
    for one in form.fields:
        if one.kind in TEXTS and one.name not in fixed:
            pools.setdefault(one.name, Pool()).put(row.id, one.plain(row.fields[one.name]))


def near(pools: dict[str, Pool], form: Form, fields: Fields, but: Collection[str], fixed: Iterable[str]) -> dict[str, Near]:
    """What is much like these fields, by field."""
    asked = (one for one in form.fields if one.name in pools and one.name not in fixed)
    found = {one.name: pools[one.name].nearest(one.plain(fields[one.name]), form.alike, but) for one in asked}
    return {name: one for name, one in found.items() if one is not None}
