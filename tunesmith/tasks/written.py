"""A task as settings say: a registered one changed, or one YAML file with the keys of a recipe's task, and no code.

    # my-task.yaml, beside questions.csv
    data: questions.csv
    template: "{{question}} ||| {{answer}}"
    metrics: [exact_match, token_f1]
    shots: {count: 3, header: "Answer in one word.\\n\\n"}

Paths in the file are relative to it.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from tunesmith import registry, settings
from tunesmith.data.formats import SUFFIXES, Row
from tunesmith.data.published import Published
from tunesmith.data.template import Template, find_templates, named
from tunesmith.errors import UserError, did_you_mean
from tunesmith.metrics.metric import Metric
from tunesmith.tasks.task import Shots, Task

METRICS = "tunesmith.metrics"

WRITTEN = (".yaml", ".yml")
HOW = ("shots", "stop", "reads", "wordings", "inverted")
ORDERS = ("turn", "random", "first")


def is_written(name: str) -> bool:
    """Whether a name is that of a file with a task in it."""
    return name.endswith(WRITTEN)


def tree_of(file: str) -> dict[str, Any]:
    """The settings in a file of a task, its paths as seen from here; it is called like the file unless it says another name."""
    path = Path(file).expanduser()
    tree = settings.load(path)
    if not isinstance(tree.get("data"), str):
        raise UserError(
            f"`{file}` has no `data`", "name a file beside it, a task, or a data set of the hub: `data: questions.csv`"
        )
    for name in ("data", "folder"):
        if isinstance(tree.get(name), str):
            tree[name] = seen_from(path.parent, tree[name])
    if "template" in tree:
        given = tree["template"]
        found = [wording_from(path.parent, str(one)) for one in ([given] if isinstance(given, str) else given)]
        tree["template"] = found[0] if isinstance(given, str) else found
    return {"name": path.stem, **tree}


def seen_from(folder: Path, name: str) -> str:
    """A path in a file as seen from here; the name of a task or of a data set stays."""
    place = folder / Path(name).expanduser()
    return str(place) if place.exists() or place.suffix in SUFFIXES or name.startswith(".") else name


def wording_from(folder: Path, name: str) -> str:
    """As `seen_from`, for `FILE.yaml` and `FILE.yaml:NAME`."""
    file, colon, rest = name.partition(":")
    return f"{folder / file}{colon}{rest}" if is_written(file) and (folder / file).is_file() else name


def asked_as(task: Task, how: Mapping[str, Any]) -> Task:
    """The task with what stands before its questions, what ends an answer and what counts of it, as settings say."""
    made = task
    if how.get("shots") is not None:
        given = how["shots"]
        made = replace(made, shots=settings.build(Shots, given if isinstance(given, Mapping) else {"count": given}, "shots"))
    if how.get("stop") is not None:
        made = replace(made, stop=tuple(texts(how["stop"], "stop")))
    if how.get("reads") is not None:
        made = replace(made, reads=pattern(str(how["reads"])))
    return in_wordings(made, how)


def in_wordings(task: Task, how: Mapping[str, Any]) -> Task:
    """The task with the wordings that learning takes, and the share of its rows that are turned round."""
    made, order, share = task, how.get("wordings"), how.get("inverted")
    if order is not None:
        if order not in ORDERS:
            raise UserError(
                f"`wordings`: found `{order}`, expected one of {', '.join(ORDERS)}", did_you_mean(str(order), ORDERS)
            )
        made = replace(made, wordings=order)
    if share is not None:
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
            raise UserError(f"`inverted`: found `{share}`, expected a share from 0 to 1", "write `inverted: 0.1`")
        made = replace(made, inverted=float(share))
        try:
            _ = made.backward
        except UserError as error:
            raise UserError(f"`inverted`: {error.problem}", error.hint) from None
    return made


def pattern(text: str) -> str:
    """A regular expression that can be read."""
    try:
        re.compile(text)
    except re.error as error:
        raise UserError(
            f"`reads`: `{text}` is no regular expression: {error}", "a backslash before a mark takes it as it is"
        ) from None
    return text


def texts(given: str | Sequence[str], name: str) -> list[str]:
    """One text or several."""
    found = [given] if isinstance(given, str) else given
    if not isinstance(found, Sequence) or not all(isinstance(one, str) and one for one in found):
        raise UserError(f"`{name}`: found `{given}`, expected a text, or a list of texts", f"write `{name}: [one, another]`")
    return list(found)


def changed(task: Task, how: Mapping[str, Any]) -> Task:
    """A registered task with settings laid over it."""
    allowed = ["template", "metrics", "cluster", "name", "ask", "tokens", "limit", "texts", *HOW]
    if isinstance(task.source, Published):
        allowed.append("folder")
    for name in how:
        if name not in allowed:
            raise UserError(f"`{name}` cannot be set for the registered task `{task.name}`", f"can be: {', '.join(allowed)}")
    if "limit" in how and (not isinstance(how["limit"], int) or how["limit"] < 1):
        raise UserError(f"`limit`: found `{how['limit']}`, expected a whole number above 0", "write `limit: 200`")
    made = task
    if "template" in how:
        wanted = [how["template"]] if isinstance(how["template"], str) else how["template"]
        found = (one for name in wanted for one in of_task(task, name) or templates_of(name))
        made = replace(made, templates=tuple(dict.fromkeys(found)))
    if "texts" in how:
        made = replace(made, templates=tuple(replace(one, texts=texts_of(how["texts"])) for one in made.templates))
    if "metrics" in how:
        made = replace(made, metrics=metrics_of(how["metrics"]))
    if isinstance(task.source, Published):
        made = replace(made, source=replace(task.source, **{name: how[name] for name in ("folder", "limit") if name in how}))
    elif "limit" in how:
        made = replace(made, source=Capped(task.source, how["limit"]))
    return asked_as(replace(made, **{name: how[name] for name in ("cluster", "name", "ask", "tokens") if name in how}), how)


@dataclass(frozen=True)
class Capped:
    """A source cut to its first rows."""

    source: Any
    limit: int

    def splits(self) -> tuple[str, ...]:
        found: tuple[str, ...] = self.source.splits()
        return found

    def rows(self, split: str) -> Iterator[Row]:
        return islice(self.source.rows(split), self.limit)

    @property
    def fingerprint(self) -> Callable[[], str] | None:
        """Of the whole source; None where it reads no files."""
        return getattr(self.source, "fingerprint", None)


def templates_of(name: str | Sequence[str]) -> tuple[Template, ...]:
    """The templates that a setting names, in order; none of them twice."""
    if not isinstance(name, str):
        return tuple(dict.fromkeys(template for one in texts(name, "template") for template in templates_of(one)))
    return find_templates(name)


def of_task(task: Task, name: str) -> tuple[Template, ...]:
    """Those of a task's own templates that a name, a pattern or `original` means; none where it means others."""
    try:
        return named(task.templates, name)
    except UserError:
        return ()


def texts_of(names: str | Sequence[str]) -> tuple[str, ...]:
    """The columns of one text or two."""
    listed = tuple(texts(names, "texts")) if names != () else ()
    if len(listed) > 2:
        raise UserError(f"`texts` names {len(listed)} columns", "a head reads one text, or a pair of two")
    return listed


def metrics_of(names: Sequence[str] | str) -> tuple[Metric, ...]:
    """Metrics by name."""
    listed = texts(names, "metrics")
    return tuple(registry.find_value(one, METRICS, Metric) for one in listed)  # type: ignore[type-abstract]
