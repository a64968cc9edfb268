"""A weight that is the same number for number on every machine: all of it, and the sums of it, are exact in float32."""

import torch


def weight(rows: int = 100, columns: int = 192) -> torch.Tensor:
    """[rows, columns] multiples of 1/1024 between -1 and 1, in blocks of unlike sizes."""
    number = torch.arange(rows * columns)
    steps = (number * 7919 + (number // 64) ** 2 * 31) % 2003 - 1001
    return (steps * (1 + (number // 64) % 7) / 8192).float().view(rows, columns)
