"""Runs on a cluster of Ray: a real one on this machine, where Ray is installed (the extra `ray`)."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.tiny import rows, tiny_model
from tests.workers.test_pool import TREE, comparable
from tunesmith import settings, verbs
from tunesmith.errors import UserError
from tunesmith.planning.beside import pool_for, told_of_cluster
from tunesmith.recipe import Recipe
from tunesmith.run import Run
from tunesmith.workers import cluster
from tunesmith.workers.cluster import Cluster, Machine, shared_out
from tunesmith.workers.job import Job
from tunesmith.workers.pool import Outcomes, Pool

ONE = {name: value for name, value in TREE.items() if name not in ("systems", "baseline")} | {"name": "lora"}
GIB = 2**30
LONGER = {"steps": 300, "save_every": 20}  # still learning when what was carried is seen
LONG = {"steps": 80, "save_every": 20}  # so a checkpoint stands for a while


@pytest.mark.parametrize(
    ("machines", "parallel", "needs", "shares"),
    [
        ([Machine(8, 0, 9)], 0, 0, (1, 8, 0, 1)),
        ([Machine(8, 0, 9)], 2, 0, (2, 4, 0, 2)),
        ([Machine(8, 0, 9), Machine(8, 0, 9)], 0, 0, (2, 8, 0, 1)),
        ([Machine(8, 0, 9), Machine(4, 0, 9)], 3, 0, (3, 4, 0, 2)),
        ([Machine(8, 0, 9), Machine(8, 0, 4)], 2, 5, (1, 8, 0, 1)),  # the small machine is left out
        ([Machine(2, 0, 9)], 5, 0, (2, 1, 0, 2)),
        ([Machine(16, 4, 9), Machine(8, 0, 9)], 0, 0, (4, 4, 1, 4)),
        ([Machine(16, 4, 9), Machine(8, 2, 9)], 3, 0, (3, 4, 1, 3)),
    ],
)
def test_how_a_cluster_is_shared_out(machines, parallel, needs, shares):
    assert shared_out(machines, parallel, needs) == shares


def test_a_cluster_without_room_is_told():
    with pytest.raises(UserError, match=r"2\.0 GiB that a run needs: the largest offers 1\.0 GiB"):
        shared_out([Machine(8, 0, GIB)], 2, 2 * GIB)
    assert told_of_cluster(2, 4, 1, 0) == "on Ray: up to 2 runs at a time, each with 4 cores and a GPU"


def test_another_place_and_a_missing_ray_are_told(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="made `here` or on `ray`"):
        pool_for(list, on="slurm", parallel=2, logs=tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(UserError, match="Ray is not installed") as error:
        verbs.compare(on="ray", into=tmp_path)
    assert "tunesmith[ray]" in error.value.hint


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    tiny_model(folder / "model")
    rows(folder / "sums.jsonl")
    return folder


@pytest.fixture(scope="module")
def ray():
    """A cluster of one machine with two cores, begun for these tests."""
    ray = pytest.importorskip("ray", reason="Ray is not installed: `pip install 'tunesmith[ray]'`")
    before = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "PYTHONPATH")}
    os.environ.update(OMP_NUM_THREADS="1", PYTHONPATH=str(ROOT), RAY_USAGE_STATS_ENABLED="0")
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield ray
    ray.shutdown()
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})


@pytest.fixture
def here(ray, home, monkeypatch):
    monkeypatch.chdir(home)
    monkeypatch.setattr(cluster, "EVERY", 0.05)
    monkeypatch.setattr(cluster, "CARRY", 0.0)
    return home


def job(folder, **changed):
    tree = {**ONE, **changed, "plan": {**ONE["plan"], **changed.get("plan", {})}}
    return Job(settings.build(Recipe, tree), Run(folder / "runs" / tree["name"]))


def made(place, jobs, tmp_path):
    """What pools said of them."""
    told = []
    pool = Pool(place, tmp_path / "logs", told.append)
    outcomes = Outcomes(pool, told.append)
    pool.make(iter(jobs), outcomes)
    return outcomes.failed, told


def no_folders_left():
    """Temporary folders of runs that are carried."""
    return {path.name for path in Path(os.environ.get("TMPDIR", "/tmp")).glob("tunesmith-*")}


def test_a_comparison_on_a_cluster_finds_what_one_here_finds(here, tmp_path):
    compared = verbs.compare(TREE, into=tmp_path / "two", on="ray", parallel=2)
    assert [system.name for system in compared.comparison.systems] == [*TREE["systems"]]
    alone = verbs.train({**ONE, **TREE["systems"]["lora"]}, into=tmp_path / "lora", quiet=True)
    run = Run(tmp_path / "two" / "runs" / "lora")
    assert comparable(run) == comparable(alone)
    assert run.world()["beside"] == 2
    assert "made up to 2 at a time" in (tmp_path / "two" / "report.md").read_text(encoding="utf-8")
    assert "learning" in (tmp_path / "two" / "logs" / "lora.log").read_text(encoding="utf-8")


def test_where_no_disk_is_shared_results_come_back_and_a_failure_is_told(here, tmp_path):
    before = no_folders_left()
    bad = job(tmp_path, name="bad", tasks={"nowhere.jsonl": 1.0})
    failed, told = made(Cluster(2, tmp_path / "logs", carries=True), [bad, job(tmp_path)], tmp_path)
    assert set(failed) == {"bad"} and "nowhere.jsonl" in failed["bad"]
    assert any("the end of" in line for line in told)
    run, alone = Run(tmp_path / "runs" / "lora"), verbs.train(ONE, into=tmp_path / "lora", quiet=True)
    assert comparable(run) == comparable(alone)
    names = [sorted(str(p.relative_to(one.folder)) for p in one.folder.rglob("*") if p.is_file()) for one in (run, alone)]
    assert names[0] == names[1], "the folder is as one that was made here: no more and no less"
    assert no_folders_left() == before


@pytest.mark.parametrize("carries", [False, True], ids=["shared disk", "carried"])
def test_a_worker_that_dies_is_replaced_and_the_run_goes_on(here, ray, tmp_path, carries):
    own, place = job(tmp_path, plan=LONG), Cluster(1, tmp_path / "logs", carries=carries)
    told = []
    pool = Pool(place, tmp_path / "logs", told.append)

    def kill():
        while not list((own.run.folder / "state").glob("step-*")):
            time.sleep(0.01)
        [worker] = pool.running
        if carries:
            ray.kill(worker.actor)
        else:  # the actor itself, the parent of the run's process
            status = Path(f"/proc/{own.run.writer()}/status").read_text()
            os.kill(int(status.split("PPid:")[1].split()[0]), signal.SIGKILL)

    killing = threading.Thread(target=kill)
    killing.start()
    outcomes = Outcomes(pool, told.append)
    pool.make(iter([own]), outcomes)
    killing.join()
    assert not outcomes.failed and any("begun again from its last checkpoint" in line for line in told)
    assert "going on from step" in (tmp_path / "logs" / "lora.log").read_text()
    alone = verbs.train({**ONE, "plan": {**ONE["plan"], **LONG}}, into=tmp_path / "alone", quiet=True)
    assert comparable(own.run) == comparable(alone)


def test_what_is_stopped_saves_after_its_step_and_goes_on_with_the_same_call(here, tmp_path):
    """Ctrl-C with one run under way and one that waits for a machine."""
    place = Cluster(1, tmp_path / "logs", carries=True)
    place.parallel, place.cpus = 2, 2  # the second waits: there is room for one
    first, second = job(tmp_path, plan=LONGER), job(tmp_path, name="waits")

    def press():
        while not list((first.run.folder / "state").glob("step-*")):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    pressing = threading.Thread(target=press)
    pressing.start()
    with pytest.raises(KeyboardInterrupt):
        made(place, [first, second], tmp_path)
    pressing.join()
    assert len(first.run.steps()) < 300, "it was stopped while it learnt"
    [saved] = (first.run.folder / "state").glob("step-*")
    steps = len(first.run.steps())
    assert 0 < steps == int(saved.name.removeprefix("step-")) < 300, "stopped after its step, with a checkpoint"
    assert not second.run.exists()
    failed, _ = made(Cluster(1, tmp_path / "logs", carries=True), [first], tmp_path)
    assert not failed
    alone = verbs.train({**ONE, "plan": {**ONE["plan"], **LONGER}}, into=tmp_path / "alone", quiet=True)
    assert comparable(first.run) == comparable(alone)
