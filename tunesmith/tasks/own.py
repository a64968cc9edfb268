"""A person's own data becomes a task: a file, a folder or a data set of the hub, put by a wording, judged by its shape."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import Field

from tunesmith import registry, settings
from tunesmith.data import standard_input
from tunesmith.data.faults import BadRows, Fault
from tunesmith.data.formats import SUFFIXES, Row
from tunesmith.data.jinja import halves
from tunesmith.data.natural_instructions import WORDINGS, tasks_in
from tunesmith.data.rows import Joined
from tunesmith.data.shapes import Shape, recognise
from tunesmith.data.sources import FileSource, source_of
from tunesmith.data.template import load_templates, others
from tunesmith.data.usable import needs_of, sifted
from tunesmith.errors import UserError, did_you_mean
from tunesmith.tasks.examples import OwnTask
from tunesmith.tasks.fitting import (
    DEFAULTS,
    SEEN,
    keyed,
    leading,
    left_empty,
    refuse_odd,
    seen_examples,
    shape_of,
    tokens_for,
    with_choices,
)
from tunesmith.tasks.members import asked, family_called
from tunesmith.tasks.task import Task, ranked
from tunesmith.tasks.written import HOW, asked_as, changed, is_written, metrics_of, templates_of, texts_of, tree_of

TASKS = "tunesmith.tasks"


@dataclass(frozen=True)
class Simple:
    """Settings of a task that are used as they are, for their types alone."""

    name: str | None = None
    cluster: str | None = None
    ask: str | None = None
    tokens: Annotated[int, Field(gt=0)] | None = None
    limit: Annotated[int, Field(gt=0)] | Mapping[str, Annotated[int, Field(gt=0)]] | None = None
    splits: Mapping[str, str | Sequence[str]] | None = None
    columns: Sequence[str] = ()
    cut_text: str | int = ""
    seed: int = 0
    choices: str | None = None
    layout: str | None = None
    folder: str | None = None


SETTINGS = ("data", "template", "metrics", "texts", "bad_rows", *(field.name for field in fields(Simple)), *HOW)


def refuse_mistyped(tree: Mapping[str, Any]) -> None:
    """Every setting of another type than `Simple` says, with file and line."""
    simple = {field.name for field in fields(Simple)}
    settings.build(Simple, {name: value for name, value in tree.items() if name in simple})


def task_from(setting: str | Mapping[str, Any]) -> Task:
    """The task that a recipe names: `glue/sst2`, `my.csv`, `owner/dataset`, `my-task.yaml`, or a mapping with `data`.

    Keys of a mapping: `data` (a name as above), and those of `SETTINGS`, told by `own_task`. Of a registered task `template`,
    `metrics`, `cluster`, `name`, `ask`, `tokens`, `limit`, `texts` and those of `HOW` may be changed, and of a published
    benchmark `folder`, in which its files are looked for. A file of a task has these keys too (`tasks/written.py`).
    """
    if isinstance(setting, str):
        return find_task(setting)
    tree = dict(setting)
    if is_written(str(tree.get("data"))):
        file = str(tree.pop("data"))
        try:
            return task_from({**tree_of(file), **tree})
        except UserError as error:
            told = error.problem if file in error.problem else f"`{file}`: {error.problem}"
            raise UserError(told, error.hint) from None
    for name in tree:
        if name not in SETTINGS:
            raise UserError(f"a task has no setting `{name}`", did_you_mean(str(name), SETTINGS))
    refuse_mistyped(tree)
    data = tree.pop("data", None) or tree.pop("name", None)
    if not isinstance(data, str):
        raise UserError("a task's `data` is missing", "name a task, a file, a folder or a data set of the hub")
    if is_registered(data):
        if isinstance(tree.get("bad_rows"), BadRows):  # of the whole recipe
            del tree["bad_rows"]
        return changed(registry.find_value(data, TASKS, Task), tree)
    how = {name: tree.pop(name) for name in HOW if name in tree}
    return asked_as(own_task(data, **tree), how)


def tasks_from(setting: str | Mapping[str, Any]) -> list[Task]:
    """As `task_from`, but the name of a family, such as `mmlu`, means its members that have rows here.

    A folder with files of Super-NaturalInstructions is a family too.
    """
    data = setting if isinstance(setting, str) else setting.get("data")
    if isinstance(data, str) and (files := members(data)):
        return [task_from(file if setting == data else {**dict(setting), "data": file}) for file in files]  # type: ignore[arg-type]
    family = family_called(data) if isinstance(data, str) else None
    if family is None:
        return registry.find_values(data, TASKS, Task) if setting == data and is_registered(data) else [task_from(setting)]
    rest = {} if isinstance(setting, str) else {name: value for name, value in setting.items() if name != "data"}
    refuse_mistyped(rest)
    return [changed(task, rest) for task in asked(family)]


def lenient(setting: str | Mapping[str, Any], bad: BadRows) -> str | Mapping[str, Any]:
    """A task's setting, with what a recipe does with bad rows where the task is a person's own rows and does not say it."""
    tree = {"data": setting} if isinstance(setting, str) else dict(setting)
    data = tree.get("data") or tree.get("name")
    if bad == BadRows() or "bad_rows" in tree or not isinstance(data, str) or is_registered(data) or family_called(data):
        return setting
    return {**tree, "bad_rows": bad}


def bad_rows_of(given: BadRows | Mapping[str, Any] | str | None) -> BadRows:
    """What a task's setting says of bad rows: `stop`, `skip`, or a mapping."""
    if isinstance(given, BadRows):
        return given
    tree = {} if given is None else dict(given) if isinstance(given, Mapping) else {"do": given}
    return settings.build(BadRows, tree, "bad_rows")


