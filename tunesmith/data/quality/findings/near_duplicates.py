"""Near duplicates: rows that differ from an earlier row in little (MinHash, Broder 1997; verified by exact Jaccard indices)."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from tunesmith.data.quality.findings.finding import Evaluation, Finding, Hit, Severity
from tunesmith.data.quality.record import Record
from tunesmith.data.quality.similar import MARGIN, Groups, Sketches, candidates, estimates, jaccard_of, letter_runs


@dataclass
class NearDuplicates(Finding):
    """Some 220 bytes a row.

    threshold: Jaccard index of runs of five letters, from 0.3 to 1.
    """

    title: ClassVar[str] = "Near duplicates"
    looks_for: ClassVar[str] = (
        "rows of which an earlier one shares most runs of five letters (Jaccard index of question and answer); of a chain of "
        "such rows the first one stays. Exact duplicates are not counted again"
    )
    severity: ClassVar[Severity] = "warning"

    threshold: float = 0.8

    def __post_init__(self) -> None:
        Sketches(self.threshold)  # which says what thresholds there are

    def begin(self, records: Sequence[Record], evaluations: Sequence[Evaluation]) -> None:
        self.records = records
        self.sketches = Sketches(self.threshold)

    def look(self, record: Record) -> tuple[Hit, ...]:
        self.sketches.add(record.plain_whole)
        return ()

    def end(self) -> Iterator[Hit]:
        found = self.sketches.done()
        firsts = Groups(found.digests_N).firsts
        letters = lru_cache(maxsize=1 << 12)(lambda number: letter_runs(self.records[number].plain_whole))
        taken = np.zeros(len(firsts), bool)
        near: dict[int, tuple[int, float]] = {}
        for pairs_P2 in candidates(found.keys_NB[firsts]):
            pairs = pairs_P2[~taken[pairs_P2[:, 1]]]
            likely = estimates(found.low_NS[firsts[pairs[:, 0]]], found.low_NS[firsts[pairs[:, 1]]])
            for a, b in pairs[likely >= self.threshold - MARGIN].tolist():
                if taken[b]:
                    continue
                earlier, later = int(firsts[a]), int(firsts[b])
                index = jaccard_of(letters(earlier), letters(later))
                if index >= self.threshold:
                    taken[b] = True
                    near[later] = (earlier, index)
        for later in array("q", sorted(near)):
            earlier, index = near[later]
            yield Hit(later, f"near {{other}} (Jaccard index {index:.2f})", other=earlier)
