"""Prompts in, answers out: one network speaks many rows at once; rows that are done leave, waiting ones enter.

Dimension key: B rows under way, n rows that enter, V vocabulary.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from tunesmith.errors import UserError
from tunesmith.generation.quiet import quiet
from tunesmith.generation.sampling import Sampling, dice, penalise, pick
from tunesmith.generation.slots import Ends, Slot, Spoken, Tallies
from tunesmith.models.model import Model
from tunesmith.models.speech import Speech

OnDone = Callable[[int, Spoken], None]


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
        rows: most rows at once; fewer where their keys and values would take too much (`models/cache.py: fitting`). A matter
            of speed and space, never of results.
        adapters: name of each prompt's adapter, "" for the bare network; None: the model's active one.
        on_done: called with a prompt's number and its answer, as soon as that is there.
    """
    assert adapters is None or len(adapters) == len(prompts), "an adapter for every prompt"
    assert rows > 0
    with quiet(model):
        return _Engine(model, sampling or Sampling(), min(rows, max(1, len(prompts))), on_done).run(prompts, adapters)


class _Engine:
    """One call of `generate`."""

    def __init__(self, model: Model, sampling: Sampling, rows: int, on_done: OnDone | None) -> None:
        self.speech = Speech(model, rows)
        self.model, self.sampling, self.most, self.on_done = model, sampling, rows, on_done
        self.ends = ends_of(model, sampling)
        self.slots: list[Slot] = []
        self.tallies = Tallies.empty(model.device)
        self.spoken: dict[int, Spoken] = {}
        self.next_B = torch.zeros(0, dtype=torch.long, device=model.device)
        self.clock = 0.0  # seconds of a row that has been there all along

    def run(self, prompts: Sequence[Sequence[int]], adapters: Sequence[str] | None) -> list[Spoken]:
        waiting = self._waiting(prompts, adapters)
        self.most = self.speech.expect(self.most, [self._tokens(slot) for slot in waiting])
        while waiting or self.slots:
            if waiting and self._lets_in(waiting):
                self._enter(self._cohort(waiting))
            else:
                self._step()
        return [self.spoken[number] for number in range(len(prompts))]

    def _waiting(self, prompts: Sequence[Sequence[int]], adapters: Sequence[str] | None) -> deque[Slot]:
        """Slots of all prompts: those side by side that begin alike; longest first, so that the cache hardly ever widens."""
        copies: Counter[tuple[str, tuple[int, ...]]] = Counter()
        slots = []
        for number, prompt in enumerate(prompts):
            adapter = self.model.active if adapters is None else adapters[number]
            key = (adapter, tuple(prompt))
            slots.append(Slot(number, prompt, adapter, self._limit(number, prompt, adapter), copies[key]))
            copies[key] += 1
        for slot, trunk in zip(slots, self.speech.trunks_of(prompts, [slot.adapter for slot in slots]), strict=True):
            slot.trunk = trunk
        return deque(sorted(slots, key=lambda slot: (tuple(slot.prompt[: slot.trunk]), slot.trunk - len(slot.prompt))))

    def _tokens(self, slot: Slot) -> tuple[int, int, int]:
        """Of its prompt, its trunk, its answer."""
        virtual = self.speech.virtual_tokens(slot.adapter)
        return len(slot.prompt) + virtual, slot.trunk + virtual if slot.trunk else 0, slot.limit

    def _limit(self, number: int, prompt: Sequence[int], adapter: str) -> int:
        """Most tokens of an answer: the last one is never read, so it may stand behind the window."""
        window, length = self.model.window, len(prompt) + self.speech.virtual_tokens(adapter)
        if not length:
            raise UserError(f"prompt {number} has no tokens", "a model needs at least one token to start from")
        if window is None:
            return self.sampling.tokens
        if length > window:
            raise UserError(
                f"prompt {number} has {length} tokens; the network reads at most {window}",
                "shorten it, use fewer shots, or take a model with a longer window",
            )
        said = window - self.speech.virtual_tokens(adapter) if self.speech.paired else window - length + 1
        return min(self.sampling.tokens, said)

    def _lets_in(self, waiting: deque[Slot]) -> bool:
        """Reading few tokens at a time costs more than some empty rows; else a quarter of the rows is filled at once."""
        free = self.most - len(self.slots)
        if not self.speech.joins:
            return not self.slots
        if free >= min(len(waiting), max(1, self.most // 4)) or not self.slots:
            return True
        return self.speech.welcomes(sum(len(slot.prompt) - slot.trunk for slot in islice(waiting, free)))

    def _cohort(self, waiting: deque[Slot]) -> list[Slot]:
        """As many of those in front as there is room for; where rows cannot join later, of one number of virtual tokens."""
        free = self.most - len(self.slots)
        if self.speech.joins:
            return [waiting.popleft() for _ in range(min(len(waiting), free))]
        before = self.speech.before_answer(waiting[0].adapter)
        alike = [slot for slot in waiting if self.speech.before_answer(slot.adapter) == before][:free]
        for slot in alike:
            waiting.remove(slot)
        return alike

    def _enter(self, cohort: list[Slot]) -> None:
        start = time.perf_counter()
        for slot in cohort:
            slot.dice = dice(self.sampling, slot.prompt, slot.copy)
        logits_nV = self.speech.enter(
            [slot.prompt for slot in cohort], [slot.adapter for slot in cohort], [slot.trunk for slot in cohort]
        )
        self.tallies.enter(cohort, logits_nV.shape[1], self.sampling, self.speech.start if self.speech.paired else None)
        before = len(self.slots)
        self.slots += cohort
        ids_n = self._say(logits_nV, cohort, slice(before, None))
        fresh = torch.tensor(ids_n, device=self.model.device)
        self.next_B = torch.cat([self.next_B, fresh])
        seconds = (time.perf_counter() - start) / len(cohort)
        for slot in cohort:
            slot.entered = self.clock - seconds
        self._let_go()

    def _step(self) -> None:
        start = time.perf_counter()
        ids = self._say(self.speech.step(self.next_B), self.slots, slice(None))
        self.next_B = torch.tensor(ids, device=self.model.device)
        self.clock += (time.perf_counter() - start) / len(self.slots)
        self._let_go()

    def _say(self, logits_BV: Tensor, slots: Sequence[Slot], rows: slice) -> list[int]:
        """Draw the next token of each row and write it down."""
        own_BV = logits_BV
        if self.tallies.seen_BV is not None:
            logits_BV = penalise(logits_BV, self.tallies.seen_BV[rows], self.sampling.repetition_penalty)
        draws_B = None
        if not self.sampling.greedy:
            draws_B = torch.tensor([slot.dice.random() for slot in slots if slot.dice], device=logits_BV.device)
        ids_B = pick(logits_BV, self.sampling, draws_B)
        # Fused, and many times faster on a CPU than `logsumexp`.
        logprob_B = own_BV.log_softmax(1).gather(1, ids_B[:, None])[:, 0]
        forced = self._forced(slots)
        if forced:
            at = torch.tensor(list(forced), device=ids_B.device)
            ids_B[at] = torch.tensor(list(forced.values()), device=ids_B.device)
            logprob_B[at] = 0.0
        self.tallies.logprob_B[rows] += logprob_B
        if self.tallies.seen_BV is not None:
            self.tallies.seen_BV[rows].scatter_(1, ids_B[:, None], True)
        ids: list[int] = ids_B.tolist()
        for slot, id_ in zip(slots, ids, strict=True):
            slot.ids.append(id_)
            slot.reason = self.ends.reason(slot)
        return ids

    def _forced(self, slots: Sequence[Slot]) -> dict[int, int]:
        if self.ends.first is None and self.ends.last is None:
            return {}
        found = ((row, self.ends.forced(slot, slot.limit)) for row, slot in enumerate(slots))
        return {row: id_ for row, id_ in found if id_ is not None}

    def _let_go(self) -> None:
        """Rows that have ended leave."""
        gone = [row for row, slot in enumerate(self.slots) if slot.reason]
        if not gone:
            return
        logprobs = self.tallies.logprob_B.tolist()
        for row in gone:
            self._done(self.slots[row], logprobs[row])
        order = self.speech.leave(gone)
        self.tallies.keep(order)
        self.slots = [self.slots[row] for row in order]
        self.next_B = self.next_B[torch.tensor(order, dtype=torch.long, device=self.next_B.device)]

    def _done(self, slot: Slot, logprob: float) -> None:
        assert slot.reason is not None
        text, seconds = self.ends.text(slot.ids), self.clock - slot.entered
        spoken = Spoken(tuple(slot.ids), text, logprob, slot.reason, seconds, len(slot.prompt))
        self.spoken[slot.number] = spoken
        if self.on_done:
            self.on_done(slot.number, spoken)


def ends_of(model: Model, sampling: Sampling) -> Ends:
    """What ends an answer of this model: the renderer's stops, and what its generation settings force (BART)."""
    config: Any = getattr(model.network, "generation_config", None)
    last = getattr(config, "forced_eos_token_id", None)
    last = last[0] if isinstance(last, list) else last
    return Ends(frozenset(model.renderer.stops), sampling.stop, model.renderer.forced, last, model.renderer.say)