def members(data: str) -> list[str]:
    """The files of tasks in a folder of Super-NaturalInstructions; none of anything else."""
    folder = Path(data).expanduser()
    return [str(file) for file in tasks_in(folder)] if data and folder.is_dir() else []


def spread(tasks: Mapping[str, Any]) -> dict[str, Any]:
    """The tasks of a mixture, each file of a folder of tasks on its own, with the folder's setting."""
    return {name: setting for data, setting in tasks.items() for name in (members(data) or [data])}


def find_task(name: str) -> Task:
    """A registered task, one in a file, or a person's own data at its defaults."""
    if is_written(name):
        return task_from({"data": name})
    if is_registered(name):
        return registry.find_value(name, TASKS, Task)
    if (path := Path(name).expanduser()).name == "task.json" and path.is_file():
        from tunesmith.tasks.bigbench import json_task

        return json_task(path.absolute().parent.name, path.absolute())
    try:
        return own_task(name)
    except UserError as error:
        if name == standard_input.NAME or Path(name).expanduser().exists() or Path(name).suffix or "/" in name:
            raise
        known = registry.names(TASKS)
        raise UserError(f"there is no task `{name}`, and no file or folder of that name", did_you_mean(name, known)) from error


def is_registered(name: str) -> bool:
    """Whether a name's family is a file of the tasks' folder, or a module from outside (`my_lab.sums`).

    A file or folder of a person's own is named with its path.
    """
    path = Path(name)
    if not path.suffix and name.partition("/")[0] in registry.names(TASKS):
        return True
    return path.suffix not in SUFFIXES and not path.expanduser().exists() and registry.is_outside(name)


