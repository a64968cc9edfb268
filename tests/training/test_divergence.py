"""A run that diverges stops, leaves out the step or goes back, and what was good stays; the row that makes it is named."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.tiny import rows, tiny_model
from tests.training.worlds import Count, curve, learner, stream
from tunesmith import verbs
from tunesmith.errors import UserError
from tunesmith.methods.lora import LoRA
from tunesmith.models.model import Model
from tunesmith.objectives.objective import Loss
from tunesmith.objectives.sft import SFT
from tunesmith.run import Run
from tunesmith.tokens.batch import Batch
from tunesmith.training import learning
from tunesmith.training.loop import Step, train
from tunesmith.training.plan import Plan
from tunesmith.training.state import latest
from tunesmith.training.watch import BlankError, DivergedError, Divergence

RECIPE = {
    "name": "tiny",
    "model": {"path": "model"},
    "method": {"kind": "lora", "rank": 2},
    "tasks": {"sums.jsonl": 1.0},
    "forgetting": "none",
    "plan": {"steps": 6, "examples": 4, "validate_every": 2, "learning_rate": 1e-2},
    "ask": {"tokens": 4},
    "limit": {"test": 2, "validation": 4},
}
PLAN = Plan(examples=4, learning_rate=1e-2, warmup=0.0, schedule="constant")


def poisoned(batch: Batch, length: int = 11) -> torch.Tensor:
    """[S] which sequences are of that length: a row that a test makes bad, wherever it stands."""
    return torch.tensor([len(tokens.inputs) + 1 == length for row in batch.origin.rows for tokens in row])


class Bad(Count):
    """The loss of rows of eleven tokens is no number."""

    value = math.nan

    def loss(self, model: Model, batch: Batch) -> Loss:
        losses_N = -model(batch).logprobs() * batch.weight
        return Loss(torch.where(poisoned(batch)[batch.target_seq], self.value, losses_N).sum())


class Endless(Bad):
    value = math.inf


class Steep(Count):
    """Their loss is a number, and its gradient none: the slope of a root at zero."""

    def loss(self, model: Model, batch: Batch) -> Loss:
        losses_N = -model(batch).logprobs() * batch.weight
        zero_N = torch.where(poisoned(batch)[batch.target_seq], losses_N - losses_N.detach(), torch.ones_like(losses_N))
        return Loss((losses_N + zero_N.sqrt() - 1).sum())


def first_bad(steps: int = 40) -> tuple[int, str]:
    """The first step with a row of eleven tokens, and the row's name; streams of `worlds` are the same every time."""
    for place in range(4 * steps):
        if stream(place).id.endswith("-11"):
            return place // 4 + 1, stream(place).id
    raise AssertionError("there is such a row")


def test_the_last_good_checkpoint_is_kept_and_goes_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny_model(tmp_path / "model")
    rows(tmp_path / "sums.jsonl")
    whole = verbs.train(RECIPE, into=tmp_path / "whole", quiet=True)
    loss, learnt = SFT.loss, []

    def explodes(self, model, batch):
        said = loss(self, model, batch)
        learnt.append(model.training)
        return Loss(said.total * float("nan")) if sum(learnt) == 5 else said

    with monkeypatch.context() as exploding:
        exploding.setattr(SFT, "loss", explodes)
        with pytest.raises(UserError, match=r"(?s)diverged at step 5.*last good checkpoint is kept"):
            verbs.train(RECIPE, into=tmp_path / "run", quiet=True)
    kept = latest(tmp_path / "run" / "state")
    assert kept is not None and kept.name == "step-000004"
    bests = kept.parent.glob("best-*/trained.safetensors")
    for file in (kept / "trained.safetensors", kept / "moments.safetensors", *bests):
        assert all(torch.isfinite(tensor).all() for tensor in load_file(file).values()), file
    run = verbs.train(RECIPE, into=tmp_path / "run", quiet=True)  # a cause that has gone: it goes on from there
    assert [step["loss"] for step in run.steps()] == [step["loss"] for step in whole.steps()]


