"""Learning as an experiment does it: presets, validation, the best checkpoint, early stopping, saving and resuming.

The loop only makes steps; this pulls them.
"""

import dataclasses
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import torch
from safetensors.torch import load_file, save_file

from tunesmith.data.example import Example
from tunesmith.methods.method import Method
from tunesmith.models.adapter import Adapter
from tunesmith.models.memory import Memory
from tunesmith.models.model import Model
from tunesmith.objectives.objective import Objective
from tunesmith.run import Run
from tunesmith.training.loop import train, validate
from tunesmith.training.plan import Plan
from tunesmith.training.progress import Reporter
from tunesmith.training.state import State, latest


class Stream(Protocol):
    """`data/mixture.py: Mixture` fits."""

    def __call__(self, place: int) -> Example: ...
    def __len__(self) -> int: ...


@dataclass(frozen=True)
class Learning:
    """One run's learning, with everything it writes."""

    record: Run
    plan: Plan
    seed: int
    reporter: Reporter
    memory: Memory

    def with_presets(self, method: Method, model: Model) -> Plan:
        """The plan with the method's presets where it is null."""
        if self.plan.learning_rate is not None:
            return self.plan
        return dataclasses.replace(self.plan, learning_rate=method.rate_times_width / model.width)

    def learn(
        self, model: Model, adapter: Adapter, objective: Objective, stream: Stream, validation: Sequence[Example]
    ) -> None:
        """Train to the end or to the last patient validation, and leave the best weights in the model."""
        plan = self.with_presets(adapter.method, model)
        steps = plan.total_steps(len(stream))
        every = plan.validate_every or max(1, steps // 10)
        self.memory.start()
        model.checkpointing(plan.recompute)
        state = State.new(adapter.trained(), plan)
        if "best_step" in self.record.world():  # learnt before; only the answers are missing
            state.facts["best_step"] = self.record.world()["best_step"]
            return self._take_best(state)
        self._resume(state)
        began = time.perf_counter()
        tokens = 0
        if state.step == 0 and validation:
            self._validate(model, objective, validation, plan, state)
        for step in train(model, adapter, objective, stream, plan, state, steps, self.seed):
            self.record.log(asdict(step))
            self.reporter.step(step, steps, self.memory.now())
            tokens += step.tokens
            due = step.step % every == 0 or step.step == steps
            if due and validation and not self._validate(model, objective, validation, plan, state):
                break
            if step.step % (plan.save_every or every) == 0 and step.step < steps:
                self._save(state)
        seconds = time.perf_counter() - began
        model.eval()
        if not (self._root / "best.safetensors").is_file():  # nothing to validate on: the last weights are the best known
            self._keep_best(state)
        self._take_best(state)
        before = self.record.world()
        self.record.keep_world(
            steps=state.step,
            best_step=state.facts.get("best_step", state.step),
            stopped_early=state.step < steps,
            training_seconds=before.get("training_seconds", 0.0) + seconds,
            training_tokens=before.get("training_tokens", 0) + tokens,
            tokens_per_second=tokens / max(seconds, 1e-9),
            peak_memory_training_bytes=self.memory.peak(),
        )

    def _validate(
        self, model: Model, objective: Objective, validation: Sequence[Example], plan: Plan, state: State
    ) -> bool:
        """Measure, keep the best weights, and say whether to go on."""
        loss, count = validate(model, objective, validation, plan, self.seed)
        self.record.log({"step": state.step, "loss": loss, "count": count}, "validation")
        facts = state.facts
        if loss < facts.get("best_loss", float("inf")):
            facts.update(best_loss=loss, best_step=state.step, patience=0)
            self._keep_best(state)
        else:
            facts["patience"] = facts.get("patience", 0) + 1
        return plan.patience is None or facts["patience"] < plan.patience

    @property
    def _root(self) -> Path:
        return self.record.folder / "state"

    def _keep_best(self, state: State) -> None:
        self._root.mkdir(parents=True, exist_ok=True)
        beside = self._root / ".best.safetensors.tmp"
        save_file({name: p.detach().cpu().contiguous() for name, p in state.trained.items()}, beside)
        beside.replace(self._root / "best.safetensors")

    def _take_best(self, state: State) -> None:
        path = self._root / "best.safetensors"
        best = load_file(path)
        with torch.no_grad():
            for name, parameter in state.trained.items():
                parameter.copy_(best[name])

    def _save(self, state: State) -> None:
        kept = state.save(self._root)
        for old in self._root.glob("step-*"):
            if old != kept:
                shutil.rmtree(old)

    def _resume(self, state: State) -> None:
        found = latest(self._root)
        if found is None:
            self.record.cut(-1)
            return
        state.restore(found)
        self.record.cut(state.step)
        self.reporter.say(f"going on from step {state.step}")

