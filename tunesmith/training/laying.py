"""How the examples of a step are laid out in the memory that there is.

Where memory runs out, the gradients of the half-done step are thrown away and its examples are laid out again in half the room:
the step is the same, since a step is one sum over one count, however it is cut. The smaller room stays for the rest of the run.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from tunesmith.errors import out_of_memory
from tunesmith.models.fitting import NoMemoryError, clear, halved
from tunesmith.models.model import Model
from tunesmith.objectives.objective import Objective, Placed
from tunesmith.tokens.batch import Batch
from tunesmith.tokens.packing import Room
from tunesmith.tokens.relaying import laid_again, pieces
from tunesmith.training.arithmetic import arithmetic
from tunesmith.training.plan import Plan
from tunesmith.training.state import State

T = TypeVar("T")
ROOM = "room"  # where a state keeps the smaller room
REMEDY = (
    "set `plan.recompute: true`, a shorter `plan.window` with `plan.too_long: cut_prompt` or `drop`, `model.quantize: nf4`, or "
    "`plan.precision: bfloat16` on a GPU"
)


class FullError(Exception):
    """Memory ran out over a batch.

    tokens: of it, padding included. groups: numbers of the examples in it. longest: tokens of the longest row.
    """

    def __init__(self, batch: Batch) -> None:
        super().__init__("memory ran out over a batch")
        self.tokens = batch.input_ids.numel() + (0 if batch.source_ids is None else batch.source_ids.numel())
        self.groups = sorted({group for row in batch.origin.groups for group in row})
        self.longest = max((tokens.size for row in batch.origin.rows for tokens in row), default=0)


@contextmanager
def fits(batch: Batch) -> Iterator[None]:
    """Within, a batch is learnt. FullError: memory ran out."""
    try:
        yield
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise FullError(batch) from None


def room_of(state: State, plan: Plan) -> Room:
    """The plan's room, or the smaller one that a run has taken since."""
    return replace(plan.room, **state.facts.get(ROOM, {}))


def keep_room(state: State, room: Room) -> str:
    """From now on a run takes this room. A word on that."""
    state.facts[ROOM] = {"rows": room.rows, "tokens": room.tokens}
    return (
        f"out of memory: batches of at most {room.rows:,} rows and {room.tokens:,} tokens from here on (`plan.room`); "
        "this changes no result"
    )


@dataclass
class Update:
    """One update of a step: its number there, the examples of the step, and the batches that they are laid out in."""

    number: int
    placed: Sequence[Placed]
    batches: list[Batch]


class Laying:
    """Lays out steps. `told` hears when memory has run out."""

    def __init__(
        self, objective: Objective, model: Model, plan: Plan, state: State, told: Callable[[str], None], alone: bool = True
    ) -> None:
        self.objective, self.model, self.plan, self.state, self.told = objective, model, plan, state, told
        self.may = alone
        self.room = room_of(state, plan)
        self._random: tuple[Tensor, Tensor | None] | None = None

    def updates(self, placed: Sequence[Placed]) -> Iterator[Update]:
        """The updates that the examples of a step are good for; what is looked at first is in the plan's arithmetic."""
        remembered = {name: value.clone() for name, value in self.objective.remembered().items()}
        self._random = random_of(self.model)
        made, room, number = self.objective.updates(placed, self.model, self.room), self.room, 0
        while True:
            try:
                with arithmetic(self.model, self.plan):
                    batches = next(made, None)
                    laid = None if batches is None else list(batches)
            except Exception as error:
                if not out_of_memory(error) or number:
                    raise
            else:
                if laid is None:
                    return
                yield Update(number, placed, laid if room == self.room else self._again(laid))
                self._random, number = random_of(self.model), number + 1
                continue
            self._less()
            with torch.no_grad():
                for name, value in self.objective.remembered().items():
                    value.copy_(remembered[name])
            made, room = self.objective.updates(placed, self.model, self.room), self.room

    def learn(self, update: Update, work: Callable[[Sequence[Batch]], T]) -> T:
        """What `work` gives of the batches of an update, which may be laid out again, and it called again, on the way."""
        while True:
            try:
                return work(update.batches)
            except FullError as error:
                tokens, groups, longest = error.tokens, error.groups, error.longest
            if len(groups) == 1:
                raise NoMemoryError(self._alone(update, groups[0], longest), REMEDY)
            self._less(tokens)
            update.batches = self._again(update.batches)

    def _again(self, batches: Sequence[Batch]) -> list[Batch]:
        return list(laid_again(pieces(batches), partial(self.model.pack, room=self.room), self.model.device))

    def _less(self, tokens: int | None = None) -> None:
        """Half the room, and all as it was before what did not fit."""
        if not self.may:
            raise NoMemoryError(
                "out of memory in one of several processes that share a network", "set `plan.room.tokens` lower, or " + REMEDY
            )
        if tokens is None and self.room.rows == 1:
            raise NoMemoryError("out of memory: what the objective looks at before a step does not fit", REMEDY)
        self.state.optimizer.zero_grad(set_to_none=True)
        clear(self.model.device)
        self.room = halved(self.room, tokens)
        self.told(keep_room(self.state, self.room))
        if self._random is not None:
            put_random(self.model, self._random)

    def _alone(self, update: Update, group: int, longest: int) -> str:
        row = update.placed[self.objective.example_of(group, update.number, len(update.placed))]
        name = row.example.id or str(row.place)
        return f"out of memory: row `{name}` of {longest:,} tokens does not fit, though it is alone in its batch"


def random_of(model: Model) -> tuple[Tensor, Tensor | None]:
    """torch's random states, of the processor and of the model's GPU."""
    gpu = torch.cuda.get_rng_state(model.device) if model.device.type == "cuda" else None
    return torch.get_rng_state(), gpu


def put_random(model: Model, states: tuple[Tensor, Tensor | None]) -> None:
    torch.set_rng_state(states[0])
    if states[1] is not None:
        torch.cuda.set_rng_state(states[1], model.device)
