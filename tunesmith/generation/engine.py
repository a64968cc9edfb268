"""Prompts in, answers out: one network speaks many rows at once; rows that are done leave, waiting ones enter.

Dimension key: B rows under way, n rows that enter, V vocabulary.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import torch

from tunesmith.errors import UserError
from tunesmith.generation.beginnings import Beginnings
from tunesmith.generation.quiet import quiet
from tunesmith.generation.sampling import Sampling, dice
from tunesmith.generation.saying import Saying
from tunesmith.generation.slots import Ends, Guide, Slot, Spoken, Tallies, Wants
from tunesmith.generation.waiting import InOrder, Waiting
from tunesmith.models.fitting import fitted
from tunesmith.models.model import Model
from tunesmith.models.speech import Speech
from tunesmith.tokens.packing import Room

OnDone = Callable[[int, Spoken], None]
STOPS = 256  # sets of stop texts that are remembered


def generate(
    model: Model,
    prompts: Sequence[Sequence[int]],
    sampling: Sampling | None = None,
    rows: int = 32,
    *,
    adapters: Sequence[str] | None = None,
    on_done: OnDone | None = None,
) -> list[Spoken]:
    """Answers in the order of the prompts. Training mode and random state are left as they were.

    Args:
        model: of the causal or the encoder-decoder family.
        prompts: ids, as `Renderer.prompt` spells them; none may be empty or longer than the network's window.
        sampling: how to speak; by default greedily.
        rows: most rows at once; fewer where their keys and values would take too much (`models/cache.py: fitting`), and half
            of them where memory runs out. A matter of speed and space, never of results.
        adapters: name of each prompt's adapter, "" for the bare network; None: the model's active one.
        on_done: called with a prompt's number and its answer, as soon as that is there.
    """
    assert adapters is None or len(adapters) == len(prompts), "an adapter for every prompt"
    assert rows > 0
    names = [model.active] * len(prompts) if adapters is None else list(adapters)
    spoken: dict[int, Spoken] = {}

    def speak(room: Room) -> None:
        """All that is not spoken yet; where memory ran out before, some is."""

        def ended(slot: Slot) -> None:
            if slot.reason is not None:
                spoken[slot.number] = engine.spoken(slot)
                if on_done:
                    on_done(slot.number, spoken[slot.number])

        engine = Engine(model, InOrder(), room.rows)
        slots = _begun_alike(engine, prompts, names, sampling or Sampling(), ended)
        slots = [slot for slot in slots if slot.number not in spoken]
        engine.expect(slots)
        engine.waiting = InOrder(slots)
        while engine.busy:
            engine.advance()

    longest = max(map(len, prompts), default=0)
    with quiet(model):
        room = Room(rows=min(rows, max(1, len(prompts))))
        fitted(speak, room, model, f"an answer to a prompt of {longest:,} tokens")
    return [spoken[number] for number in range(len(prompts))]


def _begun_alike(
    engine: "Engine",
    prompts: Sequence[Sequence[int]],
    adapters: Sequence[str],
    sampling: Sampling,
    heeds: Callable[[Slot], None],
) -> list[Slot]:
    """Slots of all prompts: those side by side that begin alike; longest first, so that the cache hardly ever widens."""
    copies: Counter[tuple[str, tuple[int, ...]]] = Counter()
    slots = []
    for prompt, adapter in zip(prompts, adapters, strict=True):
        key = (adapter, tuple(prompt))
        slots.append(engine.slot(prompt, adapter, sampling, copy=copies[key], heeds=heeds))
        copies[key] += 1
    for slot, trunk in zip(slots, engine.speech.trunks_of(prompts, adapters), strict=True):
        slot.trunk = trunk
    return sorted(slots, key=lambda slot: (tuple(slot.prompt[: slot.trunk]), slot.trunk - len(slot.prompt)))


class Engine:
    """Rows under way and rows that wait. Call it without gradients and in eval mode (`quiet`).

    Args:
        waiting: who is to enter, in which order; more may be added between two calls of `advance`.
        rows:    most rows at once.
        columns: most tokens that are kept of all rows together, each counted as long as the longest; None: no bound. Where more
                 are needed, the row that came last leaves and goes on later, with what it has said.
        begun:   tokens that prompts of late began with alike, of which keys and values are kept for those to come, of each
                 adapter apart; 0: none are looked for.
    """

    def __init__(self, model: Model, waiting: Waiting, rows: int, columns: int | None = None, begun: int = 0) -> None:
        self.speech = Speech(model, rows, kept=begun)
        self.beginnings = Beginnings() if begun and self.speech.shares else None
        self.model, self.waiting, self.most, self.columns = model, waiting, rows, columns
        self.slots: list[Slot] = []
        self.saying = Saying(Tallies.empty(model.device))
        self.next_B = torch.zeros(0, dtype=torch.long, device=model.device)
        self.clock = 0.0  # seconds of a row that has been there all along
        self.evicted = 0  # how often a row had to leave for want of room
        self._numbers = count()
        self._ends: dict[tuple[str, ...], Ends] = {}

    @property
    def busy(self) -> bool:
        return bool(self.slots or len(self.waiting))

    def expect(self, slots: Sequence[Slot]) -> None:
        """These alone will come: so many of them at once as memory is well spent on."""
        self.most = self.speech.expect(self.most, [self._tokens(slot) for slot in slots])

    def slot(
        self,
        prompt: Sequence[int],
        adapter: str,
        sampling: Sampling,
        *,
        copy: int = 0,
        wants: Wants = Wants(),
        guide: Guide | None = None,
        client: str = "",
        heeds: Callable[[Slot], None] | None = None,
    ) -> Slot:
        """A row to be spoken, which is to be added to `waiting`.

        Raises:
            UserError: the prompt is empty, longer than the network's window, or than all that is kept.
        """
        number = next(self._numbers)
        if sampling.stop not in self._ends:
            if len(self._ends) == STOPS:
                self._ends.clear()
            self._ends[sampling.stop] = ends_of(self.model, sampling)
        limit = self._limit(number, prompt, adapter, sampling.tokens)
        return Slot(number, prompt, adapter, limit, copy, 0, self._ends[sampling.stop], sampling, wants, guide, client, heeds)

    def _tokens(self, slot: Slot) -> tuple[int, int, int]:
        """Of its prompt, its trunk, its answer."""
        virtual = self.speech.virtual_tokens(slot.adapter)
        return len(slot.prompt) + virtual, slot.trunk + virtual if slot.trunk else 0, slot.limit

    def _limit(self, number: int, prompt: Sequence[int], adapter: str, tokens: int) -> int:
        """Most tokens of an answer: the last one is never read, so it may stand behind the window."""
        window, length = self.model.window, len(prompt) + self.speech.virtual_tokens(adapter)
        if not length:
            raise UserError(f"prompt {number} has no tokens", "a model needs at least one token to start from")
        if self.columns is not None and length >= self.columns:
            raise UserError(
                f"prompt {number} has {length} tokens; {self.columns} are kept of all rows", "shorten it, or give more room"
            )
        if window is None:
            return tokens if self.columns is None or self.speech.paired else min(tokens, self.columns - length)
        if length > window:
            raise UserError(
                f"prompt {number} has {length} tokens; the network reads at most {window}",
                "shorten it, use fewer shots, or take a model with a longer window",
            )
        said = window - self.speech.virtual_tokens(adapter) if self.speech.paired else window - length + 1
        if self.columns is not None:
            said = min(said, self.columns - length)
        return min(tokens, said)

    def advance(self) -> None:
        """Let rows in, or say one token more of each."""
        cohort = self._cohort() if len(self.waiting) and self._lets_in() else []
        if cohort:
            self.waiting.drop(cohort)
            for part in self._parted(cohort):
                self._enter(part)
        elif self.slots:
            self._make_room()
            self._step()

    def go_on_from(self, other: "Engine") -> None:
        """Number slots as one that is given up would have, since its own come along."""
        self._numbers, self._ends, self.evicted = other._numbers, other._ends, other.evicted

    def cancel(self, slot: Slot) -> None:
        """What it would say is wanted no more."""
        if slot.reason is None:
            slot.reason = "cancelled"
            self.waiting.drop([slot])
            if slot in self.slots:
                self._let_go()

    def spoken(self, slot: Slot) -> Spoken:
        """The answer of a slot that has ended."""
        assert slot.reason is not None and slot.ends is not None
        text, told = slot.ends.text(slot.ids), tuple(slot.told)
        return Spoken(tuple(slot.ids), text, slot.logprob, slot.reason, slot.seconds, len(slot.prompt), told)

    def _lets_in(self) -> bool:
        """Reading few tokens at a time costs more than some empty rows; else a quarter of the rows is filled at once."""
        free = self.most - len(self.slots)
        if not self.speech.joins:
            return not self.slots
        if free >= min(len(self.waiting), max(1, self.most // 4)) or not self.slots:
            return True
        return self.speech.welcomes(sum(len(slot.prompt) - slot.trunk for slot in self.waiting.front(free)))

    def _cohort(self) -> list[Slot]:
        """As many of those in front as there is room for; where rows cannot join later, of one number of virtual tokens."""
        free = self.most - len(self.slots)
        if self.speech.joins:
            return self._held(self.waiting.front(free))
        first, *_ = self.waiting.front(1)
        before = self.speech.before_answer(first.adapter)
        every = self.waiting.front(len(self.waiting))
        return self._held([slot for slot in every if self.speech.before_answer(slot.adapter) == before][:free])

    def _held(self, slots: list[Slot]) -> list[Slot]:
        """Those of them, from the first on, for whose tokens there is room beside what is under way."""
        if self.columns is None:
            return slots
        rows, width = len(self.slots), self.speech.width
        for number, slot in enumerate(slots):
            rows, width = rows + 1, max(width, self._columns(slot) + 1)
            if rows * width > self.columns and rows > 1:
                return slots[:number]
        return slots

    def _columns(self, slot: Slot) -> int:
        """Tokens that are kept of a row: its prompt, or of two stacks the source, and what it has said."""
        return len(slot.prompt) + len(slot.ids) + self.speech.virtual_tokens(slot.adapter)

    def _make_room(self) -> None:
        """The rows that came last leave, until another token of each can be kept."""
        if self.columns is None:
            return
        widest = (max(map(self._columns, self.slots)) + 1) if self.slots else 0
        while len(self.slots) > 1 and len(self.slots) * widest > self.columns:
            last = max(self.slots, key=lambda slot: slot.entered)
            logprobs = self.saying.tallies.logprob_B.tolist()
            self._put_off(last, logprobs[self.slots.index(last)])
            widest = max(map(self._columns, self.slots)) + 1

    def _put_off(self, slot: Slot, logprob: float) -> None:
        """It goes on later: a causal network reads what was said again; a decoder behind an encoder repeats it."""
        self.evicted += 1
        row = self.slots.index(slot)
        slot.seconds += self.clock - slot.entered
        if self.speech.paired:
            slot.again, slot.ids, slot.told = [*slot.ids, *slot.again], [], []
            slot.dice, slot.heard = None, 0
        else:
            slot.logprob = logprob
        slot.trunk = 0
        self.waiting.again(slot)
        self._drop([row])

    def _parted(self, cohort: list[Slot]) -> list[list[Slot]]:
        """Those with a known beginning by their adapters, neighbours with the same; and all others."""
        if self.beginnings is None:
            return [cohort]
        for slot in cohort:
            slot.trunk = self.beginnings.trunk(slot.adapter, tuple(slot.read))
        parts = [[slot for slot in cohort if not slot.trunk]]
        for name in {slot.adapter for slot in cohort if slot.trunk}:
            own = [slot for slot in cohort if slot.trunk and slot.adapter == name]
            parts.append(sorted(own, key=lambda slot: slot.read[: slot.trunk]))
        return [part for part in parts if part]

    def _enter(self, cohort: list[Slot]) -> None:
        start = time.perf_counter()
        for slot in cohort:
            slot.dice = slot.dice or dice(slot.sampling, slot.prompt, slot.copy)
        read = [slot.prompt if self.speech.paired else slot.read for slot in cohort]
        logits_nV = self.speech.enter(read, [slot.adapter for slot in cohort], [slot.trunk for slot in cohort])
        self.saying.tallies.enter(cohort, logits_nV.shape[1], self.speech.start if self.speech.paired else None)
        before = len(self.slots)
        self.slots += cohort
        fresh = torch.tensor(self.saying.say(logits_nV, cohort, slice(before, None)), device=self.model.device)
        self.next_B = torch.cat([self.next_B, fresh])
        seconds = (time.perf_counter() - start) / len(cohort)
        for slot in cohort:
            slot.entered = self.clock - seconds
        self._heed(cohort)
        self._let_go()

    def _step(self) -> None:
        start = time.perf_counter()
        ids = self.saying.say(self.speech.step(self.next_B), self.slots, slice(None))
        self.next_B = torch.tensor(ids, device=self.model.device)
        self.clock += (time.perf_counter() - start) / len(self.slots)
        self._heed(self.slots)
        self._let_go()

    def _heed(self, slots: Sequence[Slot]) -> None:
        for slot in slots:
            if slot.heeds and slot.reason is None and not slot.again:
                slot.heeds(slot)

    def _let_go(self) -> None:
        """Rows that have ended leave."""
        gone = [row for row, slot in enumerate(self.slots) if slot.reason]
        if not gone:
            return
        logprobs = self.saying.tallies.logprob_B.tolist()
        ended = [self.slots[row] for row in gone]
        for row, slot in zip(gone, ended, strict=True):
            slot.logprob = logprobs[row]
            slot.seconds += self.clock - slot.entered
        self._drop(gone)
        for slot in ended:
            if slot.heeds:
                slot.heeds(slot)

    def _drop(self, gone: Sequence[int]) -> None:
        order = self.speech.leave(gone)
        self.saying.tallies.keep(order)
        self.slots = [self.slots[row] for row in order]
        self.next_B = self.next_B[torch.tensor(order, dtype=torch.long, device=self.next_B.device)]


def ends_of(model: Model, sampling: Sampling) -> Ends:
    """What ends an answer of this model: the renderer's stops, and what its generation settings force (BART)."""
    config: Any = getattr(model.network, "generation_config", None)
    last = getattr(config, "forced_eos_token_id", None)
    last = last[0] if isinstance(last, list) else last
    return Ends(frozenset(model.renderer.stops), sampling.stop, model.renderer.forced, last, model.renderer.say)
