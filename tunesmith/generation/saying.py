"""The next token of each row: what askers want put upon the logits, drawn, and written down.

Dimension key: B rows, V vocabulary.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tunesmith.generation.sampling import penalise, pick
from tunesmith.generation.slots import Slot, Tallies, Told


@dataclass
class Saying:
    """Draws for rows of any settings in one go, as far as their settings are alike."""

    tallies: Tallies

    def say(self, logits_BV: Tensor, slots: Sequence[Slot], rows: slice) -> list[int]:
        """Draw the next token of each row and write it down; `rows` says which of the tallies they are."""
        own_BV = logits_BV
        ids_B = self._drawn(self._weighed(logits_BV, slots, rows), slots)
        # Fused, and many times faster on a CPU than `logsumexp`.
        logprobs_BV = own_BV.log_softmax(1)
        logprob_B = logprobs_BV.gather(1, ids_B[:, None])[:, 0]
        forced, repeated = _forced(slots), {row: slot.again[0] for row, slot in enumerate(slots) if slot.again}
        if forced or repeated:
            at = torch.tensor(list(forced | repeated), device=ids_B.device)
            ids_B[at] = torch.tensor(list((forced | repeated).values()), device=ids_B.device)
            logprob_B = logprobs_BV.gather(1, ids_B[:, None])[:, 0]
            logprob_B[list(forced)] = 0.0
        self.tallies.logprob_B[rows] += logprob_B
        if self.tallies.seen_BV is not None:
            self.tallies.seen_BV[rows].scatter_(1, ids_B[:, None], True)
        if any(slot.wants.alternatives is not None for slot in slots):
            _tell(logprobs_BV, logprob_B, ids_B, slots)
        ids: list[int] = ids_B.tolist()
        for slot, id_ in zip(slots, ids, strict=True):
            _take(slot, id_)
        return ids

    def _weighed(self, logits_BV: Tensor, slots: Sequence[Slot], rows: slice) -> Tensor:
        if self.tallies.seen_BV is not None:
            penalties = [[slot.sampling.repetition_penalty] for slot in slots]
            logits_BV = penalise(logits_BV, self.tallies.seen_BV[rows], torch.tensor(penalties, device=logits_BV.device))
        if any(slot.wants.weighs or slot.guide is not None for slot in slots):
            logits_BV = logits_BV.clone()
            for row, slot in enumerate(slots):
                if slot.wants.weighs:
                    _weigh(logits_BV[row], slot)
                if slot.guide is not None:
                    logits_BV[row].masked_fill_(~slot.guide.allowed().to(logits_BV.device), -torch.inf)
        return logits_BV

    def _drawn(self, logits_BV: Tensor, slots: Sequence[Slot]) -> Tensor:
        shapes: dict[tuple[float, float, int], list[int]] = {}
        for row, slot in enumerate(slots):
            shapes.setdefault(slot.sampling.shape, []).append(row)
        if len(shapes) == 1:
            return pick(logits_BV, slots[0].sampling, _draws(slots, logits_BV.device))
        ids_B = torch.empty(len(slots), dtype=torch.long, device=logits_BV.device)
        for rows in shapes.values():
            alike = [slots[row] for row in rows]
            ids_B[rows] = pick(logits_BV[rows], alike[0].sampling, _draws(alike, logits_BV.device))
        return ids_B


def _draws(slots: Sequence[Slot], device: torch.device) -> Tensor | None:
    if slots[0].sampling.greedy:
        return None
    return torch.tensor([slot.dice.random() for slot in slots if slot.dice], device=device)


def _weigh(logits_V: Tensor, slot: Slot) -> None:
    """What the asker wants of single tokens, written into the logits."""
    wants = slot.wants
    if wants.presence or wants.frequency:
        said = Counter(slot.ids)
        less = torch.tensor([wants.presence + wants.frequency * times for times in said.values()], device=logits_V.device)
        logits_V[list(said)] -= less
    if wants.bias:
        logits_V[list(wants.bias)] += torch.tensor(list(wants.bias.values()), device=logits_V.device)
    if len(slot.ids) < wants.least and slot.ends is not None:
        logits_V[list(slot.ends.tokens)] = -torch.inf


def _forced(slots: Sequence[Slot]) -> dict[int, int]:
    """The id that has to come next, of the rows that have one."""
    found: dict[int, int] = {}
    for row, slot in enumerate(slots):
        if slot.ends is not None and (slot.ends.first is not None or slot.ends.last is not None):
            id_ = slot.ends.forced(slot, slot.limit)
            if id_ is not None:
                found[row] = id_
    return found


def _tell(logprobs_BV: Tensor, logprob_B: Tensor, ids_B: Tensor, slots: Sequence[Slot]) -> None:
    for row, slot in enumerate(slots):
        most = slot.wants.alternatives
        if most is not None:
            best = logprobs_BV[row].topk(min(most, logprobs_BV.shape[1]))
            likeliest = tuple(zip(best.indices.tolist(), best.values.tolist(), strict=True))
            slot.told.append(Told(int(ids_B[row]), float(logprob_B[row]), likeliest))


def _take(slot: Slot, id_: int) -> None:
    """One token more."""
    assert slot.ends is not None
    slot.ids.append(id_)
    if slot.again:  # it was heard when it was said for the first time
        slot.again.pop(0)
        return
    slot.reason = slot.ends.reason(slot)
    if slot.guide is not None and slot.guide.take(id_) and slot.reason is None:
        slot.reason = "stop"
