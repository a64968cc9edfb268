"""One step of learning as it will go, over tensors without numbers: the bytes that it holds, and its arithmetic."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import torch
from torch import nn

from tunesmith.methods.method import Delta, Method
from tunesmith.models.adapter import Adapter
from tunesmith.models.families import Family
from tunesmith.models.footprint import Parts, imagined, network_of, told_by_few, watch
from tunesmith.models.logprobs import KEPT, TILE
from tunesmith.models.merge import tied
from tunesmith.models.model import Model
from tunesmith.models.sites import ATTENTION_AND_MLP, sites
from tunesmith.models.weights import in_peft
from tunesmith.objectives.objective import Objective
from tunesmith.tokens.batch import Batch
from tunesmith.tokens.renderer import Renderer
from tunesmith.training.arithmetic import arithmetic
from tunesmith.training.guard import Guard
from tunesmith.training.plan import Plan
from tunesmith.training.state import State


@dataclass(frozen=True)
class Case:
    """What a step's memory depends on, besides method and batches.

    device: `cpu` or `cuda`. Rows are laid end to end on a CPU only, and tiles of logits are larger on a GPU.
    """

    config: Any
    family: Family
    renderer: Renderer
    dtype: torch.dtype
    attention: str | None
    objective: Objective
    plan: Plan
    device: str = "cpu"
    guard: Guard = Guard()


@dataclass(frozen=True)
class Counted:
    """Sizes of a network under a method, counted over all of its weights.

    weights, trained: numbers; `added`: of the trained ones, those that stand beside the network's own.
    weight_bytes, trained_bytes: of all weights with what is added, and of the trained ones.
    linear, linear_bytes: of the maps of attention and MLP, which can be kept in fewer bits; `largest`: numbers of the largest.
    fused: of experts that one tensor holds together, which neither LoRA nor NF4 reaches.
    roles, merges: of the sites that carry a delta; whether all deltas can be written into weights.
    sites: (path, inputs, outputs, trained) of each of them.
    peft:  whether PEFT reads what will be written of the adapter; `headed`: whether a head stands beside the network.
    """

    weights: int
    trained: int
    added: int
    weight_bytes: int
    trained_bytes: int
    linear: int
    linear_bytes: int
    largest: int
    fused: int
    roles: frozenset[str]
    merges: bool
    sites: tuple[tuple[str, int, int, int], ...]
    peft: bool
    headed: bool


@dataclass(frozen=True)
class Held:
    """Bytes of tensors by phase of a step; multiplications of its matrix products, and the tokens that they are for."""

    phases: Mapping[str, Parts]
    products: float
    tokens: int

    @property
    def most(self) -> Parts:
        return max(self.phases.values(), key=lambda parts: parts.total)


def counted(case: Case, method: Method) -> Counted:
    """Count a network and what a method trains in it."""
    with imagined():
        model, adapter = standing(case, case.config, method)
        model.forget_values()  # what is counted is what stays
        parameters = {id(p): p for p in model.parameters()}
        trained = {id(p): p for p in adapter.trained().values()}
        own = {id(p): p for p in model.network.parameters()}
        buffers = sum(b.numel() * b.element_size() for b in model.network.buffers())
        linear = {
            id(site.module): site.module.get_parameter("weight")
            for site in sites(model.network, model.spell)
            if site.role in ATTENTION_AND_MLP
        }.values()
        return Counted(
            weights=sum(p.numel() for p in own.values()),
            trained=sum(p.numel() for p in trained.values()),
            added=sum(p.numel() for key, p in trained.items() if key not in own),
            weight_bytes=sum(map(_bytes, parameters.values())) + buffers,
            trained_bytes=sum(map(_bytes, trained.values())),
            linear=sum(p.numel() for p in linear),
            linear_bytes=sum(map(_bytes, linear)),
            largest=max((p.numel() for p in linear), default=0),
            fused=sum(p.numel() for name, p in model.network.named_parameters() if p.ndim == 3 and "experts" in name),
            roles=frozenset(site.role for site in adapter.sites.values()),
            merges=all(type(one).fold is not Delta.fold for one in adapter.deltas.values()) and not tied(model, adapter),
            sites=tuple(
                (path, site.inputs, site.outputs, sum(p.numel() for p in adapter.deltas[path].parameters()))
                for path, site in adapter.sites.items()
            ),
            peft=in_peft(adapter, model),
            headed=adapter.head is not None,
        )


def held(case: Case, method: Method, batches: Sequence[Batch]) -> Held:
    """The most bytes of tensors in each phase of a step with these batches, when optimizer states stand already."""
    batches = [case.objective.rehearsed(batch) for batch in batches]

    def measure(config: Any) -> tuple[Mapping[str, Parts], float]:
        with ExitStack() as stack:
            if case.device != "cpu":
                for sizes in (TILE, KEPT):
                    stack.enter_context(patch.dict(sizes, cpu=sizes[case.device]))
            ledger = stack.enter_context(imagined())
            model, adapter = standing(case, config, method)
            ledger.kind = "reference"
            if case.objective.looks_back and adapter.freed:
                model.remember()
            guarding = case.guard.begin(model, adapter)
            ledger.vocabulary = len(model.vocabulary.weight)
            # As the loop has it (`training/optimizers.py: into_place`), where torch's sparse tensors have no shapes alone.
            alone = not guarding.first
            model.vocabulary, ledger.few = replace(model.vocabulary, adds=alone), alone and case.device == "cpu"
            # Every other optimizer computes on a GPU alone; its moments are counted by their number (`training/space.py`).
            state = State.new(adapter, replace(case.plan, optimizer="adamw"))
            watch(ledger, state.trained)
            ledger.kind = "moments"
            for parameter in state.trained.values():
                parameter.grad = torch.empty_like(parameter)
                ledger.mark(parameter.grad, "temporary")
            state.optimizer.step()
            state.optimizer.zero_grad(set_to_none=True)
            ledger.kind = "temporary"
            ledger.products = 0
            model.train()
            model.checkpointing(case.plan.recompute)
            for batch in batches:
                ledger.phase = "forward"
                with arithmetic(model, case.plan):
                    total, loss = guarding.loss(case.objective, model, batch)
                ledger.settle()
                ledger.phase = "backward"
                (total / 1.0).backward()  # type: ignore[no-untyped-call]
                del total, loss
            ledger.phase = "update"
            guarding.pull(adapter)
            nn.utils.clip_grad_norm_(list(state.trained.values()), case.plan.clip or 1.0)
            state.optimizer.step()
            state.optimizer.zero_grad(set_to_none=True)
            return {**ledger.peaks, "kept": Parts(activations=ledger.kept, logits=ledger.kept_logits)}, ledger.products

    phases, products = told_by_few(case.config, measure)
    return Held(phases, products, sum(batch.tokens for batch in batches))


def standing(case: Case, config: Any, method: Method) -> tuple[Model, Adapter]:
    """A model with a new adapter, without numbers."""
    network = network_of(config, case.family, case.dtype, case.attention)
    model = Model(network, case.renderer, case.family, case.objective.head())
    model._flat = model._flat and case.device == "cpu"
    return model, model.attach("planned", method)


def _bytes(parameter: torch.Tensor) -> int:
    return parameter.numel() * parameter.element_size()
