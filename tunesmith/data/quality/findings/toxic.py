"""Toxic rows: those with a word of a list; a list sees words and not what is meant by them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from tunesmith.data.quality.findings.finding import Evaluation, Finding, Hit, Severity, Table
from tunesmith.data.quality.record import Record
from tunesmith.data.quality.texts import words_of
from tunesmith.data.words import listed, word_of

CALLED = {"input": "question", "answer": "answer", "rejected": "rejected answer"}


@dataclass
class Toxic(Finding):
    """Nothing is kept of the rows.

    words: a list, one that ships or a file.
    """

    title: ClassVar[str] = "Toxic rows"
    looks_for: ClassVar[str] = (
        "questions and answers with a word of a list of rude ones; a quotation counts, and rudeness without rude words is not "
        "seen. The list has no words of hatred against groups: name one that has, `toxic.words=FILE`"
    )
    severity: ClassVar[Severity] = "warning"

    words: str = "toxic"

    def begin(self, records: Sequence[Record], evaluations: Sequence[Evaluation]) -> None:
        self.counts: Counter[str] = Counter()
        self.first = {words[0] for entry in listed(self.words) if (words := words_of(entry))}

    def look(self, record: Record) -> tuple[Hit, ...]:
        known = {"input": record.input_words, "answer": record.answer_words}
        likely = {
            part: text
            for part, text in record.texts()
            if not self.first.isdisjoint(known[part] if part in known else words_of(text))
        }
        found = {part: match for part, text in likely.items() if (match := word_of(self.words, text))}
        if not found:
            return ()
        self.counts.update(found.keys())
        said = " and ".join(CALLED[part] for part in found)
        part = "answer" if "answer" in found else next(iter(found))
        return (Hit(record.number, f"its {said} has a rude word", at=(part, *found[part].span())),)

    def table(self) -> Table | None:
        rows = tuple((CALLED[part], self.counts[part]) for part in CALLED if self.counts[part])
        return Table(("with a rude word", "rows"), rows) if rows else None
