"""A plain tree of settings from a YAML file, with `a.b.c=value` laid over it."""

import copy
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tunesmith.errors import UserError, did_you_mean

Tree = dict[str, Any]


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core: `1e-4` is a number, `no` and `12:30` and `2026-11-01` are text, a name stands once in a mapping."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own class variable


_SCALARS = (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("int", r"^[-+]?[0-9]+$", "-+0123456789"),
    (
        "float",
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf)|\.(?:nan|NaN))$",
        "-+.0123456789",
    ),
    ("merge", r"^<<$", "<"),
)
for _kind, _pattern, _first in _SCALARS:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(_pattern), list(_first))


def _mapping(loader: _Loader, node: yaml.MappingNode) -> Tree:
    seen: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
            raise UserError(
                f"`{key.start_mark.name}` line {line}: `{key.value}` stands already on line {seen[key.value]}", "keep one"
            )
        seen[key.value] = line
    loader.flatten_mapping(node)
    return {str(key): value for key, value in loader.construct_mapping(node, deep=True).items()}


def _whole(loader: _Loader, node: yaml.ScalarNode) -> int:
    return int(node.value)  # decimal, whatever zeros stand before it


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:int", _whole)


def load(source: str | Path | Mapping[str, Any] | None, overrides: Sequence[str] = ()) -> Tree:
    """The tree of a YAML file (or a tree as it is; None is an empty one), with overrides laid over it.

    Raises:
        UserError: naming file and line, where the file is missing, or not YAML, or not a mapping.
    """
    if source is None:
        tree: Tree = {}
    elif isinstance(source, Mapping):
        tree = copy.deepcopy(dict(source))
    else:
        tree = _read(Path(source))
    return override(tree, overrides)


def override(tree: Tree, overrides: Sequence[str]) -> Tree:
    """A new tree with `a.b.c=value` laid over, in order; values are read as YAML.

    A name that itself has dots, such as a file's, is found where it stands already, or is put in quotes:
    `tasks."my.csv".weight=2`.
    """
    tree = copy.deepcopy(tree)
    for given in overrides:
        name, sign, value = given.partition("=")
        if not sign or not name.strip():
            raise UserError(f"`{given}` is not an override", "write `dotted.name=value`, for example `plan.steps=200`")
        _lay(tree, name.strip(), _value(given, value))
    return tree


def _read(path: Path) -> Tree:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        beside = sorted(p.name for p in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
        raise UserError(f"there is no file `{path}`", did_you_mean(path.name, beside)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"`{path}` cannot be read: {error}") from None
    tree = _parse(text, str(path))
    if tree is not None and not isinstance(tree, dict):
        raise UserError(f"`{path}` line 1: a recipe is a mapping of names to values, this is {_what(tree)}")
    return tree or {}


def _parse(text: str, name: str) -> Any:
    loader = _Loader(text)
    loader.name = name
    try:
        return loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"`{name}` line {line} is not YAML: {error.problem}", _yaml_hint(str(error.problem))) from None
    except yaml.YAMLError as error:
        raise UserError(f"`{name}` is not YAML: {error}") from None
    finally:
        loader.dispose()


def _yaml_hint(problem: str) -> str:
    if "\\t" in problem or "token" in problem:
        return "indent with spaces, and put text with `: `, `#`, `{` or a leading `*` in quotes"
    return "check indentation, colons and quotes on this line and the one before"


def _value(given: str, text: str) -> Any:
    try:
        return _parse(text, given)
    except UserError as error:
        raise UserError(error.problem.replace(" line 1 ", " "), "put the value in quotes if it is text") from None


def _lay(tree: Tree, name: str, value: object) -> None:
    branch: Any = tree
    rest = name
    while True:
        key, rest = _next_key(branch, rest)
        if not rest:
            branch[key] = value
            return
        if isinstance(branch.get(key), str) and key in ("method", "objective"):
            branch[key] = {"kind": branch[key]}  # `method: lora` is short for `method: {kind: lora}`
        below = branch.setdefault(key, {})
        if below is None:
            below = branch[key] = {}
        if not isinstance(below, dict):
            raise UserError(f"`{name}`: `{name[: -len(rest) - 1]}` is {_what(below)} and has no settings below it")
        branch = below


def _next_key(branch: Tree, name: str) -> tuple[str, str]:
    """The first part of a dotted name, and the rest; a key with dots is taken whole where the branch has it."""
    if name.startswith('"') and '"' in name[1:]:
        key, _, rest = name[1:].partition('"')
        return key, rest.removeprefix(".")
    whole = [key for key in branch if "." in key and (name == key or name.startswith(f"{key}."))]
    if whole:
        key = max(whole, key=len)
        return key, name[len(key) + 1 :]
    key, _, rest = name.partition(".")
    return key, rest


def _what(value: object) -> str:
    names = {list: "a list", str: "text", int: "a number", float: "a number", bool: "true or false", dict: "a mapping"}
    return names.get(type(value), type(value).__name__)
