"""One SQLite file that a page writes into: opened, brought to the version of its tables, written a transaction at a time.

What a transaction wrote is on the disk when it ends (write-ahead log, synchronous=FULL), whatever dies afterwards; two
connections, or two programs, may write at once.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from typing import Any, ClassVar

from tunesmith.errors import UserError


class Database:
    """A file with tables of one kind.

    what:        how errors call such a file.
    application: SQLite's number of the kind of file, 0 for none.
    steps:       SQL that leads from each version of the tables to the next; a file without tables is of version 0.
    """

    what: ClassVar[str]
    application: ClassVar[int] = 0
    steps: ClassVar[Sequence[str]]

    def __init__(self, path: str | Path, *, new: bool = True) -> None:
        self.path, self.lock = Path(path), RLock()
        if not new and not self.path.is_file():
            raise UserError(f"there is no {self.what} `{self.path}`", "name it with `--db`")
        if not self.path.parent.is_dir():
            raise UserError(f"there is no folder `{self.path.parent}`", "make it, or name another file with `--db`")
        try:
            self.connection = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
            self.connection.row_factory = sqlite3.Row
            self.connection.execute("PRAGMA journal_mode = WAL")
            self.connection.execute("PRAGMA synchronous = FULL")
            self.connection.execute("PRAGMA foreign_keys = ON")
            self._migrate()
        except sqlite3.Error as error:
            raise UserError(f"`{self.path}` cannot be read as a {self.what}: {error}", "name another with `--db`") from None

    def close(self) -> None:
        self.connection.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """All that is done within is written together, and is on the disk at the end; after an error nothing is."""
        with self.lock:
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
            except BaseException:
                self.connection.execute("ROLLBACK")
                raise
            self.connection.execute("COMMIT")

    def _migrate(self) -> None:
        """Bring the tables to the newest version, all steps or none."""
        with self.writing() as connection:
            version, kind = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "application_id"))
            if not version and not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                connection.execute(f"PRAGMA application_id = {self.application}")
            elif kind != self.application or not 0 < version <= len(self.steps):
                raise UserError(f"`{self.path}` is no {self.what}, or one of another version", "name another with `--db`")
            for step in self.steps[version:]:
                for statement in statements(step):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {len(self.steps)}")

    def _rows(self, query: str, given: Any = ()) -> list[sqlite3.Row]:
        with self.lock:
            return self.connection.execute(query, given).fetchall()

    def _number(self, query: str, given: Any = ()) -> int:
        return int(self._rows(query, given)[0][0])


def statements(script: str) -> Iterator[str]:
    """A script a statement at a time, so that all are run together or none is."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def now() -> str:
    """The time of a record, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def whole(text: str) -> str:
    """The text with half letters, which files of JSON have where an answer was cut, replaced: no file could hold them."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
