"""Rows that stand in two clusters: what judges a cluster, and is nearly among what is learnt from instead of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from tunesmith.comparison.left_out import Unit
from tunesmith.data.quality.similar import near_duplicates
from tunesmith.tasks.task import Row, Task

Text = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Overlap:
    """Judged rows of one task that are nearly rows that are learnt from, of one task of another cluster.

    rows:    judged rows with a near duplicate; `asked`: of how many.
    nearest: the highest Jaccard index, and the two texts.
    """

    cluster: str
    judged: str
    learnt: str
    rows: int
    asked: int
    nearest: float
    texts: tuple[str, str]


def overlaps(
    units: Sequence[Unit], tasks: Mapping[str, Task], train: int | None, test: int | None, threshold: float
) -> list[Overlap]:
    """Near duplicates between the rows that judge each unit and those that are learnt from when it is left out.

    Args:
        tasks: by the names that the units have for them.
        train, test: most rows of each task that are learnt from, and that judge.
    """
    judged = {key: dict(texts(tasks[key], "test", test)) for unit in units for key in unit.judged}
    learnt = {key: dict(texts(tasks[key], "train", train)) for unit in units for key in unit.learnt}
    unit_of = {key: unit for unit in units for key in unit.judged}
    met: dict[tuple[str, str], dict[str, tuple[float, str]]] = {}
    for left, right, nearness in near_duplicates(_flat(judged), _flat(learnt), threshold):
        (asked, row), (other, theirs) = left.split("\0"), right.split("\0")
        if other in unit_of[asked].learnt:
            best = met.setdefault((asked, other), {})
            best[row] = max(best.get(row, (0.0, "")), (nearness, theirs))
    found = []
    for (asked, other), rows in met.items():
        row, (nearest, theirs) = max(rows.items(), key=lambda item: item[1])
        both = judged[asked][row], learnt[other][theirs]
        names = unit_of[asked].cluster, tasks[asked].name, tasks[other].name
        found.append(Overlap(*names, len(rows), len(judged[asked]), nearest, both))
    return sorted(found, key=lambda one: -one.rows / one.asked)


def _flat(by_task: Mapping[str, Mapping[str, str]]) -> list[Text]:
    return [(f"{key}\0{row}", text) for key, rows in by_task.items() for row, text in rows.items()]


def texts(task: Task, split: str, limit: int | None) -> Iterator[Text]:
    """(number, words) of the rows of a split: without the wording, which differs between tasks that share a row."""
    if split in task.source.splits():
        for number, row in enumerate(islice(task.source.rows(split), limit)):
            if said := words_of(task, row):
                yield str(number), said


def words_of(task: Task, row: Row) -> str:
    """The columns that a task's prompt reads; of a row that is put in words already, its prompt."""
    wording = task.templates[0]
    columns = wording.in_row(sorted(wording.prompt_columns), row)
    found = [row[column] for column in columns if isinstance(row.get(column), str)]
    if found:
        return "\n".join(found)
    example = wording.apply(row)
    return "\n".join(message.content for message in example.messages) or example.target
