"""Speed of answering on a GPU, in float32 and bfloat16, against transformers' `generate`.

    python benchmarks/gpu/generation.py [--brief] [--only llama-1B] [--rounds 5]

Networks of the size of the embedded ones in both precisions, and a Llama shape of 1B with random weights in bfloat16. Writes
benchmarks/results/generation_gpu_DEVICE.json, with the device's name, after every pair.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import transformers

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from generation_speed import Setting, made_up, pair, settings
from record import gpu_arguments, keep
from training import BRIEF, SHAPES


def chosen(brief: bool, device: str) -> Iterator[tuple[str, Setting]]:
    for name, setting in settings().items():
        if setting.asked is made_up:
            for dtype in (torch.float32, torch.bfloat16):
                cast = replace(setting, make=lambda m=setting.make, d=dtype: m().to(d))
                yield f"{name} {str(dtype).removeprefix('torch.')}", cast

    def wide() -> Any:
        torch.manual_seed(0)
        shape = transformers.LlamaConfig(**{**SHAPES["1B"], **(BRIEF if brief else {})})
        with torch.device(device):
            return transformers.AutoModelForCausalLM.from_config(shape, dtype=torch.bfloat16)

    yield "llama-1B bfloat16", Setting(wide, made_up, 64, (64,), 128, 64)


def main() -> None:
    given = gpu_arguments(__doc__, "generation_gpu", rounds=5)
    transformers.logging.set_verbosity_error()
    pairs = {}
    for name, setting in chosen(given.brief, given.device):
        if not given.only or any(part in name for part in given.only):
            asked = replace(setting, count=8, tokens=16) if given.brief else replace(setting, count=4 * setting.count)
            pairs[name] = pair(asked, torch.device(given.device), 2 if given.brief else given.rounds)
            keep("generation_gpu", given, {}, pairs)


if __name__ == "__main__":
    main()
