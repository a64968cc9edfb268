"""Losses that leap are told, and those that only stray are not; what should move is held against what does."""

import json
import math
import random
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from tests.tiny import rows, tiny_model
from tests.training.worlds import Count, Everything, learner, stream
from tunesmith import verbs
from tunesmith.errors import UserError
from tunesmith.methods.ia3 import IA3
from tunesmith.methods.lora import LoRA
from tunesmith.methods.method import Method
from tunesmith.models.model import Model
from tunesmith.objectives.objective import Loss
from tunesmith.objectives.sft import SFT
from tunesmith.tokens.batch import Batch
from tunesmith.training.loop import train
from tunesmith.training.plan import Plan
from tunesmith.training.sharding import sums
from tunesmith.training.watch import FEWEST, DivergedError, Divergence, Leaps, Watch, sums_of

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
RECORDED = sorted((GOLDEN / "recorded").glob("*.jsonl"))
FAR = Divergence().far
PLAN = Plan(examples=4, learning_rate=1e-2, warmup=0.0, schedule="constant")


def leaps(lines: list[dict[str, Any]], far: float = FAR) -> list[int]:
    watching = Leaps(far)
    return [place for place, line in enumerate(lines) if watching.heed(line["loss"], sums_of(line)) is not None]


# Runs of the town's recipes, as they logged their losses: mixtures of ten tasks, one task in shuffled order and by length.
@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.stem)
def test_no_false_alarm_on_recorded_runs(file):
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert len(lines) > 2 * FEWEST
    assert leaps(lines) == []


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.stem)
def test_a_loss_that_doubles_is_seen_in_each_of_them(file):
    """And only it: the medians do not move by it."""
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    place = len(lines) // 2
    line = lines[place]
    grown = 3.0 * max(other["loss"] for other in lines[place - 40 : place])
    tasks = {
        name: {"sum": told["sum"] * grown / line["loss"], "count": told["count"]}
        for name, told in line.get("tasks", {}).items()
    }
    lines[place] = {"loss": grown, "tasks": tasks}
    assert leaps(lines) == [place]


@pytest.mark.parametrize("file", sorted((GOLDEN / "curves").glob("*.json")), ids=lambda file: file.stem)
def test_no_false_alarm_on_the_golden_curves(file, monkeypatch):
    from tunesmith.training import watch

    monkeypatch.setattr(watch, "FEWEST", 8)  # they are twenty steps long
    assert leaps([{"loss": loss} for loss in json.loads(file.read_text())["loss"]]) == []


def test_a_mixture_is_held_against_its_own_tasks():
    """Steps of a task with a loss of 6 among those with a loss of 1 are no leaps; one that leaps by its own measure is."""
    dice, lines = random.Random(0), []
    for place in range(200):
        name, middle = ("long", 6.0) if place % 13 == 0 else ("short", 1.0)
        loss = middle + dice.gauss(0, 0.1)
        lines.append({"loss": loss, "tasks": {name: {"sum": 10 * loss, "count": 10}}})
    assert leaps(lines) == []
    assert leaps([{"loss": line["loss"]} for line in lines]) != [], "which a single median would have taken for leaps"
    lines[150] = {"loss": 6.0, "tasks": {"short": {"sum": 60, "count": 10}}}
    assert leaps(lines) == [150]


class Leaping(Count):
    """From a step on, rows of eleven tokens are read with a loss a hundred times as high."""

    def loss(self, model: Model, batch: Batch) -> Loss:
        losses_N = -model(batch).logprobs() * batch.weight
        long_S = torch.tensor([len(tokens.inputs) == 10 for row in batch.origin.rows for tokens in row])
        far = torch.where(long_S[batch.target_seq] & (len(made) >= 40), 100.0, 1.0)
        return Loss((losses_N * far).sum())


made: list[Any] = []


