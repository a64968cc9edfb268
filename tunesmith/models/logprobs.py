"""Log-probability of each target, and divergence from a reference, without ever holding the logits of all of them.

With z = (W h + b) * scale and l = cap * tanh(z / cap) (or l = z), log p = l[target] - logsumexp(l) and

    d log p / d z = (onehot(target) - softmax(l)) * (1 - (l / cap)^2)

Where the head is frozen, d log p / d h is formed in the forward pass, tile by tile: nothing is computed twice and no
logits are kept. Where it is trained, d W depends on what comes back, so tiles are computed again in the backward pass
(kept, where they are small) and d W is summed in float32.

Dimension key: N targets, C targets of a tile, D hidden size, V vocabulary.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from tunesmith.models.families import Vocabulary
from tunesmith.models.products import product

TILE = {"cpu": 2**23, "cuda": 2**27}  # numbers in a tile of logits
LEAST = 128  # targets of a tile, whatever the vocabulary: a product with fewer rows takes much longer a row
KEPT = {"cpu": 2**24, "cuda": 2**28}  # numbers of logits that a trained head may keep instead of computing them again
Judge = Callable[..., tuple[Tensor, Tensor | None]]  # `judged`, or a compiled form of it


def target_logprobs(states_ND: Tensor, vocabulary: Vocabulary, target_N: Tensor) -> Tensor:
    """[N] float32 log p(target). With N = 0 the result is empty and connected to the states."""
    return _each(states_ND, vocabulary, target_N, vocabulary.judge or judged)


def divergences(states_ND: Tensor, vocabulary: Vocabulary, reference_ND: Tensor, reference: Vocabulary) -> Tensor:
    """[N] float32 KL(p || q) in nats, exact over the vocabulary; p is the reference's, which is taken as it stands.

    With p and q the softmax of logits, d KL / d logits = q - p: bounded, whatever the two are.
    """
    reference_ND = _as_computed(reference_ND.detach(), reference.weight)

    def judge(
        product_CV: Tensor, place_C: Tensor, back_C: Tensor | None, scale: float, cap: float | None, learnt: bool
    ) -> tuple[Tensor, Tensor | None]:
        logits_CV, slope_CV = _logits(product_CV, scale, cap, learnt)
        other_CV = _product(reference_ND[place_C], reference.weight.detach(), reference.bias)
        logp_CV = _logits(other_CV, reference.scale, reference.cap, False)[0].log_softmax(1)
        logq_CV = logits_CV.log_softmax(1)
        p_CV = logp_CV.exp()
        kl_C = logp_CV.sub_(logq_CV).mul_(p_CV).sum(1)
        if not learnt:
            return kl_C, None
        return kl_C, _through(logq_CV.exp_().sub_(p_CV), slope_CV, scale, back_C).to(product_CV.dtype)

    return _each(states_ND, vocabulary, torch.arange(len(states_ND), device=states_ND.device), judge)


def _each(states_ND: Tensor, vocabulary: Vocabulary, target_N: Tensor, judge: Judge) -> Tensor:
    """[N] float32 what `judge` makes of each state's logits and its target."""
    if not len(target_N):
        return states_ND.float().sum(1)
    weight_VD, bias_V = vocabulary.weight, vocabulary.bias
    states_ND = _as_computed(states_ND, weight_VD)
    settings = (judge, vocabulary.scale, vocabulary.cap)
    if weight_VD.requires_grad or (bias_V is not None and bias_V.requires_grad):
        trained = (*settings, vocabulary.adds)
        return _Trained.apply(states_ND, weight_VD, bias_V, target_N, *trained)  # type: ignore[no-any-return, no-untyped-call]
    return _Frozen.apply(states_ND, weight_VD, bias_V, target_N, *settings)  # type: ignore[no-any-return, no-untyped-call]


def _as_computed(states_ND: Tensor, weight_VD: Tensor) -> Tensor:
    """States in the precision of the product with the head."""
    device = states_ND.device.type
    return states_ND.to(torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight_VD.dtype)


