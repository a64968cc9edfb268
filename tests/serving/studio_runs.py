"""Folders of runs made for tests of the studio."""

import json
import os
import time
from pathlib import Path

from tests.serving.judging import HOSTILE
from tunesmith.run import Answer, Run, Score

TASK = "town/sentiment"


def made_run(folder: Path, *, right=6, steps=20, planned=20, ended=True, method="lora", rank=8, age=0.0, **world) -> Run:
    """A run of ten answers, so many of them right; its files are so many seconds old."""
    run = Run(folder)
    run.keep_recipe(
        {
            "name": folder.name,
            "model": {"path": "town/t5"},
            "method": {"kind": method, "rank": rank},
            "tasks": {TASK: 1.0},
            "seed": 0,
        }
    )
    lines = [json.dumps(step_of(step)) for step in range(1, steps + 1)]
    (folder / "steps.jsonl").write_text("".join(line + "\n" for line in lines))
    run.log({"step": 0, "loss": 2.5, "tokens": 100}, "validation")
    run.keep_world(system=folder.name, method=method, model="town/t5", main_task=TASK, planned_steps=planned, **world)
    if ended:
        answers = [
            Answer(
                str(n),
                f"Is review {n} good?",
                "yes" if n < right else HOSTILE,
                "yes",
                stats={"exact_match": (float(n < right),)},
            )
            for n in range(10)
        ]
        run.keep(TASK, answers)
        run.keep_scores(TASK, {"exact_match": Score(right / 10, 10)})
        run.keep_world(ended=True)
    for path in [*folder.rglob("*"), folder]:
        os.utime(path, (time.time() - age,) * 2)
    return run


def step_of(step: int) -> dict[str, float]:
    return {
        "step": step,
        "loss": 2.0 / step,
        "count": 50.0,
        "learning_rate": 0.001,
        "tokens": 100,
        "seconds": 0.1,
        "gradient_norm": 1.0,
    }


def speaking_run(folder: Path, model: Path, seed: int) -> Run:
    """A run whose LoRA stands on a model's folder, and already changes what it says."""
    import torch

    from tunesmith.methods.lora import LoRA
    from tunesmith.models.load import ModelSettings, load
    from tunesmith.models.weights import save_adapter

    run = made_run(folder)
    network = load(ModelSettings(path=str(model)), device="cpu")
    torch.manual_seed(seed)
    adapter = network.attach("x", LoRA(rank=2))
    with torch.no_grad():
        for parameter in adapter.parameters():
            parameter.normal_(std=0.7)
    save_adapter(folder, adapter, network)
    return run
