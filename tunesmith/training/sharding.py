"""Weights in parts: each process holds its share of every tensor, and of its gradient and moments.

A layer's weights are brought together when it is computed, forth and back, and let go of again (FSDP: Zhao et al., 2023,
arXiv:2304.11277; PyTorch's `fully_shard`). So each pass is made by all processes at once. What a method puts beside the network
is small, and whole everywhere.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn

from tunesmith.errors import UserError
from tunesmith.models.adapter import Adapter
from tunesmith.models.compiled import layers
from tunesmith.models.head import HeadPlan
from tunesmith.models.load import ModelSettings, dtype_of, load, load_config
from tunesmith.models.model import Model
from tunesmith.models.quantize import quantised
from tunesmith.tokens.batch import Batch
from tunesmith.training.world import World, is_part

if TYPE_CHECKING:
    from torch.distributed.fsdp import FSDPModule


SHARE = 0.5  # of a GPU's memory that whole weights, gradients and moments may take, where nothing else is said
PIECE = 2**20  # numbers of a tensor that are read at once


@dataclass(frozen=True)
class Processes:
    """What several processes do with the weights of a network.

    shard: `always`: each holds its part of them, and of gradients and moments (FSDP2), for networks that are too large for one
           GPU; `never`: each holds all; `auto`: parts where all would take more than half of a GPU's memory.
    """

    shard: Literal["auto", "never", "always"] = "auto"


def wait(source: ModelSettings, head: HeadPlan | None) -> Model:
    """A network in the processor's memory, in the precision of a GPU: it goes there in parts, layer by layer."""
    config, _ = load_config(source)
    half = dtype_of(source.dtype, config, "cuda") == torch.bfloat16
    return load(replace(source, dtype="bfloat16" if half else "float32"), head, "cpu")


def waits(processes: Processes, world: World) -> bool:
    """Whether a network is to be read so."""
    return world.size > 1 and processes.shard == "always" and torch.cuda.is_available()


def shard(model: Model, adapter: Adapter, objective: Any, plan: Any, guard: Any, world: World) -> World:
    """Let the processes share the network's weights, where the plan wants it. The world as it is from now on.

    Raises:
        UserError: the plan wants it, and something else does not go with it.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    wanted = plan.processes.shard
    if world.size == 1 or wanted == "never" or (wanted == "auto" and not large(model, adapter)):
        return world
    if why := why_not(model, adapter, objective, plan, guard, world):
        if wanted == "always":
            raise UserError(f"`plan.processes.shard` is `always`, and {why[0]}", why[1])
        return world
    device = torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")
    mesh = init_device_mesh(device.type, (world.size,))
    warnings.filterwarnings("ignore", message=".*returned a view tensor")  # the network's own logits, which nobody reads
    for layer in layers(model.network):
        fully_shard(layer, mesh=mesh)
    fully_shard(model.network, mesh=mesh)
    for part in sharded(model):
        part.set_gradient_divide_factor(1.0)  # the loop divides by the count of all processes
        part.set_force_sum_reduction_for_comms(True)
    adapter.to(device)
    if model.head is not None:
        model.head.to(device)
    point(adapter, model)
    return replace(world, sharded=True)


def why_not(model: Model, adapter: Adapter, objective: Any, plan: Any, guard: Any, world: World) -> tuple[str, str] | None:
    """What does not go with weights in parts, and what to do about it."""
    never = "set `plan.processes.shard: never`"
    found = {
        "a base in four bits stays whole on every process": (quantised(model.network), never),
        "`plan.compile` makes one function of layers whose weights come and go": (plan.compile, f"leave it out, or {never}"),
        f"`plan.optimizer` is `{plan.optimizer}`, whose moments are of whole weights": (plan.optimizer != "adamw", never),
        "steps read the network as it started, beside its weights of now": (
            bool(adapter.freed) and (objective.looks_back or guard.divergence > 0),
            f"{never}, or train an adapter",
        ),
        "`guard.over: replay` reads some batches twice and others once": (
            guard.divergence > 0 and guard.over == "replay",
            f"set it to `all`, or {never}",
        ),
        f"a step of {plan.examples} examples leaves some of {world.size} processes without any": (
            plan.examples < world.size,
            f"set `plan.examples` to {world.size} or more",
        ),
    }
    return next(((why, hint) for why, (is_so, hint) in found.items() if is_so), None)


def large(model: Model, adapter: Adapter) -> bool:
    """Would the whole network, its gradients and its moments take more than their share of a GPU?"""
    if not torch.cuda.is_available():
        return False
    weights = sum(p.numel() * p.element_size() for p in model.network.parameters())
    learnt = sum(3 * p.numel() * p.element_size() for p in adapter.trained().values())  # a gradient and two moments
    return bool(weights + learnt > SHARE * torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory)


def sharded(model: Model) -> "list[FSDPModule]":
    """The modules whose weights come and go together; the network is the first."""
    if not dist.is_available() or not dist.is_initialized():  # and nothing of it need be imported
        return []
    from torch.distributed.fsdp import FSDPModule

    return [module for module in model.network.modules() if isinstance(module, FSDPModule)]


def point(adapter: Adapter, model: Model) -> None:
    """Let an adapter's weights of the network be those that its modules have now."""
    own = dict(model.network.named_parameters(remove_duplicate=False))
    adapter.freed = {name: own[name] for name in adapter.freed}


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor in the processor's memory; all processes ask for the same one."""
    value = tensor.detach()
    all_of_it: Tensor = value.full_tensor() if is_part(value) else value
    return all_of_it.cpu().contiguous()


