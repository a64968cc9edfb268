"""What is wrong with rows before they are learnt from. Command: `tunesmith data check`."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith import registry, settings
from tunesmith.data.faults import BadRows
from tunesmith.data.formats import Row
from tunesmith.data.quality.examine import Checked, Kept, evaluation_of, examine
from tunesmith.data.quality.findings.finding import Evaluation, Finding
from tunesmith.data.quality.places import Place, places_of
from tunesmith.data.quality.record import Record, record_of
from tunesmith.data.rows import Chosen, Joined, Lazy
from tunesmith.data.sources import FileSource
from tunesmith.data.template import Template
from tunesmith.errors import UserError, did_you_mean
from tunesmith.tasks.examples import told_bad
from tunesmith.tasks.own import bad_rows_of, lenient, name_of, task_from, tasks_from
from tunesmith.tasks.task import Task
from tunesmith.training.progress import Reporter

if TYPE_CHECKING:
    from tunesmith.recipe import Recipe

CHECKS = Path("checks")
FINDINGS = "tunesmith.data.quality.findings"
EVALUATED = ("validation", "test")
RECIPE = ("tasks", "systems", "judged_by", "stages")  # keys of which a recipe has one, and a file of a task none


def check_data(
    data: str | Path,
    *,
    against: Sequence[str] = (),
    template: str | None = None,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    drop: Sequence[str] | None = None,
    clean: str | Path | None = None,
    into: str | Path | None = None,
    overrides: Sequence[str] = (),
    mask: bool = True,
    quiet: bool = True,
) -> Checked:
    """Look for what is wrong with rows: a page, a tree (`.tree()`), and, where asked, a cleaned file.

    Args:
        data:      a task, a file, a folder or a data set of the hub, whose training rows are checked (of rows without splits
                   all); or a recipe, whose training rows are held against all that it is judged by.
        against:   further tasks and files whose rows must not be learnt from. Splits for validation and test that the data has
                   beside its training rows are held against it without being named.
        template:  how a row becomes a question and an answer, as of `tunesmith show`.
        only:      names of the findings to look for; empty: all.
        skip:      names of findings that are left out.
        drop:      names of the findings whose rows the cleaned file leaves out; None: those that say so themselves.
        clean:     where the rows that stay are written, as JSON lines with their own columns; those left out go beside it into
                   `NAME.dropped.jsonl`, with the reasons. None: nothing is written, and the report says what would be left out.
        into:      folder of the page and its JSON; `checks/NAME` where None.
        overrides: `near_duplicates.threshold=0.9` ..., and what is done with rows that cannot be used: `bad_rows.do=skip` ...
        mask:      keep personal data out of the reports.

    Raises:
        UserError: for data that is not there or does not fit its wording, and for what is misspelt.
    """
    from tunesmith.comparison.quality_page import write_report

    bad, overrides = bad_rows_in(overrides)
    findings, dropping = chosen(only, skip, drop, overrides)
    if clean is not None:
        refuse_target(Path(clean), str(data))
    with Reporter("check", quiet) as reporter:
        work = work_of(str(data), against, template, bad)
        for line in work.left_out:
            reporter.say(line)
        found = examine(work.records, findings, work.evaluations, dropping, reporter.count)
        checked = Checked(work.name, work.records, work.evaluations, found, work.place, work.beside, mask)
        if clean is not None:
            checked = replace(checked, clean=write_clean(checked, work.rows, Path(clean)))
        page = write_report(checked, Path(into or CHECKS / name_of(str(data)).replace("/", "-")))
    return replace(checked, page=page)


def bad_rows_in(overrides: Sequence[str]) -> tuple[BadRows, list[str]]:
    """What settings say of bad rows, and the settings that say something else."""
    mine = [one for one in overrides if one.partition("=")[0].strip().split(".")[0] == "bad_rows"]
    tree = settings.override({}, mine).get("bad_rows")
    return bad_rows_of(tree), [one for one in overrides if one not in mine]


def chosen(
    only: Sequence[str], skip: Sequence[str], drop: Sequence[str] | None, overrides: Sequence[str]
) -> tuple[dict[str, Finding], Collection[str]]:
    """The findings to look for, and the names of those whose rows go."""
    known = registry.names(FINDINGS)
    for name in (*only, *skip, *(drop or ())):
        if name not in known and "." not in name:
            raise UserError(f"there is no finding `{name}`", did_you_mean(name, known))
    names = [name for name in dict.fromkeys(only or known) if name not in skip]
    tree: dict[str, Any] = settings.override({}, overrides)
    for name in tree:
        if name not in names:
            raise UserError(f"`{name}` is no finding that is looked for", did_you_mean(name, names))
    made = {name: settings.plugin({"kind": name, **tree.get(name, {})}, FINDINGS, Finding, name) for name in names}
    if drop is None:
        return made, {name for name, finding in made.items() if finding.dropped}
    unheard = [name for name in drop if name not in made]
    if unheard:
        raise UserError(f"rows of `{unheard[0]}` are to be dropped, and it is not looked for", "leave it out of `drop`")
    return made, set(drop)


@dataclass(frozen=True)
class Work:
    """What is checked against what.

    rows:   the rows as they were read, in the order of the records.
    place:  where a record stands, by its number among those kept.
    beside: where a row of an evaluation set stands, by the set's name.
    left_out: a line a task on rows that cannot be used.
    """

    name: str
    rows: Sequence[Row]
    records: Kept
    place: Callable[[int], Place]
    evaluations: tuple[Evaluation, ...]
    beside: Callable[[str, int], Place]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """Rows of one task, or of one split of it."""

    name: str
    task: Task
    rows: Sequence[Row]
    limit: int | None = None

    def records(self) -> "Records":
        return Records(self.task, self.rows, self.name)

    def place(self) -> Callable[[int], Place]:
        return places_of(self.task.source, self.rows, self.name)


class Records(Lazy[Record]):
    """The records of a task's rows, made when they are asked for."""

    def __init__(self, task: Task, rows: Sequence[Row], name: str) -> None:
        self.task, self.rows, self.name = task, rows, name
        self.template: Template = task.templates[0]

    def __len__(self) -> int:
        return len(self.rows)

    def item(self, place: int) -> Record:
        return self._made(place, self.rows[place])

    def __iter__(self) -> Iterator[Record]:
        return (self._made(place, row) for place, row in enumerate(self.rows))

    def _made(self, place: int, row: Row) -> Record:
        try:
            return record_of(place, self.template, row, self.template.apply(row))
        except UserError as error:
            where = places_of(self.task.source, self.rows, self.name)(place)
            raise UserError(f"{where}: {error.problem}", error.hint) from None