def _product(h_CD: Tensor, weight_VD: Tensor, bias_V: Tensor | None) -> Tensor:
    """[C, V], fresh. The states' precision is that of the product, as under autocast."""
    return product(h_CD, weight_VD.to(h_CD.dtype), None if bias_V is None else bias_V.to(h_CD.dtype))


def judged(
    product_CV: Tensor, target_C: Tensor, back_C: Tensor | None, scale: float, cap: float | None, learnt: bool
) -> tuple[Tensor, Tensor | None]:
    """Of products W h + b, which are written over: [C] float32 log p(target), and what is learnt.

    That is, where it is wanted, d log p / d (W h + b) in the product's precision, each row times `back_C` (None: 1). The
    arithmetic is that of float32.
    """
    logits_CV, slope_CV = _logits(product_CV, scale, cap, learnt)
    above_CV = logits_CV.sub_(logits_CV.amax(1, keepdim=True))
    said_C1 = above_CV.gather(1, target_C[:, None])
    weights_CV = above_CV.exp_()
    total_C1 = weights_CV.sum(1, keepdim=True)
    logprobs_C = (said_C1 - total_C1.log())[:, 0]
    if not learnt:
        return logprobs_C, None
    gradient_CV = weights_CV.div_(-total_C1)
    gradient_CV.scatter_add_(1, target_C[:, None], gradient_CV.new_ones(len(target_C), 1))
    return logprobs_C, _through(gradient_CV, slope_CV, scale, back_C).to(product_CV.dtype)


def _logits(product_CV: Tensor, scale: float, cap: float | None, learnt: bool) -> tuple[Tensor, Tensor | None]:
    """Float32 logits of products, which are written over, and the slope of a cap (with the scale) where it is wanted."""
    logits_CV = product_CV.float()
    if scale != 1.0:
        logits_CV = logits_CV.mul_(scale)
    if cap is None:
        return logits_CV, None
    logits_CV = logits_CV.div_(cap).tanh_().mul_(cap)
    return logits_CV, (1 - (logits_CV / cap).square_()).mul_(scale) if learnt else None


def _through(gradient_CV: Tensor, slope_CV: Tensor | None, scale: float, back_C: Tensor | None) -> Tensor:
    """From gradients of logits, which are written over, to those of products; each row times what comes back."""
    if slope_CV is not None:
        gradient_CV = gradient_CV.mul_(slope_CV)
    elif scale != 1.0:
        gradient_CV = gradient_CV.mul_(scale)
    return gradient_CV if back_C is None else gradient_CV.mul_(back_C[:, None])


def tiles(states_ND: Tensor, vocabulary: int) -> list[slice]:
    rows = max(LEAST, TILE.get(states_ND.device.type, TILE["cpu"]) // vocabulary)
    rows -= rows % LEAST
    return [slice(start, start + rows) for start in range(0, len(states_ND), rows)]


class _Frozen(torch.autograd.Function):
    """The head is not trained."""

    @staticmethod
    def forward(
        ctx: Any,
        h_ND: Tensor,
        weight_VD: Tensor,
        bias_V: Tensor | None,
        target_N: Tensor,
        judge: Judge,
        scale: float,
        cap: float | None,
    ) -> Tensor:
        said_N = torch.empty(len(target_N), dtype=torch.float32, device=h_ND.device)
        learnt = ctx.needs_input_grad[0]
        slope_ND = torch.empty_like(h_ND) if learnt else None
        for at in tiles(h_ND, len(weight_VD)):
            product_CV = _product(h_ND[at], weight_VD, bias_V)
            said_N[at], gradient_CV = judge(product_CV, target_N[at], None, scale, cap, learnt)
            if slope_ND is not None and gradient_CV is not None:
                slope_ND[at] = product(gradient_CV, weight_VD.to(h_ND.dtype).t())
            del product_CV, gradient_CV  # before the next tile is made
        if slope_ND is not None:
            ctx.save_for_backward(slope_ND)
        return said_N

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, back_N: Tensor) -> tuple[Tensor | None, ...]:
        (slope_ND,) = ctx.saved_tensors
        return (slope_ND * back_N[:, None]).to(slope_ND.dtype), None, None, None, None, None, None


