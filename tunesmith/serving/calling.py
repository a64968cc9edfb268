"""Calls of tools: found in what a model says, or the only thing that it may say."""

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

Tree = dict[str, Any]
CALLED = re.compile(r"<tool_call>\s*(.*?)\s*</tool_call>", re.DOTALL)


def called(text: str) -> tuple[str, list[Tree]]:
    """What is said beside calls of tools, as Hermes and Qwen write them, and these; all is words where one cannot be read."""
    found = CALLED.findall(text)
    calls = _read(found)
    return (CALLED.sub("", text).strip(), calls) if calls else (text, [])


def forced(text: str) -> tuple[str, list[Tree]]:
    """The same of an answer that had to be one call, `by_schema`; one that was cut is words."""
    calls = _read([text])
    return ("" if calls else text), calls


def _read(found: Sequence[str]) -> list[Tree]:
    calls: list[Tree] = []
    for one in found:
        try:
            tree = json.loads(one)
            function = {"name": str(tree["name"]), "arguments": json.dumps(tree.get("arguments", {}), ensure_ascii=False)}
        except (ValueError, KeyError, TypeError, AttributeError):
            return []
        calls.append({"id": f"call_{secrets.token_hex(8)}", "type": "function", "function": function})
    return calls


def by_schema(tools: Sequence[Mapping[str, Any]]) -> Tree:
    """The JSON schema of one call of one of these tools: `{"name": ..., "arguments": ...}`."""
    definitions, calls = {}, []
    for number, tool in enumerate(tools):
        function = tool["function"]
        place = f"tool{number}"
        definitions[place] = _moved(function.get("parameters") or {"type": "object"}, f"#/$defs/{place}")
        parts = {"name": {"const": function["name"]}, "arguments": {"$ref": f"#/$defs/{place}"}}
        calls.append({"type": "object", "properties": parts, "required": [*parts], "additionalProperties": False})
    return {"anyOf": calls, "$defs": definitions}


def _moved(tree: Any, place: str) -> Any:
    """A schema that lies somewhere else now: what it refers to in itself lies there too."""
    if isinstance(tree, Mapping):
        return {
            key: f"{place}{value[1:]}"
            if key == "$ref" and isinstance(value, str) and value[:1] == "#"
            else _moved(value, place)
            for key, value in tree.items()
        }
    return [_moved(one, place) for one in tree] if isinstance(tree, list) else tree
