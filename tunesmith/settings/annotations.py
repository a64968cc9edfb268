"""Type annotations of settings: what they take, in pydantic's judgement and in words."""

import inspect
import math
import re
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from tunesmith import registry
from tunesmith.errors import did_you_mean


@dataclass(frozen=True)
class Plugin:
    """Marks a setting whose tree names a plug-in: `Annotated[str | Mapping[str, Any], Plugin("tunesmith.methods")]`."""

    package: str


@dataclass(frozen=True)
class Mistake:
    """One wrong setting: its dotted name, what is wrong with it, and a hint."""

    where: str
    problem: str
    hint: str = ""


class WrongError(Exception):
    def __init__(self, *mistakes: Mistake) -> None:
        super().__init__(*mistakes)
        self.mistakes = mistakes


@lru_cache(maxsize=512)
def hints_of(kind: type) -> dict[str, Any]:
    """Annotations of the fields that a tree may set."""
    hints = get_type_hints(kind, include_extras=True)
    return {one.name: hints[one.name] for one in fields(kind) if one.init}


def required(kind: type) -> set[str]:
    return {one.name for one in fields(kind) if one.init and one.default is MISSING and one.default_factory is MISSING}


def is_leaf(hint: Any) -> bool:
    """Whether pydantic judges values of this annotation alone."""
    origin = get_origin(hint)
    if origin is Annotated:
        return is_leaf(get_args(hint)[0])
    if origin in (Union, types.UnionType):
        return all(is_leaf(arm) for arm in get_args(hint))
    if origin is Literal:
        return True
    kind = origin or hint
    if not inspect.isclass(kind):
        return False
    if issubclass(kind, (str, Path)):
        return True
    return not (is_dataclass(kind) or issubclass(kind, (Mapping, Sequence)) or registry.package_of(kind))


@lru_cache(maxsize=512)
def _adapter(hint: Any) -> TypeAdapter[Any]:
    return TypeAdapter(hint)


def leaf(hint: Any, value: object, where: str) -> object:
    """A single value by pydantic, strictly: text is no number, and 1.0 is no whole number."""
    try:
        found: object = _adapter(hint).validate_python(value, strict=hint is not Path)
        if isinstance(found, float) and not math.isfinite(found):
            raise WrongError(Mistake(where.lstrip("."), f"found {shown(value)}, expected a finite number"))
        if isinstance(found, int) and abs(found) >= LARGEST:
            raise WrongError(Mistake(where.lstrip("."), f"found {shown(value)}, expected a number below 2^63"))
        return found
    except ValidationError as error:
        told = " or ".join(dict.fromkeys(one["msg"].replace("Input should be ", "") for one in error.errors()))
        hint_text = ""
        if isinstance(value, str) and get_origin(hint) is Literal:
            hint_text = did_you_mean(value, (str(one) for one in get_args(hint)))
        raise WrongError(Mistake(where.lstrip("."), f"found {shown(value)}, expected {told}", hint_text)) from None


LARGEST = 2**63  # whole numbers that the libraries below take are smaller


def expected(hint: Any) -> str:
    """An annotation in words."""
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false", Path: "a path"}
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return " ".join([expected(arguments[0]), *_bounds(arguments[1:])])
    if origin is Literal:
        return " or ".join(f"`{one}`" for one in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(expected(arm) for arm in arguments if arm is not type(None))
    kind = origin or hint
    if inspect.isclass(kind) and kind not in names:
        if issubclass(kind, Mapping) or is_dataclass(kind):
            return "a mapping"
        return "a list" if issubclass(kind, Sequence) else kind.__name__.lower()
    return names.get(kind, str(hint))


ENDS = {"gt": "above", "ge": "from", "lt": "below", "le": "to"}


def _bounds(rules: Sequence[Any]) -> list[str]:
    """Pydantic's constraints of a number in words: `above 0`, `to 65536`."""
    single = [one for rule in rules for one in getattr(rule, "metadata", (rule,))]
    return [f"{word} {getattr(one, name)}" for one in single for name, word in ENDS.items() if hasattr(one, name)]


def shown(value: object) -> str:
    """A value as a message shows it."""
    if value is None:
        return "nothing"
    text = repr(value) if isinstance(value, str) else str(value)
    text = {"True": "true", "False": "false"}.get(text, text)
    return f"`{text if len(text) <= 60 else text[:57] + '...'}`"


def meaning(kind: type, name: str) -> str:
    """What a setting means, in its docstring's words; what it takes, where these are none or only a formula's letter."""
    told = described(kind).get(name, "")
    return f"expected {expected(hints_of(kind)[name])}" if re.fullmatch(r"\w?\.?", told) else told


@lru_cache(maxsize=512)
def described(kind: type) -> dict[str, str]:
    """Descriptions of fields, those of the classes that it stands on included."""
    told: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        told |= _told(one.__doc__ or "")
    return told


def _told(docstring: str) -> dict[str, str]:
    """Descriptions from the lines `name:  text` of a docstring; a further line is indented below the text."""
    told: dict[str, str] = {}
    last = ""
    for line in inspect.cleandoc(docstring).splitlines()[1:]:
        begun = re.match(r"^(\w+(?:, \w+)*):\s+(\S.*)$", line)
        if begun:
            last = begun[1]
            told[last] = begun[2]
        elif last and line.startswith("  ") and line.strip():
            told[last] += " " + line.strip()
        else:
            last = ""
    return {name: text for names, text in told.items() for name in names.split(", ")}
