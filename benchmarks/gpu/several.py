"""A run's steps on one GPU and on several: tokens a second and peak memory, with whole weights and with parts.

    torchrun --nproc-per-node 8 benchmarks/gpu/several.py --model MODEL [--method full] [--shard always] [--out FILE]
    python benchmarks/gpu/several.py --model MODEL                 # one GPU, to hold it against
    torchrun --nproc-per-node 2 benchmarks/gpu/several.py --model town/llama --steps 5 --tokens 256   # tries it on a CPU

Rows are made up: `--rows` a process and step, of `--tokens` tokens, every one of which is learnt. The first process prints one
line of JSON: `processes`, `shard`, `tokens_per_second` of all (median step), `step_seconds`, `peak_bytes` of its GPU.
"""

import argparse
import json
import random
from pathlib import Path
from statistics import median

import torch

from tunesmith.data.example import Example
from tunesmith.methods.full import Full
from tunesmith.methods.lora import LoRA
from tunesmith.models.load import ModelSettings, load
from tunesmith.objectives.pretrain import Pretrain
from tunesmith.tokens.packing import Room
from tunesmith.tokens.windows import Window
from tunesmith.training.guard import Guard
from tunesmith.training.joining import together
from tunesmith.training.loop import train
from tunesmith.training.plan import Plan
from tunesmith.training.sharding import Processes, shard, wait, waits
from tunesmith.training.state import State

WARM = 3  # steps that are not counted


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--model", required=True)
    given.add_argument("--method", choices=("lora", "full"), default="lora")
    given.add_argument("--shard", choices=("auto", "never", "always"), default="auto")
    given.add_argument("--rows", type=int, default=4)
    given.add_argument("--tokens", type=int, default=2048)
    given.add_argument("--steps", type=int, default=15)
    given.add_argument("--out", type=Path)
    chosen = given.parse_args()
    with together() as world:
        processes, source = Processes(chosen.shard), ModelSettings(chosen.model)
        torch.manual_seed(0)
        model = wait(source, None) if waits(processes, world) else load(source)
        precision = "bfloat16" if torch.cuda.is_available() else "float32"
        examples = chosen.rows * world.size
        room = Room(rows=chosen.rows, tokens=chosen.rows * chosen.tokens)
        plan = Plan(examples=examples, learning_rate=1e-5, precision=precision, room=room, processes=processes)
        adapter = model.attach("a", Full() if chosen.method == "full" else LoRA())
        world.same(list(adapter.trained().values()))
        objective = Pretrain()
        sharing = shard(model, adapter, objective, plan, Guard(), world)
        state = State.new(adapter, plan)
        vocabulary = model.renderer.vocabulary

        def row(place: int) -> Example:
            dice = random.Random(place)
            ids = tuple(dice.randrange(10, max(11, len(vocabulary) - 10)) for _ in range(chosen.tokens))
            return Window((), "", ids=ids, context=1)

        made = list(train(model, adapter, objective, row, plan, state, chosen.steps, world=sharing))[WARM:]
        seconds = median(step.seconds for step in made)
        told = {
            "model": chosen.model,
            "method": chosen.method,
            "processes": world.size,
            "shard": "parts" if sharing.sharded else "whole",
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
            "tokens_per_second": median(step.tokens / step.seconds for step in made),
            "step_seconds": seconds,
            "peak_bytes": torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None,
            "loss": made[-1].loss,
        }
        if world.first:
            print(json.dumps(told))
            if chosen.out:
                chosen.out.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
