"""Speed of answering on a GPU, in float32 and bfloat16, against transformers' `generate`.

    python benchmarks/gpu/generation.py [--brief]

Writes benchmarks/results/generation_gpu_DEVICE.json, with the device's name.
"""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from generation_speed import COUNT, ROWS, TOKENS, networks, pair
from record import gpu_arguments, keep


def main() -> None:
    given = gpu_arguments(__doc__, "generation_gpu", rounds=5)
    device = torch.device(given.device)
    count, rounds = (8, 2) if given.brief else (4 * COUNT, given.rounds)
    pairs = {}
    for name, make in networks().items():
        for dtype in (torch.float32, torch.bfloat16):
            key = f"{name} {str(dtype).removeprefix('torch.')}"
            if not given.only or any(part in key for part in given.only):
                pairs[key] = pair(lambda m=make, d=dtype: m().to(d), device, count, rounds)
    keep("generation_gpu", given, {"rows": ROWS, "prompts": count, "longest_answer": TOKENS}, pairs)


if __name__ == "__main__":
    main()
