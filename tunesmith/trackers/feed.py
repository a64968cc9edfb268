"""What stands in a run's files goes to trackers: live while it is written, and what they lack when they begin.

A tracker that fails is told of once and left alone; the run goes on. `RUN/tracking.json` keeps, for each tracker, the ids that
find its run again and how far it was told, so that a run that goes on, or is sent twice, doubles nothing.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from tunesmith import settings
from tunesmith.errors import UserError
from tunesmith.run import Run, read_json, write_json
from tunesmith.trackers.tracker import Row, Session, Told, Tracker

KEPT = "tracking.json"
PAUSE = 2.0  # seconds between two letters to a tracker
CURVES = {"steps": "train", "validation": "validation"}  # file of records -> what its curves begin with
MARK = "loss"  # every record has one: it tells how far a tracker was told
FACTS = ("training_seconds", "training_tokens", "tokens_per_second", "peak_memory_bytes", "trained_parameters", "best_step")

Say = Callable[[str], None]


@dataclass
class Fed:
    """One tracker of one run.

    name:   the tracker's, as recipes call it.
    told:   file of records -> highest step that was sent.
    scored: tasks whose scores were sent.
    """

    name: str
    record: Run
    session: Session
    say: Say
    told: dict[str, int] = field(default_factory=dict)
    scored: set[str] = field(default_factory=set)
    waiting: list[Row] = field(default_factory=list)
    sent: float = 0.0
    failed: bool = False

    def catch_up(self) -> None:
        """Send what the run's files have and the tracker lacks."""
        rows = [(records, row) for records in CURVES for row in self._records(records)]
        for records, row in sorted(rows, key=lambda one: one[1]["step"]):
            self.hear(records, row, later=True)
        for task, scores in self.record.scores().items():
            self.hear("scores", {"task": task, "scores": {name: asdict(one) for name, one in scores.items()}}, later=True)
        self.flush()

    def hear(self, records: str, row: Mapping[str, Any], later: bool = False) -> None:
        """A record that was just written; sent at once only where it is seldom, else with others."""
        if records in CURVES and row["step"] > self.told.get(records, -1):
            self.told[records] = row["step"]
            self.waiting.append((row["step"], curves(CURVES[records], row)))
        elif records == "scores" and row["task"] not in self.scored:
            self.scored.add(row["task"])
            values = {f"score/{row['task']}/{name}": one["value"] for name, one in row["scores"].items()}
            self.waiting.append((max(self.told.values(), default=0), finite(values)))
        else:
            return
        if not later and (records != "steps" or time.monotonic() - self.sent > PAUSE):
            self.flush()

    def flush(self) -> None:
        """Send what is waiting, and keep how far that is."""
        self.sent = time.monotonic()
        if self.waiting and not self.failed:
            self._try(lambda: self.session.send(self.waiting))
            if not self.failed:
                self._keep()
        self.waiting = []

    def close(self) -> None:
        """Send the rest and let the tracker go."""
        world = self.record.world()
        ended = bool(world.get("ended"))
        if ended and "ended" not in self.scored:
            self.scored.add("ended")
            facts = {f"cost/{name}": world[name] for name in FACTS if isinstance(world.get(name), (int, float))}
            self.waiting.append((max(self.told.values(), default=0), finite(facts)))
        self.flush()
        if not self.failed:
            self._try(lambda: self.session.close(ended))

    def _records(self, records: str) -> list[dict[str, Any]]:
        return self.record.steps() if records == "steps" else self.record.validations()

    def _keep(self) -> None:
        kept = {"known": dict(self.session.known), "told": self.told, "scored": sorted(self.scored)}
        path = self.record.folder / KEPT
        write_json(path, {**read_json(path, {}), self.name: kept})

    def _try(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:
            self.failed = True
            self.say(lost(self.name, self.record, error))


def lost(name: str, record: Run, error: Exception) -> str:
    """What is said when a tracker fails."""
    why = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return f"tracker `{name}` failed and is left alone ({why}); later: `tunesmith track {record.folder} --to {name}`"


@contextmanager
def following(record: Run, trackers: Sequence[Tracker], say: Say) -> Iterator[Run]:
    """The same run, such that trackers hear all that is written into it.

    They begin at the first record, when the recipe is resolved, and first get what the folder has already, so a run that goes
    on has no gap; what it then does over again, up to the step that they have heard of, is not sent twice.
    """
    fed: list[Fed] = []
    coming = list(trackers)

    def hear(records: str, row: Mapping[str, Any]) -> None:
        while coming:
            fed.extend(begin(record, [coming.pop(0)], say))
        for one in fed:
            one.hear(records, row)

    try:
        yield replace(record, listening=hear) if trackers else record
    finally:
        for one in fed:
            one.close()


def begin(record: Run, trackers: Sequence[Tracker], say: Say) -> list[Fed]:
    """Those trackers that could begin, with all that the folder has."""
    return [one for one in (begun(record, tracker, say) for tracker in trackers) if one is not None]


def begun(record: Run, tracker: Tracker, say: Say) -> Fed | None:
    """A tracker that has all that the folder has; None where it failed."""
    name = settings.kind_of(type(tracker))
    kept = read_json(record.folder / KEPT, {}).get(name, {})
    try:
        session = tracker.open(Told(record.folder, flat(record.recipe()), kept.get("known", {})))
        fed = Fed(name, record, session, say, dict(kept.get("told", {})), set(kept.get("scored", ())))
        for records, begins in CURVES.items():
            asked = session.last(f"{begins}/{MARK}")
            if asked is not None:
                fed.told[records] = asked
        if fed.told and max(fed.told.values()) < 0:  # somebody has emptied its store
            fed.scored.clear()
    except Exception as error:
        say(lost(name, record, error))
        return None
    fed.catch_up()
    return fed


def track(run: Run, trackers: Sequence[Tracker], say: Say) -> None:
    """Send a run that exists; what a tracker has already is not sent again.

    Raises:
        UserError: a package is missing, or a tracker took it not.
    """
    problems: list[str] = []
    for tracker in trackers:
        tracker.require()
    for one in begin(run, trackers, problems.append):
        one.close()
    if problems:
        raise UserError(problems[0].partition("; later")[0], "look at the tracker's address, and whether you may write there")
    say(f"{run.folder}: sent to {', '.join(settings.kind_of(type(tracker)) for tracker in trackers)}")


def curves(begins: str, row: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a record as points of curves."""
    found = {name: value for name, value in row.items() if name not in ("step", "shown")} | dict(row.get("shown") or {})
    return finite({f"{begins}/{name}": value for name, value in found.items()})


def finite(values: Mapping[str, Any]) -> dict[str, float]:
    """What a tracker can draw."""
    numbers = {name: value for name, value in values.items() if isinstance(value, (int, float))}
    return {name: float(value) for name, value in numbers.items() if math.isfinite(value)}


def flat(tree: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Dotted name -> value; lists as text."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{before}{name}.")
        else:
            found[f"{before}{name}"] = value if isinstance(value, (bool, int, float, str)) else str(value)
    return found
