"""Writing an adapter into the weights of its network, with a proof, and taking it out again.

Dimension key: B rows, T tokens a row, O outputs, I inputs of a site, N targets, V vocabulary.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from tunesmith.errors import UserError
from tunesmith.models.adapter import Adapter
from tunesmith.models.model import Model
from tunesmith.models.quantize import Unpacked, dequantise, pack_again
from tunesmith.models.sites import stores_transposed
from tunesmith.tokens.batch import Batch

# Largest difference of a logit, as a share of the largest logit.
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.1, torch.float16: 1e-2}
Kept = Mapping[str, Mapping[str, Tensor]]  # site -> `weight` and `bias` as they were


@dataclass(frozen=True)
class Merged:
    """What merging changed.

    name:      of the adapter.
    largest:   difference of a logit between the network with the adapter and the merged one, over the sample.
    scale:     the largest logit of the sample.
    moved:     the most that the adapter changed a logit of the network; None where it trained weights of the network itself.
    tolerance: most that `largest / scale` may be.
    dtype:     precision of the merged weights.
    coarse:    that of the base's file, where it was too coarse for the sums; None: nothing else was to be taken.
    adapter, kept, unpacked: what `unmerge` needs: the adapter, the weights as they were, and the maps that were packed into
               four bits. They are in memory as long as this is.
    """

    name: str
    largest: float
    scale: float
    moved: float | None
    tolerance: float
    dtype: torch.dtype
    adapter: Adapter = field(repr=False)
    kept: Kept = field(repr=False)
    unpacked: Unpacked = field(repr=False)
    coarse: torch.dtype | None = None

    def __str__(self) -> str:
        told = str(self.dtype).removeprefix("torch.")
        moved = "" if self.moved is None else f"; the adapter moves them by up to {self.moved:.2g}"
        if self.moved is not None and self.largest > self.moved:
            moved += ": rounding weighs more than what it learnt"
        file = str(self.coarse).removeprefix("torch.")
        coarse = "" if self.coarse is None else f" ({file}, the precision of the base's file, would move logits too far)"
        return f"merged in {told}{coarse}: logits differ by at most {self.largest:.2g} (largest logit {self.scale:.3g}{moved})"


@torch.no_grad()
def merge(model: Model, name: str, sample: Batch, dtype: torch.dtype | None = None) -> Merged:
    """Write an adapter into the network and take it off. Sums are float32 and are cast once.

    Args:
        name: of the attached adapter.
        sample: rows without virtual tokens on which the merged network is compared with the one before.
        dtype: precision that the whole network has afterwards, by default its own. A network in float32 keeps all that it
            knows until the sums are taken, so load it so and name the precision here.

    Raises:
        UserError: the method cannot be merged, or the merged network says something else; the network is then as before.
    """
    adapter = model.adapter(name)
    _refuse_virtual(adapter)
    _refuse_tied(model, adapter)
    model.eval()
    before_NV = _logits(model, replace(sample, adapters=(name,) * len(sample.input_ids)))
    base_NV, own = _logits(model, sample.plain()), model.dtype
    _refuse_packed(model, adapter)
    kept: dict[str, dict[str, Tensor]] = {}
    unpacked = dequantise(model.network)  # nothing is ever written into four bits
    try:
        _write(model, adapter, kept)
        after_NV = _logits(model, sample.plain())
        if dtype is not None and dtype != own:
            _refuse_far(before_NV, after_NV, own)  # a tolerance for half a precision would let a wrong sum pass
            cast(model, kept, dtype)
            after_NV = _logits(model, sample.plain())
        _refuse_far(before_NV, after_NV, model.dtype)
    except BaseException:
        _put_back(model, kept, unpacked)
        raise
    report = Merged(
        name,
        largest=float((after_NV - before_NV).abs().max()),
        scale=float(before_NV.abs().max()),
        moved=None if adapter.freed else float((before_NV - base_NV).abs().max()),
        tolerance=TOLERANCE[model.dtype],
        dtype=model.dtype,
        adapter=adapter,
        kept=kept,
        unpacked=unpacked,
    )
    model.detach(name)
    return report


@torch.no_grad()
def unmerge(model: Model, merged: Merged) -> Adapter:
    """Put the weights back that were there before `merge`, bit for bit, and the adapter beside them."""
    _put_back(model, merged.kept, merged.unpacked)
    model.put(merged.name, merged.adapter)
    return merged.adapter


def _write(model: Model, adapter: Adapter, kept: dict[str, dict[str, Tensor]]) -> None:
    """Fold every site, and keep what stood there."""
    for path in adapter.deltas:
        try:
            kept[path] = _fold(model, adapter, path)
        except NotImplementedError as error:
            raise UserError(
                f"`{type(adapter.method).__name__}` cannot be merged: what it computes at `{path}` is no change of a weight",
                "serve it as an adapter beside the network",
            ) from error


def _refuse_far(before_NV: Tensor, after_NV: Tensor, dtype: torch.dtype) -> None:
    """Refuse what says something else than the adapter beside the network did."""
    largest, scale = float((after_NV - before_NV).abs().max()), float(before_NV.abs().max())
    if not largest <= TOLERANCE[dtype] * max(scale, 1.0):
        raise UserError(
            f"the merged network says something else: logits differ by {largest:.2g} (largest logit {scale:.3g})",
            "keep the adapter beside the network"
            + ("" if dtype == torch.float32 else ", or merge in float32 (`--dtype float32`)"),
        )


def _refuse_virtual(adapter: Adapter) -> None:
    if adapter.method.virtual_tokens:
        raise UserError(
            f"`{type(adapter.method).__name__}` cannot be merged: its virtual tokens are positions in the row, not weights",
            "serve it as an adapter, or tune with a method that changes weights (`lora`)",
        )


def tied(model: Model, adapter: Adapter) -> str | None:
    """A module with a delta that shares its weight with the vocabulary head, where none stands."""
    head = model.vocabulary.weight
    modules = {path: model.network.get_submodule(path) for path in adapter.deltas}
    return next((path for path, module in modules.items() if getattr(module, "weight", None) is head), None)


def _refuse_tied(model: Model, adapter: Adapter) -> None:
    """What stands at the embedding alone would stand in the head too, where it shares the weight."""
    if found := tied(model, adapter):
        raise UserError(
            f"`{found}` shares its weight with the vocabulary head, where the adapter does not stand: written into the weight, "
            "it would change both",
            "keep the adapter beside the network",
        )


def _refuse_packed(model: Model, adapter: Adapter) -> None:
    """Nothing is ever written into a few bits."""
    for path in adapter.deltas:
        weight: Any = getattr(model.network.get_submodule(path), "weight", None)
        if weight is not None and not weight.is_floating_point():
            raise UserError(
                f"`{path}` keeps its weight in {weight.dtype}, into which no sum can be written",
                "load the base in float32 first",
            )


def _fold(model: Model, adapter: Adapter, path: str) -> dict[str, Tensor]:
    """Fold one site; its weight and bias as they were."""
    module: Any = model.network.get_submodule(path)
    delta = adapter.deltas[path]
    if not hasattr(module, "weight"):  # an MLP as a whole
        raise NotImplementedError
    kept = {part: p.clone() for part in ("weight", "bias") if (p := getattr(module, part, None)) is not None}
    flip = stores_transposed(module)
    weight = module.weight.float()
    folded = delta.fold(weight.T if flip else weight)
    module.weight.copy_(folded.T if flip else folded)
    if "bias" in kept:
        module.bias.copy_(delta.fold_bias(module.bias.float()))
    return kept


def cast(model: Model, kept: dict[str, dict[str, Tensor]], dtype: torch.dtype) -> None:
    """Cast what the network's file holds, and keep what was not kept yet. Tables that are computed (rotary) stay float32."""
    held = model.network.state_dict(keep_vars=True)
    for name, now in {id(value): (name, value) for name, value in held.items()}.values():  # tied weights once
        path, _, part = name.rpartition(".")
        if now.is_floating_point():
            kept.setdefault(path, {}).setdefault(part, now.data)
            now.data = now.data.to(dtype)


def _put_back(model: Model, kept: Kept, unpacked: Unpacked) -> None:
    for path, parts in kept.items():
        for part, value in parts.items():
            now: Tensor = getattr(model.network.get_submodule(path), part)
            now.data = now.data.to(value.dtype)  # where it was cast
            now.copy_(value)  # counted as a change of the weight, which DoRA's norms go by
    pack_again(model.network, unpacked)


def _logits(model: Model, sample: Batch) -> Tensor:
    """[N, V]"""
    logits_NV: Tensor = model(sample).logits()
    return logits_NV
