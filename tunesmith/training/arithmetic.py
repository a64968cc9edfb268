"""The numbers that a step is computed in."""

from contextlib import AbstractContextManager, nullcontext

import torch

from tunesmith.models.model import Model
from tunesmith.training.plan import Plan


def arithmetic(model: Model, plan: Plan) -> AbstractContextManager[object]:
    """float32 as it stands, or bfloat16 by autocast, with float32 parameters and sums."""
    if plan.precision == "float32":
        return nullcontext()
    return torch.autocast(model.device.type, dtype=torch.bfloat16)
