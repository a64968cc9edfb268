"""Length outliers: questions and answers far longer or shorter than others, and answers out of proportion to their question.

Modified z-score of the logarithm of letters (Iglewicz and Hoaglin 1993): 0.6745 (x - median) / MAD, an outlier beyond 3.5.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tunesmith.data.quality.findings.finding import Evaluation, Finding, Hit, Severity, Table
from tunesmith.data.quality.record import Record

NARROW = 0.25  # smallest spread of a logarithm: no length within 2.4 times the median is an outlier
QUANTILES = (0.0, 0.05, 0.5, 0.95, 0.99, 1.0)


@dataclass
class Lengths(Finding):
    """8 bytes a row.

    far: how many spreads from the median an outlier is.
    """

    title: ClassVar[str] = "Length outliers"
    looks_for: ClassVar[str] = (
        "questions, answers, and answers for their question, whose length in letters is far from the median: a modified "
        "z-score of its logarithm beyond 3.5 (Iglewicz and Hoaglin 1993). Answers to choose from are not looked at"
    )
    severity: ClassVar[Severity] = "note"

    far: float = 3.5

    def begin(self, records: Sequence[Record], evaluations: Sequence[Evaluation]) -> None:
        self.asked, self.said = array("i"), array("i")

    def look(self, record: Record) -> tuple[Hit, ...]:
        self.asked.append(len(record.input))
        self.said.append(-1 if record.choices else len(record.answer))
        return ()

    def end(self) -> Iterator[Hit]:
        asked, said = (np.frombuffer(letters, np.int32) for letters in (self.asked, self.said))
        told: dict[int, list[str]] = {}
        for number, times, middle in outliers(asked, self.far):
            told.setdefault(number, []).append(
                f"its question has {asked[number]:,} letters, {_times(times)} the median {middle:,.0f}"
            )
        for number, times, middle in outliers(said, self.far):
            told.setdefault(number, []).append(
                f"its answer has {said[number]:,} letters, {_times(times)} the median {middle:,.0f}"
            )
        both = (asked > 0) & (said > 0)
        ratio = np.where(both, said / np.maximum(asked, 1), 0)
        for number, times, _ in outliers(ratio, self.far):
            if number not in told:
                told[number] = [f"its answer is {_times(times)} as long for its question as others' are"]
        for number in sorted(told):
            yield Hit(number, "; ".join(told[number]))

    def table(self) -> Table | None:
        rows: list[tuple[str | int | float, ...]] = []
        for name, letters in (("question", self.asked), ("answer", self.said)):
            known = np.array([length for length in letters if length > 0])
            if len(known):
                rows.append((name, *(round(float(one)) for one in np.quantile(known, QUANTILES))))
        header = ("letters of", "shortest", "5 %", "median", "95 %", "99 %", "longest")
        return Table(header, tuple(rows)) if rows else None


def outliers(values: "NDArray[np.int32] | NDArray[np.float64]", far: float) -> Iterator[tuple[int, float, float]]:
    """(place, how many times the median it is, the median) of values far away; values up to nought are left out."""
    places = np.flatnonzero(values > 0)
    if len(places) < 20:
        return
    logs = np.log(values[places].astype(float))
    middle = float(np.median(logs))
    spread = max(float(np.median(np.abs(logs - middle))) / 0.6745, NARROW)
    for place in np.flatnonzero(np.abs(logs - middle) / spread > far).tolist():
        yield int(places[place]), float(np.exp(logs[place] - middle)), float(np.exp(middle))


def _times(times: float) -> str:
    return f"{times:,.0f} times" if times >= 10 else f"{times:.1f} times" if times >= 1 else f"1/{1 / times:,.0f} of"
