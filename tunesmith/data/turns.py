"""Conversations in rows: lists of turns in the layouts people have, and transcripts in one string."""

import re
from collections.abc import Mapping

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
}
_TRANSCRIPT = re.compile(r"(?:^|\n\n)(Human|Assistant):[ ]?")


def read_turns(value: object) -> tuple[Message, ...] | None:
    """The turns of a column: `[{role, content}]`, ShareGPT's `[{from, value}]`, or a `Human: ... Assistant: ...` transcript.

    None where the value is something else, e.g. plain text.
    """
    if isinstance(value, (list, tuple)):
        return tuple(_turn(turn) for turn in value)
    if isinstance(value, str) and value.lstrip("\n").startswith(("Human:", "Assistant:")):
        return _transcript(value)
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
        elif turns and turns[0].role != "assistant" and number:
            messages = ()
        messages += turns
    return messages


def split_last(messages: tuple[Message, ...]) -> tuple[tuple[Message, ...], str]:
    """What stands before the last assistant turn, and that turn; turns after it are left out.

    A conversation without an assistant is all prompt, and its target is empty.
    """
    last = max((number for number, message in enumerate(messages) if message.role == "assistant"), default=None)
    return (messages, "") if last is None else (messages[:last], messages[last].content)


def _turn(turn: object) -> Message:
    if not isinstance(turn, Mapping):
        raise UserError(f"a turn of a conversation is `{turn!r}`", "a turn is a mapping with `role` and `content`")
    role = str(turn.get("role", turn.get("from", "")))
    if role.lower() not in ROLES:
        raise UserError(f"a turn of a conversation has the role `{role}`", did_you_mean(role, ROLES))
    content = turn.get("content", turn.get("value", ""))
    if isinstance(content, (list, tuple)):
        content = "".join(part.get("text", "") for part in content if isinstance(part, Mapping))
    return Message(ROLES[role.lower()], "" if content is None else str(content))


def _transcript(text: str) -> tuple[Message, ...]:
    _, *pieces = _TRANSCRIPT.split(text)
    return tuple(Message(ROLES[who.lower()], said.strip()) for who, said in zip(pieces[::2], pieces[1::2], strict=True))
