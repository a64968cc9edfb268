"""A plain tree of settings from a YAML file, with `a.b.c=value` laid over it."""

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tunesmith.errors import UserError, did_you_mean

Tree = dict[str, Any]
LARGEST = 4 << 20  # bytes of a recipe: what is larger is something else
MOST = 100_000  # values of a recipe, with those that aliases repeat
DEEPEST = 64  # mappings and lists one inside the other


class Key(str):
    """The name of a setting as it stands in a file; it goes with the tree wherever that is laid over another."""

    __slots__ = ("line", "path")
    line: int
    path: str

    def __new__(cls, text: str, path: str, line: int) -> "Key":
        made = super().__new__(cls, text)
        made.path, made.line = path, line
        return made

    def __getnewargs__(self) -> tuple[str, str, int]:  # type: ignore[override]
        return str(self), self.path, self.line

    def __deepcopy__(self, memo: object) -> "Key":
        return self


def places(tree: object, where: str = "") -> Iterator[tuple[str, Key]]:
    """Dotted name -> the key, for every setting of a tree that stands in a file."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            name = f"{where}.{key}".lstrip(".")
            if isinstance(key, Key):
                yield name, key
            yield from places(value, name)
    elif isinstance(tree, (list, tuple)):
        for number, value in enumerate(tree):
            yield from places(value, f"{where}[{number}]")


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
        if not isinstance(key, yaml.ScalarNode):
            raise UserError(f"`{loader.name}` line {line}: the name of a setting is a list or a mapping", "write a plain name")
        if key.value in seen and key.tag != MERGE:
            raise UserError(f"`{loader.name}` line {line}: `{key.value}` stands already on line {seen[key.value]}", "keep one")
        seen[key.value] = line
    loader.flatten_mapping(node)
    return {
        Key(_name(loader, key), loader.name, key.start_mark.line + 1): loader.construct_object(value, deep=True)
        for key, value in node.value
    }


MERGE, STRING = "tag:yaml.org,2002:merge", "tag:yaml.org,2002:str"


def _name(loader: _Loader, key: yaml.Node) -> str:
    """A key as text: `1`, `true` and `1e-4` are names too."""
    return str(key.value) if isinstance(key, yaml.ScalarNode) else str(loader.construct_object(key, deep=True))


def _whole(loader: _Loader, node: yaml.ScalarNode) -> int:
    try:
        return int(node.value)  # decimal, whatever zeros stand before it
    except ValueError:
        problem = f"a whole number of {len(node.value):,} digits"
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None


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
    tree = _parse(_text(path), str(path))
    if tree is not None and not isinstance(tree, dict):
        raise UserError(
            f"`{path}` line 1: a recipe is a mapping of names to values, this is {_what(tree)}",
            "write `name: value` lines; `tunesmith schema` lists the names",
        )
    return tree or {}


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise UserError(f"`{path}` is larger than {LARGEST >> 20} MiB: it is no recipe", "rows belong under `tasks`")
        return content.decode("utf-8-sig")
    except FileNotFoundError:
        beside = sorted(p.name for p in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
        raise UserError(f"there is no file `{path}`", did_you_mean(path.name, beside) or "look at the path") from None
    except IsADirectoryError:
        inside = "recipe.yaml" if (path / "recipe.yaml").is_file() else next((p.name for p in sorted(path.glob("*.y*ml"))), "")
        hint = f"did you mean `{path / inside}`?" if inside else "name a YAML file"
        raise UserError(f"`{path}` is a folder, and a recipe is a file", hint) from None
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(f"`{path}` line {line} is not UTF-8 text", "name a YAML file, or save it as UTF-8") from None
    except (OSError, ValueError) as error:
        told = (getattr(error, "strerror", None) or str(error)).lower()
        raise UserError(f"`{path}` cannot be read: {told}", "look at the path and its permissions") from None


def _parse(text: str, name: str) -> Any:
    try:
        loader = _Loader(text)
        loader.name = name
        node = loader.get_single_node()
        if node is None:
            return None
        _refuse_strange(loader, node)
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"`{name}` line {line} is not YAML: {error.problem}", _yaml_hint(str(error.problem))) from None
    except yaml.reader.ReaderError as error:
        line = text[: int(error.position)].count("\n") + 1
        raise UserError(
            f"`{name}` line {line} is not YAML: it has the character U+{int(error.character):04X}",
            "take it out: it is no letter that YAML knows",
        ) from None
    except yaml.YAMLError as error:
        raise UserError(f"`{name}` is not YAML: {error}", _yaml_hint(str(error))) from None
    except RecursionError:
        raise UserError(f"`{name}`: mappings and lists stand too deep, one inside the other", _yaml_hint("")) from None


def _refuse_strange(loader: _Loader, root: yaml.Node) -> None:
    """Refuse tags, aliases that hold themselves, and aliases that stand for more values than any recipe has.

    A few lines of aliases of aliases become billions of values where the tree is walked.
    """
    name, sizes, above = loader.name, dict[int, int](), set[int]()

    def size(node: yaml.Node, depth: int) -> int:
        line = node.start_mark.line + 1
        if id(node) in above:
            raise UserError(f"`{name}` line {line}: an alias stands within what it means", "write the values out")
        if depth > DEEPEST:
            raise UserError(f"`{name}` line {line}: more than {DEEPEST} mappings and lists, one inside the other", "flatten it")
        if id(node) not in sizes:
            _refuse_tag(loader, node)
            above.add(id(node))
            sizes[id(node)] = 1 + sum(size(one, depth + 1) for one in _inside(node))
            above.discard(id(node))
            if sizes[id(node)] > MOST:
                raise UserError(
                    f"`{name}` line {line}: more than {MOST:,} values, aliases counted", "rows belong under `tasks`"
                )
        return sizes[id(node)]

    size(root, 0)


def _refuse_tag(loader: _Loader, node: yaml.Node) -> None:
    """A value is what it looks like: `!!python/object`, `!include` and the like mean nothing here."""
    resolve: Any = loader.resolve
    looks_like = {resolve(type(node), node.value if isinstance(node, yaml.ScalarNode) else None, (True, False))}
    if node.tag not in looks_like | ({STRING} if isinstance(node, yaml.ScalarNode) else set()):
        raise UserError(
            f"`{loader.name}` line {node.start_mark.line + 1}: the tag `{node.tag.replace('tag:yaml.org,2002:', '!!')}`",
            "tags are not read: write the value itself, and text that looks like a number in quotes",
        )


def _inside(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [one for pair in node.value for one in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _yaml_hint(problem: str) -> str:
    if "digits" in problem:
        return "put it in quotes if it is text"
    if "\\t" in problem or "token" in problem:
        return "indent with spaces, and put text with `: `, `#`, `{` or a leading `*` in quotes"
    return "check indentation, colons and quotes on this line and the one before"


def _value(given: str, text: str) -> Any:
    try:
        return _plain(_parse(text, given))
    except UserError as error:
        raise UserError(error.problem.replace(" line 1 ", " "), "put the value in quotes if it is text") from None


def _plain(tree: Any) -> Any:
    """A tree whose names stand in no file."""
    if isinstance(tree, dict):
        return {str(key): _plain(value) for key, value in tree.items()}
    return [_plain(one) for one in tree] if isinstance(tree, list) else tree


def _lay(tree: Tree, name: str, value: object) -> None:
    branch: Any = tree
    rest = name
    while True:
        key, rest = _next_key(branch, rest)
        if not rest:
            _set(branch, key, value)
            return
        if isinstance(branch.get(key), str) and key in ("method", "objective"):
            branch[key] = {"kind": branch[key]}  # `method: lora` is short for `method: {kind: lora}`
        below = branch.setdefault(key, {})
        if below is None:
            below = branch[key] = {}
        if not isinstance(below, dict):
            raise UserError(f"`{name}`: `{name[: -len(rest) - 1]}` is {_what(below)} and has no settings below it")
        branch = below


def _set(branch: Tree, key: str, value: object) -> None:
    """Lay one value, in the place of the one that stood there; it stands in no file."""
    pairs = [(str(one), value) if one == key else (one, old) for one, old in branch.items()]
    branch.clear()
    branch.update(pairs)
    branch[key] = value


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
