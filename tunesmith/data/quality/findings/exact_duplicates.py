"""Exact duplicates: rows whose question and answer are those of an earlier row, but for case and white space."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tunesmith.data.quality.findings.finding import Evaluation, Finding, Hit, Severity
from tunesmith.data.quality.record import Record
from tunesmith.data.quality.similar import Groups
from tunesmith.data.quality.texts import digest


@dataclass
class ExactDuplicates(Finding):
    """8 bytes a row."""

    title: ClassVar[str] = "Exact duplicates"
    looks_for: ClassVar[str] = (
        "rows whose question and answer were there before, after NFKC, small letters and single spaces; the first one stays"
    )
    severity: ClassVar[Severity] = "warning"
    dropped: ClassVar[bool] = True

    def begin(self, records: Sequence[Record], evaluations: Sequence[Evaluation]) -> None:
        self.digests = array("Q")

    def look(self, record: Record) -> tuple[Hit, ...]:
        self.digests.append(digest(str(record.asked), str(record.said)))
        return ()

    def end(self) -> Iterator[Hit]:
        for first, *others in Groups(np.frombuffer(self.digests, np.uint64)).several():
            for other in others:
                yield Hit(other, "the same question and answer as {other}", other=first)
