"""Personal data: e-mail addresses, telephone, card and account numbers, addresses of machines, keys."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from tunesmith.data.quality.findings.finding import Evaluation, Finding, Hit, Severity, Table
from tunesmith.data.quality.personal import personal
from tunesmith.data.quality.record import Record


@dataclass
class PersonalData(Finding):
    """Nothing is kept of the rows."""

    title: ClassVar[str] = "Personal data"
    looks_for: ClassVar[str] = (
        "e-mail addresses, telephone numbers, card numbers (Luhn), account numbers (IBAN), US social security numbers, public "
        "IP addresses, keys and tokens; names and postal addresses are not found. Reports show what it is, and not what it says"
    )
    severity: ClassVar[Severity] = "warning"

    def begin(self, records: Sequence[Record], evaluations: Sequence[Evaluation]) -> None:
        self.found: Counter[str] = Counter()
        self.rows: Counter[str] = Counter()

    def look(self, record: Record) -> tuple[Hit, ...]:
        found = [(name, part, start, end) for part, text in record.texts() for name, start, end in personal(text)]
        if not found:
            return ()
        self.found.update(name for name, *_ in found)
        names = Counter(name for name, *_ in found)
        self.rows.update(names.keys())
        told = ", ".join(f"{count} × {name}" if count > 1 else name for name, count in names.items())
        _, part, start, end = found[0]
        return (Hit(record.number, f"has {told}", at=(part, start, end)),)

    def table(self) -> Table | None:
        rows = tuple((name, count, self.rows[name]) for name, count in self.found.most_common())
        return Table(("what", "found", "rows"), rows) if rows else None
