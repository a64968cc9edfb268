"""Answers in the shape of OpenAI's: whole, and as the parts of a stream.

Of a token that is told apart: its text as it reads alone, its bytes, and the network's own log-probability of it.
"""

import secrets
import time
from collections.abc import Iterable, Sequence
from typing import Protocol

from tunesmith.generation.slots import Ends, Reason, Told
from tunesmith.generation.streaming import Words
from tunesmith.serving.asking import Wanted
from tunesmith.serving.calling import Tree, called, forced
from tunesmith.serving.hearing import Said
from tunesmith.tokens.renderer import Renderer


class Tokens:
    """Tokens one by one."""

    def __init__(self, renderer: Renderer, ends: Ends) -> None:
        self.renderer, self.ends = renderer, ends
        self._special = {*renderer.tokenizer.all_special_ids, *ends.tokens}

    def text(self, id_: int) -> str:
        return self.renderer.pieces([id_])[0]

    def shown(self, told: Iterable[Told]) -> list[Told]:
        """Without what ended the answer."""
        return [one for one in told if one.id not in self.ends.tokens]

    def of_chat(self, told: Iterable[Told]) -> Tree:
        """`logprobs` of a conversation."""
        return {
            "content": [
                {**self._entry(one.id, one.logprob), "top_logprobs": [self._entry(*pair) for pair in one.likeliest]}
                for one in self.shown(told)
            ],
            "refusal": None,
        }

    def _entry(self, id_: int, logprob: float) -> Tree:
        text = self.text(id_)
        return {"token": text, "logprob": written(logprob), "bytes": list(text.encode())}

    def of_completion(self, told: Iterable[Told], offset: int) -> Tree:
        """`logprobs` of a completion; `offset`: letters before it."""
        tree: Tree = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
        for one in told:
            text = self.text(one.id)
            tree["tokens"].append(text)
            tree["token_logprobs"].append(written(one.logprob))
            likeliest = {self.text(id_): written(logprob) for id_, logprob in reversed(one.likeliest)}
            tree["top_logprobs"].append({text: written(one.logprob)} | likeliest if one.likeliest else None)
            tree["text_offset"].append(offset)
            offset += self._letters(one.id)
        return tree

    def _letters(self, id_: int) -> int:
        """How many of the text's letters a token is; a special one is none."""
        return 0 if id_ in self._special else len(self.text(id_))

    def of_prompt(self, prompt: Sequence[int], told: Sequence[Told]) -> Tree:
        """The same of a prompt, of whose first token nothing is known."""
        first = self.text(prompt[0])
        tree = self.of_completion(told, self._letters(prompt[0]))
        before: Tree = {"tokens": [first], "token_logprobs": [None], "top_logprobs": [None], "text_offset": [0]}
        return {name: [*before[name], *rest] for name, rest in tree.items()}


class Shape(Protocol):
    """How one kind of answer is told."""

    head: Tree  # what each part and the whole begin with

    def choice(self, number: int, text: str, said: Said) -> Tree:
        """One whole answer."""
        ...

    def words(self, number: int, text: str, said: Said) -> str:
        """The text of a whole answer, with what stands before it."""
        ...

    def opening(self, number: int) -> Tree | None:
        """What a stream begins with."""
        ...

    def part(self, number: int, text: str, told: Sequence[Told]) -> Tree:
        """What is new."""
        ...

    def last(self, number: int, said: Said) -> Tree:
        """That it has ended."""
        ...

    def ended(self, calls: bool, reason: Reason | None) -> str | None:
        """Why, where it is calls of tools or is not."""
        ...


