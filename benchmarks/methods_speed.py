"""A training step of each method beside PEFT's under TRL at its best: tokens a second, peak memory and loss.

    pip install -e '.[bench]'
    python benchmarks/methods_speed.py [--brief] [--rounds 3] [--only dora ia3]

Network, rows and sides as in `causal_training.py`, 48 rows unless told otherwise. Both sides start from the same values, those
that our side writes into an adapter's file. `equal` feeds both the same batches in one order and compares the losses of every
step. PEFT's P-tuning makes its prompt by another network than ours: there the losses are not equal. TRL never calls PEFT's
allocation of ranks, so AdaLoRA keeps all its triplets on both sides; ours keeps account of their importance all the same.
"""

import argparse
import multiprocessing
import tempfile
from pathlib import Path
from typing import Any

import torch
from apart import Figures, examples, held_out, main, pair, renderer, tuned
from causal_training import BEST, RANK, network, shape, under_trl
from record import OURS

from tunesmith.methods.adalora import AdaLoRA
from tunesmith.methods.dora import DoRA
from tunesmith.methods.ia3 import IA3
from tunesmith.methods.lora import LoRA
from tunesmith.methods.method import Method
from tunesmith.methods.prefix import PrefixTuning
from tunesmith.methods.prompt import PromptTuning
from tunesmith.methods.ptuning import PTuning
from tunesmith.models.memory import Memory
from tunesmith.models.model import Model
from tunesmith.models.weights import save_adapter
from tunesmith.objectives.objective import Placed
from tunesmith.objectives.sft import SFT

ROWS, VOCABULARY = 48, 32_000
SIDES = (OURS, BEST)
QV = ("query", "value")
METHODS: dict[str, Method] = {
    "lora": LoRA(rank=RANK, on=QV),
    "lora, all maps": LoRA(rank=RANK),
    "rslora": LoRA(rank=RANK, on=QV, rank_stabilised=True),
    "dora": DoRA(rank=RANK, on=QV),
    "adalora": AdaLoRA(
        rank=RANK, start_rank=RANK + 8, on=QV, warm=0.98, settled=0.0, orthogonal=0.0
    ),  # TRL leaves PEFT's penalty out
    "ia3": IA3(on=("key", "value"), inputs=("mlp_down",)),
    "prompt": PromptTuning(virtual_tokens=20),
    "ptuning": PTuning(virtual_tokens=20),
    "prefix": PrefixTuning(virtual_tokens=20),
}


def started(kind: str) -> tuple[Model, Any]:
    """Our network with the method's adapter, as both sides start."""
    made = network(VOCABULARY)
    model = Model(made, renderer(made.config, "causal"), "causal")
    torch.manual_seed(1)
    return model, model.attach("a", METHODS[kind])


def write_start(kind: str, folder: str) -> None:
    model, adapter = started(kind)
    save_adapter(Path(folder), adapter, model)


def ours(kind: str, given: argparse.Namespace) -> Figures:
    memory = Memory(torch.device("cpu"))
    model, adapter = started(kind)
    return {**tuned(model, adapter, memory, given), "held_out": held_out(model, ROWS)}


def theirs(kind: str, given: argparse.Namespace) -> Figures:
    import peft
    from safetensors.torch import load_file

    with tempfile.TemporaryDirectory() as folder:
        writing = multiprocessing.get_context("spawn").Process(target=write_start, args=(kind, folder))
        writing.start()  # apart: nothing of our side is to be left in this one's memory
        writing.join()
        saved = Path(folder) / "adapter"
        config = peft.PeftConfig.from_pretrained(saved)
        values = load_file(saved / "adapter_model.safetensors")
    config.inference_mode = False
    if kind == "adalora":
        config.total_step, config.rank_pattern = 10_000, None
    made = network(VOCABULARY)

    def start(parameters: dict[str, Any]) -> None:
        if kind == "ptuning":
            return
        if kind in ("prompt", "prefix"):
            [parameter] = parameters.values()
            parameter.data.copy_(values["prompt_embeddings"])
            return
        for name, parameter in parameters.items():
            parameter.data.copy_(values[name.replace(".default", "").removesuffix(".weight" if "magnitude" in name else "")])

    figures, _ = under_trl(made, given, True, config, start)
    return {**figures, "held_out": float("nan")}


def one(kind: str, given: argparse.Namespace) -> Figures:
    return ours(kind, given) if given.side == OURS else theirs(kind, given)


def compared(kind: str, given: argparse.Namespace) -> dict[str, Any]:
    speller = renderer(shape(VOCABULARY), "causal")
    rows = [SFT().render(Placed(row), speller)[0] for row in examples(given.rows)]
    found = pair(kind, given, SIDES, sum(row.size + 1 for row in rows))
    del found["held_out_loss"]
    peaks = found["peak_gigabytes"]
    return {**found, "share_of_memory": round(peaks[OURS] / peaks[BEST], 3)}


if __name__ == "__main__":
    main("methods_speed", __doc__, ROWS, SIDES, METHODS, one, compared, {"rank": RANK, "virtual_tokens": 20})
