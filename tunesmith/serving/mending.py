"""What a fault of the network was, and how rows that were under way go on in another engine."""

import gc
import math
import traceback

import torch

from tunesmith.errors import out_of_memory
from tunesmith.generation.sampling import dice
from tunesmith.generation.slots import Slot


def is_lost(device: torch.device) -> bool:
    """Whether a device computes no more: most faults of CUDA hold until the process ends."""
    try:
        return bool(torch.ones(1, device=device).add(1).item() != 2)
    except RuntimeError as error:
        return not out_of_memory(error)


def let_go(error: BaseException) -> None:
    """Empty the frames that an error came through: they hold the tensors of the step that failed."""
    seen: BaseException | None = error
    while seen is not None:
        traceback.clear_frames(seen.__traceback__)
        seen.__traceback__ = None
        seen = seen.__cause__ or seen.__context__


def free(device: torch.device) -> None:
    """Give back what nobody holds any more."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def put_back(slot: Slot, paired: bool) -> None:
    """A row whose step failed goes on later from what it has said, as if that step had not been.

    As the engine's own rows that leave for want of room: a causal network reads what was said again, a decoder behind an
    encoder (`paired`) repeats it. Each token is drawn by one number, and those of the step that failed are drawn again.
    """
    slot.trunk = 0
    if paired:
        slot.again, slot.ids, slot.told = [*slot.ids, *slot.again], [], []
        slot.dice, slot.heard = None, 0
        return
    del slot.told[len(slot.ids) :]
    slot.logprob = math.nan  # whether the failed step had been added is not known; who is served is told of tokens alone
    slot.dice = dice(slot.sampling, slot.prompt, slot.copy)
    if not slot.sampling.greedy:
        for _ in slot.ids:
            slot.dice.random()
