"""A tree of settings becomes frozen dataclasses; pydantic judges single values, this file walks and words the mistakes."""

import inspect
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin

from tunesmith import registry
from tunesmith.errors import UserError, did_you_mean
from tunesmith.settings.annotations import (
    Mistake,
    Plugin,
    WrongError,
    expected,
    hints_of,
    is_leaf,
    leaf,
    meaning,
    required,
    shown,
)
from tunesmith.settings.reading import Key, Tree, places

T = TypeVar("T")


@dataclass
class _Walk:
    """Collects every mistake of a tree while building from it."""

    mistakes: list[Mistake] = field(default_factory=list)
    keys: Mapping[str, Key] = field(default_factory=dict)  # dotted name -> where it stands

    def dataclass_of(self, kind: type, tree: object, where: str) -> object:
        """An object of `kind`, or None after a mistake was noted."""
        if isinstance(tree, kind):
            return tree
        if not isinstance(tree, Mapping):
            return self.note(where, f"found {shown(tree)}, expected a mapping", _names_hint(kind))
        before = len(self.mistakes)
        hints = hints_of(kind)
        for name in tree:
            if name not in hints:
                self.note(f"{where}.{name}", "unknown setting", did_you_mean(str(name), hints, f"{where}.".lstrip(".")))
        given = {name: self.setting_of(kind, name, tree[name], f"{where}.{name}") for name in hints if name in tree}
        for name in sorted(required(kind) - set(tree)):
            self.note(f"{where}.{name}", "is missing", f"expected {expected(hints[name])}")
        return None if len(self.mistakes) > before else self.made(kind, given, where)

    def setting_of(self, kind: type, name: str, value: object, where: str) -> object:
        """The value of a setting; where nothing better is known, the remedy is what the setting means."""
        before = len(self.mistakes)
        found = self.value_of(hints_of(kind)[name], value, where)
        for number, one in enumerate(self.mistakes[before:], start=before):
            if not one.hint and one.where.startswith(where.lstrip(".")):
                self.mistakes[number] = replace(one, hint=f"`{name}`: {meaning(kind, name)}")
        return found

    def made(self, kind: type, given: Mapping[str, Any], where: str) -> object:
        """Call the class; what its own checks refuse is a mistake like any other."""
        try:
            return kind(**given)
        except UserError as error:
            return self.note(where, error.problem, error.hint)
        except ValueError as error:
            return self.note(where, str(error))

    def value_of(self, hint: Any, value: object, where: str) -> object:
        """A value of the annotated type, or None after a mistake was noted."""
        try:
            return self._value(hint, value, where)
        except WrongError as wrong:
            self.mistakes.extend(wrong.mistakes)
            return None

    def _value(self, hint: Any, value: object, where: str) -> object:  # noqa: PLR0911 - one return a kind
        origin, arguments = get_origin(hint), get_args(hint)
        if hint is Any or hint is object:
            return value
        if origin is Annotated:
            if is_leaf(arguments[0]):
                return leaf(hint, value, where)
            inner = self.value_of(arguments[0], value, where)
            rules = tuple(one for one in arguments[1:] if not isinstance(one, Plugin))
            return leaf(Annotated[Any, *rules], inner, where) if rules and inner is not None else inner
        if origin in (Union, types.UnionType):
            return self._union(arguments, value, where)
        if inspect.isclass(hint) and registry.package_of(hint):
            return self.plugin_of(value, registry.package_of(hint), hint, where)
        if inspect.isclass(hint) and is_dataclass(hint):
            return self.dataclass_of(hint, value, where)
        if origin is not None and inspect.isclass(origin) and issubclass(origin, Mapping):
            return self._mapping(arguments, value, where)
        if origin is not None and inspect.isclass(origin) and issubclass(origin, Sequence):
            return self._sequence(origin, arguments, value, where)
        return leaf(hint, value, where)

    def _mapping(self, arguments: tuple[Any, ...], value: object, where: str) -> object:
        if not isinstance(value, Mapping):
            return self.note(where, f"found {shown(value)}, expected a mapping")
        return {
            leaf(arguments[0], key, where): self.value_of(arguments[1], one, f"{where}.{key}") for key, one in value.items()
        }

    def _sequence(self, origin: type, arguments: tuple[Any, ...], value: object, where: str) -> object:
        if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Sequence):
            return self.note(where, f"found {shown(value)}, expected a list", "write `[a, b]`, or one `- a` a line")
        if origin is tuple and arguments and arguments[-1] is not Ellipsis:
            if len(value) != len(arguments):
                return self.note(where, f"found {len(value)} values, expected {len(arguments)}")
            return tuple(
                self.value_of(kind, one, f"{where}[{i}]") for i, (kind, one) in enumerate(zip(arguments, value, strict=True))
            )
        found = [self.value_of(arguments[0], one, f"{where}[{i}]") for i, one in enumerate(value)]
        return found if origin is list else tuple(found)

    def _union(self, arms: tuple[Any, ...], value: object, where: str) -> object:
        """The first arm that takes the value; else the mistakes of the one arm that has the value's shape."""
        if value is None and type(None) in arms:
            return None
        tries = []
        arms = tuple(arm for arm in arms if arm is not type(None))
        for arm in arms:
            trial = _Walk()
            found = trial.value_of(arm, value, where)
            if not trial.mistakes:
                return found
            tries.append((arm, trial.mistakes))
        for arm in arms:
            if inspect.isclass(arm) and (package := registry.package_of(arm)):
                raise WrongError(*_misnamed(value, package, arms, where) or dict(tries)[arm])
        alike = [mistakes for arm, mistakes in tries if is_leaf(arm) is not isinstance(value, (Mapping, list, tuple))]
        if len(alike) == 1 or len(arms) == 1:
            raise WrongError(*(alike or [tries[0][1]])[0])
        told = f"found {shown(value)}, expected {' or '.join(expected(arm) for arm in arms)}"
        raise WrongError(Mistake(where.lstrip("."), told))

    def plugin_of(self, tree: object, package: str, kind: type[T], where: str) -> T | None:
        """The plug-in that a tree names by `kind`, with the settings beside it."""
        if isinstance(tree, kind):
            return tree
        if isinstance(tree, str):
            tree = {"kind": tree}
        what = package.rpartition(".")[2].removesuffix("s")
        if not isinstance(tree, Mapping) or not isinstance(tree.get("kind"), str):
            known = did_you_mean("", registry.names(package))
            self.note(where, f"found {shown(tree)}, expected the name of a {what}, or a mapping with `kind`", known)
            return None
        try:
            found = registry.find(str(tree["kind"]), package, kind)
        except UserError as error:
            self.note(f"{where}.kind", error.problem, error.hint)
            return None
        rest = {name: value for name, value in tree.items() if name != "kind"}
        if not is_dataclass(found):
            for name in rest:
                self.note(f"{where}.{name}", "unknown setting", f"`{tree['kind']}` has no settings")
            return cast("T | None", self.made(found, {}, where))
        return cast("T | None", self.dataclass_of(found, rest, where))

    def note(self, where: str, problem: str, hint: str = "") -> object:
        """Keep a mistake; the value in its place is None."""
        self.mistakes.append(Mistake(where.lstrip("."), problem, hint))
        return None

    def raise_all(self) -> None:
        if not self.mistakes:
            return
        if len(self.mistakes) == 1:
            [one] = self.mistakes
            raise UserError(self.line(one), one.hint)
        lines = [f"  {self.line(one)}" + (f" ({one.hint})" if one.hint else "") for one in self.mistakes]
        raise UserError(f"{len(lines)} settings are wrong:\n" + "\n".join(lines), "`tunesmith schema` describes them all")

    def line(self, mistake: Mistake) -> str:
        """A mistake in words, with the file and line of the setting where it stands in one."""
        key = self.keys.get(mistake.where)
        place = f" ({key.path} line {key.line})" if key is not None else ""
        return f"`{mistake.where}`{place}: {mistake.problem}" if mistake.where else mistake.problem


