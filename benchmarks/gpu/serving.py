"""Answers through 1, 8, 32 and 128 adapters on a GPU, beside the base alone, PEFT, and vLLM's LoRAs where it is installed.

    pip install -e '.[bench]'                      # and `pip install vllm`, for vLLM's side
    python benchmarks/gpu/serving.py [--rounds 3] [--only 'llama-1B 32 adapters']
    python benchmarks/gpu/serving.py --brief --device cpu      # tries the script

A Llama shape of 1B with random weights in bfloat16, and LoRAs of rank 16 as in `benchmarks/serving_speed.py`, which says what
is asked and what is told; request n asks adapter n, from the first on again. vLLM gets the same requests at once, as many rows
as ours, the same files, and the same ids that end an answer; it keeps half of the device's memory. Writes
benchmarks/results/serving_gpu_DEVICE.json, with the device's name, after every pair.
"""

import gc
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import transformers

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from record import gpu_arguments, keep
from serving_speed import RANK, TOKENS, compared
from training import BRIEF, SHAPES

VLLM, ADAPTERS = "vllm", (1, 8, 32, 128)
WIDE = {"requests": 512, "clients": 128, "rows": 128}
NARROW = {"requests": 8, "clients": 4, "rows": 4}  # with `--brief`


def network(brief: bool, device: str) -> Any:
    """It never ends by itself."""
    torch.manual_seed(0)
    shape = transformers.LlamaConfig(**{**SHAPES["1B"], **(BRIEF if brief else {})})
    with torch.device(device):
        made = transformers.AutoModelForCausalLM.from_config(shape, dtype=torch.bfloat16)
    made.generation_config.eos_token_id = None
    return made.eval()


class TheirEngine:
    """vLLM's engine with the same network and files; all requests are there from the first on."""

    def __init__(self, base: Path, rows: int, folders: Sequence[Path]) -> None:
        from vllm import LLM
        from vllm.lora.request import LoRARequest

        self.model: Any = LLM(
            model=str(base),
            skip_tokenizer_init=True,
            dtype="bfloat16",
            max_num_seqs=rows,
            max_model_len=1024,
            gpu_memory_utilization=0.5,
            enable_lora=True,
            max_loras=len(folders),
            max_lora_rank=RANK,
        )
        self.adapters = {f"a{number}": LoRARequest(f"a{number}", number + 1, str(one)) for number, one in enumerate(folders)}

    def speak(
        self, asked: Sequence[Sequence[int]], names: Sequence[str], stops: Sequence[int]
    ) -> tuple[float, list[tuple[int, ...]], list[float]]:
        """Seconds and answers; when a token came is not told."""
        from vllm import SamplingParams

        sampling = SamplingParams(
            temperature=0.0, max_tokens=TOKENS, stop_token_ids=list(stops), ignore_eos=True, detokenize=False
        )
        began = time.perf_counter()
        said = self.model.generate(
            [{"prompt_token_ids": list(ids)} for ids in asked],
            sampling,
            lora_request=[self.adapters[name] for name in names],
            use_tqdm=False,
        )
        seconds = time.perf_counter() - began
        return seconds, [tuple(one.outputs[0].token_ids) for one in said], []

    def close(self) -> None:
        """The process of its engine ends with it."""
        del self.model
        gc.collect()
        torch.cuda.empty_cache()


def main() -> None:
    given = gpu_arguments(__doc__, "serving_gpu", rounds=3)
    transformers.logging.set_verbosity_error()
    sizes = NARROW if given.brief else WIDE
    pairs: dict[str, Any] = {}
    for count in (1, 2) if given.brief else ADAPTERS:
        name = f"llama-1B {count} adapters"
        if given.only and not any(part in name for part in given.only):
            continue
        asked = Namespace(adapters=count, rounds=1 if given.brief else given.rounds, **sizes)
        make = partial(network, given.brief, given.device)
        with tempfile.TemporaryDirectory() as folder:
            others = {}
            if find_spec("vllm") is not None and given.device.startswith("cuda"):
                base = Path(folder) / "base"
                make().save_pretrained(base)
                others = {VLLM: partial(TheirEngine, base, asked.rows)}
            pairs[name] = compared(make, asked, Path(folder), others)
        keep("serving_gpu", given, {"rank": RANK, "tokens": TOKENS, "vllm": bool(others), **sizes}, pairs)


if __name__ == "__main__":
    main()
