"""Pairs and what people said of them: one SQLite file, to which events are only ever added.

A vote is on the disk before it is acknowledged (write-ahead log, synchronous=FULL). An undo is an event that names the one it
takes back; what stands is every vote or skip that no undo names. Two connections, or two programs, may write at once.
"""

import json
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

from tunesmith.data.example import Message
from tunesmith.errors import UserError
from tunesmith.serving.database import Database, now, whole
from tunesmith.serving.pairs import Pair, Verdict
from tunesmith.serving.people import RefusedError
from tunesmith.serving.tables import COLUMNS, OPEN, STEPS

LEASE = 180.0  # seconds for which a pair is held for the person who has it before them
Side = Literal["first", "second"]


@dataclass(frozen=True, slots=True)
class Event:
    """A vote or a skip that stands. `side`: which answer stood on the left. `seconds`: from sight to vote."""

    number: int
    pair: str
    annotator: str
    verdict: Verdict | None
    side: Side
    reason: str
    note: str
    seconds: float
    ts: str

    @property
    def chosen_side(self) -> str:
        """`left` or `right`; empty where no answer was preferred."""
        if self.verdict not in ("first", "second"):
            return ""
        return "left" if self.verdict == self.side else "right"


@dataclass(frozen=True, slots=True)
class Shown:
    """A pair as one person sees it: no model is named, and `key` tells nothing. `note`: of a vote that was undone."""

    key: str
    prompt: tuple[Message, ...]
    left: str
    right: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """done: of this person; left: still open to them; votes: of everybody."""

    done: int
    left: int
    votes: int