class Completion:
    """`text_completion`."""

    def __init__(self, wanted: Wanted, tokens: Tokens) -> None:
        self.wanted, self.tokens = wanted, tokens
        self.head = headed("cmpl", "text_completion", wanted.model)
        self._offsets: dict[int, int] = {}

    def choice(self, number: int, text: str, said: Said) -> Tree:
        logprobs = self._logprobs(number, said.told, len(self._shown(number)))
        text = self.words(number, text, said)
        return {"index": number, "text": text, "logprobs": logprobs, "finish_reason": said.reason}

    def words(self, number: int, text: str, said: Said) -> str:
        shown = self._shown(number)
        return joined(self.tokens.renderer, shown, self.wanted.rows[number][0], said, text) if shown else text

    def _shown(self, number: int) -> str:
        return self.wanted.shown[number // self.wanted.n] if self.wanted.shown is not None else ""

    def _logprobs(self, number: int, told: Sequence[Told], offset: int) -> Tree | None:
        """With a prompt's tokens before them all of them are told, so that who asked can count them: what ended it too."""
        wanted = self.wanted
        if not wanted.told:
            return None
        if wanted.weighed is None:
            return self.tokens.of_completion(self.tokens.shown(told), offset)
        place = number // wanted.n
        before = self.tokens.of_prompt(wanted.prompts[place], wanted.weighed[place])
        return {name: [*before[name], *rest] for name, rest in self.tokens.of_completion(told, offset).items()}

    def opening(self, number: int) -> Tree | None:
        return None

    def part(self, number: int, text: str, told: Sequence[Told]) -> Tree:
        offset = self._offsets.setdefault(number, len(self._shown(number)))
        logprobs = self._logprobs(number, told, offset)
        if logprobs is not None:
            self._offsets[number] += sum(map(len, logprobs["tokens"]))
        return {"index": number, "text": text, "logprobs": logprobs, "finish_reason": None}

    def last(self, number: int, said: Said) -> Tree:
        return {"index": number, "text": "", "logprobs": None, "finish_reason": said.reason}

    def ended(self, calls: bool, reason: Reason | None) -> str | None:
        return reason


class Chat:
    """`chat.completion`. Where tools were shown, an answer is told once it has ended, since it may be a call of one."""

    def __init__(self, wanted: Wanted, tokens: Tokens) -> None:
        self.wanted, self.tokens = wanted, tokens
        self.head = headed("chatcmpl", "chat.completion" + ".chunk" * wanted.streams, wanted.model)

    def choice(self, number: int, text: str, said: Said) -> Tree:
        message: Tree = {"role": "assistant", "content": text, "refusal": None}
        text, calls = self._called(text)
        if calls:
            message |= {"content": text or None, "tool_calls": calls}
        reason = self.ended(bool(calls), said.reason)
        return {"index": number, "message": message, "logprobs": self._logprobs(said.told), "finish_reason": reason}

    def _called(self, text: str) -> tuple[str, list[Tree]]:
        if not self.wanted.tools:
            return text, []
        return forced(text) if self.wanted.must else called(text)

    def ended(self, calls: bool, reason: Reason | None) -> str | None:
        """OpenAI says `stop` of a call of the tool that was named."""
        return "tool_calls" if calls and reason == "stop" and self.wanted.must != "named" else reason

    def words(self, number: int, text: str, said: Said) -> str:
        return text

    def _logprobs(self, told: Sequence[Told]) -> Tree | None:
        return self.tokens.of_chat(told) if self.wanted.told else None

    def opening(self, number: int) -> Tree | None:
        return self._delta(number, {"role": "assistant", "content": ""})

    def part(self, number: int, text: str, told: Sequence[Told]) -> Tree:
        text, calls = self._called(text)
        delta: Tree = {"content": text} if text or not calls else {}
        if calls:
            delta["tool_calls"] = [{"index": index, **call} for index, call in enumerate(calls)]
        return {**self._delta(number, delta), "logprobs": self._logprobs(told)}

    def last(self, number: int, said: Said) -> Tree:
        return {**self._delta(number, {}), "finish_reason": said.reason}

    def _delta(self, number: int, delta: Tree) -> Tree:
        return {"index": number, "delta": delta, "logprobs": None, "finish_reason": None}


def headed(kind: str, name: str, model: str) -> Tree:
    return {
        "id": f"{kind}-{secrets.token_hex(12)}",
        "object": name,
        "created": int(time.time()),
        "model": model,
        "system_fingerprint": None,
    }


def usage(wanted: Wanted, said: int) -> Tree:
    """Tokens of each prompt once, and of all answers, ends included."""
    shown = sum(map(len, wanted.prompts))
    return {"prompt_tokens": shown, "completion_tokens": said, "total_tokens": shown + said}


def written(logprob: float) -> float:
    """JSON knows no infinity; OpenAI writes -9999 for what cannot be."""
    return max(logprob, -9999.0)


def joined(renderer: Renderer, shown: str, prompt: Sequence[int], said: Said, text: str) -> str:
    """A prompt with its answer, and the blank that stands between them where the two are read as one."""
    ids = [*prompt, *said.ids]
    whole = str(renderer.tokenizer.decode(ids, skip_special_tokens=True))
    blank = " " if renderer.family == "causal" and whole.startswith(f"{shown} {text}") and text else ""
    return f"{shown}{blank}{text}"


class Streaming:
    """Turns what is heard of one answer into parts."""

    def __init__(self, number: int, shape: Shape, wanted: Wanted, tokens: Tokens) -> None:
        self.number, self.shape = number, shape
        self.whole = wanted.tools or wanted.shown is not None  # how it reads is known at its end
        self.ends = tokens.ends
        self.words = Words(tokens.renderer.say, tokens.ends.texts)
        self.said = Said()
        self._told: list[Told] = []  # of tokens whose text is still held back

    def more(self, ids: Sequence[int], told: Sequence[Told], reason: Reason | None) -> list[Tree]:
        """Parts for what is new."""
        self.said.ids += ids
        self.said.reason = reason
        self._told += told
        text = "" if self.whole and reason is None else self._text(ids)
        parts = []
        if text or (self._told and reason):
            part = self.shape.part(self.number, text, self._told)
            self._told = []
            parts.append(part)
        if reason is not None:
            last = self.shape.last(self.number, self.said)
            if parts and "tool_calls" in parts[0].get("delta", ()):
                last["finish_reason"] = self.shape.ended(True, reason)
            parts.append(last)
        return parts

    def _text(self, ids: Sequence[int]) -> str:
        if self.said.reason is not None:
            text = self.ends.text(self.said.ids)
            return self.shape.words(self.number, text, self.said) if self.whole else self.words.rest(text)
        return self.words.more(ids)
