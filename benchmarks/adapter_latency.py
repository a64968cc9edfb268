"""What an adapter costs in use: seconds an answer of the base, an attached and a merged LoRA; bytes of many tasks.

    python benchmarks/adapter_latency.py [--brief] [--rounds 5] [--device cpu] [--only one many]

The network is Llama's shape, 8 layers x 512, with random weights; the LoRA has rank 8 at all linear maps of attention and MLP.
Each side answers the same prompts greedily, in 32 tokens: `one` at a time, or `many`, 16 at once. `tunesmith` is the adapter
attached; a peer's ratio below 1 says how much sooner the base, or the merged network, answers.

Bytes are those of files as they are written: a whole network a task, or one network and an adapter a task.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import transformers
from causal_training import shape
from record import OURS, arguments, keep, paired

from tunesmith.generation.engine import generate
from tunesmith.generation.sampling import Sampling
from tunesmith.methods.lora import LoRA
from tunesmith.models.merge import merge
from tunesmith.models.model import Model
from tunesmith.models.weights import save_adapter
from tunesmith.tokens.batch import Rows, collate
from tunesmith.tokens.sequence import causal

VOCABULARY, PROMPT, TOKENS, ROWS = 32_000, 64, 32, 16
TASKS = (1, 5, 100)


def model(device: str) -> Model:
    torch.manual_seed(0)
    network = transformers.AutoModelForCausalLM.from_config(shape(VOCABULARY)).eval().to(device)
    network.generation_config.forced_eos_token_id = None
    renderer: Any = SimpleNamespace(start=0, forced=None, stops=frozenset(), say=lambda ids: "", text=lambda text: (1,))
    return Model(network, renderer, "causal").eval()


@torch.no_grad()
def adapted(device: str) -> Model:
    """The network with a LoRA that says something."""
    made = model(device)
    for parameter in made.attach("lora", LoRA(rank=8)).trained().values():
        parameter.normal_(std=0.02, generator=torch.Generator(device).manual_seed(1))
    return made


def bytes_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def stored(made: Model) -> dict[str, Any]:
    """Bytes on disk of 1, 5 and 100 tasks."""
    with tempfile.TemporaryDirectory() as folder:
        adapter = bytes_of(save_adapter(Path(folder), made.adapter("lora"), made))
        made.network.save_pretrained(Path(folder) / "whole")
        whole = bytes_of(Path(folder) / "whole")
    return {
        "network": whole,
        "adapter": adapter,
        "full_copies": {count: count * whole for count in TASKS},
        "adapters": {count: whole + count * adapter for count in TASKS},
    }


def main() -> None:
    given = arguments(__doc__, rounds=5).parse_args()
    transformers.logging.set_verbosity_error()
    device, rounds, tokens = given.device, 2 if given.brief else given.rounds, 4 if given.brief else TOKENS
    base, attached, merged = model(device), adapted(device), adapted(device)
    dice = torch.Generator().manual_seed(2)
    asked = torch.randint(3, VOCABULARY, (ROWS, PROMPT), generator=dice).tolist()
    rows = Rows(tuple((causal(ids, [1.0] * PROMPT),) for ids in asked[:2]), ((0,), (1,)))
    proof = merge(merged, "lora", collate(rows).to(device))

    def timed(answering: Model, prompts: list[list[int]], at_once: int) -> Callable[[], float]:
        def run() -> float:
            start = time.perf_counter()
            generate(answering, prompts, Sampling(tokens=tokens), at_once)
            return (time.perf_counter() - start) / len(prompts)

        return run

    pairs: dict[str, Any] = {}
    for name, prompts, at_once in (("one", asked[:4], 1), ("many", asked, ROWS)):
        if given.only and name not in given.only:
            continue
        sides = {OURS: attached, "base": base, "merged": merged}
        for side in sides.values():
            generate(side, prompts[:1], Sampling(tokens=2), 1)  # a warm-up
        pairs[name] = paired({who: timed(side, prompts, at_once) for who, side in sides.items()}, rounds)
    pairs["bytes"] = stored(attached)
    pairs["merging"] = {"largest_difference_of_a_logit": proof.largest, "largest_logit": proof.scale}
    keep("adapter_latency", given, {"rank": 8, "prompt": PROMPT, "tokens": tokens, "rows": ROWS}, pairs)


if __name__ == "__main__":
    main()
