"""What to do when memory runs out: the same work again, in half the room."""

import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

import torch

from tunesmith.errors import UserError, out_of_memory
from tunesmith.models.memory import give_back
from tunesmith.models.model import Model
from tunesmith.tokens.packing import Room

T = TypeVar("T")
LOG = logging.getLogger("tunesmith")

SMALLER = (
    "take a smaller network or `model.quantize: nf4`, ask with fewer shots (`ask.shots`) or for shorter answers "
    "(`ask.tokens`), or on a machine with more memory"
)


class NoMemoryError(UserError):
    """Not even a single row fits into memory."""


def clear(device: torch.device) -> None:
    """Let go of what a call that ran out of memory has left, so that a smaller one finds all there is."""
    gc.collect()  # frames of the call may hold one another
    give_back()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def halved(room: Room, tokens: int | None = None) -> Room:
    """Half the room; `tokens`: of what did not fit, padding included, where that is known."""
    most = room.tokens if tokens is None else min(room.tokens, tokens)
    return replace(room, rows=max(1, room.rows // 2), tokens=max(1, most // 2))


def fitted(work: Callable[[Room], T], room: Room, model: Model, what: str = "what is read") -> T:
    """What `work` gives in this room, or, where memory runs out, in half of it, and so on down to one row at a time.

    A model keeps in mind what has fitted: it is said once, and no later call begins with more.

    Args:
        work: may be called again from its start; what it gives does not hang on the room. It takes no gradients.
        what: needs the memory; for the error.

    Raises:
        NoMemoryError: not even one row at a time fits.
    """
    while True:
        try:
            return work(room if model.fits is None else least(room, model.fits))
        except Exception as error:
            if not out_of_memory(error):
                raise
        less(model, room, what)


def least(room: Room, other: Room) -> Room:
    return replace(room, rows=min(room.rows, other.rows), tokens=min(room.tokens, other.tokens))


def less(model: Model, room: Room, what: str) -> None:
    """Half the room of what did not fit, from here on, where gradients are not wanted.

    Raises:
        NoMemoryError: it was one row already.
    """
    clear(model.device)
    tried = room if model.fits is None else least(room, model.fits)
    if tried.rows == 1:
        raise NoMemoryError(f"out of memory: {what} does not fit, not even one row at a time", SMALLER)
    model.fits = halved(tried)
    LOG.warning(f"out of memory: at most {model.fits.rows} rows at once from here on; this changes no answer")


@contextmanager
def optimizing() -> Iterator[None]:
    """Within, an optimizer takes its memory: that does not shrink with the rows of a batch.

    Raises:
        NoMemoryError: there is too little.
    """
    try:
        yield
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise NoMemoryError(
            "out of memory: the optimizer's moments, two numbers beside each trained one, do not fit",
            "train fewer numbers (`method: lora`, a lower `method.rank`), or set `plan.optimizer: adamw_8bit` on a GPU",
        ) from error