def test_a_leap_is_told_once_with_its_rows_and_learnt_from():
    made.clear()
    made_model, adapter, state = learner("llama", PLAN)
    made.extend(train(made_model, adapter, Leaping(), stream, PLAN, state, 60))
    warned = {step.step: step.warned for step in made if step.warned}
    first = next(place // 4 + 1 for place in range(160, 240) if stream(place).id.endswith("-11"))
    assert min(warned) == first
    assert f"the loss leaps at step {first}: loss" in warned[first][0]
    worst = next(stream(place).id for place in range(4 * (first - 1), 4 * first) if stream(place).id.endswith("-11"))
    assert f"the highest first: `{worst}`" in warned[first][0]
    assert not any(step.skipped for step in made)
    assert all(before + 1 not in warned for before in warned), "one behind the other are one leap"


@pytest.mark.parametrize("then", ["stop", "skip"])
def test_a_leap_may_be_acted_on(then):
    made.clear()
    plan = replace(PLAN, divergence=Divergence(then=then, spikes="act"))
    model, adapter, state = learner("llama", plan)
    steps = train(model, adapter, Leaping(), stream, plan, state, 60)
    if then == "stop":
        with pytest.raises(DivergedError, match="the loss leaps at step"):
            made.extend(steps)
        return
    made.extend(steps)
    assert {bool(step.skipped) for step in made} == {True, False}
    assert all(math.isfinite(step.loss) for step in made)


def test_what_was_learnt_before_a_run_was_stopped_counts():
    """A leap is told by the same medians whether a run was stopped in between or not."""
    lines = [{"step": n, "loss": 2 + 0.05 * (n % 5), "gradient_norm": 1.0} for n in range(50)]
    lines.append({"step": 50, "loss": None, "gradient_norm": None, "skipped": "no number"})
    whole, resumed = Watch(), Watch(made=lines)
    for line in lines[:50]:
        assert whole.leap(line["loss"], {}) is None
    assert resumed.leaps == whole.leaps
    assert resumed.leap(20.0, {}) == whole.leap(20.0, {}) is not None
    assert resumed.leap(21.0, {}) is None, "told once"


# ------------------------------------------------------------------------------------------------------------- what moves


@dataclass(frozen=True)
class Deaf(Count):
    """A loss that hangs on nothing that is trained."""

    def loss(self, model: Model, batch: Batch) -> Loss:
        return Loss(super().loss(model, batch).total.detach())


@dataclass(frozen=True)
class Flat(Count):
    """A loss whose gradient is exactly zero."""

    def loss(self, model: Model, batch: Batch) -> Loss:
        total = super().loss(model, batch).total
        return Loss(total * 0 + total.detach())


@dataclass(frozen=True)
class Straying(LoRA):
    """Writes into what is not its own."""

    def on_step(self, deltas, step, steps):
        (self.__dict__["network"].model.norm.weight).data.mul_(1.01)


@dataclass(frozen=True)
class Half(LoRA):
    """Trains deltas of which those at the values are never asked."""

    def delta(self, site):
        made = super().delta(site)
        if made is not None and site.role == "value":
            made.after = lambda x, y, virtual: y  # type: ignore[method-assign]
        return made


def first(objective: Count, method: Method, steps: int = 5) -> list[Any]:
    model, adapter, state = learner("llama", PLAN, method=method)
    if isinstance(method, Straying):
        method.__dict__["network"] = model.network
    return list(train(model, adapter, objective, stream, PLAN, state, steps))


def test_a_loss_cut_off_from_what_is_trained_is_told_at_the_first_step():
    with pytest.raises(UserError, match="hangs on nothing that is trained"):
        first(Deaf(), LoRA(rank=2), 1)


def test_a_gradient_of_zero_is_told_at_once_and_stops_after_three_steps():
    model, adapter, state = learner("llama", PLAN, method=LoRA(rank=2))
    steps = train(model, adapter, Flat(), stream, PLAN, state, 5)
    assert "gradient of step 1 is exactly zero" in next(steps).warned[0]
    next(steps)
    with pytest.raises(UserError, match=r"nothing that is trained has moved.*q_proj.*gradients are exactly zero"):
        next(steps)


def test_a_frozen_weight_that_moves_stops_and_is_named():
    with pytest.raises(UserError, match=r"1 frozen weights moved in the first 3 steps: `network\.model\.norm\.weight`"):
        first(Count(), Straying(rank=2))


def test_weights_that_stand_still_are_named_while_the_others_move():
    steps = first(Count(), Half(rank=2, on=("query", "value")))
    told = [text for step in steps for text in step.warned]
    assert len(told) == 1 and steps[2].warned
    assert "stand still after 3 steps" in told[0] and "v_proj:" in told[0] and "q_proj" not in told[0]
    assert "no gradient reaches them" in told[0]


@pytest.mark.parametrize("method", [Everything(), LoRA(rank=2), IA3()], ids=["full", "lora", "ia3"])
@pytest.mark.parametrize("name", ["llama", "t5", "bert"])
def test_nothing_is_told_where_all_is_well(name, method):
    model, adapter, state = learner(name, PLAN, method=method)
    steps = list(train(model, adapter, Count(model.family), stream, PLAN, state, 4))
    assert [step.warned for step in steps] == [()] * 4


def test_a_warning_stands_in_the_log_and_in_the_world(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tiny_model(tmp_path / "model")
    rows(tmp_path / "sums.jsonl")
    loss, learnt = SFT.loss, []

    def leaps_once(self, model, batch):
        said = loss(self, model, batch)
        learnt.append(model.training and torch.is_grad_enabled())
        return replace(said, total=said.total * (9 if sum(learnt) == 40 else 1), parts=None)

    monkeypatch.setattr(SFT, "loss", leaps_once)
    plan = {"steps": 44, "examples": 4, "validate_every": 44, "learning_rate": 1e-3}
    recipe = {
        "name": "tiny",
        "model": {"path": "model"},
        "method": {"kind": "lora", "rank": 2},
        "tasks": {"sums.jsonl": 1.0},
        "forgetting": "none",
        "plan": plan,
        "ask": {"tokens": 4},
        "limit": {"test": 2, "validation": 4},
    }
    run = verbs.train(recipe, into=tmp_path / "run", quiet=False)
    [warning] = run.world()["warnings"]
    assert "the loss leaps at step 40" in warning and "`sums.jsonl` line " in warning
    assert [step["step"] for step in run.steps() if step.get("warned")] == [40]
    assert "warning: the loss leaps at step 40" in " ".join(capsys.readouterr().err.split())


def test_looking_at_a_weight_takes_no_copy_of_it():
    """torch sums in float64 by a copy of all numbers in float64: twice a weight, once a run, and its most memory by that.

    What is asked for is counted, not what the process holds: that depends on what other tests left behind.
    """
    weight = torch.randn(2**23, generator=torch.Generator().manual_seed(0))
    found = sums(weight)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as asked:
        sums(weight)
    assert most(asked) < 3 * len(weight)  # a float64 copy would be 8 bytes a number
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as asked:
        wanted = [float(weight.sum(dtype=torch.float64)), float(weight.double().square().sum())]
    assert most(asked) >= 8 * len(weight)
    assert found.tolist() == pytest.approx(wanted)


def most(asked: profile) -> int:
    """The most bytes of tensors that were held at once."""
    changes = [event.nbytes() for event in asked.profiler.kineto_results.events() if event.name() == "[memory]"]
    return max(accumulate(changes))
