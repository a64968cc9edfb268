"""What the engine keeps of every row under way.

Dimension key: B rows, V vocabulary.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import torch
from torch import Tensor

from tunesmith.generation.sampling import Sampling

NEAR = 64  # ids at an answer's end that are put in words to look for stop texts
Reason = Literal["stop", "length", "cancelled"]


class Guide(Protocol):
    """What may be said next, where an answer has to have a form."""

    def allowed(self) -> Tensor:
        """[V] which tokens may come; one at least may."""
        ...

    def take(self, id_: int) -> bool:
        """This one came. Whether the answer is whole."""
        ...


@dataclass(frozen=True, slots=True)
class Wants:
    """What one asker wants beyond `Sampling`.

    presence, frequency: taken from the logits of tokens that were said: once, and for each time (as OpenAI's API has it).
    bias:         id -> what is added to its logit.
    alternatives: so many of the likeliest tokens are told beside each that is said; None: nothing is told of single tokens.
    least:        no stop token ends an answer before it has so many tokens.
    """

    presence: float = 0.0
    frequency: float = 0.0
    bias: Mapping[int, float] = field(default_factory=dict)
    alternatives: int | None = None
    least: int = 0

    @property
    def weighs(self) -> bool:
        """Whether logits are changed."""
        return bool(self.presence or self.frequency or self.bias or self.least)


@dataclass(frozen=True, slots=True)
class Told:
    """One token that was said: the network's own log-probability of it, and (id, log-probability) of the likeliest."""

    id: int
    logprob: float
    likeliest: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Spoken:
    """An answer.

    ids:           what was said, with the stop token where one ended it.
    text:          the same in words, without stop tokens, cut before a stop text.
    logprob:       sum of the network's own log-probabilities of the ids, before temperature and filters; forced ids add 0.
    reason:        `stop`, or `length` where `Sampling.tokens` or the network's window cut the answer.
    seconds:       share of the wall-clock time: each step's, divided by the rows in it.
    prompt_tokens: ids of the prompt; virtual tokens not counted.
    told:          of each token, where it was asked for.
    """

    ids: tuple[int, ...]
    text: str
    logprob: float
    reason: Reason
    seconds: float
    prompt_tokens: int
    told: tuple[Told, ...] = ()

    @property
    def finished(self) -> bool:
        """Did the model end the answer itself?"""
        return self.reason == "stop"


@dataclass(slots=True)
class Slot:
    """A row that waits or is under way: the prompt's number, what was said, and how it may end.

    copy:  number of earlier equal prompts.
    ends:  what ends it.
    trunk: tokens that other prompts begin with too, which are read once.
    client: who asks; those who wait take turns.
    heeds: called after each token, and once it has ended.
    dice:  what tokens are drawn by, once it is under way.
    heard: ids in which no stop text that is still to come can begin.
    again: ids said before it had to leave for want of room, still to be repeated.
    """

    number: int
    prompt: Sequence[int]
    adapter: str
    limit: int
    copy: int = 0
    trunk: int = 0
    ends: "Ends | None" = None
    sampling: Sampling = field(default_factory=Sampling)
    wants: Wants = field(default_factory=Wants)
    guide: Guide | None = None
    client: str = ""
    heeds: "Callable[[Slot], None] | None" = None
    dice: random.Random | None = None
    ids: list[int] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    logprob: float = 0.0
    heard: int = 0
    entered: float = 0.0
    seconds: float = 0.0
    again: list[int] = field(default_factory=list)
    reason: Reason | None = None

    @property
    def read(self) -> list[int]:
        """What a decoder reads before it says more: the prompt, and what was said before it had to leave."""
        return [*self.prompt, *self.ids]


@dataclass(frozen=True)
class Ends:
    """What ends a model's answers.

    tokens: ids that end them.
    texts:  texts that end them.
    first, last: id that every answer starts with, or ends with where its length is cut (BART's forced ids).
    say:    ids -> text.
    """

    tokens: frozenset[int]
    texts: tuple[str, ...]
    first: int | None
    last: int | None
    say: Callable[[Sequence[int]], str]

    def forced(self, slot: Slot, tokens: int) -> int | None:
        """The id that has to come next, where there is one."""
        if self.first is not None and not slot.ids:
            return self.first
        if self.last is not None and len(slot.ids) == tokens - 1:
            return self.last
        return None

    def reason(self, slot: Slot) -> Reason | None:
        """Why the answer ends with its newest token; None where it goes on."""
        if self.last is not None and len(slot.ids) == slot.limit:
            return "length"
        if slot.ids[-1] in self.tokens:
            return "stop"
        if self._heard(slot):
            return "stop"
        return "length" if len(slot.ids) >= slot.limit else None

    def _heard(self, slot: Slot) -> bool:
        """Whether a stop text stands in the answer.

        Only its end is put in words, so that a token takes no longer the longer the answer is. What lies before may be left out
        when the end by itself reads as it does in the whole, and is long enough for a text that has begun.
        """
        if not self.texts:
            return False
        if self._stops(self.say(slot.ids[slot.heard :])):
            return slot.heard == 0 or self._stops(self.say(slot.ids))
        since = len(slot.ids) - slot.heard
        if since > NEAR and since % NEAR == 0:
            end = self.say(slot.ids[-NEAR:])
            broken = "\ufffd" in end  # a letter of several ids may be cut
            if not broken and len(end) >= max(map(len, self.texts)) and self.say(slot.ids).endswith(end):
                slot.heard = len(slot.ids) - NEAR
        return False

    def _stops(self, said: str) -> bool:
        return any(text in said for text in self.texts)

    def text(self, ids: Sequence[int]) -> str:
        """The answer in words, up to the first stop text."""
        said = self.say(ids[:-1] if ids and ids[-1] in self.tokens else ids)
        for text in self.texts:
            said = said.split(text, 1)[0]
        return said


@dataclass
class Tallies:
    """Numbers of the rows that live on the device: [B] log-probability so far, [B, V] tokens seen (where penalised)."""

    logprob_B: Tensor
    seen_BV: Tensor | None

    @classmethod
    def empty(cls, device: torch.device) -> "Tallies":
        return cls(torch.zeros(0, device=device), None)

    def enter(self, slots: Sequence[Slot], vocabulary: int, paired: int | None) -> None:
        """Rows come in; `paired` is the decoder's start id where the prompt itself is not penalised."""
        under_way, device = len(self.logprob_B), self.logprob_B.device
        self.logprob_B = torch.cat([self.logprob_B, torch.tensor([slot.logprob for slot in slots], device=device)])
        if self.seen_BV is None and all(slot.sampling.repetition_penalty == 1 for slot in slots):
            return
        fresh_nV = torch.zeros(len(slots), vocabulary, dtype=torch.bool)
        for row, slot in enumerate(slots):
            fresh_nV[row, slot.read if paired is None else [paired, *slot.ids]] = True
        before_BV = (
            torch.zeros(under_way, vocabulary, dtype=torch.bool, device=device) if self.seen_BV is None else self.seen_BV
        )
        self.seen_BV = torch.cat([before_BV, fresh_nV.to(device)])

    def keep(self, order: Sequence[int]) -> None:
        """Rows have left; `order` tells which row stands at each place now."""
        index = torch.tensor(order, dtype=torch.long, device=self.logprob_B.device)
        self.logprob_B = self.logprob_B[index]
        if self.seen_BV is not None:
            self.seen_BV = self.seen_BV[index] if order else None
