"""Conversations as text: by a chat template, or plainly, one turn after another."""

from collections.abc import Sequence
from dataclasses import dataclass

from tunesmith.data.example import Message
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
    """

    tokenizer: Tokenizer
    template: str
    end: str

    @classmethod
    def of(cls, tokenizer: Tokenizer, template: str) -> "ChatTemplate":
        """Find out how the template ends a turn."""
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

    def text(self, messages: Sequence[Message], ask: bool) -> str:
        """The conversation as text; with `ask`, up to where the assistant is to speak."""
        spoken = [{"role": message.role, "content": message.content} for message in messages]
        try:
            rendered = self.tokenizer.apply_chat_template(
                spoken, chat_template=self.template, tokenize=False, add_generation_prompt=ask
            )
        except Exception as error:  # a template is a program by a third party; it may raise anything
            roles = ", ".join(message.role for message in messages) or "no messages"
            raise UserError(
                f"the chat template refuses a conversation of {roles}: {error}",
                "change the conversation's roles, or set `model.chat: none`",
            ) from None
        return str(rendered)

    def completion(self, messages: Sequence[Message], shown: str, answer: str) -> tuple[str, int]:
        """What stands behind `shown` when the assistant says `answer`, with its end of turn; where in it the answer begins."""
        whole = self.text((*messages, Message("assistant", answer)), ask=False)
        rest = whole[len(shown) :]
        for said in (answer, answer.strip()) if whole.startswith(shown) and answer.strip() else ():
            begin = rest.find(said + self.end)
            begin = rest.find(said) if begin < 0 else begin
            if begin < 0:
                continue  # the template strips what it is given
            stop = rest.find(self.end, begin + len(said)) if self.end else -1
            completion = rest[: stop + len(self.end)] if stop >= 0 else rest[: begin + len(said)]
            return completion, begin - answer.index(said)
        return answer + self.end, 0  # the template rewrites what it is given: the answer stands as it is

    def turns(self, messages: Sequence[Message]) -> list[Turn] | None:
        """The earlier assistant turns; None where the template writes one otherwise than when it was said."""
        whole = self.text(messages, ask=messages[-1].role != "assistant")
        found: list[Turn] = []
        place = 0
        for number, message in enumerate(messages):
            if message.role != "assistant":
                continue
            shown = self.text(messages[:number], ask=True)
            said, _ = self.completion(messages[:number], shown, message.content)
            if not whole.startswith(shown + said):
                return None
            found.append(Turn(shown[place:], said))
            place = len(shown) + len(said)
        return found


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
