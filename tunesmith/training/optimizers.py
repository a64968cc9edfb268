"""The optimizers: torch's AdamW, and bitsandbytes' two that save a GPU's memory.

Dimension key: V rows of an embedding, D numbers of each, R rows that were ever read, B rows that were read in a step.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from tunesmith.errors import UserError
from tunesmith.models.model import Model
from tunesmith.training.plan import Plan
from tunesmith.training.sharding import local, total_norm

# Moments in 8 bits (Dettmers et al., 2022, arXiv:2110.02861); moments in float32 that move to the processor's memory when the
# GPU's is full (Dettmers et al., 2023, arXiv:2305.14314).
BITSANDBYTES = {"adamw_8bit": "AdamW8bit", "adamw_paged": "PagedAdamW32bit"}


class AdamW(torch.optim.AdamW):
    """torch's, but an embedding whose gradient is sparse costs only the rows that were ever read.

    The others' moments are zero, so that no step would move them, for embeddings do not decay. What it keeps of such a
    parameter are the numbers of these rows, in the order in which they were first read, and their moments [R, D].
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for parameter in group["params"]:
                gradient, state = parameter.grad, self.state[parameter]
                if gradient is None:
                    continue
                if not gradient.is_sparse:
                    if "rows" in state:
                        self._spread(parameter)
                elif group["weight_decay"] or (state and "rows" not in state):
                    parameter.grad = gradient.to_dense()
                else:
                    self._step_rows(parameter, group)
                    parameter.grad = None
        return super().step(closure)

    def _step_rows(self, parameter: nn.Parameter, group: dict[str, Any]) -> None:
        gradient, state = parameter.grad.coalesce(), self.state[parameter]  # type: ignore[union-attr]
        if not state:
            width = parameter.shape[1]
            state |= {"step": torch.tensor(0.0), "rows": torch.empty(0, dtype=torch.long)}
            state |= {"exp_avg": parameter.new_empty(0, width), "exp_avg_sq": parameter.new_empty(0, width)}
        place_V = torch.full((len(parameter),), -1)
        place_V[state["rows"]] = torch.arange(len(state["rows"]))
        read_B = gradient.indices()[0]
        new = read_B[place_V[read_B] < 0]
        if len(new):
            place_V[new] = torch.arange(len(new)) + len(state["rows"])
            state["rows"] = torch.cat((state["rows"], new))
            for name in ("exp_avg", "exp_avg_sq"):
                state[name] = torch.cat((state[name], parameter.new_zeros(len(new), parameter.shape[1])))
        rows_RD = parameter[state["rows"]]
        gradient_RD = torch.zeros_like(rows_RD)
        gradient_RD[place_V[read_B]] = gradient.values()
        adamw(
            [rows_RD],
            [gradient_RD],
            [state["exp_avg"]],
            [state["exp_avg_sq"]],
            [],
            [state["step"]],
            fused=True,
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=0.0,
            eps=group["eps"],
            maximize=False,
        )
        parameter[state["rows"]] = rows_RD

    def _spread(self, parameter: nn.Parameter) -> None:
        """From now on the moments of every row are kept."""
        state = self.state[parameter]
        rows = state.pop("rows")
        for name in ("exp_avg", "exp_avg_sq"):
            state[name] = torch.zeros_like(parameter).index_copy_(0, rows, state[name])


@contextmanager
def into_place(model: Model, wanted: bool = True) -> Iterator[None]:
    """Within, what is read leaves gradients of a trained vocabulary that take no room on their way.

    That of a head is added where the gradient of batches before stands. That of an embedding on a CPU holds only the rows that
    were read; where a head shares its weight and is read too, they are added to the gradient of all rows, as ever.
    """
    table = model.network.get_input_embeddings().weight
    few = wanted and table.requires_grad and table.device.type == "cpu"
    parts = [part for part in model.network.modules() if isinstance(part, nn.Embedding) and part.weight is table] if few else []
    before, vocabulary = [part.sparse for part in parts], model.vocabulary
    model.vocabulary = replace(vocabulary, adds=wanted)
    for part in parts:
        part.sparse = True
    try:
        yield
    finally:
        model.vocabulary = vocabulary
        for part, sparse in zip(parts, before, strict=True):
            part.sparse = sparse


def clip(parameters: Sequence[nn.Parameter], most: float) -> float:
    """Scale the gradients so that their norm is at most `most` (infinite: any). The norm before."""
    gradients: list[Tensor] = []
    for parameter in parameters:
        if parameter.grad is not None and parameter.grad.is_sparse:
            parameter.grad = parameter.grad.coalesce()
            gradients.append(parameter.grad.values())
        elif parameter.grad is not None:
            gradients.append(parameter.grad)
    norm = total_norm(gradients)
    if most / (norm + 1e-6) < 1:
        torch._foreach_mul_([local(one) for one in gradients], most / (norm + 1e-6))
    return norm


def optimizer_of(plan: Plan, groups: Sequence[dict[str, Any]]) -> torch.optim.Optimizer:
    """The plan's optimizer of groups of parameters, which moves nothing until a rate is set.

    Raises:
        UserError: it runs on a GPU only, or its package is missing.
    """
    devices = {parameter.device.type for group in groups for parameter in group["params"]}
    settings: dict[str, Any] = {"lr": 0.0, "betas": (plan.beta1, plan.beta2), "eps": plan.epsilon}
    if plan.optimizer == "adamw":
        return AdamW(groups, **settings, fused=devices <= {"cpu", "cuda"})
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