class _Trained(torch.autograd.Function):
    """The head is trained (full tuning, or embeddings tied to it)."""

    @staticmethod
    def forward(
        ctx: Any,
        h_ND: Tensor,
        weight_VD: Tensor,
        bias_V: Tensor | None,
        target_N: Tensor,
        judge: Judge,
        scale: float,
        cap: float | None,
        adds: bool,
    ) -> Tensor:
        said_N = torch.empty(len(target_N), dtype=torch.float32, device=h_ND.device)
        most = KEPT.get(h_ND.device.type, KEPT["cpu"])
        keep = len(target_N) * len(weight_VD) <= most and any(ctx.needs_input_grad)
        kept = []
        for at in tiles(h_ND, len(weight_VD)):
            product_CV = _product(h_ND[at], weight_VD, bias_V)
            said_N[at], gradient_CV = judge(product_CV, target_N[at], None, scale, cap, keep)
            if gradient_CV is not None:
                kept.append(gradient_CV)
            del product_CV, gradient_CV
        ctx.save_for_backward(h_ND, weight_VD, bias_V, target_N, *kept)
        ctx.settings = judge, scale, cap, adds
        return said_N

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, back_N: Tensor) -> tuple[Tensor | None, ...]:
        h_ND, weight_VD, bias_V, target_N, *kept = ctx.saved_tensors
        judge, scale, cap, adds = ctx.settings
        for_states, for_weight, for_bias = ctx.needs_input_grad[:3]
        dh_ND = torch.empty_like(h_ND) if for_states else None
        # A gradient of its own would stand beside that of the batches before until the embedding, to which the weight may be
        # tied, has gone back too; and autograd would make a third of the two.
        adds = adds and for_weight and weight_VD.is_leaf and weight_VD.dtype == torch.float32
        adds = adds and (weight_VD.grad is None or weight_VD.grad.layout == torch.strided)
        dweight_VD: Tensor | None = weight_VD.grad if adds else None
        dbias_V = torch.zeros_like(weight_VD[:, 0], dtype=torch.float32) if for_bias else None
        for i, at in enumerate(tiles(h_ND, len(weight_VD))):
            if kept:
                gradient_CV = (kept[i] * back_N[at, None]).to(h_ND.dtype)
            else:
                product_CV = _product(h_ND[at], weight_VD, bias_V)
                made_CV = judge(product_CV, target_N[at], back_N[at], scale, cap, True)[1]
                assert made_CV is not None
                gradient_CV = made_CV
                del product_CV, made_CV
            if dbias_V is not None:
                dbias_V += gradient_CV.sum(0, dtype=torch.float32)
            if dh_ND is not None:
                dh_ND[at] = product(gradient_CV, weight_VD.to(h_ND.dtype).t())
            # Float32 sums over tiles, whatever the weight's precision.
            if for_weight and dweight_VD is None:
                dweight_VD = (gradient_CV.T @ h_ND[at]).float()
            elif dweight_VD is not None and gradient_CV.dtype == torch.float32:
                dweight_VD.addmm_(gradient_CV.T, h_ND[at])  # in place: a product of its own is as large as the head
            elif dweight_VD is not None:
                dweight_VD += gradient_CV.T @ h_ND[at]
            del gradient_CV
        if adds:
            weight_VD.grad, dweight_VD = dweight_VD, None
        return (
            dh_ND,
            None if dweight_VD is None else dweight_VD.to(weight_VD.dtype),
            None if dbias_V is None or bias_V is None else dbias_V.to(bias_V.dtype),
            *(None,) * (len(ctx.needs_input_grad) - 3),
        )