class Renumbered(Lazy[Record]):
    """Records of several tasks, one after another, numbered through."""

    def __init__(self, parts: Sequence[Sequence[Record]]) -> None:
        self.joined = Joined(parts)

    def __len__(self) -> int:
        return len(self.joined)

    def item(self, place: int) -> Record:
        return replace(self.joined[place], number=place)

    def __iter__(self) -> Iterator[Record]:
        return (replace(record, number=number) for number, record in enumerate(self.joined))


def work_of(data: str, against: Sequence[str], template: str | None, bad: BadRows = BadRows()) -> Work:
    """The rows to check, and the evaluation sets to hold them against."""
    if is_recipe(data):
        if template is not None:
            raise UserError("a recipe and `--template` are given", "the recipe's tasks have their own templates")
        learnt, judged = of_recipe(data)
    else:
        learnt, judged = of_data(data, template, bad)
    judged = [*judged, *(part for name in against for part in evaluated(name, template, bad))]
    named = {part.name: part for part in judged}
    for part in judged:
        for mine in learnt:
            if part.rows is mine.rows or (len(part.rows) and part.rows == mine.rows):
                raise UserError(f"`{part.name}` is held against itself", "name another set of rows under `--against`")
    limited = [Chosen(part.rows, range(len(part.rows))[: part.limit]) if part.limit else part.rows for part in learnt]
    learnt = [replace(part, rows=rows) for part, rows in zip(learnt, limited, strict=True)]
    whole: Joined[Row] = Joined(part.rows for part in learnt)
    records = Kept(Renumbered([part.records() for part in learnt]))
    evaluations = tuple(evaluation_of(name, part.records(), part.limit) for name, part in named.items())
    by_name = {one.name: one for one in evaluations}
    places = [part.place() for part in learnt]

    def place(number: int) -> Place:
        number = records.numbers[number]
        held, at = whole.at(number)
        return places[next(n for n, part in enumerate(whole.parts) if part is held)](at)

    def beside(name: str, number: int) -> Place:
        kept = by_name[name].records
        assert isinstance(kept, Kept)
        return named[name].place()(kept.numbers[number])

    left_out = tuple(told_bad([part.task for part in (*learnt, *judged)]).values())
    return Work(data, whole, records, place, evaluations, beside, left_out)


def is_recipe(data: str) -> bool:
    """Whether a name is that of a file with a recipe in it."""
    path = Path(data).expanduser()
    return path.suffix in (".yaml", ".yml") and path.is_file() and any(key in settings.load(path) for key in RECIPE)


def of_data(data: str, template: str | None, bad: BadRows = BadRows()) -> tuple[list[Part], list[Part]]:
    """The training rows of a task or of a person's data, and the rows for validation and test that it has itself."""
    task = task_from(lenient({"data": data, "template": template} if template else data, bad))
    if not isinstance(task.source, FileSource):
        splits = task.source.splits()
        if "train" not in splits:
            raise UserError(
                f"`{data}` has no rows to learn from, only: {', '.join(splits)}",
                "name it under `--against`, beside rows to check",
            )
        held_out = [Part(f"{data} {split}", task, held(task, split)) for split in EVALUATED if split in splits]
        return [Part(f"{data} train", task, held(task, "train"))], held_out
    found = task.source.found()
    loose = [found[split] for split in ("", "train") if split in found]
    if not loose:
        return [Part(data, task, Joined(found.values()))], []
    called = name_of(data)
    return [Part(data, task, Joined(loose))], [
        Part(f"{called} {split}", task, found[split]) for split in EVALUATED if split in found
    ]


