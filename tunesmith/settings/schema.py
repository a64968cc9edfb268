"""The JSON schema of settings, for editors that complete and check a recipe while it is written."""

import inspect
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import TypeAdapter

from tunesmith import registry
from tunesmith.errors import UserError
from tunesmith.settings.annotations import Plugin, described, hints_of, is_leaf, required
from tunesmith.settings.building import dump

Schema = dict[str, Any]


def schema(kind: type) -> Schema:
    """JSON schema (draft 2020-12) of a dataclass; a plug-in is one of its package's registered kinds."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": kind.__name__, **_dataclass(kind)}


def _dataclass(kind: type) -> Schema:
    hints, told = hints_of(kind), described(kind)
    properties = {name: _schema(hint) | ({"description": told[name]} if name in told else {}) for name, hint in hints.items()}
    for one in fields(kind):
        if one.name in properties and one.default is not MISSING:
            properties[one.name]["default"] = dump(one.default)
    made: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    if first := (inspect.getdoc(kind) or "").partition("\n")[0]:
        made["description"] = first
    return {**made, "required": sorted(required(kind))} if required(kind) else made


def _schema(hint: Any) -> Schema:  # noqa: PLR0911 - one return a kind of annotation
    origin, arguments = get_origin(hint), get_args(hint)
    marks = [one for one in arguments if isinstance(one, Plugin)]
    if marks:
        return plugins(marks[0].package)
    if hint is Any or hint is object:
        return {}
    if inspect.isclass(hint) and registry.package_of(hint):
        return plugins(registry.package_of(hint))
    if inspect.isclass(hint) and is_dataclass(hint):
        return _dataclass(hint)
    if hint is type(None):
        return {"type": "null"}
    if hint is Path:
        return {"type": "string"}
    if is_leaf(hint):
        return {name: value for name, value in TypeAdapter(hint).json_schema().items() if name != "title"}
    if origin is Annotated:
        return _schema(arguments[0])
    if origin in (Union, types.UnionType):
        arms = [_schema(arm) for arm in arguments]
        if any("oneOf" in arm for arm in arms):
            return {"oneOf": [one for arm in arms for one in arm.get("oneOf", [arm])]}
        return {"anyOf": arms}
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _schema(arguments[1])}
    if inspect.isclass(origin) and issubclass(origin, Sequence):
        return {"type": "array", "items": _schema(arguments[0])}
    return {}


def plugins(package: str) -> Schema:
    """A registered kind by name, or a mapping with `kind` and its settings, or a module from outside.

    Of plug-ins inside a plug-in (the parts of `combined`) only the form is told.
    """
    if package in _within:
        return {"type": ["string", "object"]}
    mappings = []
    _within.append(package)
    for name in registry.names(package):
        try:
            settings = _dataclass(registry.find(name, package, contract(package)))
        except UserError:
            continue  # a file of the folder that holds no plug-in
        properties = {**settings["properties"], "kind": {"const": name}}
        mappings.append({**settings, "properties": properties, "required": ["kind", *settings.get("required", [])]})
    _within.remove(package)
    outside = {"type": "object", "properties": {"kind": {"type": "string", "pattern": r"\."}}, "required": ["kind"]}
    short = {"enum": [one["properties"]["kind"]["const"] for one in mappings]}
    return {"oneOf": [short, *mappings, outside]}


_within: list[str] = []  # packages whose plug-ins are being described


def contract(package: str) -> type:
    """The class that says what a plug-in of a package is: `tunesmith.methods.method.Method`."""
    what = package.rpartition(".")[2].removesuffix("s")
    found: type = getattr(import_module(f"{package}.{what}"), what.capitalize())
    return found
