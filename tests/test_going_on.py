"""What kills have found: each a moment at which a process was once ended, and then did not go on as if nothing had been."""

import multiprocessing
import os
import shutil
import subprocess
import sys
import threading

import pytest
from safetensors.torch import load_file

from tests.tiny import rows, tiny_model
from tunesmith import experiment, verbs
from tunesmith.errors import UserError
from tunesmith.run import LOCK, Run, end_lines, read_jsonl, remove_left, write_text


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a tiny model and rows."""
    folder = tmp_path_factory.mktemp("home")
    tiny_model(folder / "model", "llama")
    rows(folder / "sums.jsonl")
    return folder


class Killed(BaseException):
    """Stands for SIGKILL at a line: nothing after it is done."""


def killed(*args, **kwargs):
    raise Killed


def train(home, folder, method="lora", **more):
    tree = {
        "name": "tiny",
        "model": {"path": str(home / "model")},
        "method": method,
        "tasks": {str(home / "sums.jsonl"): 1.0},
        "forgetting": "none",
        "plan": {"steps": 4, "examples": 4, "validate_every": 2, "learning_rate": 1e-2, "best": "last"},
        "ask": {"tokens": 4},
        "limit": {"validation": 3, "test": 3},
        **more,
    }
    return verbs.train(tree, into=folder, quiet=True)


@pytest.mark.parametrize("before_ended", [True, False])
def test_a_kill_between_the_last_answer_and_the_end(home, tmp_path, monkeypatch, before_ended):
    """Once the state was removed first: whoever came then had learnt all, and nothing to answer with."""
    with monkeypatch.context() as killing:
        if before_ended:
            keep = Run.keep_world
            killing.setattr(Run, "keep_world", lambda self, **facts: killed() if "ended" in facts else keep(self, **facts))
        else:
            killing.setattr(experiment.shutil, "rmtree", lambda path, **kwargs: killed() if path.name == "state" else None)
        with pytest.raises(Killed):
            train(home, tmp_path / "run")
    assert (tmp_path / "run" / "state").is_dir()
    run = train(home, tmp_path / "run")
    assert run.world()["ended"] and not (run.folder / "state").exists()


def test_a_comparison_tidies_a_run_that_was_killed_at_its_very_end(tmp_path):
    """It keeps a run that has ended, and begins no process that would do it."""
    run = Run(tmp_path)
    (tmp_path / "state" / "step-000001").mkdir(parents=True)
    (tmp_path / LOCK).touch()
    run.tidy()
    assert (tmp_path / "state").is_dir(), "it has not ended"
    run.keep_world(ended=True)
    with run.writing():
        run.tidy()
        assert (tmp_path / "state").is_dir(), "somebody writes there"
    (tmp_path / LOCK).touch()
    run.tidy()
    assert [path.name for path in tmp_path.iterdir()] == ["world.json"]


def test_what_a_method_remembers_comes_back_with_the_best_weights(home, tmp_path, monkeypatch):
    """AdaLoRA's masks, of a run that had learnt all when it was killed, were those of the beginning."""
    method = {"kind": "adalora", "rank": 1, "start_rank": 4}
    whole = train(home, tmp_path / "whole", method)
    with monkeypatch.context() as killing:
        killing.setattr(experiment, "save_adapter", killed)
        with pytest.raises(Killed):
            train(home, tmp_path / "run", method)
    run = train(home, tmp_path / "run", method)
    config = "adapter/adapter_config.json"
    assert "false" in (whole.folder / config).read_text(), "something was left out"
    assert (run.folder / config).read_text() == (whole.folder / config).read_text()
    one, other = (load_file(each.folder / "adapter/adapter_model.safetensors") for each in (run, whole))
    assert one.keys() == other.keys() and all((one[name] == other[name]).all() for name in one)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_run_is_not_kept_on_top_of_other_weights(home, tmp_path, method):
    """A run that had ended was kept although the run below it had been made anew."""
    below, above = tmp_path / "below", {"model": {"path": str(tmp_path / "below")}}
    train(home, below, method, seed=1)
    run = train(home, tmp_path / "above", "lora", **above)
    before = run.world()["start_hash"]
    train(home, tmp_path / "above", "lora", **above)
    shutil.rmtree(below)
    train(home, tmp_path / "above", "lora", **above)
    train(home, below, method, seed=2)
    with pytest.raises(UserError, match=r"below` has other weights than when the run in `.*above` began"):
        train(home, tmp_path / "above", "lora", **above)
    shutil.rmtree(below)
    train(home, below, method, seed=1)
    assert train(home, tmp_path / "above", "lora", **above).world()["start_hash"] == before


def test_what_was_half_written_is_removed_by_whoever_writes_next(tmp_path):
    run = Run(tmp_path)
    (tmp_path / "answers").mkdir()
    (tmp_path / ".adapter.partial").mkdir()
    for name in (".world.json.17.tmp", "answers/.sums.jsonl.17.tmp", ".adapter.partial/config.json", "steps.jsonl"):
        (tmp_path / name).touch()
    with run.writing():
        assert {path.name for path in tmp_path.rglob("*")} == {"answers", "steps.jsonl", LOCK}
    remove_left(tmp_path / "nowhere")