def evaluated(name: str, template: str | None = None, bad: BadRows = BadRows()) -> list[Part]:
    """The rows of a task, a family of tasks or a file that judge: for validation and test, or all where there are no splits."""
    parts = []
    for task in tasks_from(lenient(name, bad)):
        if isinstance(task.source, FileSource):
            found = task.source.found()
            splits = {split: found[split] for split in EVALUATED if split in found} or {"": Joined(found.values())}
        else:
            splits = {split: held(task, split) for split in EVALUATED if split in task.source.splits()}
        called = name_of(name) if isinstance(task.source, FileSource) else task.name
        parts += [Part(f"{called} {split}".strip(), task, rows) for split, rows in splits.items()]
    if not parts:
        raise UserError(f"`{name}` has no rows for validation or test", "name another task or file under `--against`")
    return parts


def of_recipe(data: str) -> tuple[list[Part], list[Part]]:
    """What a recipe learns from, and all that it is judged by: validation, test, and what tells of forgetting."""
    from tunesmith.work import prepared

    learnt: dict[str, Part] = {}
    judged: dict[str, Part] = {}
    for recipe in recipes_in(settings.load(Path(data).expanduser())):
        work = prepared(recipe)
        for task in (*work.learnt, *work.replayed):
            learnt.setdefault(task.name, Part(f"{task.name} train", task, held(task, "train"), recipe.limit.train))
        for split, tasks, limit in (
            ("validation", work.learnt, recipe.limit.validation),
            ("test", work.judged, recipe.limit.test),
            ("test", work.forgetting, recipe.limit.forgetting),
        ):
            for task in tasks:
                if split in task.source.splits():
                    name = f"{task.name} {split}"
                    judged.setdefault(name, Part(name, task, held(task, split), limit))
    if not learnt:
        raise UserError(f"`{data}` learns from nothing", "name a recipe with `tasks`")
    return list(learnt.values()), list(judged.values())


def recipes_in(tree: settings.Tree) -> "list[Recipe]":
    """The recipes of a file that learn: of a comparison one, of stages each but those that learn from what another writes."""
    from tunesmith import stages
    from tunesmith.recipe import Recipe
    from tunesmith.showing import recipe_shown

    if "stages" not in tree:
        return [recipe_shown(tree)[0]]
    into = Path("runs") / str(tree.get("name", "run"))
    made = stages.recipes({key: value for key, value in tree.items() if key not in ("systems", "baseline")}, into)
    found = [recipe for recipe in made.values() if isinstance(recipe, Recipe)]
    if tree.get("systems"):
        found.append(recipe_shown(stages.without_stages(tree, into))[0])
    return [recipe for recipe in found if not any(Path(name).is_relative_to(into) for name in recipe.tasks)]


def held(task: Task, split: str) -> Sequence[Row]:
    """The rows of a split, to be asked for in any order."""
    rows: Sequence[Row] = task.source.held(split) if hasattr(task.source, "held") else list(task.source.rows(split))
    return rows


def dropped_beside(clean: Path) -> Path:
    """The file of the rows that are left out of a cleaned one."""
    return clean.with_name(f"{clean.name.removesuffix('.jsonl')}.dropped.jsonl")


def refuse_target(clean: Path, data: str) -> None:
    """A cleaned file is a new one."""
    if clean.suffix != ".jsonl":
        raise UserError(f"`--clean {clean}` is not the name of a file of JSON lines", f"write `{clean.with_suffix('.jsonl')}`")
    if is_recipe(data):
        raise UserError("the rows of a recipe are of several tasks", "clean the file of each task: `tunesmith data check FILE`")
    for path in (clean, dropped_beside(clean)):
        if path.exists():
            raise UserError(f"`{path}` is there already", "name a new file, or remove this one")


def write_clean(checked: Checked, rows: Sequence[Row], clean: Path) -> Path:
    """Write the rows that stay, and beside them those that are left out with the reasons; both or none.

    Rows of which the wording makes nothing stay.
    """
    numbers = {checked.records.numbers[number]: number for number in checked.dropped}
    beside = dropped_beside(clean)
    clean.parent.mkdir(parents=True, exist_ok=True)
    halves = [path.with_name(f"{path.name}.part") for path in (clean, beside)]
    try:
        with halves[0].open("w", encoding="utf-8") as staying, halves[1].open("w", encoding="utf-8") as leaving:
            for place, row in enumerate(rows):
                if place not in numbers:
                    staying.write(f"{as_line(row)}\n")
                    continue
                number = numbers[place]
                reasons = [{"finding": name, "why": why} for name, why in checked.dropped[number]]
                leaving.write(f"{as_line({'place': str(checked.place(number)), 'reasons': reasons, 'row': row})}\n")
        for half, path in zip(halves, (clean, beside), strict=True):
            half.replace(path)
    finally:
        for half in halves:
            half.unlink(missing_ok=True)
    return clean


def as_line(row: Mapping[str, Any]) -> str:
    return json.dumps(dict(row), ensure_ascii=False, default=str)
