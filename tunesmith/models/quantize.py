"""The linear maps of a network's attention and MLPs in four bits, as QLoRA's base (Dettmers et al., 2023), and back again."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from torch import nn

from tunesmith.errors import UserError
from tunesmith.models.nf4 import NF4Linear
from tunesmith.models.sites import role_of, stores_transposed, weight_of

Unpacked = Mapping[nn.Module, list[str]]  # packed maps that were taken away, and where each of them stood
HOOKS = [
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
]


@torch.no_grad()
def quantise(network: nn.Module, device: torch.device | None = None, dtype: torch.dtype | None = None) -> None:
    """Pack the maps of known roles in place, one after the other; head, embedding, norms and biases stay as they are.

    Args:
        device, dtype: where packed maps stand from now on, and what they take themselves for, with their biases; null: as they
            did. The rest of the network stays as it is.

    Raises:
        UserError: there is no such map.
    """
    head: Any = network.get_output_embeddings()  # type: ignore[operator]

    def known(path: str, module: nn.Module) -> bool:
        linear = type(module) is nn.Linear or stores_transposed(module)
        return linear and module is not head and role_of(path) != "other"

    found = _places(network, known)
    if not found:
        raise UserError("`model.quantize`: no linear map of attention or MLP is known in this network", "set it to `none`")
    while found:  # a map is let go before the next is packed
        linear: Any
        linear, paths = found.popitem()
        _put(network, paths, _packed(linear, device or linear.weight.device, dtype or linear.weight.dtype))


def _packed(linear: Any, device: torch.device, dtype: torch.dtype) -> NF4Linear:
    weight = linear.weight.to(device)
    flip = stores_transposed(linear)
    return NF4Linear(weight.T if flip else weight, linear.bias, flip).to(device, dtype)


@torch.no_grad()
def dequantise(network: nn.Module, dtype: torch.dtype | None = None) -> Unpacked:
    """Make plain linear maps of the packed ones, in place; hooks stay where they stand.

    Args:
        dtype: of the weights; null: what they had before they were packed.

    Returns:
        What `pack_again` puts back.
    """
    found = _places(network, lambda path, module: isinstance(module, NF4Linear))
    for packed, paths in found.items():
        plain = _plain(packed, dtype)
        for hooks in HOOKS:
            setattr(plain, hooks, getattr(packed, hooks))  # the same dictionary: handles still know it
        _put(network, paths, plain)
        packed.instead = [plain]  # type: ignore[assignment]
    return found


def pack_again(network: nn.Module, unpacked: Unpacked) -> None:
    """Put packed maps back where `dequantise` took them away; nothing is packed anew, so they are what they were."""
    for packed, paths in unpacked.items():
        packed.instead = []  # type: ignore[assignment]
        _put(network, paths, packed)


def _plain(packed: Any, dtype: torch.dtype | None) -> nn.Module:
    dtype = dtype or packed.weight.dtype
    weight = weight_of(packed).to(dtype)
    made: Any
    if packed.transposed:
        from transformers.pytorch_utils import Conv1D

        made, weight = Conv1D(1, 1), weight.T.contiguous()
        made.nf, made.nx = packed.out_features, packed.in_features
    else:
        made = nn.Linear(packed.in_features, packed.out_features, bias=False, device="meta")
    made.weight = nn.Parameter(weight, requires_grad=False)
    made.bias = None if packed.bias is None else nn.Parameter(packed.bias.to(dtype), requires_grad=False)
    return made.train(packed.training)  # type: ignore[no-any-return]


def _places(network: nn.Module, wanted: Callable[[str, nn.Module], bool]) -> dict[nn.Module, list[str]]:
    """Modules, each with the paths at which it stands: there may be several."""
    found: dict[nn.Module, list[str]] = {}
    for path, module in network.named_modules(remove_duplicate=False):
        if wanted(path, module):
            found.setdefault(module, []).append(path)
    return found


def _put(network: nn.Module, paths: list[str], module: nn.Module) -> None:
    for path in paths:
        network.set_submodule(path, module)


def quantised(network: nn.Module) -> bool:
    """Are weights of the network packed?"""
    return any(isinstance(module, NF4Linear) for module in network.modules())


def count(network: nn.Module) -> int:
    """Numbers of a network, packed ones too."""
    packed = sum(module.count for module in network.modules() if isinstance(module, NF4Linear))
    return packed + sum(parameter.numel() for parameter in network.parameters())


def refuse_freed(freed: Collection[str], network: nn.Module, method: str) -> None:
    """A small step is none among sixteen values; and a network's own weights are saved with all of it, which is packed."""
    if freed and quantised(network):
        raise UserError(
            f"`{method}` trains weights of the network itself, which is packed into four bits",
            "take a method that puts its own weights beside them (`method=lora`), or set `model.quantize=none`",
        )
