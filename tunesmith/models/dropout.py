"""What a network drops while learning: whether, and no longer."""

from torch import nn


def shares(module: nn.Module) -> dict[str, float]:
    """The numbers of a module, by name, that make it draw random numbers while learning."""
    own = {"p": getattr(module, "p", 0)} if "Dropout" in type(module).__name__ else vars(module)
    named = {name: value for name, value in own.items() if name == "p" or "drop" in name or "jitter" in name}
    return {name: value for name, value in named.items() if isinstance(value, int | float) and value > 0}


def without_dropout(whole: nn.Module) -> None:
    """From now on nothing in a network, nor in its adapters, is dropped while learning."""
    for module in whole.modules():
        for name in shares(module):
            setattr(module, name, 0.0)
