"""Contradictory labels: the same question with different answers."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tunesmith.data.quality.findings.finding import Evaluation, Finding, Hit, Severity
from tunesmith.data.quality.record import Record
from tunesmith.data.quality.similar import Groups
from tunesmith.data.quality.texts import digest, plain


@dataclass
class Contradictions(Finding):
    """17 bytes a row.

    words: longest answer, in words, that counts as a label. Free texts may answer one question in many ways.
    """

    title: ClassVar[str] = "Contradictory labels"
    looks_for: ClassVar[str] = (
        "rows that ask the same and answer otherwise, where answers are choices, a few words, or preferences turned round. "
        "Rows with a list of references are no fault"
    )
    severity: ClassVar[Severity] = "warning"

    words: int = 5

    def begin(self, records: Sequence[Record], evaluations: Sequence[Evaluation]) -> None:
        self.asked, self.said, self.turned = array("Q"), array("Q"), array("Q")
        self.labels = array("b")
        self.free = 0

    def look(self, record: Record) -> tuple[Hit, ...]:
        self.asked.append(record.asked)
        self.said.append(record.said)
        self.turned.append(digest_turned(record) if record.rejected else 0)
        short = record.choices or len(record.answer.split()) <= self.words
        asks = bool(record.plain_input) and not record.several
        self.labels.append(2 if asks and record.rejected else 1 if asks and short else 0)
        return ()

    def end(self) -> Iterator[Hit]:
        said = np.frombuffer(self.said, np.uint64)
        for members in Groups(np.frombuffer(self.asked, np.uint64)).several():
            if self.labels[members[0]] == 2:
                yield from self._turned(members)
            elif len(set(said[members].tolist())) > 1:
                if not all(self.labels[number] for number in members):
                    self.free += len(members)
                    continue
                for number in members:
                    other = next(one for one in members if said[one] != said[number])
                    yield Hit(number, "asks the same as {other}, and answers otherwise", other=other)

    def _turned(self, members: Sequence[int]) -> Iterator[Hit]:
        """Pairs of which one prefers what the other rejects."""
        by_said: dict[int, int] = {self.said[number]: number for number in reversed(members)}
        for number in members:
            other = by_said.get(self.turned[number])
            if other is not None and other != number:
                yield Hit(number, "prefers the answer that {other} rejects", other=other)

    def told(self) -> Sequence[str]:
        if not self.free:
            return ()
        return (f"{self.free} rows ask what others ask and answer in free text: several right answers, and no fault.",)


def digest_turned(record: Record) -> int:
    """The digest of a preference pair whose answers are exchanged."""
    return digest(plain(record.rejected), record.plain_answer)
