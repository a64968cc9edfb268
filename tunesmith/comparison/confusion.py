"""Which labels were taken for which others."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from tunesmith.run import Run

MOST = 12  # labels beyond which a table says nothing at a glance
LETTERS = 30  # of a label
OTHER = "(something else)"


@dataclass(frozen=True)
class Confusion:
    """A table of answers: a row a label that was meant, a column an answer; `counts` is (meant, said) -> how many."""

    labels: tuple[str, ...]
    columns: tuple[str, ...]
    counts: Mapping[tuple[str, str], int]

    def rows(self) -> list[tuple[str, list[int]]]:
        """(label, how many times each column was said)"""
        return [(meant, [self.counts.get((meant, said), 0) for said in self.columns]) for meant in self.labels]


def confusion(pairs: Iterable[tuple[str, str]]) -> Confusion | None:
    """The table of (meant, said); None where it is not of a few labels."""
    given = list(pairs)
    labels = sorted({meant for meant, _ in given})
    short = all(len(label) <= LETTERS for label in labels)
    if not 1 < len(labels) <= MOST or not short or len(given) < 3 * len(labels):
        return None
    counts = Counter((meant, said.strip() if said.strip() in labels else OTHER) for meant, said in given)
    if 2 * sum(count for (_, said), count in counts.items() if said == OTHER) > len(given):  # numbers, or free speech
        return None
    columns = (*labels, *((OTHER,) if any(said == OTHER for _, said in counts) else ()))
    return Confusion(tuple(labels), columns, counts)


def tables(run: "Run") -> "list[Table]":
    """A rich table for every task of a run whose answers are a few labels."""
    from rich.table import Table

    made = []
    for task in run.answered():
        found = confusion((answer.target.strip(), answer.said) for answer in run.answers(task))
        if found is not None:
            table = Table("meant \\ said", title=task, title_justify="left")
            for column in found.columns:
                table.add_column(column, justify="right")
            for label, counts in found.rows():
                table.add_row(label, *map(str, counts))
            made.append(table)
    return made
