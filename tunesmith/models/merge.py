"""Writing an adapter into the weights of its network, with a proof.

Dimension key: B rows, T tokens a row, O outputs, I inputs of a site, V vocabulary.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tunesmith.errors import UserError
from tunesmith.models.adapter import Adapter
from tunesmith.models.model import Model
from tunesmith.models.sites import stores_transposed
from tunesmith.models.weights import save_network
from tunesmith.tokens.batch import Batch

# Largest difference of a logit, as a share of the largest logit.
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.1, torch.float16: 1e-2}


@dataclass(frozen=True)
class Merged:
    """What merging changed.

    largest:   difference of a logit between the network with the adapter and the merged one, over the sample.
    scale:     the largest logit of the sample.
    tolerance: most that `largest / scale` may be.
    """

    largest: float
    scale: float
    tolerance: float

    def __str__(self) -> str:
        return f"merged: logits differ by at most {self.largest:.2g} (largest logit {self.scale:.3g})"


@torch.no_grad()
def merge(model: Model, name: str, sample: Batch) -> Merged:
    """Write an adapter into the network and take it off. Sums are float32 and are cast once.

    Args:
        name: of the attached adapter.
        sample: rows without virtual tokens on which the merged network is compared with the one before.

    Raises:
        UserError: the method cannot be merged, or the merged network says something else; the network is then as before.
    """
    adapter = model.adapter(name)
    _refuse(adapter)
    model.eval()
    before_NV = _logits(model, replace(sample, adapters=(name,) * len(sample.input_ids)))
    kept: dict[str, dict[str, Tensor]] = {}
    try:
        for path in adapter.deltas:
            kept[path] = _fold(model, adapter, path)
    except NotImplementedError as error:
        _put_back(model, kept)
        raise UserError(str(error), "serve it as an adapter beside the network") from error
    after_NV = _logits(model, sample.plain())
    report = Merged(
        largest=float((after_NV - before_NV).abs().max()),
        scale=float(before_NV.abs().max()),
        tolerance=TOLERANCE[model.dtype],
    )
    if not report.largest <= report.tolerance * max(report.scale, 1.0):
        _put_back(model, kept)
        raise UserError(
            f"the merged network says something else: logits differ by {report.largest:.2g} (largest logit {report.scale:.3g})",
            "keep the adapter beside the network, or merge in float32 (`model.dtype=float32`)",
        )
    model.detach(name)
    return report


def save_merged(folder: Path, model: Model, name: str, sample: Batch) -> Merged:
    """Merge, and write the network as transformers does."""
    report = merge(model, name, sample)
    save_network(folder, model)
    return report


def _refuse(adapter: Adapter) -> None:
    method = type(adapter.method).__name__
    if adapter.method.virtual_tokens:
        raise UserError(
            f"`{method}` cannot be merged: its virtual tokens are positions in the row, not weights",
            "serve it as an adapter, or tune with a method that changes weights (`lora`)",
        )


def _fold(model: Model, adapter: Adapter, path: str) -> dict[str, Tensor]:
    """Fold one site; its weight and bias as they were."""
    module: Any = model.network.get_submodule(path)
    delta = adapter.deltas[path]
    kept = {part: p.clone() for part in ("weight", "bias") if (p := getattr(module, part, None)) is not None}
    flip = stores_transposed(module)
    weight = module.weight.float()
    folded = delta.fold(weight.T if flip else weight)
    module.weight.copy_(folded.T if flip else folded)
    if "bias" in kept:
        module.bias.copy_(delta.fold_bias(module.bias.float()))
    return kept


def _put_back(model: Model, kept: dict[str, dict[str, Tensor]]) -> None:
    for path, parts in kept.items():
        for part, value in parts.items():
            getattr(model.network.get_submodule(path), part).copy_(value)


def _logits(model: Model, sample: Batch) -> Tensor:
    """[N, V]"""
    logits_NV: Tensor = model(sample).logits()
    return logits_NV
