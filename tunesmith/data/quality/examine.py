"""One pass over rows with all that may be looked for: what was found, and which rows a cleaned file leaves out."""

from array import array
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from tunesmith.data.quality.findings.finding import Evaluation, Finding, Hit, Severity, Table
from tunesmith.data.quality.personal import masked, personal
from tunesmith.data.quality.places import Place
from tunesmith.data.quality.record import Record
from tunesmith.data.rows import Lazy

Tell = Callable[[str, int, int], None]
EVERY = 500  # rows between two words on progress
AROUND = 70  # letters before and after what an excerpt shows
LONGEST = 220  # letters of an excerpt
ORDER: Sequence[Severity] = ("error", "warning", "note")
CALLED = {"input": "question", "answer": "answer", "rejected": "rejected"}


class Kept(Lazy[Record]):
    """The records that a wording makes something of, numbered anew; 8 bytes each, and a record is made when it is asked for."""

    def __init__(self, records: Sequence[Record], limit: int | None = None) -> None:
        self.records = records
        self.limit = limit
        self.numbers = array("q")
        self.left_out = 0

    def passing(self) -> Iterator[Record]:
        """Every record, once, in order; afterwards they can be asked for."""
        for record in self.records:
            if self.limit is not None and len(self.numbers) >= self.limit:
                return
            if record.left_out:
                self.left_out += 1
                continue
            self.numbers.append(record.number)
            yield replace(record, number=len(self.numbers) - 1)

    def __len__(self) -> int:
        return len(self.numbers)

    def item(self, place: int) -> Record:
        return replace(self.records[self.numbers[place]], number=place)


def evaluation_of(name: str, records: Sequence[Record], limit: int | None = None) -> Evaluation:
    """An evaluation set of the rows that a wording makes something of."""
    kept = Kept(records, limit)
    for _ in kept.passing():
        pass
    return Evaluation(name, kept)


@dataclass(frozen=True)
class Found:
    """What one finding found.

    drops: whether a cleaned file leaves its rows out.
    hits:  by row.
    """

    name: str
    title: str
    looks_for: str
    severity: Severity
    drops: bool
    hits: tuple[Hit, ...]
    told: tuple[str, ...] = ()
    table: Table | None = None

    @cached_property
    def rows(self) -> int:
        """How many rows it names."""
        return len({hit.number for hit in self.hits})

    @cached_property
    def sure(self) -> int:
        """How many of them are plainly at fault: those that would go where the finding's rows are dropped."""
        return len({hit.number for hit in self.hits if hit.drops})

    @property
    def dropped(self) -> int:
        """How many of them a cleaned file leaves out."""
        return self.sure if self.drops else 0


