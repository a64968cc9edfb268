"""A run from its recipe to its folder, on a tiny network."""

import json
import os
import re
import shutil
import signal

import pytest
from safetensors.torch import load_file

from tests.conftest import ROOT
from tests.tiny import rows, tiny_model
from tunesmith import experiment, settings, verbs
from tunesmith.errors import UserError
from tunesmith.recipe import Recipe
from tunesmith.run import Score
from tunesmith.training import learning
from tunesmith.training.loop import Validated
from tunesmith.training.progress import Reporter
from tunesmith.work import prepared


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a tiny model and rows."""
    folder = tmp_path_factory.mktemp("home")
    tiny_model(folder / "model")
    rows(folder / "sums.jsonl")
    return folder


@pytest.fixture(autouse=True)
def here(home, monkeypatch):
    monkeypatch.chdir(home)


RECIPE = {
    "name": "tiny",
    "model": {"path": "model"},
    "method": {"kind": "lora", "rank": 2, "dropout": 0.1},
    "tasks": {"sums.jsonl": 1.0},
    "forgetting": [{"data": "sums.jsonl", "name": "again", "cluster": "other"}],
    "plan": {"steps": 6, "examples": 4, "validate_every": 2, "learning_rate": 1e-2},
    "ask": {"tokens": 4},
    "limit": {"test": 3, "forgetting": 2},
}


def train(folder, *overrides, **kwargs):
    return verbs.train(RECIPE, into=folder, overrides=overrides, quiet=True, **kwargs)


def tuned(run):
    return load_file(run.folder / "adapter" / "adapter_model.safetensors")


def same(one, other):
    return one.keys() == other.keys() and all((one[name] == other[name]).all() for name in one)


def losses(run):
    return [(record["step"], record["loss"]) for record in (*run.steps(), *run.validations())]


@pytest.fixture(scope="module")
def whole(home, tmp_path_factory):
    """A run that nothing interrupted."""
    os.chdir(home)
    return train(tmp_path_factory.mktemp("runs") / "whole")


def documented(title):
    text = (ROOT / "docs" / "run-folder.md").read_text(encoding="utf-8")
    part = re.search(rf"^## `{re.escape(title)}`$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)[1]
    cells = re.findall(r"^\| (`.+?) \|", part, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def written(path):
    return {key for line in path.read_text().splitlines() for key in json.loads(line)}


def test_every_key_is_in_the_documents_and_every_documented_key_is_written(whole):
    astray = {"failed", "warnings", "skipped_steps", "went_back"}  # only of a run in which something went wrong
    assert set(whole.world()) == documented("world.json") - astray
    assert written(whole.folder / "steps.jsonl") == documented("steps.jsonl") - {"tasks", "skipped", "warned"}
    besides = {"shown", "score", "tasks"}  # only of objectives that show something, of scores that are asked for, of mixtures
    assert written(whole.folder / "validation.jsonl") == documented("validation.jsonl") - besides
    assert written(whole.folder / "answers" / "sums.jsonl") == documented("answers/TASK.jsonl")
    assert {path.name for path in whole.folder.iterdir()} == {
        *("recipe.yaml", "world.json", "steps.jsonl", "validation.jsonl", "mixture.json"),
        *("adapter", "answers", "scores.json"),
    }


def test_what_the_world_says(whole):
    world = whole.world()
    made = whole.steps()
    assert world["clusters"] == {"sums": "sums", "again": "other"}
    assert world["main_task"] == "sums"
    assert world["training_seconds"] == pytest.approx(sum(step["seconds"] for step in made))
    assert world["training_tokens"] == sum(step["tokens"] for step in made)
    assert world["tokens_per_second"] == pytest.approx(world["training_tokens"] / world["training_seconds"])
    seconds = sorted(answer.seconds for answer in whole.answers("sums"))
    assert world["seconds_per_answer"] == pytest.approx(seconds[1])
    assert world["answers"] == len(seconds) == 3
    assert world["peak_memory_bytes"] == max(world["peak_memory_training_bytes"], world["peak_memory_answering_bytes"])
    assert world["trained_parameters"] == sum(tensor.numel() for tensor in tuned(whole).values())
    bare = sum(tensor.numel() for tensor in load_file("model/model.safetensors").values())
    assert world["total_parameters"] == bare + world["trained_parameters"]
    best = min(whole.validations(), key=lambda record: record["loss"])
    assert world["best_step"] == best["step"]
    assert whole.recipe()["plan"]["learning_rate"] == 1e-2


def interrupt(monkeypatch, step):
    """Ctrl-C during a step."""
    shown = Reporter.step

    def pressed(self, made, steps, memory):
        shown(self, made, steps, memory)
        if made.step == step:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Reporter, "step", pressed)


@pytest.mark.parametrize("step", [3, 4])
def test_a_run_that_was_stopped_ends_as_one_that_was_not(whole, tmp_path, monkeypatch, step):
    with monkeypatch.context() as pressing:
        interrupt(pressing, step)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "run")
    assert (tmp_path / "run" / "state" / f"step-{step:06d}").is_dir()
    run = train(tmp_path / "run")
    assert losses(run) == losses(whole)
    assert same(tuned(run), tuned(whole))
    assert [a.said for a in run.answers("sums")] == [a.said for a in whole.answers("sums")]
    world = run.world()
    assert world["training_tokens"] == whole.world()["training_tokens"]
    assert world["training_seconds"] == pytest.approx(sum(record["seconds"] for record in run.steps()))


def test_a_run_that_stops_at_shares_of_its_steps_ends_as_one_that_did_not(whole, tmp_path):
    for share, step in (("0.3", 2), ("0.3", 2), ("0.5", 4), ("1", 6)):
        run = train(tmp_path / "run", f"plan.stop_after={share}")
        assert run.steps()[-1]["step"] == step
        assert not run.answered()
        assert run.world()["planned_steps"] == 6
        assert ("best_step" in run.world()) == (share == "1")
    run = train(tmp_path / "run")
    assert losses(run) == losses(whole)
    assert same(tuned(run), tuned(whole))
    assert [a.said for a in run.answers("sums")] == [a.said for a in whole.answers("sums")]
    assert run.recipe()["plan"]["stop_after"] is None


def test_a_crash_between_checkpoints_repeats_the_steps_since(whole, tmp_path, monkeypatch):
    shown = Reporter.step

    def crash(self, made, steps, memory):
        if made.step == 5:
            raise OSError("power")
        shown(self, made, steps, memory)

    with monkeypatch.context() as crashing:
        crashing.setattr(Reporter, "step", crash)
        with pytest.raises(OSError, match="power"):
            train(tmp_path / "run")
    run = train(tmp_path / "run")
    assert losses(run) == losses(whole)
    assert same(tuned(run), tuned(whole))


def test_interrupted_answering_goes_on_without_learning_again(whole, tmp_path, monkeypatch):
    judge = experiment.judge

    def fails(model, task, *args, **kwargs):
        if task.name == "again":
            raise KeyboardInterrupt
        return judge(model, task, *args, **kwargs)

    with monkeypatch.context() as failing:
        failing.setattr(experiment, "judge", fails)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "run")
    asked = []
    with monkeypatch.context() as watching:
        watching.setattr(learning, "train", None)
        watching.setattr(
            experiment, "judge", lambda model, task, *a, **k: asked.append(task.name) or judge(model, task, *a, **k)
        )
        run = train(tmp_path / "run")
    assert asked == ["again"]
    assert set(run.scores()) == {"sums", "again"}
    assert set(run.world()) == set(whole.world())
    assert [a.said for a in run.answers("again")] == [a.said for a in whole.answers("again")]


def test_a_finished_run_is_not_repeated(whole, monkeypatch, capsys):
    monkeypatch.setattr(experiment, "load", None)
    again = verbs.train(RECIPE, into=whole.folder)
    assert again.scores() == whole.scores()
    assert "finished before" in capsys.readouterr().err


def test_early_stopping_keeps_the_best(tmp_path, monkeypatch):
    told = iter([5.0, 4.0, 4.5, 4.2, 1.0])
    seen = []

    def validate(model, objective, examples, plan, seed, tasks, world):
        seen.append({name: p.detach().clone() for name, p in model.adapter().trained().items()})
        return Validated(next(told), 7)

    monkeypatch.setattr(learning, "validate", validate)
    kept = []
    save = experiment.save_adapter
    monkeypatch.setattr(
        experiment,
        "save_adapter",
        lambda folder, adapter, model: (
            kept.append({n: p.detach().clone() for n, p in adapter.trained().items()}) or save(folder, adapter, model)
        ),
    )
    run = train(tmp_path / "run", "plan.patience=2", "plan.steps=20")
    world = run.world()
    assert (world["best_step"], world["steps"], world["stopped_early"]) == (2, 6, True)
    assert [record["loss"] for record in run.validations()] == [5.0, 4.0, 4.5, 4.2]
    assert same(kept[0], seen[1])
    assert not same(kept[0], seen[3])


@pytest.mark.parametrize(("best", "kept_step", "steps"), [("score", 4, 8), ("last", 6, 6)])
def test_the_best_weights_are_those_of_the_best_score_or_the_last(tmp_path, monkeypatch, best, kept_step, steps):
    losses = iter([5.0, 4.0, 4.5, 4.6, 4.7])
    scores = iter([0.1, 0.2, 0.3, 0.3, 0.2])
    seen = []

    def validate(model, objective, examples, plan, seed, tasks, world):
        seen.append({name: p.detach().clone() for name, p in model.adapter().trained().items()})
        return Validated(next(losses), 7)

    monkeypatch.setattr(learning, "validate", validate)
    monkeypatch.setattr(experiment, "on_validation", lambda *arguments: {"sums": {"exact_match": Score(next(scores), 1)}})
    run = train(tmp_path / "run", f"plan.best={best}", "plan.patience=2", "plan.steps=20")
    world = run.world()
    assert (world["best_step"], world["steps"]) == (kept_step, steps)
    told = [record.get("score") for record in run.validations()]
    assert told == ([0.1, 0.2, 0.3, 0.3, 0.2] if best == "score" else [None] * 4)
    sums = [sorted(float(value.sum()) for value in tensors.values()) for tensors in (tuned(run), seen[kept_step // 2])]
    assert sums[0] == pytest.approx(sums[1])


def test_a_score_on_validation_examples_is_the_headline_of_what_is_learnt(tmp_path):
    run = train(tmp_path / "run", "plan.best=score", "plan.steps=2", "ask.how=weigh", "limit.validation=3")
    assert all("score" in record for record in run.validations())


def test_without_validation_the_last_weights_are_kept(tmp_path):
    rows(tmp_path / "train.jsonl", 12)
    rows(tmp_path / "test.jsonl", 4)
    data = tmp_path / "split"
    data.mkdir()
    for name in ("train", "test"):
        shutil.move(tmp_path / f"{name}.jsonl", data / f"{name}.jsonl")
    made = verbs.train({**RECIPE, "tasks": {str(data): 1.0}, "limit": {"validation": 1}}, into=tmp_path / "run", quiet=True)
    assert made.world()["steps"] == 6


def test_a_folder_where_nothing_was_learnt_takes_another_recipe(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        train(tmp_path / "run", "model.path=./nowhere")
    with pytest.raises(UserError, match="window holds 2"):
        train(tmp_path / "run", "plan.window=2")
    assert train(tmp_path / "run").world()["ended"]


def test_another_recipe_is_refused_by_the_setting_that_differs(whole):
    for override, said in {
        "plan.steps=7": "`plan.steps` was `6` and is now `7`",
        "method={kind: prompt}": "`method.kind` was `lora` and is now `prompt`",
        "plan.learning_rate=1e-3": "plan.learning_rate",
        "tasks={sums.jsonl: 2.0}": "tasks.sums.jsonl",
        "seed=1": "seed",
    }.items():
        with pytest.raises(UserError) as error:
            train(whole.folder, override)
        assert said in str(error.value)
        assert "--into" in error.value.hint
    assert train(whole.folder, "plan.room.rows=2", "ask.rows=1", "plan.save_every=1").world() == whole.world()


def test_changed_rows_are_refused(home, tmp_path):
    mine = tmp_path / "mine.jsonl"
    mine.write_text((home / "sums.jsonl").read_text())
    told = [f"tasks={{{mine}: 1.0}}", "forgetting=none", "plan.steps=1"]
    finished = train(tmp_path / "run", *told)
    assert train(tmp_path / "run", *told).world() == finished.world()
    mine.write_text(mine.read_text() + mine.read_text().splitlines()[0] + "\n")
    with pytest.raises(UserError, match="rows of task `mine` have changed"):
        train(tmp_path / "run", *told)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_guarded_run_with_replay_that_was_stopped_ends_as_one_that_was_not(home, tmp_path, monkeypatch, method):
    told = [
        *(f"method={method}", "guard={distance: 0.1, divergence: 0.5}", "forgetting=none"),
        "replay={town/stars: 0.5}",
    ]
    told[1] = told[1] if method == "lora" else "guard={distance: 0.1, divergence: 0.5, over: replay}"
    wanted = train(tmp_path / "whole", *told)
    with monkeypatch.context() as pressing:
        interrupt(pressing, 3)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "run", *told)
    run = train(tmp_path / "run", *told)
    assert losses(run) == losses(wanted)
    assert [record["shown"] for record in run.steps()] == [record["shown"] for record in wanted.steps()]
    assert run.steps()[-1]["shown"].keys() == {"divergence", "distance"}
    assert [a.said for a in run.answers("sums")] == [a.said for a in wanted.answers("sums")]


def test_what_is_replayed_is_shown_beside_the_task_and_is_neither_validated_nor_judged(tmp_path, monkeypatch):
    seen = {}

    def learn(self, model, adapter, objective, stream, validation, looks=()):
        seen["stream"] = [stream(place).id for place in range(len(stream))]
        seen["validation"] = [example.id for example in validation]
        raise KeyboardInterrupt

    monkeypatch.setattr(learning.Learning, "learn", learn)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", "replay={town/stars: 0.5}", "plan={steps: null, epochs: 1}", "forgetting=auto")
    work = prepared(settings.build(Recipe, {**RECIPE, "replay": {"town/sentiment": 0.5}, "forgetting": "auto"}))
    own = [example.id for example in work.learnt[0].examples("train", 0)]
    shown = [id_ for id_ in seen["stream"] if id_ in own]
    assert sorted(shown) == sorted(own) and len(seen["stream"]) == round(1.5 * len(own))
    assert set(seen["validation"]) <= {example.id for example in work.learnt[0].examples("validation", 0)}
    assert [task.name for task in work.judged] == ["sums"]
    assert "town/sentiment" not in [task.name for task in work.forgetting], "what is replayed tells nothing of forgetting"
    assert "town/sentiment" in [task.name for task in work.all]


def test_a_preset_is_no_difference_and_a_changed_one_is(tmp_path, monkeypatch):
    with monkeypatch.context() as pressing:
        interrupt(pressing, 3)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "run", "plan.learning_rate=null")
    kept = settings.build(Recipe, experiment.Run(tmp_path / "run").recipe())
    assert kept.plan.learning_rate == pytest.approx(1.5 / 16)
    with pytest.raises(UserError, match="learning_rate"):
        train(tmp_path / "run", "plan.learning_rate=0.5")
    assert train(tmp_path / "run", "plan.learning_rate=null").world()["steps"] == 6


def test_a_share_of_a_preset_is_no_difference_and_a_changed_one_is(tmp_path):
    given = ("plan.learning_rate=null", "plan.of_preset=0.5")
    whole = train(tmp_path / "run", *given)
    kept = settings.build(Recipe, whole.recipe())
    assert (kept.plan.learning_rate, kept.plan.of_preset) == (pytest.approx(0.75 / 16), 0.5)
    assert train(tmp_path / "run", *given).world()["ended"]
    with pytest.raises(UserError, match="of_preset"):
        train(tmp_path / "run", given[0], "plan.of_preset=0.25")


def test_a_run_with_an_adapter_is_not_trained_further_by_another_method(whole, tmp_path):
    with pytest.raises(UserError, match="with an adapter") as error:
        train(tmp_path / "run", f"model.path={whole.folder}", "method=full")
    assert "model.path=" in error.value.hint
    judged = train(tmp_path / "run", f"model.path={whole.folder}", "method=none")
    assert [a.said for a in judged.answers("sums")] == [a.said for a in whole.answers("sums")]


def test_what_is_left_out_is_told(tmp_path, capsys):
    verbs.train(RECIPE, into=tmp_path / "run", overrides=["plan.window=4", "plan.too_long=drop", "plan.steps=1"])
    assert "are longer than 4 tokens and left out" in capsys.readouterr().err


def test_divergence_names_the_remedy(tmp_path):
    with pytest.raises(UserError, match="diverged") as error:
        train(tmp_path / "run", "plan.learning_rate=1e30", "plan.warmup=0", "plan.clip=null")
    assert "plan.learning_rate" in error.value.hint


def test_every_method_of_the_main_job_runs(tmp_path):
    for method, seen in {"full": "model", "prompt": "adapter", "none": "answers"}.items():
        run = train(tmp_path / method, f"method={method}", "plan.steps=2")
        assert (run.folder / seen).is_dir()
        assert run.world()["role"] == ("base" if method == "none" else "tuned")
