"""Super-NaturalInstructions: a task a JSON file, with a definition, right and wrong examples, and instances.

Wang et al. 2022, "Super-NaturalInstructions: Generalization via Declarative Instructions on 1600+ NLP Tasks".

    {"Definition": [...], "Positive Examples": [{"input", "output", "explanation"}], "Negative Examples": [...],
     "Categories": [...], "Instances": [{"id", "input", "output": [...]}]}

Each instance becomes a row; the wordings stand in `templates/natural_instructions.yaml`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tunesmith.errors import UserError

Row = dict[str, Any]
WORDINGS = "natural_instructions"
NEEDED = ("Definition", "Instances")
HEAD = 1 << 20  # bytes


def is_task(tree: object) -> bool:
    """Whether a JSON document is such a task."""
    return isinstance(tree, Mapping) and all(name in tree for name in NEEDED)


def rows_of(tree: Mapping[str, Any], file: str) -> Iterator[Row]:
    """The rows of a task. The first output is the target, all are references; an instance without output is left out.

    Raises:
        UserError: names file, instance and key where one is not as published.
    """
    definition = tree["Definition"]
    shared: Row = {
        "definition": str(definition[0] if isinstance(definition, list) and definition else definition or ""),
        "positive": examples(tree, "Positive Examples", file),
        "negative": examples(tree, "Negative Examples", file),
        "categories": categories(tree),
    }
    instances = tree["Instances"]
    if not isinstance(instances, list):
        raise UserError(
            f"`{file}`: `Instances` is {type(instances).__name__}, expected a list", "as published: a list of objects"
        )
    for number, one in enumerate(instances, start=1):
        if not isinstance(one, Mapping) or "input" not in one or "output" not in one:
            raise UserError(
                f"`{file}`: instance {number} lacks `input` or `output`", '{"id": ..., "input": ..., "output": [...]}'
            )
        outputs = [str(said) for said in (one["output"] if isinstance(one["output"], list) else [one["output"]])]
        if outputs:
            named = {"id": one["id"]} if "id" in one else {}
            yield {**named, "input": str(one["input"]), "output": outputs[0], "references": outputs, **shared}


def examples(tree: Mapping[str, Any], name: str, file: str) -> list[dict[str, str]]:
    """The right or the wrong examples of a task; none where it has none (some files hold `-` instead)."""
    found = tree.get(name)
    listed = found if isinstance(found, list) else []
    for number, one in enumerate(listed, start=1):
        if not isinstance(one, Mapping) or "input" not in one or "output" not in one:
            raise UserError(
                f"`{file}`: {name} {number} lacks `input` or `output`", '{"input": ..., "output": ..., "explanation": ...}'
            )
    return [{key: _said(value) for key, value in one.items() if key in ("input", "output", "explanation")} for one in listed]


def categories(tree: Mapping[str, Any]) -> list[str]:
    found = tree.get("Categories")
    return [str(one) for one in found] if isinstance(found, list) else [str(found)] if found else []


def _said(value: object) -> str:
    return str(value[0]) if isinstance(value, list) and value else "" if isinstance(value, list) else str(value)


def tasks_in(folder: Path) -> list[Path]:
    """The files of a folder that are such tasks, by name; none where it holds other rows."""
    files = sorted(folder.glob("*.json")) or sorted(folder.glob("tasks/*.json"))
    return [file for file in files if _looks_like_one(file)]


def _looks_like_one(file: Path) -> bool:
    """Whether a file begins as such a task does: what stands before its instances names the definition."""
    with file.open("rb") as stream:
        head = stream.read(HEAD)
    return b'"Definition"' in head and (b'"Positive Examples"' in head or b'"Instances"' in head)
