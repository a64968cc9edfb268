"""Representation: how evenly groups are named in rows, and in what company (Liang et al. 2022, HELM)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tunesmith.data.groups import apart, counted, lengths, small, small_groups, tokens
from tunesmith.data.quality.findings.finding import Evaluation, Finding, Hit, Severity, Table
from tunesmith.data.quality.record import Record

SHOWN = 5  # words that keep one-sided company
OFTEN = 20  # rows in which such a word must stand beside a group's words


@dataclass
class Representation(Finding):
    """Counts of the groups' words; no row is at fault.

    groups: lists of groups with their words: those that ship, or files.
    words:  a list of words whose company is looked at.
    """

    title: ClassVar[str] = "Representation of groups"
    looks_for: ClassVar[str] = (
        "how often words of groups occur, for the length of their list, and how far that is from equal shares (0: equal); and "
        "professions that stand mostly in rows that name one group. No row is at fault"
    )
    severity: ClassVar[Severity] = "note"

    groups: tuple[str, ...] = ("gender_words", "first_names", "last_names")
    words: str = "professions"

    def begin(self, records: Sequence[Record], evaluations: Sequence[Evaluation]) -> None:
        self.counts: dict[str, list[int]] = {groups: [0] * len(small_groups(groups)) for groups in self.groups}
        self.company: Counter[tuple[str, int]] = Counter()

    def look(self, record: Record) -> tuple[Hit, ...]:
        said = tokens(record.whole)
        for groups, counts in self.counts.items():
            for place, count in enumerate(counted(said, groups)):
                counts[place] += count
        first = [place for place, count in enumerate(counted(said, self.groups[0])) if count] if self.groups else []
        if len(first) == 1:
            self.company.update((word, first[0]) for word in said.keys() & small(self.words).keys())
        return ()

    def told(self) -> Sequence[str]:
        found = []
        for groups, counts in self.counts.items():
            if sum(counts):
                far = float(apart(np.array([counts], float), lengths(groups))[0])
                found.append(f"`{groups}`: {far:.2f} from equal shares.")
        if not self.groups:
            return found
        names = list(small_groups(self.groups[0]))
        sides = []
        for word in {word for word, _ in self.company}:
            beside = [self.company[word, place] for place in range(len(names))]
            if sum(beside) >= OFTEN and max(beside) >= 0.8 * sum(beside):
                sides.append((sum(beside), f"{word} ({max(beside) / sum(beside):.0%} {names[int(np.argmax(beside))]})"))
        if sides:
            found.append(
                f"Mostly beside words of one group: {', '.join(told for _, told in sorted(sides, reverse=True)[:SHOWN])}."
            )
        return found

    def table(self) -> Table | None:
        rows = [
            (groups, group, count)
            for groups, counts in self.counts.items()
            for group, count in zip(small_groups(groups), counts, strict=True)
        ]
        return Table(("list", "group", "words found"), tuple(rows)) if any(count for *_, count in rows) else None
