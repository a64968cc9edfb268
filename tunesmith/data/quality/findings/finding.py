"""The contract of a finding: one thing that may be wrong with rows, looked for in one pass over them.

A file of this folder holds one finding, and is known by its name. Its fields are settings, given as `name.setting=value`.
A finding from outside is named by its module: `my_lab.shouting`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from tunesmith.data.quality.record import Record

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Hit:
    """One row with which something is wrong.

    number: of the row.
    why:    what is wrong, in words that tell nothing personal. `{other}` stands for where another row stands.
    other:  number of the row that it is held against; -1: none.
    beside: (name of an evaluation set, number of the row there) that it is held against.
    at:     (`input`, `answer` or `rejected`; from letter; to letter) of what an excerpt should show.
    drops:  whether the row goes where rows of this finding are dropped.
    """

    number: int
    why: str
    other: int = -1
    beside: tuple[str, int] | None = None
    at: tuple[str, int, int] | None = None
    drops: bool = True


@dataclass(frozen=True)
class Evaluation:
    """Rows that a result is judged by, and that may therefore not be learnt from."""

    name: str
    records: Sequence[Record]


@dataclass(frozen=True)
class Table:
    """Figures in rows under a header."""

    header: tuple[str, ...]
    rows: tuple[tuple[str | int | float, ...], ...]


@dataclass
class Finding:
    """One thing to look for. `look` gets every record once, in order; what it takes all rows to know comes from `end`.

    title:     how a report calls it.
    looks_for: what it looks for and by which rule, in a sentence or two for the report.
    severity:  `error` (a result is worth less or nothing), `warning`, or `note` (good to know).
    dropped:   whether rows are left out of a cleaned file where nobody says otherwise.
    """

    title: ClassVar[str]
    looks_for: ClassVar[str]
    severity: ClassVar[Severity] = "warning"
    dropped: ClassVar[bool] = False

    def begin(self, records: Sequence[Record], evaluations: Sequence[Evaluation]) -> None:
        """Before the first row; a record may be asked for again later, at the price of making it anew."""

    def look(self, record: Record) -> Iterable[Hit]:
        """What is wrong with a row by itself."""
        return ()

    def end(self) -> Iterator[Hit]:
        """What is wrong with rows beside others."""
        yield from ()

    def told(self) -> Sequence[str]:
        """Sentences about all rows together, after `end`."""
        return ()

    def table(self) -> Table | None:
        """Figures of all rows together, after `end`."""
        return None