def test_an_interrupted_write_leaves_nothing_beside(tmp_path, monkeypatch):
    write_text(tmp_path / "kept.txt", "before")
    monkeypatch.setattr(type(tmp_path), "replace", killed)
    with pytest.raises(Killed):
        write_text(tmp_path / "kept.txt", "after")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("kept.txt", "before")]


def test_what_a_killed_process_left_beside_a_file_goes_when_it_is_written_again(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left, others = (
        tmp_path / f".a[1].txt.{gone.pid}.tmp",
        [tmp_path / f".a[1].txt.{os.getppid()}.tmp", tmp_path / ".b.txt.1.tmp"],
    )
    for path in (left, *others):
        path.touch()
    write_text(tmp_path / "a[1].txt", "")
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "a[1].txt", *others])


def test_lines_are_read_whatever_their_texts_hold_and_wherever_the_last_was_cut(tmp_path):
    """A line in which a letter was cut in two was once no line but an error; so were some ends of lines within a text."""
    told = [{"said": "a\u2028b\x85c\x0bd"}, {"said": "städtisch"}]
    run, path = Run(tmp_path), tmp_path / "samples.jsonl"
    for record in told:
        run.log(record, "samples")
    whole = path.read_bytes()
    assert list(read_jsonl(path)) == told
    for length in range(whole.index(b"\n") + 1, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert list(read_jsonl(path)) == told[:1]
        end_lines(path)
        run.log(told[1], "samples")
        assert path.read_bytes() == whole
    path.write_bytes(b'{"a": "\xff"}\n{"a": 1}\n')
    with pytest.raises(UserError, match="line 1 is not JSON: it is not UTF-8"):
        list(read_jsonl(path))
    end_lines(tmp_path / "nowhere.jsonl")


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
def test_a_forked_process_does_not_keep_the_folder_locked(tmp_path):
    """Those that spell ahead live on for a second when the run was killed, and the command that was given again was refused."""
    code = (
        "import os, sys, time; from pathlib import Path; from tunesmith.run import Run\n"
        "with Run(Path(sys.argv[1])).writing():\n"
        "    child = os.fork()\n"
        "    if child == 0: time.sleep(30); os._exit(0)\n"
        "    print(child, flush=True); time.sleep(0.2); os.kill(os.getpid(), 9)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        child = int(process.stdout.readline())
        process.wait()
        try:
            assert Run(tmp_path).writer() is None
            with Run(tmp_path).writing():
                pass
        finally:
            os.kill(child, 9)


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
def test_whoever_is_still_writing_is_waited_for(tmp_path):
    def hold(ready, done):
        with Run(tmp_path).writing():
            ready.set()
            done.wait(60)

    fork = multiprocessing.get_context("fork")
    ready, done = fork.Event(), fork.Event()
    process = fork.Process(target=hold, args=(ready, done))
    process.start()
    ready.wait(60)
    assert Run(tmp_path).writer() == process.pid
    Run(tmp_path).wait_for_writer(0.0)
    assert Run(tmp_path).writer() == process.pid
    threading.Timer(0.3, done.set).start()
    Run(tmp_path).wait_for_writer(60.0)
    assert Run(tmp_path).writer() is None
    process.join()


@pytest.mark.parametrize(
    ("first", "then", "said"),
    [
        ("lora", "none", "`method` was `lora` and is now `none`"),
        ("none", "lora", "`method` was `none` and is now `lora`"),
        ("lora", "full", "`method.kind` was `lora` and is now `full`"),
    ],
)
def test_a_method_that_came_or_went_is_told_by_its_name(home, tmp_path, first, then, said):
    train(home, tmp_path / "run", first)
    with pytest.raises(UserError) as error:
        train(home, tmp_path / "run", then)
    assert said in error.value.problem


def test_the_best_weights_of_adalora_are_sought_after_its_last_cut(home, tmp_path):
    """They kept more triplets than the budget where the lowest loss came before, as when training does harm."""
    method = {"kind": "adalora", "rank": 1, "start_rank": 4, "every": 1}
    plan = {"steps": 10, "examples": 4, "validate_every": 1, "learning_rate": 3.0, "schedule": "constant", "patience": 2}
    for part in (0.5, 1.0):  # stopped and gone on with before the last cut
        run = train(home, tmp_path / "run", method, plan={**plan, "stop_after": part})
    validated = [(line["step"], line["loss"]) for line in run.validations()]
    assert min(validated, key=lambda one: one[1])[0] < 7, "the lowest loss is of a step before the last cut"
    assert run.world()["best_step"] == min((one for one in validated if one[0] >= 7), key=lambda one: one[1])[0]
    assert validated[-1][0] >= 8, "patience began at the last cut"
    weights = load_file(run.folder / "adapter/adapter_model.safetensors")
    ranks = [len(value) for name, value in weights.items() if name.endswith("lora_E")]
    assert sum(ranks) == len(ranks), "the budget: one triplet a site"
