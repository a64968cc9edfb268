"""Which wordings there are, and what they need. Command: `tunesmith list templates`."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tunesmith.data.template import Template, families, load_templates
from tunesmith.tasks.own import task_from

MOST = 96  # letters of a wording's beginning


@dataclass(frozen=True)
class Shown:
    """A wording in two lines.

    columns: that a row must have; `a|b`: either of them.
    begins:  its first lines.
    marks:   `choices`, `inverted`, `not the original task`, languages other than English, metrics.
    """

    name: str
    columns: tuple[str, ...]
    begins: str
    marks: tuple[str, ...]

    def tree(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def listed_templates(name: str | None = None) -> Mapping[str, list[Shown]]:
    """Wordings by the file, task or rows that they belong to, in their order.

    Args:
        name: a YAML file of templates, one of the files that come along (`glue-cola`), a task, or a file of rows;
              None: all that come along.

    Raises:
        UserError: there is nothing of that name.
    """
    if name is None:
        return {family: [shown(one) for one in load_templates(family)] for family in families()}
    if name.endswith((".yaml", ".yml")) and Path(name).expanduser().is_file():
        return {name: [shown(one) for one in load_templates(name)]}
    if name in families():
        return {name: [shown(one) for one in load_templates(name)]}
    return {name: [shown(one) for one in task_from(name).templates]}


def shown(template: Template) -> Shown:
    """What is told of a wording."""
    marks = [
        *(["inverted"] if template.inverted else []),
        *(["not the original task"] if not template.original and not template.inverted else []),
        *(["choices"] if template.choices else []),
        *(["choices in the prompt"] if template.choices and template.choices_in_prompt else []),
        *(one for one in template.languages if one != "en"),
        *template.metrics,
    ]
    same = {group[0]: group for group in template.aliases}
    columns = tuple("|".join(same.get(column, (column,))) for column in sorted(template.columns))
    return Shown(template.name, columns, begins(template.jinja), tuple(marks))


def begins(jinja: str) -> str:
    """How a wording begins: its lines, without Jinja's blocks, parted by `/` and cut to a line of the terminal."""
    bare = re.sub(r"\{%.*?%\}|\{#.*?#\}", "", jinja, flags=re.DOTALL)
    lines = [" ".join(line.split()) for line in bare.strip().split("\n")]
    told = " / ".join(line for line in lines if line)
    return told if len(told) <= MOST else told[: MOST - 3].rstrip() + "..."