class Votes(Database):
    """The file of pairs and votes.

    overlap: so many people judge every pair; None: what was said last, or 1.
    """

    what, steps = "file of votes", STEPS

    def __init__(self, path: str | Path, *, seed: int | None = None, overlap: int | None = None, new: bool = True) -> None:
        super().__init__(path, new=new)
        if overlap is not None:
            with self.writing() as connection:
                connection.execute("INSERT OR REPLACE INTO settings VALUES ('overlap', ?)", [str(overlap)])
        self.overlap = self._number("SELECT coalesce(max(CAST(value AS INTEGER)), 1) FROM settings WHERE name = 'overlap'")
        self.seed = self._seed(seed)

    def add(self, pairs: Iterable[Pair]) -> int:
        """Put pairs in; those that are there stay as they are. How many are new."""
        before = self._number("SELECT count(*) FROM pairs")
        with self.writing() as connection:
            for pair in pairs:
                prompt = json.dumps([[turn.role, turn.content] for turn in pair.prompt], ensure_ascii=False)
                key, rank = self._hash(pair.id)[:16], int(self._hash("rank", pair.id)[:12], 16)
                texts = (None if text is None else whole(text) for text in pair.answers)
                row = (pair.id, key, rank, whole(prompt), *texts, *pair.models, pair.gold)
                there = connection.execute(f"SELECT {COLUMNS} FROM pairs WHERE id = ?", [pair.id]).fetchone()
                if there is not None and not _is_same(tuple(there), row):
                    raise UserError(
                        f"the pair `{pair.id}` is another than the one of that id in `{self.path}`",
                        "give the rows ids of their own, or take a new file of votes with `--db`",
                    )
                if there is None:
                    connection.execute(f"INSERT INTO pairs ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?)", row)
        return self._number("SELECT count(*) FROM pairs") - before

    def fill(self, pair: str, side: Side, text: str) -> None:
        """Write down an answer that was drawn; one that is there stays."""
        with self.writing() as connection:
            connection.execute(f"UPDATE pairs SET {side} = ? WHERE id = ? AND {side} IS NULL", [whole(text), pair])

    def pairs(self) -> list[Pair]:
        """All pairs, in the order in which they came."""
        return [_pair(row) for row in self._rows("SELECT * FROM pairs ORDER BY rowid")]

    def standing(self, kind: str = "vote") -> list[Event]:
        """The votes (or skips) that were not taken back, in their order."""
        names = ", ".join(Event.__slots__)
        return [Event(*row) for row in self._rows(f"SELECT {names} FROM standing WHERE kind = ? ORDER BY number", [kind])]

    def side(self, pair: str, annotator: str) -> Side:
        """Which answer stands on the left for this person: always the same one, and either as often."""
        return "first" if int(self._hash("side", pair, annotator)[-1], 16) % 2 else "second"

    def next(self, annotator: str, tab: str) -> Shown | None:
        """The pair for this person to judge in this tab, held for them a while; None where there is none at present."""
        with self.writing() as connection:
            pair = self._held(annotator, tab) or self._open(annotator)
            if pair is None:
                connection.execute("DELETE FROM claims WHERE annotator = ? AND tab = ?", [annotator, tab])
                return None
            self._claim(annotator, tab, pair)
            return self._shown(pair, annotator)

    def vote(
        self, id_: str, annotator: str, key: str, choice: str, note: str = "", reason: str = "", seconds: float = 0.0
    ) -> bool:
        """Record what was chosen on the page: `left`, `right`, `tie`, `bad` or `skip`. As `record`."""
        found = self._rows("SELECT id FROM pairs WHERE key = ? AND shown", [key])
        if not found:
            raise RefusedError("This pair is not among those to be judged.")
        pair = str(found[0]["id"])
        side = self.side(pair, annotator)
        verdicts: dict[str, Verdict | None] = {"left": side, "right": _other(side), "tie": "tie", "bad": "bad", "skip": None}
        return self.record(id_, pair, annotator, verdicts[choice], note, reason, seconds)

    def record(
        self,
        id_: str,
        pair: str,
        annotator: str,
        verdict: Verdict | None,
        note: str = "",
        reason: str = "",
        seconds: float = 0.0,
    ) -> bool:
        """Record a verdict on a pair, or a skip (None), once for each id; whether it is new.

        Raises:
            RefusedError: this person has judged the pair before.
        """
        with self.writing() as connection:
            if connection.execute("SELECT 1 FROM events WHERE id = ?", [id_]).fetchone():
                return False
            if connection.execute("SELECT 1 FROM standing WHERE pair = ? AND annotator = ?", [pair, annotator]).fetchone():
                raise RefusedError("You have judged this pair before, perhaps in another tab. Undo takes a vote back.")
            kind = "skip" if verdict is None else "vote"
            self._append(id_, kind, pair, annotator, verdict, self.side(pair, annotator), reason, note, seconds)
            connection.execute("UPDATE pairs SET votes = votes + ? WHERE id = ?", [kind == "vote", pair])
            connection.execute("DELETE FROM claims WHERE pair = ? AND annotator = ?", [pair, annotator])
            return True

    def undo(self, id_: str, annotator: str, tab: str) -> bool:
        """Take back this person's last vote or skip, once for each id; its pair comes to this tab again.

        Whether there was one.
        """
        with self.writing() as connection:
            if connection.execute("SELECT 1 FROM events WHERE id = ?", [id_]).fetchone():
                return True
            last = connection.execute(
                "SELECT * FROM standing WHERE annotator = ? ORDER BY number DESC LIMIT 1", [annotator]
            ).fetchone()
            if last is None:
                return False
            self._append(id_, "undo", last["pair"], annotator, None, last["side"], "", "", 0.0, last["number"])
            connection.execute("UPDATE pairs SET votes = votes - ? WHERE id = ?", [last["kind"] == "vote", last["pair"]])
            self._claim(annotator, tab, last["pair"])
            return True

    def progress(self, annotator: str) -> Progress:
        """How far this person is, and everybody."""
        every = {"annotator": annotator, "now": time.time(), "overlap": self.overlap, "counting": 0}
        with self.lock:
            return Progress(
                self._number("SELECT count(*) FROM standing WHERE annotator = ?", [annotator]),
                self._number(f"SELECT count(*) FROM ({OPEN})", every),
                self._number("SELECT coalesce(sum(votes), 0) FROM pairs"),
            )

    def _seed(self, seed: int | None) -> int:
        """The seed of the file: of sides and order. It is settled when the file is made."""
        with self.writing() as connection:
            connection.execute("INSERT INTO settings VALUES ('seed', ?) ON CONFLICT DO NOTHING", [str(seed or 0)])
        kept = self._number("SELECT value FROM settings WHERE name = 'seed'")
        if seed is not None and seed != kept:
            raise UserError(
                f"`{self.path}` was begun with the seed {kept}, not {seed}", "leave `--seed` out, or take a new `--db`"
            )
        return kept

    def _held(self, annotator: str, tab: str) -> str | None:
        """What this tab has before it, if it is not judged yet."""
        row = self.connection.execute(
            "SELECT pair FROM claims WHERE annotator = ? AND tab = ? AND until > ?"
            " AND pair NOT IN (SELECT pair FROM standing WHERE annotator = ?)",
            [annotator, tab, time.time(), annotator],
        ).fetchone()
        return str(row["pair"]) if row else None

    def _open(self, annotator: str) -> str | None:
        """A pair that is open: those with votes first, so that pairs are finished; control items fall in between at random."""
        asked = {"annotator": annotator, "now": time.time(), "overlap": self.overlap, "counting": 1}
        counts = {
            row["control"]: row[1] for row in self._rows(f"SELECT control, count(*) FROM ({OPEN}) GROUP BY control", asked)
        }
        if not counts:
            return None
        done = self._number("SELECT count(*) FROM standing WHERE annotator = ?", [annotator])
        draw = int(self._hash("gold", annotator, str(done))[:12], 16) / 16**12
        control = draw < counts.get(1, 0) / sum(counts.values())
        best = f"SELECT id FROM ({OPEN}) WHERE control = :control ORDER BY mine, votes DESC, rank LIMIT 1"
        return str(self._rows(best, asked | {"control": control})[0]["id"])

    def _claim(self, annotator: str, tab: str, pair: str) -> None:
        self.connection.execute("DELETE FROM claims WHERE until < ?", [time.time()])
        row = [annotator, tab, pair, time.time() + LEASE]
        self.connection.execute("INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?)", row)

    def _shown(self, pair: str, annotator: str) -> Shown:
        row = self.connection.execute("SELECT * FROM pairs WHERE id = ?", [pair]).fetchone()
        texts = [row["first"], row["second"]]
        left, right = texts if self.side(pair, annotator) == "first" else texts[::-1]
        undone = self.connection.execute(
            "SELECT note FROM events WHERE pair = ? AND annotator = ? AND kind <> 'undo' ORDER BY number DESC LIMIT 1",
            [pair, annotator],
        ).fetchone()
        return Shown(row["key"], _turns(row["prompt"]), left, right, undone["note"] if undone else "")

    def _append(self, id_: str, kind: str, pair: str, annotator: str, *rest: Any) -> None:
        verdict, side, reason, note, seconds, undoes = (*rest, None)[:6]
        row = (id_, kind, pair, annotator, verdict, side, reason, note, seconds, now(), undoes)
        names = "id, kind, pair, annotator, verdict, side, reason, note, seconds, ts, undoes"
        self.connection.execute(f"INSERT INTO events ({names}) VALUES (?,?,?,?,?,?,?,?,?,?,?)", row)

    def _hash(self, *parts: str) -> str:
        return blake2b(json.dumps([self.seed, *parts]).encode(), digest_size=16).hexdigest()


def _other(side: Side) -> Side:
    return "second" if side == "first" else "first"


def _pair(row: sqlite3.Row) -> Pair:
    answers, models = (row["first"], row["second"]), (row["first_model"], row["second_model"])
    return Pair(row["id"], _turns(row["prompt"]), answers, models, row["gold"])


def _turns(text: str) -> tuple[Message, ...]:
    return tuple(Message(role, content) for role, content in json.loads(text))


def _is_same(kept: tuple[Any, ...], given: tuple[Any, ...]) -> bool:
    """Whether a row is the one that is there; answers still to be drawn agree with any."""
    return all(one == other or other is None for one, other in zip(kept, given, strict=True))
