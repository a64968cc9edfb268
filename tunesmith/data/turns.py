"""Conversations in rows: lists of turns in the layouts people have, calls of tools in them, and transcripts in one string.

{"role": "assistant", "content": null, "tool_calls": [{"type": "function", "function": {"name": ..., "arguments": ...}}]}
{"role": "tool", "tool_call_id": ..., "content": ...}                       OpenAI, transformers
{"from": "function_call", "value": '{"name": ..., "arguments": ...}'}       ShareGPT, with `observation` behind it
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tunesmith.data.example import Message, Role
from tunesmith.errors import UserError, did_you_mean

ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "function_call": "assistant",
    "tool_call": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "tool_response": "tool",
    "ipython": "tool",
}
CALLING = ("function_call", "tool_call")  # roles whose words are a call
OWN = ("role", "from", "content", "value")  # keys of a turn that are no extra
_TRANSCRIPT = re.compile(r"(?:^|\n\n)(Human|Assistant):[ ]?")


def read_turns(value: object) -> tuple[Message, ...] | None:
    """The turns of a column: `[{role, content}]`, ShareGPT's `[{from, value}]`, or a `Human: ... Assistant: ...` transcript.

    One turn alone may stand without its list. None where the value is something else, e.g. plain text.
    """
    if isinstance(value, Mapping) and ("role" in value or "from" in value):
        return (_turn(value),)
    if isinstance(value, (list, tuple)):
        return tuple(_turn(turn) for turn in value)
    if isinstance(value, str) and value.lstrip("\n").startswith(("Human:", "Assistant:")):
        return _transcript(value)
    if isinstance(value, str) and value.lstrip().startswith("[{"):  # a cell of a table
        turns = parsed(value)
        known = isinstance(turns, list) and all(isinstance(turn, dict) and turn.keys() & {"role", "from"} for turn in turns)
        return tuple(map(_turn, turns)) if known else None
    return None


def join_turns(values: list[object]) -> tuple[Message, ...]:
    """One conversation from columns in order, e.g. a prompt and a completion; plain text is the user's, then the assistant's.

    A column that itself opens with the user holds the whole conversation, and replaces what stood before it.
    """
    messages: tuple[Message, ...] = ()
    for number, value in enumerate(values):
        turns = read_turns(value)
        if turns is None:
            turns = (Message("assistant" if number else "user", str(value)),)
        elif turns and turns[0].role not in ("assistant", "tool") and number:
            messages = ()
        messages += turns
    return messages


def split_last(messages: tuple[Message, ...]) -> tuple[tuple[Message, ...], Message]:
    """What stands before the last assistant turn, and that turn; turns after it are left out.

    A conversation without an assistant is all prompt, and that turn is empty.
    """
    last = max((number for number, message in enumerate(messages) if message.role == "assistant"), default=None)
    return (messages, Message("assistant", "")) if last is None else (messages[:last], messages[last])


def history(value: object) -> tuple[Message, ...]:
    """Earlier turns given as pairs of what was asked and what was answered."""
    if not value:
        return ()
    if not isinstance(value, (list, tuple)) or not all(isinstance(one, (list, tuple)) and len(one) == 2 for one in value):
        raise UserError(f"a `history` is `{_short(value)}`", "it is a list of pairs: `[[asked, answered], ...]`")
    return tuple(turn for one in value for turn in (Message("user", str(one[0])), Message("assistant", str(one[1]))))


def read_tools(value: object) -> str:
    """The tools of a row as JSON, "" where it has none: a list, or JSON text of one; bare functions are put as tools."""
    if value is None or value == "":
        return ""
    found = parsed(value) if isinstance(value, str) else value
    if found is not None and not found:
        return ""
    listed = [found] if isinstance(found, Mapping) else found
    if not isinstance(listed, (list, tuple)) or not all(isinstance(one, Mapping) for one in listed):
        raise UserError(f"the `tools` of a row are `{_short(value)}`", "they are a list of objects, or JSON text of one")
    return as_json([one if "name" not in one or "function" in one else {"type": "function", "function": one} for one in listed])


def worded(content: str, calls: Sequence[Mapping[str, Any]]) -> str:
    """What is said and the calls behind it as text, the calls as Hermes and Qwen write them."""
    functions = [call.get("function", call) for call in calls]
    written = [f"<tool_call>\n{as_json(with_objects(one))}\n</tool_call>" for one in functions]
    return "\n".join([content, *written] if content else written)


def with_objects(function: Mapping[str, Any]) -> dict[str, Any]:
    """Name and arguments of a call, the arguments as an object where they are its JSON text."""
    arguments = function.get("arguments", {})
    found = parsed(arguments) if isinstance(arguments, str) else arguments
    return {"name": function.get("name"), "arguments": arguments if found is None else found}


def as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def parsed(text: str) -> Any:
    """What JSON text holds; None where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def _turn(turn: object) -> Message:
    if not isinstance(turn, Mapping):
        raise UserError(f"a turn of a conversation is `{_short(turn)}`", "a turn is a mapping with `role` and `content`")
    name = str(turn.get("role") or turn.get("from") or "")
    role = name.lower()
    if role not in ROLES:
        raise UserError(f"a turn of a conversation has the role `{name}`", did_you_mean(role, ROLES))
    given = turn.get("content", turn.get("value"))
    content = _text(given)
    extra = {key: value for key, value in turn.items() if key not in OWN and value is not None}
    calls = _calls(role, content, extra)
    if calls is None:
        return Message(ROLES[role], content, as_json(extra) if extra else "")
    content = "" if role in CALLING else content
    extra.pop("function_call", None)
    whole = {"content": content if given is not None and role not in CALLING else None, **extra, "tool_calls": calls}
    return Message(ROLES[role], worded(content, calls), as_json(whole))


def _calls(role: str, content: str, extra: Mapping[str, Any]) -> list[Any] | None:
    """The calls of a turn as OpenAI lists them; None where it has none."""
    if role in CALLING:
        found = parsed(content)
        listed = found if isinstance(found, list) else [found]
        if not all(isinstance(one, dict) and "name" in one for one in listed):
            hint = 'its words are JSON: `{"name": ..., "arguments": {...}}`, or a list of these'
            raise UserError(f"a turn of `{role}` is `{_short(content)}`", hint)
        return [{"type": "function", "function": one} for one in listed]
    if extra.get("tool_calls"):
        calls = extra["tool_calls"]
        calls = parsed(calls) if isinstance(calls, str) else calls
        if not isinstance(calls, (list, tuple)) or not all(isinstance(one, Mapping) for one in calls):
            raise UserError(f"the `tool_calls` of a turn are `{_short(calls)}`", "they are a list of objects with `function`")
        return list(calls)
    if isinstance(extra.get("function_call"), Mapping):  # OpenAI's older name for a single call
        return [{"type": "function", "function": extra["function_call"]}]
    return None


def _text(content: object) -> str:
    if isinstance(content, (list, tuple)):
        for part in content:
            if not isinstance(part, Mapping) or "text" not in part or part.get("type", "text") != "text":
                kind = part.get("type", "unknown") if isinstance(part, Mapping) else type(part).__name__
                raise UserError(f"a turn of a conversation has a part of the kind `{kind}`", "only parts of `text` can be read")
        return "".join(str(part["text"]) for part in content)
    return "" if content is None else str(content)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _transcript(text: str) -> tuple[Message, ...]:
    _, *pieces = _TRANSCRIPT.split(text)
    return tuple(Message(ROLES[who.lower()], said.strip()) for who, said in zip(pieces[::2], pieces[1::2], strict=True))
