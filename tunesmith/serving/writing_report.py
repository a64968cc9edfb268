"""What a file of written rows tells: of the people, of the rows, of those that say the same."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from tunesmith.comparison.agreement import binomial_interval
from tunesmith.comparison.significance import Interval
from tunesmith.serving.alike import Pool
from tunesmith.serving.form import TEXTS, WORD
from tunesmith.serving.reviewing import VERDICTS
from tunesmith.serving.standing import STANDS, near, put
from tunesmith.serving.vote_report import cleaned
from tunesmith.serving.writing import STATES, Event, Row, Writing


@dataclass(frozen=True, slots=True)
class Writer:
    """One writer. seconds: of the median row that was submitted; accepted: share of the verdicts on their rows."""

    name: str
    states: dict[str, int]
    seconds: float
    accepted: Interval
    verdicts: int


@dataclass(frozen=True, slots=True)
class Reviewer:
    """One reviewer: how many of each verdict."""

    name: str
    verdicts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Length:
    """Words of a column, of rows that stand: the shortest, the median, the longest, and how many rows leave it empty."""

    column: str
    shortest: int
    median: float
    longest: int
    empty: int


@dataclass(frozen=True, slots=True)
class Twin:
    """A row much like one that was begun before it. score: ROUGE-L's F; same_seed: both were given the same."""

    row: str
    other: str
    column: str
    score: float
    same_seed: bool
    text: str
    other_text: str


@dataclass(frozen=True, slots=True)
class Report:
    """All of it. seeds: how many there are; done: how many have `overlap` rows that stand."""

    rows: dict[str, int]
    writers: list[Writer]
    reviewers: list[Reviewer]
    lengths: list[Length]
    twins: list[Twin]
    alike: float
    seeds: int
    done: int
    guidelines: list[str]

    def tree(self) -> dict[str, Any]:
        """As plain values for JSON; what there is no number for is None."""
        tree: dict[str, Any] = cleaned(asdict(self))
        return tree


def report(writing: Writing) -> Report:
    """What is in the file now."""
    rows = writing.every()
    verdicts = standing_verdicts(writing.events())
    names = list(dict.fromkeys(row.writer for row in rows))
    standing = [row for row in rows if row.state in STANDS]
    reviewers = list(dict.fromkeys(event.person for event in verdicts))
    counts = Counter(row.seed for row in standing if row.seed)
    return Report(
        rows={state: sum(row.state == state for row in rows) for state in STATES},
        writers=[_writer(name, [row for row in rows if row.writer == name], verdicts) for name in names],
        reviewers=[Reviewer(name, _counted(event.kind for event in verdicts if event.person == name)) for name in reviewers],
        lengths=_lengths(writing, standing),
        twins=_twins(writing, standing),
        alike=writing.form.alike,
        seeds=writing._number("SELECT count(*) FROM seeds"),
        done=sum(count >= writing.overlap for count in counts.values()),
        guidelines=sorted({row.guide for row in rows}),
    )


def standing_verdicts(events: Sequence[Event]) -> list[Event]:
    """The verdicts that were not taken back."""
    undone = {(event.row, event.version - 1) for event in events if event.kind == "undone"}
    return [event for event in events if event.kind in VERDICTS and (event.row, event.version) not in undone]


def _writer(name: str, rows: Sequence[Row], verdicts: Sequence[Event]) -> Writer:
    ids = {row.id for row in rows}
    said = [event.kind != "sent back" for event in verdicts if event.row in ids]
    seconds = [row.seconds for row in rows if row.submitted]
    states: dict[str, int] = {state: sum(row.state == state for row in rows) for state in STATES}
    accepted = binomial_interval(sum(said), len(said))
    return Writer(name, states, median(seconds) if seconds else float("nan"), accepted, len(said))


def _counted(kinds: Iterable[str]) -> dict[str, int]:
    found = Counter(kinds)
    return {kind: found[kind] for kind in VERDICTS}


def _lengths(writing: Writing, rows: Sequence[Row]) -> list[Length]:
    found = []
    for field in writing.form.fields:
        sizes = [len(WORD.findall(field.plain(row.fields[field.name]))) for row in rows]
        if field.kind in TEXTS and (full := [size for size in sizes if size]):
            found.append(Length(field.name, min(full), median(full), max(full), sizes.count(0)))
    return found


def _twins(writing: Writing, rows: Sequence[Row]) -> list[Twin]:
    """For each row and column the text most like it among those begun before, where one is as much alike as the form says."""
    pools: dict[str, Pool] = {}
    found, seeds = [], {row.id: row.seed for row in rows}
    for row in rows:
        fixed = writing.fixed(row.seed) if row.seed else []
        for column, other in near(pools, writing.form, row.fields, (), fixed).items():
            text = writing.form[column].plain(row.fields[column])
            same = row.seed is not None and row.seed == seeds[other.row]
            found.append(Twin(row.id, other.row, column, other.score, same, text, other.text))
        put(pools, writing.form, row, fixed)
    return sorted(found, key=lambda twin: -twin.score)
