"""The one record that the whole house speaks: something to learn from, or to answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    content: its words; calls of tools stand in them as text too (`data/turns.py: worded`).
    extra:   JSON of what a chat template is given beside them, or instead: `tool_calls`, `tool_call_id`, `name`, and the
             `content` without the calls.
    """

    role: Role
    content: str
    extra: str = ""


@dataclass(frozen=True, slots=True)
class Weight:
    """How much a span of the target counts in the loss: characters [start, end) count `weight` times."""

    start: int
    end: int
    weight: float


@dataclass(frozen=True, slots=True)
class Example:
    """What the model is shown, and what it should say.

    A plain text to continue is an example without messages; a preference pair is an example with a rejected answer; a
    multiple choice has `choices`, with the target among them.

    messages:   what the model is shown. Earlier assistant turns of a chat stand here too.
    target:     what it should say.
    rejected:   the worse answer of a preference pair.
    choices:    the answers to choose from; empty where the model speaks freely.
    texts:      the bare text, or two, that a head reads instead of `messages`; empty: it reads these.
    references: every acceptable answer, for metrics; empty means `(target,)`.
    weights:    spans of the target with a loss weight other than 1.
    id:         stable within a task and split; the key by which answers of two runs are paired.
    meta:       anything a metric or a report may want (topic, split, origin, source row ...).
    extra:      of the target's turn, as `Message.extra`.
    tools:      JSON list of the tools that the model may call.
    replayed:   not of the task, but shown beside it so that it is not forgotten.
    task:       of a mixture: number of the set that it is of, by which losses are told apart.
    """

    messages: tuple[Message, ...]
    target: str
    rejected: str | None = None
    choices: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    weights: tuple[Weight, ...] = ()
    id: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)
    replayed: bool = False
    texts: tuple[str, ...] = ()
    extra: str = ""
    tools: str = ""
    task: int = 0

    @property
    def letters(self) -> int:
        """Its length in letters: near enough to tokens for an order, and known without a tokenizer."""
        shown = self.texts or [message.content for message in self.messages]
        return sum(map(len, shown)) + len(self.target) + len(self.rejected or "")

    @property
    def label(self) -> int:
        """Index of the target among the choices."""
        return self.choices.index(self.target)

    @property
    def acceptable(self) -> tuple[str, ...]:
        """The references, or the target alone where there are none."""
        return self.references or (self.target,)