@dataclass(frozen=True)
class Checked:
    """What is wrong with some rows.

    data:        how the rows were named.
    records:     the rows that were looked at.
    evaluations: name and rows of each evaluation set that they were held against.
    found:       by severity.
    place:       where a row stands, by its number.
    beside:      where a row of an evaluation set stands.
    mask:        whether personal data is kept out of excerpts.
    page:        the page that shows it, once it is written.
    clean:       the cleaned file, once it is written.
    """

    data: str
    records: Kept
    evaluations: tuple[Evaluation, ...]
    found: tuple[Found, ...]
    place: Callable[[int], Place]
    beside: Callable[[str, int], Place]
    mask: bool = True
    page: Path | None = None
    clean: Path | None = None

    @cached_property
    def dropped(self) -> dict[int, list[tuple[str, str]]]:
        """(finding, why) of each row that a cleaned file leaves out, by its number."""
        reasons: dict[int, list[tuple[str, str]]] = {}
        for found in self.found:
            for hit in found.hits if found.drops else ():
                if hit.drops:
                    reasons.setdefault(hit.number, []).append((found.name, self.why(hit)))
        return dict(sorted(reasons.items()))

    def why(self, hit: Hit) -> str:
        """What is wrong with a row, with the places of rows that it is held against."""
        told = hit.why
        if hit.other >= 0:
            told = told.replace("{other}", str(self.place(hit.other)))
        if hit.beside is not None:
            told = told.replace("{beside}", str(self.beside(*hit.beside)))
        return told

    def excerpt(self, number: int, at: tuple[str, int, int] | None = None) -> str:
        """Some of a row for a person to see, personal data replaced by its kind."""
        record = self.records[number]
        if at is not None:
            part, start, end = at
            text = getattr(record, part)
            begin, until = max(0, start - AROUND), min(len(text), end + AROUND)
            shown = self._masked(text, begin, until)
            return f"{CALLED[part]}: {'… ' if begin else ''}{shown}{' …' if until < len(text) else ''}"
        parts = [f"{CALLED[name]}: {self._masked(text, 0, LONGEST)}{_more(text)}" for name, text in record.texts()]
        return "  ".join(parts)

    def _masked(self, text: str, begin: int, end: int) -> str:
        """Letters of a text; personal data that they touch is replaced as a whole."""
        found = [one for one in personal(text) if one[1] < end and one[2] > begin] if self.mask else []
        begin = min([begin, *(start for _, start, _ in found)])
        end = max([end, *(until for _, _, until in found)])
        return " ".join(masked(text[begin:end]).split() if self.mask else text[begin:end].split())

    def tree(self, examples: int | None = None) -> dict[str, Any]:
        """All of it as JSON holds it; `examples`: most rows of each finding that are shown, None: all that were found."""
        return {
            "data": self.data,
            "rows": len(self.records),
            "left_out_by_the_wording": self.records.left_out,
            "evaluations": [{"name": one.name, "rows": len(one.records)} for one in self.evaluations],
            "dropped": len(self.dropped),
            "findings": [self._tree_of(found, examples) for found in self.found],
        }

    def _tree_of(self, found: Found, examples: int | None) -> dict[str, Any]:
        return {
            "name": found.name,
            "title": found.title,
            "severity": found.severity,
            "rows": found.rows,
            "drops": found.drops,
            "dropped": found.dropped,
            "told": list(found.told),
            "table": None
            if found.table is None
            else [dict(zip(found.table.header, row, strict=True)) for row in found.table.rows],
            "hits": [
                {
                    "row": hit.number + 1,
                    "place": str(self.place(hit.number)),
                    "id": self.records[hit.number].id,
                    "why": self.why(hit),
                    "excerpt": self.excerpt(hit.number, hit.at),
                    "dropped": found.drops and hit.drops,
                }
                for hit in found.hits[:examples]
            ],
        }


def _more(text: str) -> str:
    return " …" if len(text) > LONGEST else ""


def examine(
    records: Kept,
    findings: Mapping[str, Finding],
    evaluations: Sequence[Evaluation] = (),
    drop: Collection[str] = (),
    tell: Tell | None = None,
) -> tuple[Found, ...]:
    """What the findings find, in one pass over the records; by severity, then in their order.

    drop: names of the findings whose rows a cleaned file leaves out.
    """
    hits: dict[str, list[Hit]] = {name: [] for name in findings}
    for finding in findings.values():
        finding.begin(records, evaluations)
    total = len(records.records) if records.limit is None else min(records.limit, len(records.records))
    for record in records.passing():
        for name, finding in findings.items():
            hits[name].extend(finding.look(record))
        if tell is not None and record.number % EVERY == EVERY - 1:
            tell("reading rows", record.number + records.left_out, total)
    if tell is not None:
        tell("reading rows", total, total)
    for number, (name, finding) in enumerate(findings.items(), start=1):
        hits[name].extend(finding.end())
        if tell is not None:
            tell("holding rows against each other", number, len(findings))
    found = [
        Found(
            name,
            finding.title,
            finding.looks_for,
            finding.severity,
            name in drop,
            tuple(sorted(hits[name], key=lambda hit: hit.number)),
            tuple(finding.told()),
            finding.table(),
        )
        for name, finding in findings.items()
    ]
    return tuple(sorted(found, key=lambda one: ORDER.index(one.severity)))