def build(kind: type[T], tree: Mapping[str, Any], where: str = "") -> T:
    """An object of `kind`, a dataclass, from a tree.

    Nested dataclasses, mappings, sequences, unions, literals and pydantic's constraints (`Annotated[int, Field(gt=0)]`) are
    understood; a field annotated with a plug-in's contract (`Method`) takes `{kind: lora, rank: 8}`.

    Args:
        where: dotted name of the tree inside the recipe, for the wording of mistakes.

    Raises:
        UserError: with every mistake: dotted name, value found, what was expected, and the nearest known name.
    """
    walk = _Walk(keys=dict(places(tree, where.strip("."))))
    made = walk.dataclass_of(kind, tree, where.strip("."))
    walk.raise_all()
    return cast("T", made)


def plugin(tree: str | Mapping[str, Any], package: str, kind: type[T], where: str = "") -> T:
    """The plug-in of a tree such as `{kind: lora, rank: 8}`, or `lora` for one at its defaults; mistakes as in `build`."""
    walk = _Walk(keys=dict(places(tree, where.strip("."))))
    made = walk.plugin_of(tree, package, kind, where.strip("."))
    walk.raise_all()
    return cast("T", made)


def dump(thing: object) -> Any:
    """The plain tree of an object, such that `build(type(thing), dump(thing)) == thing`. A plug-in carries its `kind`."""
    if is_dataclass(thing) and not isinstance(thing, type):
        tree: Tree = {one.name: dump(getattr(thing, one.name)) for one in fields(thing) if one.init}
        return {"kind": kind_of(type(thing)), **tree} if _contract(type(thing)) else tree
    if isinstance(thing, Mapping):
        return {str(key): dump(value) for key, value in thing.items()}
    if isinstance(thing, (list, tuple)):
        return [dump(one) for one in thing]
    return str(thing) if isinstance(thing, Path) else thing


def kind_of(plugin_class: type) -> str:
    """The name by which a recipe calls a plug-in's class: its file's, or the whole module path of one from outside."""
    contract = _contract(plugin_class)
    package, _, name = plugin_class.__module__.rpartition(".")
    return name if contract and package == registry.package_of(contract) else plugin_class.__module__


def _contract(kind: type) -> type | None:
    return next((one for one in kind.__mro__[1:] if registry.package_of(one)), None)


def _misnamed(value: object, package: str, arms: tuple[Any, ...], where: str) -> tuple[Mistake, ...]:
    """The mistake of a name that is neither a plug-in's nor one of the words that may stand instead."""
    if isinstance(value, (Mapping, list)) or (isinstance(value, str) and "." in value):
        return ()
    if isinstance(value, str) and value in registry.names(package):
        return ()  # it lacks a setting
    words = [str(one) for arm in arms if get_origin(arm) is Literal for one in get_args(arm)]
    what = package.rpartition(".")[2].removesuffix("s")
    problem = (
        f"there is no {what} `{value}`" if isinstance(value, str) else f"found {shown(value)}, expected the name of a {what}"
    )
    return (Mistake(where.lstrip("."), problem, did_you_mean(str(value), [*registry.names(package), *words])),)


def _names_hint(kind: type) -> str:
    return "its settings: " + ", ".join(f"`{name}`" for name in hints_of(kind))
