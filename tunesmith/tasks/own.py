"""A person's own data becomes a task: a file, a folder or a data set of the hub, put by a wording, judged by its shape."""

import statistics
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith import registry
from tunesmith.data import standard_input
from tunesmith.data.example import Example
from tunesmith.data.formats import SUFFIXES, Row
from tunesmith.data.jinja import halves
from tunesmith.data.natural_instructions import WORDINGS, tasks_in
from tunesmith.data.passes import MANY, Arrays, passed
from tunesmith.data.rows import Joined, Made
from tunesmith.data.shapes import Shape, recognise
from tunesmith.data.sources import FileSource, source_of
from tunesmith.data.template import Template, load_templates, others
from tunesmith.errors import UserError, did_you_mean
from tunesmith.tasks.members import asked, family_called
from tunesmith.tasks.task import Task, ranked
from tunesmith.tasks.written import HOW, asked_as, changed, is_written, metrics_of, templates_of, texts_of, tree_of

TASKS = "tunesmith.tasks"
SEEN = 200  # examples that tell the shape of a task
MOST_LABELS = 20  # distinct targets up to which a column of labels is a choice
SHORT = 5  # words of the median target up to which an answer is short
SETTINGS = (
    *("data", "template", "metrics", "cluster", "name", "ask", "tokens", "limit", "splits", "columns", "cut_text", "seed"),
    *("choices", "texts", "layout", "folder", *HOW),
)


@dataclass(frozen=True)
class OwnTask(Task):
    """A task whose rows were never looked at by its author: rows that a wording leaves empty are skipped, ids are unique.

    shape: what the rows were recognised as; None where a person said how they are put.
    """

    shape: Shape | None = None

    def example(self, split: str, template: int | None, number: int, row: Row) -> Example:
        """As `Task.example`; an error names the row."""
        try:
            return super().example(split, template, number, row)
        except UserError as error:
            raise UserError(f"task `{self.name}`, row {number + 1} of its {split} rows: {error.problem}", error.hint) from None

    def examples(self, split: str, template: int | None = 0) -> Iterator[Example]:
        """As `Task.examples`; an id that stands twice in a split is replaced by the row's number."""
        seen: set[str] = set()
        for number, example in enumerate(super().examples(split, template)):
            if is_empty(example):
                continue
            unique = replace(example, id=f"{split}-{number}") if example.id in seen else example
            seen.add(unique.id)
            yield unique

    def sequence(self, split: str, template: int | None = 0, limit: int | None = None) -> Sequence[Example]:
        """As `examples`; an example is made when it is asked for, and 8 bytes of it are kept."""
        assert isinstance(self.source, FileSource)
        rows = self.source.held(split)
        origin = self.source.origin() if len(rows) >= MANY else ()
        key = origin and (*origin, split, repr(self.templates), template, limit)

        def numbered() -> Arrays:
            return {"numbers": self._numbers(split, template, limit, rows)}

        numbers: Any = passed(key, len(rows), numbered, f"task `{self.name}`, {split}")["numbers"]

        def made(_: int, number: int) -> Example:
            if number >= 0:
                return self.example(split, template, int(number), rows[int(number)])
            number = -1 - int(number)
            return replace(self.example(split, template, number, rows[number]), id=f"{split}-{number}")

        return Made(made, numbers, key)

    def _numbers(self, split: str, template: int | None, limit: int | None, rows: Sequence[Row]) -> Any:
        """The numbers of the rows that make an example; -1 - number where the example is called by its number."""
        numbers, ids = array("q"), array("Q")
        for number, row in enumerate(rows):
            if len(numbers) == limit:
                break
            example = self.example(split, template, number, row)
            if not is_empty(example):
                numbers.append(number)
                ids.append(int.from_bytes(blake2b(example.id.encode(errors="surrogatepass"), digest_size=8).digest()))
        renamed: set[int] = set()
        if len(np.unique(np.frombuffer(ids, np.uint64))) < len(ids):
            pairs = zip(numbers, self.examples(split, template), strict=False)
            renamed = {number for number, example in pairs if example.id == f"{split}-{number}"}
        return np.fromiter((-1 - number if number in renamed else number for number in numbers), np.int64, len(numbers))


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
    data = tree.pop("data", None) or tree.pop("name", None)
    if not isinstance(data, str):
        raise UserError("a task's `data` is missing", "name a task, a file, a folder or a data set of the hub")
    if is_registered(data):
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
    return [changed(task, rest) for task in asked(family)]


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

    Raises:
        UserError: where there are no rows, or no wording fits them.
    """
    source = source_of(data, splits_at=splits, columns=tuple(columns), cut_text=cut_text, seed=seed, limit=limit, layout=layout)
    rows = Joined(source.found().values())
    if not len(rows):
        raise UserError(f"`{data}` has no rows", "its files are empty, or hold nothing but blank lines")
    shape_found = None if template else recognised(rows, data)
    further = others(shape_found.template, rows[0]) if shape_found else ()
    wordings = ranked((shape_found.template, *further) if shape_found else templates_of(template or ()))
    wordings = tuple(replace(with_choices(one, rows, choices), texts=texts_of(texts) or one.texts) for one in wordings)
    if wordings[0].rejected in wordings[0].named(rows[0]):
        refuse_odd(source, wordings[0])
    try:
        source = keyed(source, wordings[0], rows[0])
        if limit is not None and halves(wordings[0].jinja) is None:
            source = replace(source, takes=lambda row: not is_empty(wordings[0].apply(row)))
        seen = [wordings[0].apply(row) for row in rows[:: max(1, len(rows) // SEEN)]]
    except UserError as error:
        raise UserError(f"`{data}`: {error.problem}", error.hint) from None
    seen = [example for example in seen if not is_empty(example)]
    shape = shape_of(seen)
    called = name or name_of(data)
    if shape_found is not None and shape_found.template in load_templates(WORDINGS):
        cluster, metrics = cluster or next(iter(rows[0]["categories"]), None), metrics or ("rougeL", "exact_match")
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
    )


def recognised(rows: Sequence[Row], data: str) -> Shape:
    """The shape of rows whose wording nobody named; an error names the data."""
    try:
        return recognise(rows)
    except UserError as error:
        raise UserError(f"`{data}`: {error.problem}", error.hint) from None


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


def refuse_odd(source: FileSource, wording: Template) -> None:
    """Refuse rows of preference pairs of which one has no difference, or no rejected answer; the error names file and row."""
    for place, row in source.placed():
        try:
            example = wording.apply(row)
        except UserError as error:
            raise UserError(f"{place}: {error.problem}", error.hint) from None
        if example.rejected is None and not is_empty(example):
            raise UserError(f"{place} has no `{wording.rejected}`", "fill it in, or leave the row out")


def is_empty(example: Example) -> bool:
    """Promptsource's way to leave a row out: `{% if label != -1 %} ... {% endif %}`."""
    return not example.messages and not example.target


DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "choice": ("accuracy",),
    "pair": ("accuracy",),
    "short": ("exact_match", "token_f1"),
    "long": ("rouge1", "rouge2", "rougeL", "rougeLsum"),
    "text": ("cross_entropy", "perplexity", "bits_per_byte"),
}


def shape_of(examples: Sequence[Example]) -> str:
    """`pair`, `choice`, `short`, `long` or `text`, from some examples."""
    if any(example.rejected is not None for example in examples):
        return "pair"
    if not examples or not any(example.messages for example in examples):
        return "text"
    if all(example.choices for example in examples):
        return "choice"
    words = statistics.median(len(example.target.split()) for example in examples)
    return "short" if words <= SHORT else "long"


def tokens_for(examples: Sequence[Example]) -> int:
    """Room for the longest answers: a token holds two characters or more of nearly every text; between 16 and 512."""
    lengths = sorted(len(example.target) for example in examples) or [0]
    return min(512, max(16, lengths[int(0.99 * (len(lengths) - 1))] // 2))


def with_choices(template: Template, rows: Sequence[Row], choices: str | None) -> Template:
    """The template with the choices given, or, for a column of labels, with the labels that stand in the rows."""
    if choices is not None and not template.inverted:
        return replace(template, choices=choices)
    if not {"classify", "two_texts"} & {template.name, template.group} or template.choices or template.inverted:
        return template
    labels = sorted({str(template.named(row)["label"]).strip() for row in rows})
    if not 1 < len(labels) <= MOST_LABELS or any("|||" in one or "{" in one or not one for one in labels):
        return template
    return replace(template, choices=" ||| ".join(labels))


def keyed(source: FileSource, template: Template, row: Row) -> FileSource:
    """The source told which columns ask and which answers, so that equal questions (of plain text: texts) fall together."""
    targets = template.in_row(template.target_columns, row)
    key = tuple(sorted(template.in_row(template.prompt_columns, row)))
    if not key and not template.messages:
        key = tuple(sorted(targets))
    several = len(targets) == 1 and template.choices is None
    return replace(source, key=key, target=targets[0] if several else "")


def name_of(data: str) -> str:
    """`dialogsum` for `some/where/dialogsum.csv.gz`; the name of a data set of the hub as it is."""
    if data == standard_input.NAME:
        return "stdin"
    path = Path(data).expanduser()
    if path.exists():
        name = path.resolve().name.removesuffix(".gz")
        return name if path.is_dir() else Path(name).stem
    return data.replace(":", "/")
