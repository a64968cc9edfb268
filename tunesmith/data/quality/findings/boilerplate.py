"""Boilerplate: answers that speak of the assistant instead of the matter, and answers that stand in many rows."""

import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from tunesmith.data.quality.findings.finding import Evaluation, Finding, Hit, Severity
from tunesmith.data.quality.record import Record
from tunesmith.data.quality.similar import Groups
from tunesmith.data.words import whole_lines

FEW = 20  # rows that tell whether all have one answer
ONE = 0.95  # of the rows


@dataclass
class Boilerplate(Finding):
    """8 bytes a row.

    phrases: a list of phrases, one that ships or a file.
    often:   rows from which an answer to different questions is said too often; and at least `share` of all rows.
    words:   shortest such answer.
    """

    title: ClassVar[str] = "Boilerplate answers"
    looks_for: ClassVar[str] = (
        "answers with a phrase such as “As an AI language model” or “I cannot fulfill”, and answers of four words or more that "
        "stand in ten rows or more, and in one of 200"
    )
    severity: ClassVar[Severity] = "warning"

    phrases: str = "boilerplate"
    often: int = 10
    share: float = 0.005
    words: int = 4

    def begin(self, records: Sequence[Record], evaluations: Sequence[Evaluation]) -> None:
        self.one = 0
        self.said = array("Q")
        self.long = array("b")

    def look(self, record: Record) -> tuple[Hit, ...]:
        self.said.append(record.said)
        self.long.append(not record.choices and len(record.answer.split()) >= self.words)
        text = record.answer.replace("’", "'")
        match = any_of(self.phrases).search(text)
        if match is None:
            return ()
        return (Hit(record.number, f"its answer says “{match[0]}”", at=("answer", *match.span())),)

    def end(self) -> Iterator[Hit]:
        least = max(self.often, self.share * len(self.said))
        for members in Groups(np.frombuffer(self.said, np.uint64)).several():
            if len(members) >= least and self.long[members[0]]:
                for number in members:
                    yield Hit(number, f"its answer stands in {len(members):,} rows")
            if len(members) >= max(FEW, ONE * len(self.said)):
                self.one = len(members)

    def told(self) -> Sequence[str]:
        if not self.one:
            return ()
        return (f"{self.one:,} of {len(self.said):,} rows have one and the same answer: there is little to learn from them.",)


@lru_cache(maxsize=8)
def any_of(phrases: str) -> re.Pattern[str]:
    """Any phrase of a list, in any case and with any white space between words."""
    parts = (r"\s+".join(map(re.escape, line.split())) for line in whole_lines(phrases))
    return re.compile(rf"(?<!\w)(?:{'|'.join(parts)})" if phrases else "", re.IGNORECASE)