def own_task(
    data: str,
    *,
    template: str | Sequence[str] | None = None,
    metrics: Sequence[str] | str | None = None,
    cluster: str | None = None,
    name: str | None = None,
    ask: str | None = None,
    tokens: int | None = None,
    limit: int | Mapping[str, int] | None = None,
    splits: Mapping[str, str | Sequence[str]] | None = None,
    columns: Sequence[str] = (),
    cut_text: str | int = "paragraph",
    seed: int = 0,
    choices: str | None = None,
    texts: str | Sequence[str] = (),
    layout: str | None = None,
    bad_rows: BadRows | Mapping[str, Any] | str | None = None,
) -> Task:
    """The task of a file, a folder or a data set of the hub.

    Args:
        data:     path, or `owner/name` of the hub.
        template: built-in wording, `FILE.yaml` (all its templates), `FILE.yaml:NAME`, a pattern, `FILE.yaml:original`, or
                  `prompt ||| answer` itself; several are taken in turn when learning. None: guessed from the columns; then
                  learning takes the first alone, unless `wordings` says else.
        metrics:  names; None: accuracy for choices and pairs, exact match and token F1 for short answers, ROUGE for long ones,
                  cross-entropy, perplexity and bits a byte for plain text.
        cluster:  None: a cluster of its own.
        ask:      `speak`, `choose` or `weigh`; None: by shape.
        tokens:   longest answer; None: by the lengths of the targets.
        limit:    most rows of each split, or of each by name.
        splits:   split -> file, or several, where file names do not say it.
        columns:  names for a CSV or TSV without a header line.
        cut_text: rows of plain text: `paragraph`, `line`, `file`, or characters of a window.
        seed:     of the cut into splits, where the source has none.
        choices:  answers to choose from, `yes ||| no`, for templates that have none.
        texts:    one column with the bare text, or two, that a head reads instead of the prompt.
        layout:   `csv`, `tsv`, `jsonl` ..., where a file's suffix does not say it.
        bad_rows: what is done with rows that cannot be used: `stop`, `skip`, or a mapping as of the recipe's `bad_rows`.

    Raises:
        UserError: where there are no rows, or no wording fits them.
    """
    bad = bad_rows_of(bad_rows)
    source = source_of(
        data, splits_at=splits, columns=tuple(columns), cut_text=cut_text, seed=seed, limit=limit, layout=layout, bad=bad
    )
    rows = Joined(source.found().values())
    if not len(rows):
        raise UserError(f"`{data}` has no rows", "its files are empty, or hold nothing but blank lines")
    shape_found = None if template else recognised(rows, data)
    lead = leading(rows)
    further = others(shape_found.template, lead) if shape_found else ()
    wordings = ranked((shape_found.template, *further) if shape_found else templates_of(template or ()))
    called, faults = name or name_of(data), cast("tuple[Fault, ...]", ())
    try:
        wordings = tuple(replace(with_choices(one, rows, choices), texts=texts_of(texts) or one.texts) for one in wordings)
        first = wordings[0]
        pairs = first.rejected in first.named(lead)
        if pairs and bad.do == "stop":
            refuse_odd(source, first)
        source = keyed(source, first, lead)
        seen = seen_examples(source, first)
        needs = needs_of(seen, first, choices is not None) | ({"rejected"} if pairs else frozenset())
        if bad.do == "skip":
            source, faults = sifted(source, wordings if template else wordings[:1], needs, called)
        if limit is not None and halves(first.jinja) is None:
            source = replace(source, takes=lambda row: not left_empty(first, row))
    except UserError as error:
        told = error.problem if data in error.problem else f"`{data}`: {error.problem}"
        raise UserError(told, error.hint) from None
    shape = shape_of(seen)
    if shape_found is not None and shape_found.template in load_templates(WORDINGS):
        cluster, metrics = cluster or next(iter(lead["categories"]), None), metrics or ("rougeL", "exact_match")
    return OwnTask(
        name=called,
        source=source,
        templates=wordings,
        metrics=metrics_of(metrics or DEFAULTS[shape]),
        cluster=cluster or called,
        ask=ask or {"pair": "choose", "choice": "choose", "text": "weigh"}.get(shape, "speak"),
        tokens=tokens or tokens_for(seen),
        wordings="turn" if template else "first",
        shape=shape_found,
        needs=needs,
        bad=faults,
    )


def recognised(rows: Sequence[Row], data: str) -> Shape:
    """The shape of rows whose wording nobody named; an error names the data.

    Where the first row's columns say nothing, those that most rows have are asked.
    """
    lead = leading(rows)
    try:
        return recognise(rows)
    except UserError as error:
        wrong = error
    try:
        if set(lead) != set(rows[0]):
            return recognise([row for row in rows[:: max(1, len(rows) // SEEN)] if set(row) == set(lead)])
    except UserError as error:
        wrong = error
    raise UserError(f"`{data}`: {wrong.problem}", wrong.hint)


def told(tasks: Sequence[Task]) -> dict[str, str]:
    """Task -> a line on what its rows were recognised as and how they are put, where nobody said it."""
    found = [task for task in tasks if isinstance(task, OwnTask) and task.shape is not None]
    return {task.name: task.shape.told(called(task)) for task in found if task.shape is not None}


def called(task: Task) -> str:
    """A task's name; of rows on standard input, what they were read as too."""
    source = task.source
    if not isinstance(source, FileSource) or source.path != standard_input.NAME or source.splits_at:
        return task.name
    return f"{task.name} ({standard_input.CALLED}, read as {standard_input.layout_of(standard_input.kept(source.layout))})"


def shapes(tasks: Sequence[Task]) -> dict[str, Any]:
    """As `told`, as plain values for `world.json`."""
    return {task.name: task.shape.tree() for task in tasks if isinstance(task, OwnTask) and task.shape is not None}


def name_of(data: str) -> str:
    """`dialogsum` for `some/where/dialogsum.csv.gz`; the name of a data set of the hub as it is."""
    if data == standard_input.NAME:
        return "stdin"
    path = Path(data).expanduser()
    if path.exists():
        name = path.resolve().name.removesuffix(".gz")
        return name if path.is_dir() else Path(name).stem
    return data.replace(":", "/")
