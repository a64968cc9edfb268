"""LoRA on a base in four bits (QLoRA) beside LoRA on the same base in float32, each side in a process of its own.

    python benchmarks/quantized_training.py [--brief] [--rounds 3] [--only wide]

Both sides read the same file and learn from the same batches of 8. `wide`: a Llama shape of 8 layers x 1024 with random weights
and a vocabulary of 8,192, saved in bfloat16; rows are the first 32 dialogues of DialogSum's validation set. `town`: the
embedded Llama, which is trained, and rows of `town/dialogues`. `loading` is the most memory that was
taken while the file was read, mapped pages of it included, which the system takes back when it needs them; `peak` is that of
learning, the network included. Losses are of the next 40 rows, before a step was made and after the last.
"""

import argparse
import os
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import transformers
from apart import EXAMPLES, RATE, Figures, examples, main, side
from causal_training import shape
from record import OURS, SHARED, paired

from tunesmith.data.example import Example
from tunesmith.methods.lora import LoRA
from tunesmith.models.load import ModelSettings, load
from tunesmith.models.memory import Memory
from tunesmith.objectives.sft import SFT
from tunesmith.tasks.own import task_from
from tunesmith.training.loop import train, validate
from tunesmith.training.plan import Plan
from tunesmith.training.state import State

ROWS, HELD_OUT, RANK = 32, 40, 16
PLAIN = "float32 base"
SIDES = (OURS, PLAIN)
FOLDER = "TUNESMITH_BENCHMARK_NETWORK"


def make(folder: Path) -> None:
    """A network in a folder."""
    torch.manual_seed(0)
    config = shape(8192, 1024, 2816, 16)
    transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(SHARED / "models/tokenizers/dialogsum-8k").save_pretrained(folder)


def rows(kind: str, count: int) -> tuple[list[Example], list[Example]]:
    """What is learnt, and what is held out."""
    if kind == "wide":
        return examples(count), examples(HELD_OUT, count)
    task = task_from("town/dialogues")
    return list(task.sequence("train", None, count)), list(task.sequence("validation", 0, HELD_OUT))


def one(kind: str, given: argparse.Namespace) -> Figures:
    learnt, held_out = rows(kind, given.rows)
    memory = Memory(torch.device("cpu"))
    memory.start()
    held, began = memory.now(), time.perf_counter()
    path = os.environ[FOLDER] if kind == "wide" else "town/llama"
    model = load(ModelSettings(path, quantize="nf4" if given.side == OURS else "none"), device="cpu")
    loading = {
        "loading_seconds": time.perf_counter() - began,
        "loading_bytes": memory.peak() - held,
        "weight_bytes": sum(t.numel() * t.element_size() for t in (*model.network.parameters(), *model.network.buffers())),
    }
    torch.manual_seed(0)
    adapter = model.attach("a", LoRA(rank=RANK))
    before = validate(model, SFT(), held_out, Plan())[0]
    steps = -(-len(learnt) // EXAMPLES)
    plan = Plan(steps=steps, examples=EXAMPLES, learning_rate=RATE, warmup=0.0, schedule="linear")
    memory.start()
    times, losses = [time.perf_counter()], []
    for step in train(model, adapter, SFT(), learnt.__getitem__, plan, State.new(adapter, plan), steps):
        times.append(time.perf_counter())
        losses.append(step.loss)
    took = sorted(after - start for start, after in pairwise(times))
    return {
        **loading,
        "seconds": times[-1] - times[0],
        "seconds_a_step": took[len(took) // 2],
        "peak_bytes": memory.peak() - held,
        "losses": losses,
        "held_out_before": before,
        "held_out": validate(model, SFT(), held_out, Plan())[0],
    }


def compared(kind: str, given: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, list[Figures]] = {name: [] for name in SIDES}

    def seconds(name: str) -> float:
        found[name].append(side(name, kind, given))
        return float(found[name][-1]["seconds"])

    with tempfile.TemporaryDirectory() as folder:
        os.environ[FOLDER] = folder
        if kind == "wide":
            make(Path(folder))
        timed = paired({name: lambda n=name: seconds(n) for name in SIDES}, given.rounds)

    def of_each(key: str, digits: int, scale: float = 1.0) -> dict[str, float]:
        return {name: round(min(one[key] for one in taken) / scale, digits) for name, taken in found.items()}

    gaps = [abs(a - b) for a, b in zip(*(taken[-1]["losses"] for taken in found.values()), strict=True)]
    return {
        **timed,
        "seconds_a_step": of_each("seconds_a_step", 4),
        "loading_seconds": of_each("loading_seconds", 3),
        "loading_megabytes": of_each("loading_bytes", 1, 1e6),
        "weight_megabytes": of_each("weight_bytes", 1, 1e6),
        "peak_megabytes": of_each("peak_bytes", 1, 1e6),
        "held_out_loss_before": of_each("held_out_before", 4),
        "held_out_loss": of_each("held_out", 4),
        "largest_gap_of_losses": max(gaps),
    }


if __name__ == "__main__":
    main("quantized_training", __doc__, ROWS, SIDES, ("wide", "town"), one, compared, {"rank": RANK})
