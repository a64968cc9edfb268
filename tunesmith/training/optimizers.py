"""The optimizers: torch's AdamW, and bitsandbytes' two that save a GPU's memory."""

from collections.abc import Sequence
from typing import Any

import torch

from tunesmith.errors import UserError
from tunesmith.training.plan import Plan

# Moments in 8 bits (Dettmers et al., 2022, arXiv:2110.02861); moments in float32 that move to the processor's memory when the
# GPU's is full (Dettmers et al., 2023, arXiv:2305.14314).
BITSANDBYTES = {"adamw_8bit": "AdamW8bit", "adamw_paged": "PagedAdamW32bit"}


def optimizer_of(plan: Plan, groups: Sequence[dict[str, Any]]) -> torch.optim.Optimizer:
    """The plan's optimizer of groups of parameters, which moves nothing until a rate is set.

    Raises:
        UserError: it runs on a GPU only, or its package is missing.
    """
    devices = {parameter.device.type for group in groups for parameter in group["params"]}
    settings: dict[str, Any] = {"lr": 0.0, "betas": (plan.beta1, plan.beta2), "eps": plan.epsilon}
    if plan.optimizer == "adamw":
        return torch.optim.AdamW(groups, **settings, fused=devices <= {"cpu", "cuda"})
    if devices != {"cuda"}:
        raise UserError(
            f"`plan.optimizer` is `{plan.optimizer}`, which saves memory of a GPU; this network is on: {', '.join(devices)}",
            "set it to `adamw`",
        )
    return _theirs(plan.optimizer)(groups, **settings)  # type: ignore[no-any-return]


def _theirs(name: str) -> Any:
    try:
        import bitsandbytes
    except ImportError as error:
        raise UserError(
            f"`plan.optimizer` is `{name}`, which is part of bitsandbytes", "pip install bitsandbytes, or set it to `adamw`"
        ) from error
    return getattr(bitsandbytes.optim, BITSANDBYTES[name])
