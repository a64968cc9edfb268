"""Real steps in a process of their own: what a prediction cannot know of a machine.

python -m tunesmith.planning.probe RECIPE.yaml    # one line of JSON
"""

import json
import math
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
import yaml

from tunesmith import settings
from tunesmith.errors import UserError
from tunesmith.methods.method import Method
from tunesmith.models.further import train_further
from tunesmith.models.load import load
from tunesmith.models.memory import Memory
from tunesmith.planning.ahead import ahead
from tunesmith.recipe import Recipe
from tunesmith.training.loop import backward
from tunesmith.training.optimizers import clip
from tunesmith.training.state import State
from tunesmith.training.world import World
from tunesmith.work import prepared


@dataclass(frozen=True)
class Probed:
    """What was measured.

    process_bytes: held by the process before the first step, without the network's weights and what is trained (of a GPU: 0).
    peak_bytes:    most that was held in the steps.
    tokens, seconds: of the last of the steps.
    steps:         how many were made.
    """

    process_bytes: int
    peak_bytes: int
    tokens: int
    seconds: float
    steps: int

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds


def probe(recipe: Recipe) -> Probed:
    """Measure in another process, so that its peak is its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.yaml"
        path.write_text(yaml.safe_dump(settings.dump(recipe), sort_keys=False, allow_unicode=True), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "tunesmith.planning.probe", str(path)], capture_output=True, text=True, check=False
        )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no word of why"]
        raise UserError(f"the probe stopped with exit status {done.returncode}: {last[0]}", "plan without `--probe`")
    return Probed(**json.loads(done.stdout))


def measured(recipe: Recipe) -> Probed:
    """Make the first steps of the run, here and now."""
    work = prepared(recipe)
    recipe = replace(recipe, objective=work.objective)
    method = recipe.method
    assert isinstance(method, Method), "there is something to learn"
    torch.manual_seed(recipe.seed)
    model = load(recipe.model, recipe.objective.head())
    gpu = model.device.type != "cpu"
    coming = ahead(recipe, work, model.renderer, model.window, model.packs(recipe.plan.room), model.branches())
    adapter = train_further(model, recipe.name, method) if model.active else model.attach(recipe.name, method)
    if recipe.objective.looks_back and adapter.freed:
        model.remember()
    guarding = recipe.guard.begin(model, adapter)
    state = State.new(adapter, recipe.plan)
    model.train()
    model.checkpointing(recipe.plan.recompute)
    memory = Memory(model.device)
    memory.start()
    weights = (*model.parameters(), *model.buffers())  # packed ones are buffers
    stands = {p.data_ptr(): p.numel() * p.element_size() for p in weights}
    process = max(Memory(torch.device("cpu")).now() - sum(stands.values()), 0)
    tokens = seconds = 0.0
    for batches in coming.first:
        began = time.perf_counter()
        moved = [recipe.objective.rehearsed(batch).to(model.device) for batch in batches]
        result = backward(model, adapter, recipe.objective, moved, recipe.plan, World(), guarding)
        clip(list(state.trained.values()), recipe.plan.clip or math.inf)
        state.optimizer.step()
        state.optimizer.zero_grad(set_to_none=True)
        tokens, seconds = result.tokens, time.perf_counter() - began
    return Probed(0 if gpu else process, memory.peak(), int(tokens), seconds, len(coming.first))


if __name__ == "__main__":
    print(json.dumps(asdict(measured(settings.build(Recipe, settings.load(Path(sys.argv[1]), ()))))))
