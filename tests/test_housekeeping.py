"""Runs listed, shown, removed and pruned; nothing else is ever taken."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.test_cli import run
from tunesmith import housekeeping, removing
from tunesmith.errors import UserError
from tunesmith.run import Run, Score

HOLD = """
import sys, tempfile, time
from pathlib import Path
from tunesmith.run import Run
record = Run(Path(sys.argv[1]))
with record.writing():
    with tempfile.TemporaryFile(dir=record.folder) as kept:
        kept.write(b"x" * 300_000)
        kept.flush()
        print("held", flush=True)
        time.sleep(60)
"""


def made(name, ended=True, score=0.5, method="lora", state=()):
    record = Run(Path(name))
    record.keep_recipe(
        {"name": record.name, "model": {"path": "town/t5"}, "method": {"kind": method}, "tasks": {"rows.jsonl": 1.0}}
    )
    record.keep_world(system=record.name, method=method, model="town/t5", planned_steps=10, training_seconds=3.5)
    for step in range(1, 6):
        record.log({"step": step, "loss": 1.0})
    for step in state:
        folder = record.folder / "state" / f"step-{step:06d}"
        folder.mkdir(parents=True)
        (folder / "state.json").write_text("{}")
        (folder / "trained.safetensors").write_bytes(b"x" * 100_000)
    if ended:
        record.keep_scores("rows", {"accuracy": Score(score, 3)})
        record.keep_world(ended=True, best_step=5, main_task="rows")
    return record


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def writing():
    processes = []

    def hold(folder):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(folder)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        processes.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in processes:
        process.kill()
        process.wait()


def test_runs_are_listed_with_state_score_and_room(capsys):
    made("runs/one", score=0.25)
    made("comparisons/all/runs/two", score=0.75, method="full")
    made("runs/half", ended=False, state=[4])
    (Path("runs/one/big")).write_bytes(os.urandom(200_000))
    found = {one.name: one for one in housekeeping.runs()}
    assert set(found) == {"one", "two", "half"}
    assert found["one"].state == "ended" and found["one"].score == 0.25 and found["one"].metric == "accuracy"
    assert found["half"].state == "step 5 of 10" and found["half"].score is None and found["half"].checkpoints >= 100_000
    assert found["one"].disk >= 200_000 and found["two"].method == "full" and found["two"].checkpoints == 0
    assert [one.name for one in housekeeping.runs(sort="score")] == ["two", "one", "half"]
    assert housekeeping.runs(sort="disk")[0].name == "one"
    status, out, _ = run(capsys, "runs", "list", "--json", "--sort", "name")
    assert status == 0
    assert {one["name"] for one in json.loads(out)} == {"one", "two", "half"}
    status, out, _ = run(capsys, "runs")
    assert status == 0 and "3 runs" in out


def test_a_run_is_shown_with_settings_scores_and_files(capsys):
    made("runs/one")
    status, out, _ = run(capsys, "runs", "show", "runs/one")
    assert status == 0 and "method.kind" in out and "0.5000" in out and "recipe.yaml" in out
    tree = json.loads(run(capsys, "runs", "show", "runs/one", "--json")[1])
    assert tree["settings"]["model.path"] == "town/t5" and tree["scores"] == {"rows": {"accuracy": 0.5}}
    assert set(tree["files"]) == {"recipe.yaml", "world.json", "steps.jsonl", "scores.json"}


def test_a_run_is_removed_after_a_question(capsys, monkeypatch):
    made("runs/one")
    status, _, told = run(capsys, "runs", "remove", "runs/one")
    assert status == 1 and "--yes" in told and Path("runs/one").exists()
    for said, stays in (("n", True), ("", True), ("y", False)):
        monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
        monkeypatch.setattr("builtins.input", lambda said=said: said)
        run(capsys, "runs", "remove", "runs/one")
        assert Path("runs/one").exists() is stays
    made("runs/two")
    assert run(capsys, "runs", "remove", "runs/two", "--yes")[0] == 0 and not Path("runs/two").exists()


def test_one_part_alone(capsys):
    record = made("runs/one", state=[4])
    (record.folder / "adapter").mkdir()
    run(capsys, "runs", "remove", "runs/one", "--only", "state", "--yes")
    assert not (record.folder / "state").exists() and (record.folder / "adapter").exists() and record.world()["ended"]


def test_what_is_not_a_run_is_refused(tmp_path):
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="is not a run"):
        removing.to_remove(["plain"])
    (tmp_path / "plain" / "recipe.yaml").write_text("systems: {}\n")
    with pytest.raises(UserError, match="none of a run"):
        removing.to_remove(["plain"])
    with pytest.raises(UserError, match="there is no folder"):
        removing.to_remove(["elsewhere"])
    made("runs/one")
    (tmp_path / "link").symlink_to(tmp_path / "runs" / "one")
    with pytest.raises(UserError, match="is a link"):
        removing.to_remove(["link"])
    os.chdir("runs/one")
    with pytest.raises(UserError, match="where you stand"):
        removing.to_remove(["."])


def test_a_persons_own_files_stay(capsys):
    record = made("runs/one")
    (record.folder / "thoughts.txt").write_text("mine")
    told = run(capsys, "runs", "remove", "runs/one", "--yes")[2]
    assert "thoughts.txt" in told and [one.name for one in record.folder.iterdir()] == ["thoughts.txt"]


def test_links_are_never_followed(tmp_path, capsys):
    record = made("runs/one", state=[4])
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_bytes(b"x" * 500_000)
    (record.folder / "adapter").symlink_to(outside)
    (record.folder / "state" / "more").symlink_to(outside)
    (record.folder / "answers").mkdir()
    (record.folder / "answers" / "rows.jsonl").symlink_to(outside / "precious")
    assert housekeeping.runs()[0].disk < 400_000
    assert run(capsys, "runs", "remove", "runs/one", "--yes")[0] == 0
    assert (outside / "precious").stat().st_size == 500_000 and not record.folder.exists()


def test_a_run_that_is_being_written_is_told_and_refused(writing):
    record = made("runs/one", ended=False, state=[2, 4])
    process = writing(record.folder)
    assert record.writer() == process.pid
    [listed] = housekeeping.runs()
    assert listed.state == "writing, step 5 of 10" and listed.held >= 300_000
    with pytest.raises(UserError, match=f"process {process.pid} writes into"):
        removing.to_remove(["runs/one"])
    with pytest.raises(UserError, match="at this moment"), record.writing():
        pass
    assert removing.to_prune() == []
    process.kill()
    process.wait()
    assert record.writer() is None and [one.name for one in removing.to_prune()[0].entries] == ["step-000002"]


def test_a_run_that_began_to_be_written_after_the_look_is_not_touched(writing):
    record = made("runs/one")
    [removal] = removing.to_remove(["runs/one"])
    writing(record.folder)
    with pytest.raises(UserError, match="at this moment"):
        removing.remove(removal)
    assert record.exists()


def test_old_checkpoints_are_pruned(capsys):
    ended, half = made("runs/ended", state=[4]), made("runs/half", ended=False, state=[2, 4])
    (half.folder / "state" / ".step-000006.tmp").mkdir()
    status, out, _ = run(capsys, "runs", "prune", "--yes")
    assert status == 0 and set(out.split()) == {"runs/ended", "runs/half"}
    assert not (ended.folder / "state").exists() and ended.exists()
    assert [one.name for one in (half.folder / "state").iterdir()] == ["step-000004"]
    assert removing.to_prune() == [] and removing.to_prune(older=1) == []
    for path in (*half.folder.rglob("*"), half.folder):
        os.utime(path, (time.time() - 3 * 86400,) * 2)
    assert [one.name for one in removing.to_prune(older=2)[0].entries] == ["state"]


def test_a_thousand_runs_are_listed_soon():
    for number in range(200):
        made(f"runs/{number}")
    before = time.process_time()
    assert len(housekeeping.runs()) == 200
    assert time.process_time() - before < 2
