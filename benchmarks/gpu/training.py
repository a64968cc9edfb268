"""Training speed on a GPU: float32 and bfloat16, padded and packed, against the Trainer of transformers where it has the same.

    python benchmarks/gpu/training.py [--brief]

Writes benchmarks/results/training_gpu_DEVICE.json, with the device's name.
"""

import sys
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from record import OURS, gpu_arguments, keep, paired
from training_speed import EXAMPLES, KINDS, RATE, WARM, columns, network, trainer, wait

from tunesmith.methods.full import Full
from tunesmith.methods.lora import LoRA
from tunesmith.methods.method import Method
from tunesmith.models.load import ModelSettings, load_renderer
from tunesmith.models.model import Model
from tunesmith.objectives.objective import Placed
from tunesmith.objectives.sft import SFT
from tunesmith.tasks.own import task_from
from tunesmith.tokens.packing import Room
from tunesmith.training.loop import train
from tunesmith.training.plan import Plan
from tunesmith.training.state import State

PLAN = Plan(examples=EXAMPLES, learning_rate=RATE, warmup=0.0, schedule="constant", room=Room(layout="padded"))
PLANS = {
    "float32 padded": PLAN,
    "bfloat16 padded": replace(PLAN, precision="bfloat16"),
    "bfloat16 packed": replace(PLAN, precision="bfloat16", room=Room(layout="packed")),
}


def timed(name: str, method: Method, plan: Plan, examples: list, steps: int, device: torch.device) -> float:
    renderer, _ = load_renderer(ModelSettings(f"town/{name}"))
    model = Model(network(name, device), renderer, renderer.family)
    adapter = model.attach("a", method)
    state = State.new(adapter.trained(), plan)
    began = 0.0
    for step in train(model, adapter, SFT(), examples.__getitem__, plan, state, steps):
        wait(device)
        began = time.perf_counter() if step.step == WARM else began
    return time.perf_counter() - began


def main() -> None:
    given = gpu_arguments(__doc__, "training_gpu", rounds=5)
    device = torch.device(given.device)
    steps, rounds = (WARM + 2, 2) if given.brief else (WARM + 60, given.rounds)
    pairs = {}
    for name in KINDS:
        renderer, _ = load_renderer(ModelSettings(f"town/{name}"))
        examples = list(islice(task_from("town/dialogues").examples("train", 0), steps * EXAMPLES))
        rows = [columns(SFT().render(Placed(example), renderer)[0]) for example in examples]
        for label, plan in PLANS.items():
            for method in (Full(), LoRA()):
                key = f"{name} {type(method).__name__} {label}"
                if given.only and not any(part in key for part in given.only):
                    continue
                sides = {OURS: lambda n=name, m=method, p=plan, e=examples: timed(n, m, p, e, steps, device)}
                if label == "float32 padded" and isinstance(method, Full):
                    sides["transformers Trainer"] = lambda n=name, r=rows: trainer(n, r, steps, device)[0]
                pairs[key] = paired(sides, rounds)
    keep("training_gpu", given, {"examples": EXAMPLES, "steps": steps - WARM}, pairs)


if __name__ == "__main__":
    main()
