"""A linear map in float32 on a CPU: seconds of our product beside those of `F.linear` and of oneDNN.

    python benchmarks/product_speed.py [--brief] [--rounds 5] [--only layer]

`layer`: the maps of a layer of 512 (512 x 512, 1376 x 512, 512 x 1376), and `vocabulary`: 32,000 x 512, each asked 30 times
with the same number of rows, as steps of generation have it; `new`: the layer's with 40 numbers of rows from 160 to 800, each
once, as batches of training have them, forward and backward. Products are compared before they are timed. The result says what
processor it is, and which library ours has chosen there.
"""

import random
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import torch
from record import OURS, arguments, keep, paired
from torch import Tensor
from torch.nn import functional as F

from tunesmith.models import products
from tunesmith.models.memory import keep_pages
from tunesmith.models.products import product

LAYER = ((512, 512), (1376, 512), (512, 1376))
KINDS = {"layer": LAYER, "vocabulary": ((32_000, 512),), "new": LAYER}
ROWS = (1, 16, 48, 256)
NEW = random.Random(0).sample(range(160, 800), 40)
Linear = Callable[[Tensor, Tensor], Tensor]


def again(linear: Linear, weights: list[Tensor], rows: int, times: int) -> float:
    """Seconds of all products, so many times each."""
    given = [torch.randn(rows, weight_OI.shape[1]) for weight_OI in weights]
    for x_NI, weight_OI in zip(given, weights, strict=True):
        torch.testing.assert_close(linear(x_NI, weight_OI), F.linear(x_NI, weight_OI), atol=1e-3, rtol=1e-4)
    began = time.perf_counter()
    for _ in range(times):
        for x_NI, weight_OI in zip(given, weights, strict=True):
            linear(x_NI, weight_OI)
    return time.perf_counter() - began


def new(linear: Linear, weights: list[Tensor], numbers: list[int]) -> float:
    given = [[torch.randn(rows, weight.shape[1], requires_grad=True) for weight in weights] for rows in numbers]
    began = time.perf_counter()
    for batch in given:
        for x_NI, weight_OI in zip(batch, weights, strict=True):
            linear(x_NI, weight_OI).sum().backward()  # type: ignore[no-untyped-call]
    return time.perf_counter() - began


def main() -> None:
    given = arguments(__doc__, rounds=5).parse_args()
    keep_pages()
    times, numbers, rounds = (2, NEW[:3], 2) if given.brief else (30, NEW, given.rounds)
    pairs: dict[str, Any] = {}
    for kind in given.only or KINDS:
        weights = [torch.randn(shape, requires_grad=kind == "new") for shape in KINDS[kind]]
        if kind == "new":
            pairs[kind] = paired(sides(lambda linear, all_of=weights: new(linear, all_of, numbers)), rounds)
            continue
        for rows in ROWS:
            with torch.no_grad():
                asked = sides(lambda linear, all_of=weights, rows=rows: again(linear, all_of, rows, times))
                pairs[f"{kind}, {rows} rows"] = paired(asked, rounds)
    keep("product_speed", given, {"shapes": KINDS, "library": "oneDNN" if products.ALWAYS else "MKL"}, pairs)


def sides(measure: Callable[[Linear], float]) -> dict[str, Callable[[], float]]:
    """The same measured of our product, of torch's own, and of ours where it asks oneDNN for all."""

    def onednn() -> float:
        with patch.object(products, "ALWAYS", True):  # backward too
            return measure(product)

    return {OURS: lambda: measure(product), "F.linear": lambda: measure(F.linear), "oneDNN": onednn}


if __name__ == "__main__":
    main()
