"""Trackers get what stands in the run's folder, once, whatever happens between."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.test_cli import run
from tests.tiny import rows, tiny_model
from tunesmith import registry, settings, verbs
from tunesmith.errors import UserError
from tunesmith.recipe import Recipe
from tunesmith.run import Run
from tunesmith.trackers import feed
from tunesmith.trackers.tracker import Session, Told, Tracker

RECIPE = {
    "method": {"kind": "lora", "rank": 2},
    "tasks": {"sums.jsonl": 1.0},
    "forgetting": "none",
    "plan": {"steps": 8, "examples": 4, "learning_rate": 1e-2, "validate_every": 2},
    "ask": {"tokens": 4},
    "limit": {"test": 3, "validation": 4},
}
NEEDS = {"tensorboard": "tensorboard", "mlflow": "mlflow", "wandb": "wandb", "trackio": "trackio"}


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("network"), "llama")


@pytest.fixture
def home(tmp_path, monkeypatch, network):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    rows(tmp_path / "sums.jsonl")
    return {"model": {"path": str(network)}, **RECIPE}


def by_tensorboard(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0}, purge_orphaned_data=False)
    found.Reload()
    return {tag: [(event.step, event.value) for event in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def by_mlflow(folder):
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder.resolve().parents[1]}/mlflow.db")
    [made] = client.search_runs([client.get_experiment_by_name("tunesmith").experiment_id])
    assert made.data.params["method.rank"] == "2" and float(made.data.params["plan.learning_rate"]) == 1e-2
    return {
        name: sorted((one.step, one.value) for one in client.get_metric_history(made.info.run_id, name))
        for name in made.data.metrics
    }


def by_wandb(folder):
    """Offline runs are read by wandb's own messages; the file's frames are those of LevelDB's log."""
    from wandb.proto.wandb_internal_pb2 import Record

    found = {}
    for file in sorted(folder.glob("wandb/offline-run-*/*.wandb"), key=lambda path: path.stat().st_mtime_ns):
        for data in frames(file.read_bytes()):
            record = Record()
            record.ParseFromString(data)
            if record.WhichOneof("record_type") != "history":
                continue
            row = {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            for name, value in row.items():
                if not name.startswith("_"):
                    found.setdefault(name, []).append((int(row["_step"]), value))
    return found


def frames(data):
    """Records of a LevelDB log: blocks of 32 KiB; each piece has checksum (4), length (2), kind (1); 7 bytes of head."""
    place, whole = 7, b""
    while place + 7 <= len(data):
        if (left := 32768 - place % 32768) < 7:
            place += left
            continue
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        if not kind:
            break
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            yield whole
            whole = b""


def by_trackio(folder):
    from trackio.sqlite_storage import SQLiteStorage

    known = json.loads((folder / "tracking.json").read_text())["trackio"]["known"]["run"]
    found = {}
    for row in SQLiteStorage.get_logs("tunesmith", known):
        for name, value in row.items():
            if "/" in name:
                found.setdefault(name, []).append((row["step"], value))
    return found


READ = {"tensorboard": by_tensorboard, "mlflow": by_mlflow, "wandb": by_wandb, "trackio": by_trackio}


@pytest.fixture(params=NEEDS)
def kind(request, tmp_path, monkeypatch):
    pytest.importorskip(NEEDS[request.param], reason=f"the tracker `{request.param}` needs its package")
    if request.param == "trackio":  # it reads its folder's variable when it is imported
        for module in list(sys.modules.values()):
            if getattr(module, "__name__", "").startswith("trackio") and hasattr(module, "TRACKIO_DIR"):
                monkeypatch.setattr(module, "TRACKIO_DIR", tmp_path / "trackio")
    return request.param


def same(kind, run):
    """A tracker has each point of the folder once, and nothing else."""
    found = READ[kind](run.folder)
    for begins, records in (("train", run.steps()), ("validation", run.validations())):
        assert len(records) > 3
        got = sorted(found[f"{begins}/loss"])
        assert [step for step, _ in got] == [record["step"] for record in records]
        assert [value for _, value in got] == pytest.approx([record["loss"] for record in records], rel=1e-5)
    assert [step for step, _ in sorted(found["train/learning_rate"])] == [record["step"] for record in run.steps()]
    for task, scores in run.scores().items():
        for metric, score in scores.items():
            [(_, value)] = found[f"score/{task}/{metric}"]
            assert value == pytest.approx(score.value, rel=1e-5)
    [(_, seconds)] = found["cost/training_seconds"]
    assert seconds == pytest.approx(run.world()["training_seconds"], rel=1e-5)


def test_a_run_is_followed_and_one_that_goes_on_doubles_nothing(kind, home):
    stopping = {**home, "track": [kind], "plan": {**home["plan"], "stop_after": 0.5}}
    verbs.train(stopping, into="runs/mine", quiet=True)
    known = json.loads((Path("runs/mine") / "tracking.json").read_text())[kind]["known"]
    made = verbs.train({**home, "track": [kind]}, into="runs/mine", quiet=True)
    same(kind, made)
    assert json.loads((made.folder / "tracking.json").read_text())[kind]["known"] == known
    verbs.train({**home, "track": [kind]}, into="runs/mine", quiet=True)
    same(kind, made)


def test_steps_that_are_made_again_are_not_sent_again(kind, home):
    """A kill after step 7: the checkpoint is of step 4, and the tracker has heard of all seven."""
    recipe = {**home, "track": [kind], "plan": {**home["plan"], "save_every": 4, "validate_every": 1}}
    built = settings.build(Recipe, recipe)
    before = Session.__init__
    heard = []

    class Killed(BaseException):
        pass

    def killing(self, records, row, later=False, hear=feed.Fed.hear):
        hear(self, records, row, later)
        heard.append(row)
        if records == "steps" and row["step"] == 7:
            raise Killed

    patch = pytest.MonkeyPatch()
    patch.setattr(feed.Fed, "hear", killing)
    with pytest.raises(Killed):
        verbs.train(recipe, into="runs/mine", quiet=True)
    patch.undo()
    assert len(heard) > 7 and built.track and before is Session.__init__
    same(kind, verbs.train(recipe, into="runs/mine", quiet=True))


def test_a_finished_run_is_sent_afterwards(kind, home, capsys):
    made = verbs.train(home, into="runs/mine", quiet=True)
    for _ in range(2):
        status, _, told = run(capsys, "track", "runs/mine", "--to", kind)
        assert status == 0 and "sent to" in told
        same(kind, made)


def test_a_killed_process_goes_on_in_the_same_tracker(home, tmp_path):
    pytest.importorskip("tensorboard", reason="the tracker `tensorboard` needs its package")
    recipe = {**home, "track": ["tensorboard"], "plan": {**home["plan"], "steps": 400, "validate_every": 40}}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    command = [sys.executable, "-m", "tunesmith", "train", "recipe.yaml", "--into", "runs/mine", "--brief"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
    record = Run(tmp_path / "runs" / "mine")
    while process.poll() is None and len(record.steps()) < 130:
        time.sleep(0.02)
    assert record.writer() == process.pid
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert record.writer() is None
    subprocess.run(command, env=env, check=True, stderr=subprocess.DEVNULL)
    same("tensorboard", record)


class Broken(Session):
    def __init__(self, after):
        self.after, self.known = after, {}

    def send(self, rows):
        if rows[-1][0] >= self.after:
            raise OSError("the server has gone\nwith a long story")

    def close(self, ended):
        raise AssertionError("a tracker that failed is left alone")


def test_a_tracker_that_fails_warns_once_and_stops_nothing(home, monkeypatch, capsys):
    from tunesmith.trackers.tensorboard import TensorBoard

    monkeypatch.setattr(TensorBoard, "require", lambda self: None)
    for after in (-1, 2):
        monkeypatch.setattr(TensorBoard, "open", lambda self, told, after=after: Broken(after))
        made = verbs.train({**home, "track": ["tensorboard"]}, into=f"runs/{after}")
        said = capsys.readouterr().err.replace("\n", " ")
        assert made.world()["ended"] and said.count("left alone") == 1 and "the server has gone" in said
        assert f"tunesmith track runs/{after} --to tensorboard" in said

    def refuse(self, told):
        raise RuntimeError

    monkeypatch.setattr(TensorBoard, "open", refuse)
    made = verbs.train({**home, "track": ["tensorboard"]}, into="runs/refused")
    assert made.world()["ended"] and "(RuntimeError)" in capsys.readouterr().err


def test_a_missing_package_is_told_before_training(home, monkeypatch):
    monkeypatch.setattr("tunesmith.trackers.tracker.find_spec", lambda name: None)
    with pytest.raises(UserError, match="`wandb` is not installed") as told:
        verbs.train({**home, "track": ["wandb"]}, into="runs/mine", quiet=True)
    assert "tunesmith[wandb]" in told.value.hint and not Path("runs/mine").exists()


def test_settings_of_trackers_and_no_secret_in_them(home):
    tracked = settings.build(Recipe, {**home, "track": ["tensorboard", {"kind": "mlflow", "experiment": "mine"}]}).track
    assert [settings.dump(one)["kind"] for one in tracked] == ["tensorboard", "mlflow"] and tracked[1].experiment == "mine"
    with pytest.raises(UserError, match="holds a password") as told:
        settings.build(Recipe, {**home, "track": [{"kind": "mlflow", "uri": "https://me:secret@host/path"}]})
    assert "secret" not in str(told.value) and "MLFLOW_TRACKING_URI" in str(told.value)
    with pytest.raises(UserError, match="there is no tracker `tensorbord`"):
        settings.build(Recipe, {**home, "track": ["tensorbord"]})


def test_every_tracker_stands_in_the_list_and_has_an_extra(capsys):
    import tomllib

    from tests.conftest import ROOT

    listed = run(capsys, "list", "trackers")[1]
    assert set(registry.described("tunesmith.trackers")) == set(NEEDS)
    assert all(name in listed for name in NEEDS)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for name, module in NEEDS.items():
        assert name in extras
        assert registry.find(name, "tunesmith.trackers", Tracker)().needs == module


def test_a_store_that_was_emptied_gets_everything_again(home):
    pytest.importorskip("tensorboard", reason="the tracker `tensorboard` needs its package")
    import shutil

    made = verbs.train({**home, "track": ["tensorboard"]}, into="runs/mine", quiet=True)
    shutil.rmtree(made.folder / "tensorboard")
    feed.track(made, [registry.find("tensorboard", "tunesmith.trackers", Tracker)()], print)
    same("tensorboard", made)
    assert Told(made.folder, {}, {}).known == {}
