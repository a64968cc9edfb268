"""Empty answers: rows from which nothing would be learnt, or nothing but the end of an answer."""

import unicodedata
from dataclasses import dataclass
from typing import ClassVar

from tunesmith.data.quality.findings.finding import Finding, Hit, Severity
from tunesmith.data.quality.record import Record
from tunesmith.data.quality.texts import without_special_tokens
from tunesmith.data.words import whole_lines

CONTENT = "LMNS"  # letters, marks, numbers, signs; not punctuation, separators, controls


@dataclass
class Empty(Finding):
    """Nothing is kept of the rows."""

    title: ClassVar[str] = "Empty answers"
    looks_for: ClassVar[str] = (
        "answers without a letter, a figure or a sign beside punctuation, and answers that are nothing but a special token or "
        "a word for nothing (`n/a`, `<noinput>`, `null` ...)"
    )
    severity: ClassVar[Severity] = "error"
    dropped: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.blanks = frozenset(line.casefold() for line in whole_lines("blanks"))

    def look(self, record: Record) -> tuple[Hit, ...]:
        if not record.plain_answer:
            return (Hit(record.number, "its answer is empty: nothing would be learnt from it"),)
        if not without_special_tokens(record.answer).strip():
            return (Hit(record.number, "its answer is nothing but a special token", at=("answer", 0, len(record.answer))),)
        if not any(unicodedata.category(letter)[0] in CONTENT for letter in record.plain_answer) and not record.choices:
            return (Hit(record.number, "its answer is nothing but punctuation"),)
        if record.plain_answer in self.blanks and not record.choices:
            return (Hit(record.number, "its answer is a word for nothing", at=("answer", 0, len(record.answer))),)
        return ()
