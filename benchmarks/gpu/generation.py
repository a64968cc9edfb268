"""Speed of answering on a GPU, in float32 and bfloat16, against transformers' `generate`.

    python benchmarks/gpu/generation.py [--brief]

Writes benchmarks/results/generation_gpu_DEVICE.json, with the device's name.
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from generation_speed import made_up, pair, settings
from record import gpu_arguments, keep


def main() -> None:
    given = gpu_arguments(__doc__, "generation_gpu", rounds=5)
    device = torch.device(given.device)
    rounds = 2 if given.brief else given.rounds
    pairs = {}
    for name, setting in settings().items():
        if setting.asked is not made_up:
            continue
        for dtype in (torch.float32, torch.bfloat16):
            key = f"{name} {str(dtype).removeprefix('torch.')}"
            if not given.only or any(part in key for part in given.only):
                count = 8 if given.brief else 4 * setting.count
                chosen = replace(setting, make=lambda m=setting.make, d=dtype: m().to(d), count=count)
                pairs[key] = pair(chosen, device, rounds)
    keep("generation_gpu", given, {}, pairs)


if __name__ == "__main__":
    main()
