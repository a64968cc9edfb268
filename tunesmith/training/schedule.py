"""How the learning rate moves over a run."""

import math
from typing import Literal

Shape = Literal["constant", "linear", "cosine"]


def learning_rate(peak: float, shape: Shape, warmup_steps: int, steps: int, step: int, floor: float = 0.0) -> float:
    """The rate of step `step` (0 is the first): a linear warm-up to `peak`, then constant, or down to `floor * peak`.

    The last step of the warm-up has the full rate; the step after the last would have the floor.
    """
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    if shape == "constant":
        return peak
    progress = (step - warmup_steps) / max(1, steps - warmup_steps)
    left = 1 - progress if shape == "linear" else 0.5 * (1 + math.cos(math.pi * progress))
    return peak * (floor + (1 - floor) * left)
