"""Files of forms: YAML that says the columns of a row. Every fault is told with its line and a remedy.

title: Ask, and answer
guidelines: guide.md          # beside this file, or the Markdown itself
fields:
  - {name: question, kind: line, maximum: 200}
  - {name: answer, help: In your own words., minimum: 10, unit: words}
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from math import isfinite
from pathlib import Path
from typing import Any, NoReturn

import yaml

from tunesmith.errors import UserError, did_you_mean
from tunesmith.serving.form import KINDS, SEEDED, TEXTS, UNITS, Field, Form

SHAPES = {
    "triplet": "instruction, input, output",
    "completion": "prompt, completion",
    "label": "text, label",
    "chat": "messages",
    "preference": "prompt, chosen, rejected",
}
TOP = ("title", "guidelines", "alike", "fields")
OF_FIELD = tuple(Field.__slots__)
KEPT = ("id", "meta")  # columns that an export adds
MARKDOWN = (".md", ".markdown")


@dataclass(frozen=True, slots=True)
class Shape:
    """What people are asked to write, and how."""

    form: Form
    guidelines: str


def shape_of(given: Sequence[str], guidelines: str | Path | None = None, choices: Sequence[str] = ()) -> Shape:
    """The shape that names and files say: one of `SHAPES` or a YAML file, and Markdown for its guidelines.

    choices: labels of the column `label`, instead of what the form says.
    """
    marked = [one for one in given if one.lower().endswith(MARKDOWN)]
    named = [one for one in given if one not in marked]
    if len(named) > 1 or len(marked) + (guidelines is not None) > 1:
        raise UserError(f"several shapes or guidelines are given: {', '.join(given)}", "give one of each")
    shape = read_shape(named[0] if named else "triplet")
    if marked or guidelines is not None:
        shape = replace(shape, guidelines=read_guidelines(Path(marked[0] if marked else str(guidelines))))
    return with_choices(shape, choices) if choices else shape


def with_choices(shape: Shape, choices: Sequence[str]) -> Shape:
    """The shape with these labels to choose from."""
    if "label" not in shape.form.names:
        raise UserError(f"the form `{shape.form.name}` has no column `label`", "`--choices` are the labels of `--write label`")
    if len(set(choices)) < 2 or len(set(choices)) < len(choices) or not all(choices):
        raise UserError(f"`--choices` is `{','.join(choices)}`", "give two labels or more, each once: `--choices good,bad`")
    label = replace(shape.form["label"], kind="choice", choices=tuple(choices), minimum=None, maximum=None)
    fields = tuple(label if field.name == "label" else field for field in shape.form.fields)
    return replace(shape, form=replace(shape.form, fields=fields))


def read_shape(name: str) -> Shape:
    """A shape by its name, or from a YAML file."""
    if name in SHAPES:
        folder = files("tunesmith.serving").joinpath("forms")
        text, beside = (folder.joinpath(f"{name}.{suffix}").read_text(encoding="utf-8") for suffix in ("yaml", "md"))
        return Shape(_form(_File(name, text), name)[0], beside)
    path = Path(name).expanduser()
    if not name.endswith((".yaml", ".yml")):
        raise UserError(
            f"there is no shape `{name}`", f"{did_you_mean(name, SHAPES)}; or a file `SHAPE.yaml`, or guidelines `GUIDE.md`"
        )
    file = _File(name, _text(path))
    form, told = _form(file, path.stem)
    if told is None:
        return Shape(form, "")
    line, text = told
    if "\n" in text or not text.lower().endswith(MARKDOWN):
        return Shape(form, text)
    if not (path.parent / text).is_file():
        file.fault(line, f"there is no file `{path.parent / text}`", "`guidelines` names Markdown beside this file")
    return Shape(form, read_guidelines(path.parent / text))


def read_guidelines(path: Path) -> str:
    """A file in Markdown."""
    text = _text(path)
    if not text.strip():
        raise UserError(f"`{path}` is empty", "write what a good row is; headings `Do` and `Don't` make two cards")
    return text


def _text(path: Path) -> str:
    if not path.is_file():
        beside = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
        raise UserError(f"there is no file `{path}`", did_you_mean(path.name, beside))
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise UserError(f"`{path}` line {line}: byte {error.start} is not UTF-8", "save the file as UTF-8") from None


class _File:
    """A YAML file as nodes, which know their lines; words such as `no` stay text."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        try:
            self.node = yaml.compose(text, yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            hint = "look at indentation, colons and quotes on this line and the one before"
            raise UserError(f"`{name}` line {line} is not YAML: {error.problem}", hint) from None
        except yaml.YAMLError as error:
            raise UserError(f"`{name}` is not YAML: {error}", "save the file as plain text in UTF-8") from None

    def fault(self, at: Any, problem: str, hint: str) -> NoReturn:
        line = at if isinstance(at, int) else at.start_mark.line + 1
        raise UserError(f"`{self.name}` line {line}: {problem}", hint)

    def mapping(self, node: Any, what: str, known: Sequence[str]) -> dict[str, Any]:
        """Name -> node of a mapping; other names and names that stand twice are faults."""
        if not isinstance(node, yaml.MappingNode):
            self.fault(node, f"{what} is no mapping", f"write `name: value`; known: {', '.join(known)}")
        found: dict[str, Any] = {}
        for key, value in node.value:
            if key.value not in known:
                self.fault(key, f"{what} has no setting `{key.value}`", did_you_mean(str(key.value), known))
            if key.value in found:
                self.fault(key, f"`{key.value}` stands twice in {what}", "keep one")
            found[key.value] = value
        return found

    def items(self, node: Any, name: str) -> list[Any]:
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            self.fault(node, f"`{name}` is no list with something in it", f"write `{name}:` and below it lines with `- `")
        return list(node.value)

    def text(self, node: Any, name: str) -> str:
        if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
            self.fault(node, f"`{name}` is no text", f"write `{name}: some words`, in quotes where they hold `: ` or `#`")
        return str(node.value).strip()

    def one_of(self, node: Any, name: str, known: Sequence[str]) -> str:
        found = self.text(node, name)
        if found not in known:
            self.fault(node, f"`{name}` is `{found}`", did_you_mean(found, known))
        return found

    def number(self, node: Any, name: str, whole: bool) -> float:
        found = self.text(node, name)
        try:
            number = int(found) if whole else float(found)
        except ValueError:
            number = float("nan")
        if not isfinite(number) or (whole and number < 0):
            self.fault(node, f"`{name}` is `{found}`", f"write a {'whole number from 0' if whole else 'number'}")
        return number

    def truth(self, node: Any, name: str) -> bool:
        return self.one_of(node, name, ("true", "false")) == "true"


def _form(file: _File, name: str) -> tuple[Form, tuple[int, str] | None]:
    """The form of a file; line and text of its guidelines, None where it has none."""
    if file.node is None:
        file.fault(1, "the file is empty", f"it needs `fields:`; beside it may stand {', '.join(TOP[:-1])}")
    top = file.mapping(file.node, "a form", TOP)
    if "fields" not in top:
        file.fault(1, "there are no `fields`", "write `fields:` and below it `- name: question`, a field a column")
    fields: list[Field] = []
    for node in file.items(top["fields"], "fields"):
        fields.append(_field(file, node, [field.name for field in fields]))
    alike = file.number(top["alike"], "alike", False) if "alike" in top else 0.7
    if not 0 < alike <= 1:
        file.fault(top["alike"], f"`alike` is {alike:g}", "it is a share of words: above 0, up to 1")
    title = file.text(top["title"], "title") if "title" in top else "Write a row"
    told = top.get("guidelines")
    line = None if told is None else (told.start_mark.line + 1, file.text(told, "guidelines"))
    return Form(name, title, tuple(fields), alike), line


def _field(file: _File, node: Any, before: Sequence[str]) -> Field:
    tree = file.mapping(node, "a field", OF_FIELD)
    if "name" not in tree:
        file.fault(node, "a field has no `name`", "`name` is the column: `- name: question`")
    name = file.text(tree["name"], "name")
    if not re.fullmatch(r"[A-Za-z_]\w{0,63}", name, re.ASCII) or name in KEPT:
        hint = f"take letters, figures and _, a letter first; {' and '.join(KEPT)} are added by the export"
        file.fault(tree["name"], f"a column cannot be called `{name}`", hint)
    if name in before:
        file.fault(tree["name"], f"there are two fields `{name}`", "a column stands once")
    field = Field(name, **{"label": name.replace("_", " ").capitalize(), **dict(_settings(file, tree))})
    _agree(file, tree, field, before)
    return field


def _settings(file: _File, tree: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """What a field says beside its name."""
    kind = file.one_of(tree["kind"], "kind", KINDS) if "kind" in tree else "choice" if "choices" in tree else "text"
    yield "kind", kind
    known = {"unit": UNITS, "seeded": SEEDED}
    for name, node in tree.items():
        if name in ("label", "help", "differs_from"):
            yield name, file.text(node, name)
        elif name == "required":
            yield name, file.truth(node, name)
        elif name in known:
            yield name, file.one_of(node, name, known[name])
        elif name in ("minimum", "maximum"):
            yield name, file.number(node, name, kind != "number")
        elif name in ("least", "most"):
            yield name, int(file.number(node, name, True))
        elif name == "choices":
            yield name, tuple(file.text(one, "choices") for one in file.items(node, "choices"))


def _agree(file: _File, tree: dict[str, Any], field: Field, before: Sequence[str]) -> None:
    """Refuse settings that contradict each other, or say nothing for this kind."""
    if field.kind == "choice" and len(set(field.choices)) < max(2, len(field.choices)):
        where = tree.get("choices", tree["name"])
        file.fault(where, f"`{field.name}` needs two choices or more, each once", "write `choices: [good, bad]`")
    allowed = {
        "choices": ("choice",),
        "minimum": (*TEXTS, "number"),
        "maximum": (*TEXTS, "number"),
        "unit": TEXTS,
        "least": ("references", "turns"),
        "most": ("references", "turns"),
        "differs_from": ("line", "text"),
    }
    for name, kinds in allowed.items():
        if name in tree and field.kind not in kinds:
            file.fault(tree[name], f"`{name}` says nothing for a field of kind `{field.kind}`", f"it is for {', '.join(kinds)}")
    for low, high in (("minimum", "maximum"), ("least", "most")):
        one, other = getattr(field, low), getattr(field, high)
        if one is not None and other is not None and one > other:
            where = tree.get(high, tree.get(low))
            file.fault(where, f"`{low}` is {one:g}, above `{high}`, {other:g}", "nothing could be written: change one of them")
    if field.differs_from and field.differs_from not in before:
        hint = did_you_mean(field.differs_from, before)
        file.fault(tree["differs_from"], f"there is no field `{field.differs_from}` before `{field.name}`", hint)