@pytest.mark.parametrize("objective", [Bad, Endless, Steep])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("rows_at_once", [1, 32])
def test_the_one_row_that_makes_it_is_named(objective, precision, rows_at_once):
    plan = replace(PLAN, precision=precision, room=replace(PLAN.room, rows=rows_at_once))
    step, name = first_bad()
    what = "gradient" if objective is Steep else "loss"
    with pytest.raises(DivergedError, match=rf"diverged at step {step}: .*row `{name}` of 4 in it give.? a {what}") as error:
        curve("llama", plan, 40, objective())
    assert error.value.step == step
    if objective is Steep:
        assert "gradients that are none: `model.embed_tokens.weight`" in error.value.problem


def test_weights_that_are_no_numbers_are_named_instead_of_rows():
    made, adapter, state = learner("llama", PLAN)
    steps = train(made, adapter, Count(), stream, PLAN, state, 5)
    next(steps)
    made.network.model.layers[0].mlp.up_proj.weight.data[0, 0] = math.nan
    with pytest.raises(DivergedError, match=r"step 2.*no numbers any more: `model\.layers\.0\.mlp\.up_proj\.weight`"):
        next(steps)


def test_looking_for_the_row_changes_no_random_number_and_no_weight():
    plan = replace(PLAN, divergence=Divergence(then="skip"))
    made, adapter, state = learner("llama", plan, method=LoRA(rank=2, dropout=0.5))
    objective, at = Bad(), first_bad()[0]
    steps = train(made, adapter, objective, stream, plan, state, at)
    for _ in range(at - 1):
        next(steps)
    before = {name: p.detach().clone() for name, p in state.trained.items()}
    random = torch.get_rng_state()
    seen = []
    inner = Bad.loss

    def loss(self, model, batch):
        said = inner(self, model, batch)
        seen.append(torch.get_rng_state())
        return said

    objective.__class__ = type("Seen", (Bad,), {"loss": loss})
    step = next(steps)
    assert step.skipped
    assert len(seen) > 2 and not torch.equal(random, seen[0])
    assert torch.equal(torch.get_rng_state(), seen[0]), "what the step itself drew, and nothing else"
    assert all(torch.equal(p, before[name]) for name, p in state.trained.items())
    assert all(p.grad is None for p in state.trained.values())


