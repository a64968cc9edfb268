"""Layers of a network as one compiled function: a graph from a layer's first operation to its last, adapters included.

Beside its matrix products, a step on a GPU is norms, gates, rotary positions and adapters, each of which reads and writes whole
tensors; `torch.compile` fuses them. Layers of one form share a graph, however many there are, and sizes are symbols in it.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from tunesmith.models.routing import current

GRAPHS = 64  # most graphs of all networks' layers together; torch's own limit is 8, and what goes beyond is not compiled


def compile_layers(network: nn.Module, backend: str | Callable[..., Any]) -> None:
    """From now on, layers are compiled where gradients are wanted and all rows go through one adapter.

    All else runs as before: answers, whose caches grow with every call, and validation.
    """
    torch._dynamo.config.recompile_limit = max(GRAPHS, torch._dynamo.config.recompile_limit)
    compiled = torch.compile(_whole, dynamic=True, backend=backend)
    for layer in layers(network):
        layer._compiled_call_impl = _chosen(layer, compiled)


def restore_layers(network: nn.Module) -> None:
    """Let layers run as they did before."""
    for layer in layers(network):
        layer._compiled_call_impl = None


def layers(network: nn.Module) -> list[Any]:
    """The modules of which a network is a stack."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    return [module for module in network.modules() if isinstance(module, GradientCheckpointingLayer)]


def _whole(layer: Any, *args: Any, **kwargs: Any) -> Any:
    """The class's own way: a lean form of one layer (`models/lean.py`) would be one more graph."""
    return type(layer).forward(layer, *args, **kwargs)


def _chosen(layer: Any, compiled: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        routing = current()
        if torch.is_grad_enabled() and routing is not None and routing.everywhere is not None:
            return compiled(layer, *args, **kwargs)
        return layer._call_impl(*args, **kwargs)

    return call
