"""NF4 with double quantisation (Dettmers et al., 2023, arXiv:2305.14314): linear maps whose weights take 4.13 bits each.

Of each block of 64 weights the largest is kept, and each weight as the nearest of 16 values between -1 and 1, quantiles of a
normal distribution, times the largest. The largest of the blocks, less their mean, are themselves kept in 8 bits, in groups of
256. All numbers are those of bitsandbytes. A weight is unpacked whenever it is needed, once in the forward pass and once in the
backward, into memory that is used again and again.

Dimension key: N weights of a map, P bytes that hold two codes each, S blocks, G groups of blocks, I inputs, O outputs.
"""

import threading
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from tunesmith.models.products import product

BLOCK, GROUP = 64, 256
PART, UNPACKED = 2**18, 2**20  # weights packed and unpacked at once: what is computed on the way stays in the processor's cache
TINY = 1e-38  # a block of zeros is divided by this
BITSANDBYTES = find_spec("bitsandbytes") is not None

# The sixteen values, from the paper's appendix E.
VALUES = torch.tensor((
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
))  # fmt: skip
# The two values of each byte, as one number of 64 bits.
PAIRS = torch.cartesian_prod(VALUES, VALUES).view(torch.int64).flatten()


def _dynamic() -> Tensor:
    """[256] sorted values of the signed dynamic 8-bit type (Dettmers, 2015, arXiv:1511.04561).

    0, 1, and for each of seven powers of ten the middles of 1, 2, 4 ... 64 equal steps between its tenth and itself.
    """
    found = [0.0, 1.0]
    for exponent in range(7):
        ends = torch.linspace(0.1, 1, 2**exponent + 1)
        middles = ((ends[:-1] + ends[1:]) / 2 * 10 ** (exponent - 6)).tolist()
        found += [*middles, *(-middle for middle in middles)]
    return torch.tensor(sorted(found))


DYNAMIC = _dynamic()


@cache
def _on(device: torch.device, table: Tensor) -> Tensor:
    return table.to(device)


class Packed(NamedTuple):
    """A weight in 4.13 bits a number.

    codes:   [P] uint8, two 4-bit codes each, the first in the high half; the last block is filled up with zeros.
    scales:  [S] uint8, codes of the blocks' largest weights.
    spreads: [G] float32, how far these are from their mean at most.
    mean:    float32, their mean.
    """

    codes: Tensor
    scales: Tensor
    spreads: Tensor
    mean: Tensor


def pack(weight: Tensor) -> Packed:
    """A weight of any shape, row after row."""
    parts = [_blocks(part) for part in torch.split(weight.detach().flatten(), PART)]
    largest_S = torch.cat([largest for _, largest in parts])
    mean = largest_S.mean()
    groups = F.pad(largest_S - mean, (0, -len(largest_S) % GROUP)).view(-1, GROUP)
    spreads_G = groups.abs().amax(1)
    shares = groups * (1 / spreads_G.clamp(min=TINY))[:, None]
    scales = torch.bucketize(shares, _middles(_on(weight.device, DYNAMIC)), out_int32=True).to(torch.uint8)
    return Packed(torch.cat([codes for codes, _ in parts]), scales.flatten()[: len(largest_S)].clone(), spreads_G, mean)


def _blocks(part: Tensor) -> tuple[Tensor, Tensor]:
    """Codes of some weights, and the largest weight of each of their blocks."""
    blocks = F.pad(part.float(), (0, -len(part) % BLOCK)).view(-1, BLOCK)
    largest_S = blocks.abs().amax(1)
    shares = blocks * (1 / largest_S.clamp(min=TINY))[:, None]
    codes = torch.zeros(blocks.shape, dtype=torch.uint8, device=part.device)
    for middle in _middles(_on(part.device, VALUES)):  # fifteen comparisons of all cost less than a search for each
        codes += shares > middle
    return ((codes[:, ::2] << 4) | codes[:, 1::2]).flatten(), largest_S


def _middles(values: Tensor) -> Tensor:
    """Where one value ends being the nearest and the next begins; the middle itself belongs to the lower."""
    return (values[:-1] + values[1:]) / 2


