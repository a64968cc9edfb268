"""Studies from recipe to page, on a tiny network. Runs are made in this process."""

import dataclasses
import json
import os
import signal
import subprocess
import sys

import pytest

from tests.tiny import rows, tiny_model
from tests.workers.here import made_here
from tunesmith import cli, experiment
from tunesmith.errors import UserError
from tunesmith.run import Run
from tunesmith.studies.grid import arm, grid, space
from tunesmith.studies.search import Optuna
from tunesmith.studies.study import study
from tunesmith.training.progress import Reporter
from tunesmith.workers.pool import Pool

TREE = {
    "name": "tiny",
    "model": {"path": "model"},
    "method": {"kind": "lora", "rank": 2},
    "tasks": {"sums.jsonl": 1.0},
    "forgetting": "none",
    "plan": {"steps": 8, "examples": 4, "learning_rate": 1e-2, "validate_every": 1},
    "ask": {"tokens": 4},
    "limit": {"test": 3, "validation": 4},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    tiny_model(folder / "model")
    rows(folder / "sums.jsonl")
    return folder


@pytest.fixture
def ran(home, monkeypatch):
    """(name, share) of the runs that were made."""
    monkeypatch.chdir(home)
    made = []
    made_here(monkeypatch, lambda job: made.append((job.recipe.name, job.recipe.plan.stop_after)))
    return made


def test_a_grid_with_seeds_and_its_page(ran, tmp_path):
    given = ["method.rank=2,4", "seed=0,1"]
    made = study(TREE, given=given, into=tmp_path)
    assert ran == [(f"rank-{rank}-seed-{seed}", None) for rank in (2, 4) for seed in (0, 1)]
    assert [arm.name for arm in made.study.arms] == ["rank 2", "rank 4"]
    assert made.study.seeds == (0, 1)
    assert made.study.examples == 3
    lowest = [min(one["loss"] for one in Run(tmp_path / "runs" / f"rank-4-seed-{seed}").validations()) for seed in (0, 1)]
    four = made.study.arm("rank 4")
    assert four.by_seed == tuple(lowest)
    assert four.validation.value == pytest.approx(sum(lowest) / 2)
    assert "alpha / rank is held at 2 for every rank" in made.study.scaling
    assert made.study.plateaus[0].setting == "method.rank"
    page = made.page.read_text(encoding="utf-8")
    assert "alpha / rank is held at 2 for every rank" in page
    assert {path.name for path in (tmp_path / "plots").iterdir()} >= {"quality.svg", "quality.png", "learning.svg"}
    told = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert [arm["name"] for arm in told["arms"]] == ["rank 2", "rank 4"]
    assert "| rank 4 |" in (tmp_path / "report.md").read_text(encoding="utf-8")
    before = len(ran)
    again = study(TREE, given=given, into=tmp_path)
    assert len(ran) == before
    assert again.study == made.study
    study(TREE, given=["method.rank=2,8", "seed=0,1"], into=tmp_path)
    assert [name for name, _ in ran[before:]] == ["rank-8-seed-0", "rank-8-seed-1"]


def test_a_fixed_alpha_is_warned_of(ran, tmp_path):
    made = study(TREE, given=["method.rank=2,4", "method.alpha=8", "plan.steps=1"], into=tmp_path / "plain")
    assert "4 at rank 2, 2 at rank 4" in made.study.warnings[0]
    assert "learning rate in secret" in made.page.read_text(encoding="utf-8")
    given = ["method.rank=2,4", "method.alpha=8", "method.rank_stabilised=true", "plan.steps=1"]
    made = study(TREE, given=given, into=tmp_path / "stabilised")
    assert made.study.scaling.startswith("Rank-stabilised: the sum is scaled by 8 / sqrt(rank)")
    assert not any("secret" in warning for warning in made.study.warnings)


def test_halving_drops_the_worse_and_the_rest_are_the_runs_of_a_full_grid(ran, tmp_path):
    given = ["plan.learning_rate=1e-7,3e-2,1e-6,1e-2"]
    made = study(TREE, given=given, into=tmp_path / "halved", halving=2)
    assert [share for _, share in ran] == [0.25] * 4 + [0.5] * 2 + [None]
    assert {arm.name: arm.share for arm in made.study.arms if arm.share < 1} == {
        "learning_rate 1e-07": 0.25,
        "learning_rate 1e-06": 0.25,
        **{arm.name: 0.5 for arm in made.study.arms if arm.share == 0.5},
    }
    [winner] = [arm.name for arm in made.study.arms if arm.share == 1]
    assert made.study.best == winner
    before = len(ran)
    assert study(TREE, given=given, into=tmp_path / "halved", halving=2).study == made.study
    assert len(ran) == before
    rate = winner.removeprefix("learning_rate ")
    study(TREE, given=[f"plan.learning_rate={rate},0.5", "plan.steps=8"], into=tmp_path / "whole")
    runs = [Run(tmp_path / which / "runs" / f"learning_rate-{rate}-seed-0") for which in ("halved", "whole")]
    for read in (lambda run: [(one["step"], one["loss"]) for one in run.steps()], Run.validations, Run.scores):
        assert read(runs[0]) == read(runs[1])


def test_a_run_that_fails_is_told_and_left_out(ran, tmp_path):
    made = study(TREE, given=["plan.learning_rate=1e-2,1e30", "plan.clip=null"], into=tmp_path)
    [bad] = [arm for arm in made.study.arms if arm.failed]
    assert bad.name == "learning_rate 1e+30"
    assert "diverged" in bad.failed[0]
    assert made.study.best == "learning_rate 0.01"
    assert "learning_rate 1e+30" in made.study.warnings[-1]
    with pytest.raises(UserError, match="every run failed"):
        study(TREE, given=["plan.learning_rate=1e30,1e31", "plan.clip=null"], into=tmp_path / "all")


def test_random_search_draws_the_same_again(ran, tmp_path):
    given = ["plan.learning_rate=1e-4..1e-2:log", "method.rank=2,4", "plan.steps=1"]
    made = study(TREE, given=given, into=tmp_path, trials=4)
    assert len(made.study.arms) == 4
    assert all(1e-4 <= arm.values["plan.learning_rate"] <= 1e-2 for arm in made.study.arms)
    before = len(ran)
    assert study(TREE, given=given, into=tmp_path, trials=5).study.arms[:4] == made.study.arms
    assert len(ran) == before + 1


def test_optuna_proposes_and_goes_on_where_it_stopped(ran, tmp_path):
    pytest.importorskip("optuna")
    given = ["plan.learning_rate=1e-4..1e-2:log", "method.rank=2,4", "plan.steps=1"]
    made = study(TREE, given=given, into=tmp_path, engine="optuna", trials=3)
    assert len((tmp_path / "optuna.jsonl").read_text().splitlines()) == 3
    before = list(ran)
    again = study(TREE, given=given, into=tmp_path, engine="optuna", trials=4)
    assert again.study.arms[: len(made.study.arms)] == made.study.arms
    assert len(ran) == len(before) + 1, "something new is proposed"
    drawn = [(tmp_path / "optuna.jsonl").read_text().splitlines()]
    assert len(set(drawn[0])) == 4


def test_optuna_hears_of_an_arm_when_it_has_ended(ran, tmp_path, monkeypatch):
    """What is proposed twice is tried once, and told twice, with the loss that it had in the end."""
    pytest.importorskip("optuna")
    heard, tell, make = [], Optuna.tell, Pool.make

    def hear(self, values, loss):
        heard.append((values, loss))
        tell(self, values, loss)

    def late(pool, jobs, ended):
        """All are begun before the first has ended, as side by side."""
        make(pool, iter(list(jobs)), ended)

    monkeypatch.setattr(Optuna, "tell", hear)
    monkeypatch.setattr(Pool, "make", late)
    made = study(TREE, given=["method.rank=2..3", "plan.steps=1"], into=tmp_path, engine="optuna", trials=5)
    assert len(ran) == len(made.study.arms) == 2
    losses = {arm.values["method.rank"]: arm.validation.value for arm in made.study.arms}
    assert len(heard) > 2 and all(loss == losses[values["method.rank"]] for values, loss in heard)


def test_a_proposal_that_cannot_be_is_left_out_and_the_search_goes_on(ran, tmp_path):
    """A guard over what is replayed, and nothing is. Such a proposal stopped the study, and again whenever it was given."""
    pytest.importorskip("optuna")
    said = []
    given = ["plan.learning_rate=1e-4..1e-2:log", "guard.over=all,replay", "guard.divergence=0.1", "plan.steps=1"]
    options = {"into": tmp_path, "engine": "optuna", "say": said.append}
    made = study(TREE, given=given, trials=3, **options)
    assert len(made.study.arms) == len(ran) == 3 and {arm.values["guard.over"] for arm in made.study.arms} == {"all"}
    [left, *_] = [line for line in said if "left out" in line]
    assert left.startswith("over replay, learning_rate") or "over replay" in left
    study(TREE, given=given, trials=4, **options)
    assert len(ran) == 4
    with pytest.raises(UserError, match="holds a run of another recipe"):
        study(TREE, given=[*given[:-1], "plan.steps=2"], trials=5, **options)
    with pytest.raises(UserError, match="nowhere"):
        study({**TREE, "replay": {"nowhere.jsonl": 0.2}}, given=given, trials=2, **{**options, "into": tmp_path / "none"})


def test_what_is_replayed_is_looked_at_for_every_arm(ran, tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        study(TREE, given=["replay={},{nowhere.jsonl: 0.2}"], into=tmp_path)
    assert ran == []


HOLD = """
import sys, time
from pathlib import Path
from tunesmith.run import Run
with Run(Path(sys.argv[1])).holding():
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_study_that_is_being_made_is_not_made_twice(ran, tmp_path):
    folder = tmp_path / "study"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout.readline() == "held\n"
            with pytest.raises(UserError, match=f"process {other.pid}"):
                study(TREE, given=["method.rank=2,4"], into=folder)
        finally:
            other.kill()
    assert ran == []


def test_what_engines_cannot_do_is_refused(ran, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    ranged = ["plan.learning_rate=1e-4..1e-2:log"]
    for given, options, said in (
        (ranged, {"engine": "optuna"}, "needs the package optuna"),
        (ranged, {"engine": "grid"}, "is a range"),
        (ranged, {"engine": "ray"}, "no engine `ray`"),
        (ranged, {"engine": "optuna", "halving": 2}, "Optuna proposes one after another"),
        (["seed=0,1"], {"engine": "random"}, "nothing to search"),
        (["method.rank=2,4"], {"trials": 3}, "a grid tries every arm"),
        (["method.rank=2,4"], {"halving": 1}, "drops nothing"),
        (
            ["objective={kind: sft, prompt_weight: 0},{kind: sft, prompt_weight: 1}"],
            {"halving": 2},
            "`objective` is varied, so that validation losses",
        ),
        (["limit.validation=2,4"], {}, "validated on different examples"),
    ):
        with pytest.raises(UserError, match=said):
            study(TREE, given=given, into=tmp_path, **options)
    with pytest.raises(UserError, match="with `systems` is searched"):
        study({**TREE, "systems": {"a": {}}}, given=ranged, into=tmp_path)
    assert ran == []


def test_every_arm_is_checked_before_one_runs(ran, tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        study(TREE, given=["tasks={sums.jsonl: 1},{nowhere.jsonl: 1}", "judged_by=[sums.jsonl]"], into=tmp_path)
    with pytest.raises(UserError, match=r"method\.rank"):
        study(TREE, given=["method.rank=2,0"], into=tmp_path)
    assert ran == []


def test_a_run_that_was_stopped_goes_on_with_the_same_command(ran, tmp_path, monkeypatch):
    given = ["method.rank=2,4"]
    stop = Reporter.step

    def press(self, made, steps, memory):
        stop(self, made, steps, memory)
        if made.step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as pressing:
        pressing.setattr(Reporter, "step", press)
        with pytest.raises(KeyboardInterrupt):
            study(TREE, given=given, into=tmp_path / "run")
    assert ran == [("rank-2-seed-0", None)]
    made = study(TREE, given=given, into=tmp_path / "run").study
    assert ran == [("rank-2-seed-0", None), ("rank-2-seed-0", None), ("rank-4-seed-0", None)]
    whole = study(TREE, given=given, into=tmp_path / "whole").study
    assert [(arm.by_seed, arm.scores, arm.curves) for arm in made.arms] == [
        (arm.by_seed, arm.scores, arm.curves) for arm in whole.arms
    ]


def test_the_command(ran, tmp_path, monkeypatch, capsys):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(json.dumps({**TREE, "sweep": {"method.rank": [2, 4]}}))
    cli.main(["sweep", str(recipe), "plan.steps=1", "--into", str(tmp_path / "out"), "--no-open"])
    out = capsys.readouterr().out
    assert "rank 2" in out
    assert str(tmp_path / "out" / "report.html") in out
    with pytest.raises(SystemExit):
        cli.main(["train", str(recipe)])
    assert "use `tunesmith sweep`" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["sweep", str(recipe), "--parallel", "0"])


def test_a_study_is_widened_by_seeds_and_values_and_keeps_what_stands(ran, tmp_path):
    study(TREE, given=["method.rank=2,4", "plan.steps=1"], into=tmp_path)
    assert [name for name, _ in ran] == ["rank-2-seed-0", "rank-4-seed-0"]
    made = study(TREE, given=["method.rank=2,4,8", "seed=0,1", "plan.steps=1"], into=tmp_path).study
    assert [name for name, _ in ran[2:]] == ["rank-2-seed-1", "rank-4-seed-1", "rank-8-seed-0", "rank-8-seed-1"]
    assert [arm.seeds for arm in made.arms] == [(0, 1)] * 3


def test_folders_named_without_their_seed_are_still_read(ran, tmp_path):
    made = space(TREE, ["method.rank=2,4", "plan.steps=1"])
    for values in grid(made):
        [recipe] = arm(made, values).recipes.values()
        name = recipe.name.removesuffix("-seed-0")
        experiment.run(dataclasses.replace(recipe, name=name), tmp_path / "runs" / name, quiet=True)
    found = study(TREE, given=["method.rank=2,4", "seed=0,1", "plan.steps=1"], into=tmp_path).study
    assert [name for name, _ in ran] == ["rank-2-seed-1", "rank-4-seed-1"]
    assert [arm.seeds for arm in found.arms] == [(0, 1)] * 2


def learnt(folder, name):
    """Steps and what was seen: the ids of the examples of a run, by its recipe."""
    run = Run(folder / "runs" / name)
    return run.recipe()["limit"]["examples"], run.recipe()["plan"]["steps"], run.world().get("steps")


def test_numbers_of_examples_from_none_to_all(ran, tmp_path):
    tree = {**TREE, "plan": {"epochs": 1, "examples": 4, "learning_rate": 1e-2}}
    made = study(tree, examples=["5", "20", "1000", "all"], given=["seed=0,1"], into=tmp_path).study
    there = made.arms[-1].values["limit.examples"]
    assert [(arm.name, arm.values["limit.examples"], arm.seeds) for arm in made.arms] == [
        ("base", 0, (0,)),
        ("examples 5", 5, (0, 1)),
        ("examples 20", 20, (0, 1)),
        ("examples all", there, (0, 1)),
    ]
    assert 40 < there < 60
    steps = round(there / 4)
    assert learnt(tmp_path, "examples-5-seed-0") == (5, steps, steps)
    assert learnt(tmp_path, "examples-all-seed-1") == (None, steps, steps)
    assert Run(tmp_path / "runs" / "base-seed-0").recipe()["method"] == "none"
    assert made.curves[0].sizes == (0, 5, 20, there)
    assert "same number of steps" in made.how
    before = len(ran)
    wider = study(tree, examples=[5, 10, 20, "all"], given=["seed=0,1,2"], into=tmp_path).study
    new = [name for name, _ in ran[before:]]
    assert new == [
        "examples-5-seed-2",
        *(f"examples-10-seed-{n}" for n in range(3)),
        "examples-20-seed-2",
        "examples-all-seed-2",
    ]
    assert [arm.values["limit.examples"] for arm in wider.arms] == [0, 5, 10, 20, there]


def test_a_larger_size_joins_a_study_that_was_begun_with_its_length(ran, tmp_path):
    tree = {**TREE, "plan": {"epochs": 1, "examples": 4, "learning_rate": 1e-2}}
    study(tree, examples=[8], into=tmp_path)
    study(tree, examples=[8, 20], into=tmp_path)
    assert [name for name, _ in ran] == ["base-seed-0", "examples-8-seed-0", "examples-20-seed-0"]
    assert {learnt(tmp_path, name)[1] for name, _ in ran[1:]} == {2}


def test_a_curve_is_as_long_as_the_recipes_own_mixture(ran, home, tmp_path):
    """With a cap on the rate of large tasks an epoch is short, and every arm was as long as if there were none."""
    rows(home / "others.jsonl", count=30)
    tree = {**TREE, "tasks": {"sums.jsonl": 1.0, "others.jsonl": 1.0}, "mixture": {"by": "size", "cap": 8}}
    tree |= {"plan": {"epochs": 1, "examples": 4, "learning_rate": 1e-2}}
    study(tree, examples=[30, "all"], into=tmp_path)
    assert {learnt(tmp_path, name)[1] for name, _ in ran[1:]} == {16 // 4}


def test_the_same_epochs_make_fewer_steps_of_fewer_examples(ran, tmp_path):
    tree = {**TREE, "plan": {"epochs": 2, "examples": 4, "learning_rate": 1e-2}}
    made = study({**tree, "sweep": {"limit.examples": [8, 20], "same": "epochs"}}, into=tmp_path).study
    assert [learnt(tmp_path, f"examples-{n}-seed-0")[2] for n in (8, 20)] == [4, 10]
    assert "same epochs" in made.how


def test_what_makes_no_curve_is_refused(ran, tmp_path):
    for given, options, said in (
        ([], {"examples": ["ten"]}, "no number of examples"),
        ([], {"examples": ["5", "5"]}, "stands twice"),
        ([], {"examples": ["5000"]}, "there are"),
        ([], {"examples": ["5"], "halving": 2}, "every arm of it"),
        ([], {"examples": ["5"], "same": "epochs"}, "`plan.steps` is set"),
        (["limit.train=5,6"], {"examples": ["5"]}, "beside the number of examples"),
        (["limit.examples=1..9"], {}, "over a range"),
    ):
        with pytest.raises(UserError, match=said):
            study(TREE, given=given, into=tmp_path, **options)
    assert ran == []
