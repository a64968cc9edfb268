"""Asking a model leaves no trace: its modes and all random states are afterwards what they were."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def quiet(model: nn.Module, seed: int = 0) -> Iterator[None]:
    """Within: eval mode, no gradients, and random numbers that start from the seed."""
    modes = {module: module.training for module in model.modules()}
    device = next(model.parameters()).device
    forked = [] if device.type == "cpu" else [device]
    state = random.getstate()
    model.eval()
    try:
        with torch.random.fork_rng(forked, device_type=device.type if forked else "cuda"), torch.no_grad():
            torch.manual_seed(seed)
            random.seed(seed)
            yield
    finally:
        random.setstate(state)
        for module, training in modes.items():
            module.training = training
