"""Special tokens spelled out: texts with `<|endoftext|>`, `</s>`, `[INST]` ... in them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from tunesmith.data.quality.findings.finding import Evaluation, Finding, Hit, Severity, Table
from tunesmith.data.quality.record import Record
from tunesmith.data.quality.texts import SPECIAL


@dataclass
class SpecialTokens(Finding):
    """Nothing is kept of the rows."""

    title: ClassVar[str] = "Special tokens spelled out"
    looks_for: ClassVar[str] = (
        "what tokenizers take for a special token, in a text: left over from a rendering, it ends an answer too early, is "
        "learnt as letters, or stands twice once the wording adds its own"
    )
    severity: ClassVar[Severity] = "warning"

    def begin(self, records: Sequence[Record], evaluations: Sequence[Evaluation]) -> None:
        self.rows: Counter[str] = Counter()

    def look(self, record: Record) -> tuple[Hit, ...]:
        found = [(part, match) for part, text in record.texts() for match in SPECIAL.finditer(text)]
        if not found:
            return ()
        self.rows.update({match[0] for _, match in found})
        part, first = found[0]
        return (Hit(record.number, f"has `{first[0]}` in its text", at=(part, *first.span())),)

    def table(self) -> Table | None:
        return Table(("token", "rows"), tuple(self.rows.most_common(12))) if self.rows else None