def test_skip_leaves_out_the_update_and_counts():
    plan = replace(PLAN, divergence=Divergence(then="skip"))
    made, adapter, state = learner("llama", plan)
    steps = list(train(made, adapter, Bad(), stream, plan, state, 20))
    bad = {place // 4 + 1 for place in range(80) if stream(place).id.endswith("-11")}
    assert 2 < len(bad) < 20
    assert [step.step for step in steps] == list(range(1, 21))
    assert {step.step for step in steps if step.skipped} == bad
    assert all(math.isnan(step.loss) == bool(step.skipped) for step in steps)
    assert state.facts["left_out"]["all"] == len(bad)
    assert all(p.isfinite().all() for p in state.trained.values())


def test_too_many_steps_left_out_in_a_row_stop():
    class Always(Bad):
        def loss(self, model, batch):
            said = Count.loss(self, model, batch)
            return Loss(said.total * math.nan) if len(made) > 2 else said

    plan = replace(PLAN, divergence=Divergence(then="skip", in_a_row=2))
    model, adapter, state = learner("llama", plan)
    made: list[Step] = []
    with pytest.raises(DivergedError, match=r"step 6: .*2 steps before it were left out already"):
        made.extend(train(model, adapter, Always(), stream, plan, state, 20))
    assert [bool(step.skipped) for step in made] == [False, False, False, True, True]


class Nothing(Count):
    """From the fifth example to the eighth there is nothing to learn."""

    def render(self, placed, renderer):
        [tokens] = super().render(placed, renderer)
        masked = 4 <= placed.place < 8
        return (replace(tokens, weights=(), targets=(-100,) * len(tokens.targets)) if masked else tokens,)


@pytest.mark.parametrize("then", ["stop", "back"])
def test_a_step_without_anything_to_learn_stops_and_is_named(then):
    plan = replace(PLAN, divergence=Divergence(then=then))
    with pytest.raises(BlankError, match=rf"nothing to learn.*step 2, rows `{stream(4).id}`, `{stream(5).id}`"):
        curve("llama", plan, 4, Nothing())


def test_a_step_without_anything_to_learn_is_left_out():
    steps = curve("llama", replace(PLAN, divergence=Divergence(then="skip")), 4, Nothing())
    assert [bool(step.skipped) for step in steps] == [False, True, False, False]
    assert steps[1].count == 0


# ---------------------------------------------------------------------------------------------------------------- whole runs


@pytest.fixture
def work(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    tiny_model(tmp_path / "model")
    rows(tmp_path / "sums.jsonl")
    return tmp_path


def recipe(**divergence: Any) -> dict[str, Any]:
    return {**RECIPE, "plan": {**RECIPE["plan"], "steps": 8, "divergence": divergence}}


def exploding_once(monkeypatch: pytest.MonkeyPatch, place: int) -> None:
    """The loss of the batch learnt from in that place (from 1) is no number; learnt again, it is one."""
    loss, learnt = SFT.loss, []

    def explodes(self, model, batch):
        learnt.append(model.training)
        said = loss(self, model, batch)
        return Loss(said.total * math.nan) if sum(learnt) == place else said

    monkeypatch.setattr(SFT, "loss", explodes)


def exploding(monkeypatch: pytest.MonkeyPatch, hot: float) -> None:
    """Where a run's rate was not lowered to a factor of `hot` or less, the loss of its sixth step is no number."""
    loss, log, back, resume = SFT.loss, Run.log, learning.go_back, learning.Learning._resume
    at = {"made": 0, "factor": 1.0}

    def explodes(self, model, batch):
        said = loss(self, model, batch)
        return Loss(said.total * math.nan) if model.training and at["factor"] > hot and at["made"] == 5 else said

    def logged(self, record, name="steps"):
        at["made"] = record["step"]
        log(self, record, name)

    def taken(state):
        at.update(made=state.step, factor=state.facts.get("lower", 1.0))

    def went(record, restore, state, *rest):
        back(record, restore, state, *rest)
        taken(state)

    def resumed(self, state):
        resume(self, state)
        taken(state)

    monkeypatch.setattr(SFT, "loss", explodes)
    monkeypatch.setattr(Run, "log", logged)
    monkeypatch.setattr(learning, "go_back", went)
    monkeypatch.setattr(learning.Learning, "_resume", resumed)


def test_back_goes_on_from_the_checkpoint_with_a_lower_rate(work, monkeypatch):
    whole = verbs.train(recipe(), into=work / "plain", quiet=True).steps()
    exploding(monkeypatch, 0.3)
    run = verbs.train(recipe(then="back", lower=0.5, times=3), into=work / "run", quiet=True)
    steps, world = run.steps(), run.world()
    assert [step["step"] for step in steps] == list(range(1, 9)), "no step stands twice"
    assert world["went_back"] == [{"from": 6, "to": 4, "rate": 0.5}, {"from": 6, "to": 4, "rate": 0.25}]
    assert len(world["warnings"]) == 2
    assert "back to step 4, and on with 0.25 of the learning rate" in world["warnings"][1]
    assert [step["loss"] for step in steps[:5]] == [step["loss"] for step in whole[:5]]
    assert [step["learning_rate"] for step in steps[4:]] == pytest.approx([step["learning_rate"] / 4 for step in whole[4:]])
    assert [step["step"] for step in run.validations()] == [0, 2, 4, 6, 8]


def test_back_stops_after_so_many_times(work, monkeypatch):
    exploding(monkeypatch, 0.0)
    with pytest.raises(DivergedError, match=r"step 6: .*it went back 2 times already"):
        verbs.train(recipe(then="back", times=2), into=work / "run", quiet=True)
    run = Run(work / "run")
    assert [step["step"] for step in run.steps()] == [1, 2, 3, 4, 5]
    assert "diverged" in run.world()["failed"]


def test_back_before_the_first_checkpoint_goes_to_the_very_beginning(work, monkeypatch):
    exploding_once(monkeypatch, 1)
    run = verbs.train(recipe(then="back"), into=work / "run", quiet=True)
    assert run.world()["went_back"] == [{"from": 1, "to": 0, "rate": 0.5}]
    assert [step["step"] for step in run.validations()] == [0, 2, 4, 6, 8]
    plan = {**RECIPE["plan"], "steps": 8, "learning_rate": RECIPE["plan"]["learning_rate"] / 2}
    half = verbs.train({**RECIPE, "plan": plan}, into=work / "half", quiet=True)
    assert [step["loss"] for step in run.steps()] == [step["loss"] for step in half.steps()]


class Killed(BaseException):
    """Ends a run at once: nothing is saved on the way out, as with SIGKILL."""


def killed_and_resumed(tree: dict[str, Any], folder: Path, at: int, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The run, killed when a step is logged for the first time, and gone on with."""
    log, done = Run.log, []

    def logged(self, record, name="steps"):
        log(self, record, name)
        if name == "steps" and record["step"] == at and not done:
            done.append(at)
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Run, "log", logged)
        with pytest.raises(Killed):
            verbs.train(tree, into=folder, quiet=True)
    return verbs.train(tree, into=folder, quiet=True)


@pytest.mark.parametrize("at", [5, 6, 7])
def test_a_resumed_run_that_went_back_is_the_same(work, monkeypatch, at):
    """The rate that it was lowered to and the count of times are in the checkpoint."""
    exploding(monkeypatch, 0.3)
    whole = verbs.train(recipe(then="back"), into=work / "whole", quiet=True)
    resumed = killed_and_resumed(recipe(then="back"), work / "resumed", at, monkeypatch)
    assert [step["loss"] for step in resumed.steps()] == [step["loss"] for step in whole.steps()]
    assert resumed.world()["went_back"] == whole.world()["went_back"]
    assert resumed.world()["warnings"] == whole.world()["warnings"]
    weights = [load_file(run.folder / "adapter" / "adapter_model.safetensors") for run in (whole, resumed)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_step_that_was_left_out_stands_in_the_log_as_json(work, monkeypatch):
    exploding_once(monkeypatch, 3)
    run = verbs.train(recipe(then="skip"), into=work / "run", quiet=True)
    lines = (run.folder / "steps.jsonl").read_text().splitlines()
    assert "NaN" not in "".join(lines), "every reader of JSON knows it"
    third = json.loads(lines[2])
    assert third["loss"] is None and "diverged at step 3" in third["skipped"]
    assert [step["step"] for step in run.steps()] == list(range(1, 9))
    assert run.world()["skipped_steps"] == 1
    assert "step 3 is left out" in run.world()["warnings"][0]
    from tunesmith.comparison.overfitting import curve as drawn

    assert 3 not in drawn(run.steps(), run.validations()).steps


def test_validation_examples_whose_loss_is_no_number_are_named(work, monkeypatch):
    held = SFT.held

    def bad(self, examples, *rest, **more):
        found = held(self, examples, *rest, **more)
        names = [placed.example.id for placed in examples]
        return replace(found, total=math.nan) if marked in names else found

    marked = ""
    ids = []

    def noted(self, examples, *rest, **more):
        ids.extend(placed.example.id for placed in examples)
        return held(self, examples, *rest, **more)

    with monkeypatch.context() as patched:
        patched.setattr(SFT, "held", noted)
        verbs.train(RECIPE, into=work / "plain", quiet=True)
    marked = ids[1]
    monkeypatch.setattr(SFT, "held", bad)
    with pytest.raises(DivergedError, match=rf"after step 0 the loss of the validation examples.* rows `{marked}` of 4"):
        verbs.train(RECIPE, into=work / "run", quiet=True)
    run = verbs.train(recipe(then="skip"), into=work / "skip", quiet=True)
    assert marked in run.world()["warnings"][0]