def part(value: Tensor, like: Tensor) -> Tensor:
    """What this process holds of a whole value, as it holds another tensor."""
    if not is_part(like):
        return value
    from torch.distributed.tensor import distribute_tensor

    mine: Tensor = distribute_tensor(value.to(like.device), like.device_mesh, like.placements, src_data_rank=None)
    return mine


def belong(state: Any, world: World) -> None:
    """Let a state be saved and taken up by all processes at once: one file, written by the first, of whole tensors."""
    state.gather, state.part, state.gathered = whole, part, world.gathered
    state.writes, state.rank = world.first, world.rank


def local(tensor: Tensor) -> Tensor:
    """The numbers of a tensor that lie here."""
    here: Tensor = tensor.to_local() if is_part(tensor) else tensor
    return here


def total_norm(tensors: Sequence[Tensor]) -> float:
    """The 2-norm of all numbers of tensors, whether whole or in parts."""
    parts = [tensor for tensor in tensors if is_part(tensor)]
    if not parts:
        return float(nn.utils.get_total_norm(list(tensors)))
    square = nn.utils.get_total_norm([local(one) for one in parts]).double().square()
    dist.all_reduce(square)
    others = [tensor for tensor in tensors if not is_part(tensor)]
    return float((square + nn.utils.get_total_norm(others).double().square().to(square.device)).sqrt())


@torch.no_grad()
def sums(tensor: Tensor) -> Tensor:
    """[2] float64: the sums of the numbers of a tensor that lie here, and of their squares.

    Piece by piece: on a CPU, torch makes a copy of the whole in float64 for either, twice as large as a weight itself.
    """
    found = torch.zeros(2, dtype=torch.float64, device=tensor.device)
    line = local(tensor).reshape(-1)
    room = torch.empty(min(PIECE, len(line)), dtype=torch.float64, device=tensor.device)
    for piece in torch.split(line, PIECE):
        wide = room[: len(piece)].copy_(piece)
        found += torch.stack((wide.sum(), wide.dot(wide)))
    return found


def squared(tensor: Tensor) -> Tensor:
    """The sum of the squares of all numbers of a tensor, float64, whether whole or in parts."""
    square = sums(tensor)[1]
    if is_part(tensor):
        dist.all_reduce(square)
    return square


@contextmanager
def by_turns(model: Model, world: World, spare: Batch | None) -> Iterator[None]:
    """Within, this process may make as many passes without gradients as it likes: the others go along, reading `spare`."""
    if not world.sharded or spare is None:
        yield
        return

    def announce() -> None:
        world.any(True)

    model.announce = announce
    try:
        yield
    finally:
        model.announce = None
    with torch.no_grad():
        while world.any(False):
            model(spare)
    apart(model)


def apart(model: Model) -> None:
    """Let go of all weights of others: what was brought together for a pass without gradients is never looked up again."""
    for module in sharded(model):
        module.reshard()


@contextmanager
def at_hand(model: Model, adapter: Adapter, world: World) -> Iterator[None]:
    """Within, each process holds all weights of the network, and is free of the others."""
    if not world.sharded:
        yield
        return
    network, *others = sharded(model)
    for module in (network, *others):
        module.set_reshard_after_forward(False, recurse=False)
        module.unshard()
    point(adapter, model)
    try:
        yield
    finally:
        for module in (network, *others):
            module.set_reshard_after_forward(module is not network, recurse=False)
            module.reshard()
        point(adapter, model)


@torch.no_grad()
def unite(model: Model, adapter: Adapter, world: World, asked: bool = True) -> World:
    """Give each process the whole network again, tensor by tensor. The world as it is from now on.

    asked: False: it is only saved, so the first process has it, in the processor's memory, and the others have none.
    """
    if not world.sharded:
        return world
    apart(model)
    made: dict[int, nn.Parameter] = {}
    for module in model.network.modules():
        for name, parameter in list(module._parameters.items()):
            if is_part(parameter):
                if id(parameter) not in made:
                    full = parameter.full_tensor()
                    full = full if asked else full.cpu() if world.first else full[:0].clone()
                    made[id(parameter)] = nn.Parameter(full, parameter.requires_grad)
                module._parameters[name] = made[id(parameter)]
    for module in sharded(model):
        _plain(module)
    point(adapter, model)
    if not asked:
        model.to("cpu")
    return replace(world, sharded=False)


def _plain(module: Any) -> None:
    """Take off what `fully_shard` put on a module: its class, and the hooks that bring weights together."""
    from torch.distributed.fsdp import FSDPModule
    from torch.distributed.fsdp._fully_shard._fsdp_state import FSDPState

    module.__class__ = next(kind for kind in type(module).__mro__[1:] if not issubclass(kind, FSDPModule))
    for hooks in (module._forward_pre_hooks, module._forward_hooks):
        for number, hook in list(hooks.items()):
            if isinstance(getattr(hook, "__self__", None), FSDPState):
                del hooks[number]
                for beside in ("_forward_pre_hooks_with_kwargs", "_forward_hooks_with_kwargs", "_forward_hooks_always_called"):
                    getattr(module, beside).pop(number, None)
