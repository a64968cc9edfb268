"""Conversations as text: by a chat template, or plainly, one turn after another."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tunesmith.data.bounds import OverrunError
from tunesmith.data.example import Example, Message
from tunesmith.data.jinja import rendered_within_bounds
from tunesmith.data.turns import as_json, with_objects
from tunesmith.errors import UserError
from tunesmith.tokens.spelling import Tokenizer


@dataclass(frozen=True)
class Turn:
    """What is shown before an assistant speaks, and what it says, its end-of-turn token included."""

    shown: str
    said: str


@dataclass(frozen=True)
class ChatTemplate:
    """A Jinja chat template with its tokenizer. Assistant turns are found by rendering prefixes of the conversation.

    template: Jinja text.
    end: text of the token that ends an assistant's turn, "" where the template writes none.

    Tools, and calls of them, are given to a template that speaks of `tools` and `tool_calls`; to any other they are text.
    """

    tokenizer: Tokenizer
    template: str
    end: str

    @property
    def calling(self) -> bool:
        """Whether the template writes calls of tools in a form of its own."""
        return "tool_calls" in self.template

    def messages(self, example: Example) -> tuple[Message, ...]:
        """What is shown, with the tools told as text where the template does not know of tools."""
        return example.messages if "tools" in self.template else told(example)

    def tools(self, example: Example) -> str:
        """The tools that the template is given, as JSON."""
        return example.tools if "tools" in self.template else ""

    @classmethod
    def of(cls, tokenizer: Tokenizer, template: str) -> "ChatTemplate":
        """Find out how the template ends a turn; one that does not come to an end is refused before it is used."""
        try_out(template)
        bare = cls(tokenizer, template, "")
        mark = "tunesmith"
        text = bare.text((Message("user", "a"), Message("assistant", mark)), ask=False)
        if mark not in text:
            raise UserError(
                "the chat template does not show what an assistant says", "set `model.chat: none`, or give a template that does"
            )
        tail = text[text.rindex(mark) + len(mark) :]
        specials = {str(t) for t in tokenizer.all_special_tokens}
        specials |= {added.content for added in tokenizer.added_tokens_decoder.values() if added.special}
        found = [(tail.index(special), -len(special), special) for special in specials if special and special in tail]
        return cls(tokenizer, template, min(found)[2] if found else "")

    def text(self, messages: Sequence[Message], ask: bool, tools: str = "") -> str:
        """The conversation as text; with `ask`, up to where the assistant is to speak. `tools`: JSON of what may be called."""
        calls = any(message.extra for message in messages)
        try:
            try:
                rendered = self._rendered(messages, ask, tools, objects=True)
            except Exception:
                if not calls:
                    raise
                rendered = self._rendered(messages, ask, tools, objects=False)  # it wants the arguments as JSON text
        except Exception as error:  # a template is a program by a third party; it may raise anything
            roles = ", ".join(message.role for message in messages) or "no messages"
            raise UserError(
                f"the chat template refuses a conversation of {roles}: {error}",
                "change the conversation's roles, or set `model.chat: none`",
            ) from None
        return rendered

    def _rendered(self, messages: Sequence[Message], ask: bool, tools: str, objects: bool) -> str:
        spoken = [self.spoken(message, objects) for message in messages]
        return str(
            self.tokenizer.apply_chat_template(
                spoken,
                tools=json.loads(tools) if tools else None,
                chat_template=self.template,
                tokenize=False,
                add_generation_prompt=ask,
            )
        )

    def spoken(self, message: Message, objects: bool = True) -> dict[str, Any]:
        """A turn as a template is given it. `objects`: arguments of calls as objects, which transformers asks for."""
        turn: dict[str, Any] = {"role": message.role, "content": message.content}
        if not message.extra:
            return turn
        extra = json.loads(message.extra)
        if "tool_calls" in extra and not self.calling:
            return turn
        if "tool_calls" in extra:
            extra["tool_calls"] = [_call(call, objects) for call in extra["tool_calls"]]
        return {**turn, **extra}

    def completion(
        self, messages: Sequence[Message], shown: str, answer: str, extra: str = "", tools: str = ""
    ) -> tuple[str, int]:
        """What stands behind `shown` when the assistant says `answer`, with its end of turn; where the answer begins in it.

        extra: what the turn holds beside its words (`Message.extra`). Of a turn with calls, all that the template writes.
        """
        whole = self.text((*messages, Message("assistant", answer, extra)), False, tools)
        rest = whole[len(shown) :]
        if extra and self.calling and "tool_calls" in json.loads(extra):
            if whole.startswith(shown) and rest.strip():
                stop = rest.rfind(self.end) if self.end else -1
                return (rest[: stop + len(self.end)] if stop >= 0 else rest), 0
            return answer + self.end, 0
        for said in (answer, answer.strip()) if whole.startswith(shown) and answer.strip() else ():
            begin = rest.find(said + self.end)
            begin = rest.find(said) if begin < 0 else begin
            if begin < 0:
                continue  # the template strips what it is given
            stop = rest.find(self.end, begin + len(said)) if self.end else -1
            completion = rest[: stop + len(self.end)] if stop >= 0 else rest[: begin + len(said)]
            return completion, begin - answer.index(said)
        return answer + self.end, 0  # the template rewrites what it is given: the answer stands as it is

    def turns(self, messages: Sequence[Message], tools: str = "") -> list[Turn] | None:
        """The earlier assistant turns; None where the template writes one otherwise than when it was said."""
        whole = self.text(messages, messages[-1].role != "assistant", tools)
        found: list[Turn] = []
        place = 0
        for number, message in enumerate(messages):
            if message.role != "assistant":
                continue
            shown = self.text(messages[:number], True, tools)
            said, _ = self.completion(messages[:number], shown, message.content, message.extra, tools)
            if not whole.startswith(shown + said):
                return None
            found.append(Turn(shown[place:], said))
            place = len(shown) + len(said)
        return found


def _call(call: dict[str, Any], objects: bool) -> dict[str, Any]:
    """A call with its arguments as an object, or as JSON text."""
    if not isinstance(call.get("function"), dict) or "arguments" not in call["function"]:
        return call
    arguments = with_objects(call["function"])["arguments"]
    written = arguments if objects or isinstance(arguments, str) else as_json(arguments)
    return {**call, "function": {**call["function"], "arguments": written}}


def told(example: Example) -> tuple[Message, ...]:
    """What is shown, with the tools of the example as text before it: for networks without a template that knows of tools."""
    if not example.tools:
        return example.messages
    text = listed(example.tools)
    first = next(iter(example.messages), None)
    if first is not None and first.role == "system":
        return (Message("system", f"{first.content}\n\n{text}", first.extra), *example.messages[1:])
    return (Message("system", text), *example.messages)


@lru_cache(maxsize=1024)
def listed(tools: str) -> str:
    """Tools as text, one a line."""
    return "\n".join(["Tools:", *map(as_json, json.loads(tools))])


def plain(messages: Sequence[Message]) -> str:
    """The conversation without a template: turns apart by an empty line, an answer behind its question by `join`."""
    text = ""
    for message in messages:
        if message.role == "assistant" and text:
            text += join(text, message.content) + message.content
        else:
            text += ("\n\n" if text else "") + message.content
    return text


def join(shown: str, said: str) -> str:
    """What stands between a prompt and its answer: a blank, unless either brings whitespace of its own."""
    return " " if shown and said and not shown[-1].isspace() and not said[0].isspace() else ""


TRIED = (1, 2, 12)  # turns of the conversations that a template is tried with


def try_out(template: str) -> None:
    """Put conversations of a few lengths through a chat template with its work counted.

    transformers runs a template in Jinja's sandbox, which bounds neither loops nor sizes: a template of somebody else's folder
    could take all time and memory.

    Raises:
        UserError: where it does not come to an end.
    """
    for turns in TRIED:
        roles = [("user", "assistant")[number % 2] for number in range(turns)]
        messages = [{"role": role, "content": "a"} for role in roles]
        try:
            rendered_within_bounds(template, {"messages": messages, "tools": None, "add_generation_prompt": True, **CALLED})
        except OverrunError as error:
            told = str(error).replace("wording", "template").replace("a row", "a conversation")
            raise UserError(
                f"the chat template does not come to an end: {told}", "set `model.chat: none`, or give another template"
            ) from None


def _raise(message: str) -> None:
    raise UserError(message)


CALLED = {"raise_exception": _raise, "strftime_now": lambda form: "2026-01-01", "bos_token": "", "eos_token": ""}
