"""Some runs beside one another: settings that differ, and scores with paired intervals where they answered the same."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tunesmith.comparison import words
from tunesmith.comparison.report import finite
from tunesmith.comparison.settings_apart import settings_apart
from tunesmith.comparison.table import Comparison, compare
from tunesmith.errors import UserError
from tunesmith.serving.studio.facts import Kept
from tunesmith.serving.studio.index import Entry

MOST = 12  # runs at once


@dataclass
class Comparing:
    """Compares runs, and remembers the last comparisons while the answers stay the same."""

    _kept: Kept[Any] = field(default_factory=lambda: Kept(32))

    def tree(self, entries: Sequence[Entry], task: str, baseline: str) -> dict[str, Any]:
        """What the page shows.

        baseline: id of the run that the others are held against; empty: the untuned one, or the first.

        Raises:
            UserError: no runs, or too many.
        """
        if not 1 <= len(entries) <= MOST:
            raise UserError(f"{len(entries)} runs are chosen", f"choose 2 to {MOST} in the list")
        runs = [entry.run for entry in entries]
        answered = [set(run.answered()) if (run.folder / "answers").is_dir() else set() for run in runs]
        tasks = sorted(set.intersection(*answered))
        made: dict[str, Any] = {
            "settings": [{"name": one.name, "values": one.values} for one in settings_apart(runs)],
            "tasks": tasks,
            "task": "",
            "told": "",
        }
        if len(runs) < 2:
            return {**made, "told": "Choose another run to hold this one against."}
        if not tasks:
            return {**made, "told": "There is no task that all of these runs have answered, so scores cannot be compared."}
        chosen = task if task in tasks else main_of(entries, tasks)
        stamp = [entry.run.folder.joinpath("answers", f"{chosen}.jsonl").stat().st_mtime_ns for entry in entries]
        key = (*(entry.id for entry in entries), chosen, baseline)
        try:
            return {**made, "task": chosen, **self._kept.get(key, stamp, lambda: scores(entries, chosen, baseline))}
        except (UserError, KeyError, ValueError) as error:
            return {**made, "task": chosen, "told": f"Their scores cannot be compared: {error}"}


def main_of(entries: Sequence[Entry], tasks: Sequence[str]) -> str:
    """The task that most of them were made for."""
    own = [entry.task for entry in entries if entry.task in tasks]
    return max(own, key=own.count) if own else tasks[0]


def scores(entries: Sequence[Entry], task: str, baseline: str) -> dict[str, Any]:
    """Every score with its interval, and every difference from the baseline with its test."""
    runs = [entry.run for entry in entries]
    first = compare(runs, task, draws=1000) if not baseline else None
    if first is None:
        place = next((place for place, entry in enumerate(entries) if entry.id == baseline), 0)
        ordered = [runs[place], *runs[:place], *runs[place + 1 :]]
        first = compare(ordered, task, base_name(ordered), draws=1000)
        names = [first.systems[(0 if i == place else i + 1 if i < place else i)].name for i in range(len(runs))]
    else:
        names = [system.name for system in first.systems]
    return {
        "baseline": entries[names.index(first.baseline)].id,
        "examples": len(first.rows),
        "left_out": first.left_out,
        "measures": [{"name": m.name, "label": words.label(m.name), "higher": m.higher_is_better} for m in first.measures],
        "scores": [_row(first, name) for name in names],
    }


def base_name(runs: Sequence[Any]) -> str:
    from tunesmith.comparison.system import systems

    return systems(runs)[0].name


def _row(made: Comparison, name: str) -> list[dict[str, Any]]:
    """A system's cells, one a metric."""
    cells = []
    for measure in made.measures:
        score, apart = made.scores[name][measure.name], made.difference(name, metric=measure.name)
        cell: dict[str, Any] = {"value": score.value, "low": score.low, "high": score.high}
        if apart is not None and name != made.baseline:
            better = (apart.value.value > 0) == measure.higher_is_better
            cell["apart"] = {
                "value": apart.value.value,
                "low": apart.value.low,
                "high": apart.value.high,
                "p": words.chance(apart.corrected),
                "test": apart.test,
                "told": ("better" if better else "worse") if apart.significant else "",
            }
        cells.append({key: finite(value) for key, value in cell.items()})
    return cells
