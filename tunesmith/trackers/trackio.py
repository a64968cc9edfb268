"""trackio: a table of SQLite in its own folder (`TRACKIO_DIR`); `trackio show` serves the page."""

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import uuid4

from tunesmith.trackers.tracker import Row, Session, Told, Tracker


@dataclass(frozen=True)
class Trackio(Tracker):
    """A run of a project.

    project: what the run belongs to.
    space:   a Space of the hub that gets the curves too; null: this machine alone.
    """

    needs: ClassVar[str] = "trackio"
    project: str = "tunesmith"
    space: str | None = None

    def open(self, told: Told) -> Session:
        return TrackioRun(self, told)


class TrackioRun(Session):
    """A run of trackio; what it prints goes to stderr."""

    def __init__(self, tracker: Trackio, told: Told) -> None:
        import trackio

        self.project, self.name = tracker.project, told.known.get("run") or f"{told.run.resolve().name}-{uuid4().hex[:6]}"
        with redirect_stdout(sys.stderr):
            self.run: Any = trackio.init(
                project=tracker.project,
                name=self.name,
                space_id=tracker.space,
                config=dict(told.settings),
                resume="allow",
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )
        self.known = {"run": self.name}

    def last(self, curve: str) -> int | None:
        from trackio.sqlite_storage import SQLiteStorage

        return max((row["step"] for row in SQLiteStorage.get_logs(self.project, self.name) if curve in row), default=-1)

    def send(self, rows: Sequence[Row]) -> None:
        for step, values in rows:
            self.run.log(dict(values), step=step)

    def close(self, ended: bool) -> None:
        with redirect_stdout(sys.stderr):
            self.run.finish()