def unpack(packed: Packed, room: Callable[..., Tensor] = torch.empty) -> Tensor:
    """[N or up to 63 more] float32; `room` gives the memory."""
    device = packed.codes.device
    spreads_S = packed.spreads[:, None].expand(-1, GROUP).flatten()[: len(packed.scales)]
    largest_S = _on(device, DYNAMIC)[packed.scales.int()] * spreads_S + packed.mean
    numbers = room(2 * len(packed.codes), dtype=torch.float32, device=device)
    places = room(min(UNPACKED // 2, len(packed.codes)), dtype=torch.int32, device=device)
    cut = ((packed.codes, UNPACKED // 2), (numbers, UNPACKED), (largest_S, UNPACKED // BLOCK))
    for codes, some, largest in zip(*(torch.split(*one) for one in cut), strict=True):
        # A pair of float32 is looked up as one number of 64 bits: three times as fast as a row of two.
        found = places[: len(codes)].copy_(codes)
        torch.index_select(_on(device, PAIRS), 0, found, out=some.view(torch.int64))
        some.view(-1, BLOCK).mul_(largest[:, None])
    return numbers


class _Rooms(threading.local):
    """Memory of this thread by type of number, as large as the largest map needs: fresh memory costs more than unpacking."""

    def __init__(self) -> None:
        self.kept: dict[torch.dtype, Tensor] = {}

    def __call__(self, count: int, dtype: torch.dtype, device: torch.device) -> Tensor:
        if device.type != "cpu":
            return torch.empty(count, dtype=dtype, device=device)
        if dtype not in self.kept or len(self.kept[dtype]) < count:
            self.kept[dtype] = torch.empty(count, dtype=dtype)
        return self.kept[dtype][:count]


_rooms = _Rooms()


class NF4Linear(nn.Module):
    """A linear map that keeps its weight packed. It is never trained; gradients go through it to what it reads.

    Args:
        weight_OI: what is packed.
        bias: kept as it is.
        transposed: stood a `Conv1D` here, whose weight is [I, O]?

    On a GPU with bitsandbytes, its kernels compute the product, as in its `Linear4bit`.
    """

    codes: Tensor
    scales: Tensor
    spreads: Tensor
    mean: Tensor
    marker: Tensor
    bias: nn.Parameter | None

    def __init__(self, weight_OI: Tensor, bias: nn.Parameter | None = None, transposed: bool = False) -> None:
        super().__init__()
        self.out_features, self.in_features = weight_OI.shape
        self.transposed = transposed
        for name, part in pack(weight_OI)._asdict().items():
            self.register_buffer(name, part)
        self.register_buffer("marker", weight_OI.new_full((), torch.nan), persistent=False)
        self.register_parameter("bias", bias)
        self.instead: list[nn.Module] = []  # the plain map in its place, for those who still hold this one

    @property
    def weight(self) -> Tensor:
        """[O, I] of no number: for those who ask of a weight its shape, type and device. It cannot be written to."""
        if self.instead:
            weight: Tensor = self.instead[0].weight  # type: ignore[assignment]
            return weight.T if self.transposed else weight
        return self.marker.expand(self.out_features, self.in_features)

    @property
    def packed(self) -> Packed:
        return Packed(self.codes, self.scales, self.spreads, self.mean)

    @property
    def count(self) -> int:
        """Weights."""
        return self.out_features * self.in_features

    def dequantised(self) -> Tensor:
        """[O, I] float32, in memory of its own, unless a plain map stands in its place."""
        if self.instead:
            return self.weight.detach().float()
        return unpack(self.packed)[: self.count].view(self.weight.shape)

    def forward(self, x: Tensor) -> Tensor:
        """[..., I] -> [..., O], in the precision of x."""
        if x.device.type == "cuda" and BITSANDBYTES and not self.count % BLOCK:
            return self.by_bitsandbytes(x)
        shape = self.out_features, self.in_features
        if not torch.is_grad_enabled():
            return product(x, _weight(self.packed, shape, x.dtype), self.bias)
        said: Tensor = _Map.apply(x.flatten(0, -2), self.bias, shape, *self.packed)  # type: ignore[no-untyped-call]
        return said.view(*x.shape[:-1], -1)

    def by_bitsandbytes(self, x: Tensor) -> Tensor:
        """The same by bitsandbytes."""
        from bitsandbytes import matmul_4bit
        from bitsandbytes.functional import QuantState

        if torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.get_autocast_dtype(x.device.type))
        groups = QuantState(self.spreads, blocksize=GROUP, code=_on(x.device, DYNAMIC), dtype=torch.float32)
        shape = torch.Size((self.out_features, self.in_features))
        blocks = QuantState(self.scales, shape, _on(x.device, VALUES), BLOCK, "nf4", x.dtype, self.mean, groups)
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return matmul_4bit(x, self.codes[:, None].t(), quant_state=blocks, bias=bias)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "NF4Linear":
        """Statistics move with the module, and stay float32 when it becomes half precision."""
        spreads_G, mean = self.spreads, self.mean
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.spreads, self.mean = (kept.to(self.codes.device) for kept in (spreads_G, mean))
        return self


def _weight(packed: Packed, shape: tuple[int, int], dtype: torch.dtype) -> Tensor:
    """[O, I] in memory that the next call writes over, unless it is of another precision."""
    room = torch.empty if torch.compiler.is_compiling() else _rooms
    return unpack(packed, room)[: shape[0] * shape[1]].view(shape).to(dtype)


class _Map(torch.autograd.Function):
    """x W' + b, which keeps nothing but the packed W. shape: (O, I)"""

    @staticmethod
    def forward(ctx: Any, x_NI: Tensor, bias_O: Tensor | None, shape: tuple[int, int], *parts: Tensor) -> Tensor:
        ctx.save_for_backward(*parts)
        ctx.shape, ctx.dtype = shape, x_NI.dtype
        return product(x_NI, _weight(Packed(*parts), shape, x_NI.dtype), bias_O)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, back_NO: Tensor) -> tuple[Tensor | None, ...]:
        for_x, for_bias = ctx.needs_input_grad[:2]
        dx_NI = None
        if for_x:
            weight_OI = _weight(Packed(*ctx.saved_tensors), ctx.shape, back_NO.dtype)
            dx_NI = product(back_NO, weight_OI.t()).to(ctx.dtype)
        return dx_NI, back_NO.sum(0) if for_bias else None, *[None] * 5
