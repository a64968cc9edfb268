"""What each of several runs on a machine gets."""

import os
import subprocess
import sys

import pytest

from tunesmith import settings
from tunesmith.models.memory import Memory
from tunesmith.planning import beside
from tunesmith.planning.plan import of_recipe
from tunesmith.recipe import Recipe
from tunesmith.run import Run
from tunesmith.workers import processes, share
from tunesmith.workers.job import Job
from tunesmith.workers.pool import Pool
from tunesmith.workers.processes import Processes


def test_a_share_of_the_threads(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert share.threads(2) == {"OMP_NUM_THREADS": "4"}
    assert share.threads(16) == {"OMP_NUM_THREADS": "1"}
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert share.threads(2) == {"OMP_NUM_THREADS": "3"}


@pytest.mark.parametrize(
    ("named", "found"),
    [("0,2,5", ["0", "2", "5"]), ("", []), ("-1", []), ("1,-1,2", ["1"]), ("GPU-a, GPU-b", ["GPU-a", "GPU-b"])],
)
def test_the_gpus_that_this_process_may_use(monkeypatch, named, found):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert share.devices() == found


def test_every_run_sees_one_gpu_and_a_free_one_comes_first(tmp_path, monkeypatch):
    """The environment of real processes: which GPU each sees, and that two at a time never see the same one."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,7")
    code = "import os, time; print(os.environ['CUDA_VISIBLE_DEVICES'], os.environ['TUNESMITH_BESIDE']); time.sleep(%s)"
    naps = {"a": 0.1, "b": 1.2, "c": 0.1, "d": 0.1}
    names = {path: name for name in naps for path in [tmp_path / f"{name}.yaml"]}
    monkeypatch.setattr(processes, "command", lambda recipe, folder: [sys.executable, "-c", code % naps[names[recipe]]])
    pool = Pool(Processes(2, tmp_path), tmp_path)
    where = {}

    def jobs():
        for name in naps:
            where.update({job.name: worker.where for worker, job in pool.running.items()})
            yield Job(Recipe(name=name), Run(tmp_path / "runs" / name))

    pool.make(jobs(), lambda job, status: None)
    said = {name: (tmp_path / f"{name}.log").read_text().split() for name in naps}
    assert {name: words[0] for name, words in said.items()} == {"a": "3", "b": "7", "c": "3", "d": "3"}
    assert {words[1] for words in said.values()} == {"2"}
    assert where["a"] == "GPU 3" and where["b"] == "GPU 7"


def test_more_runs_than_gpus_share_them_in_turn(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert [one["CUDA_VISIBLE_DEVICES"] for one in share.environments(4)] == ["0", "1", "0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert all("CUDA_VISIBLE_DEVICES" not in one for one in share.environments(2))


def test_alone_a_run_has_the_whole_environment(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,7")
    monkeypatch.setenv("TUNESMITH_BESIDE", "2")
    code = "import os; print(os.environ['CUDA_VISIBLE_DEVICES'], os.environ.get('TUNESMITH_BESIDE'))"
    monkeypatch.setattr(processes, "command", lambda recipe, folder: [sys.executable, "-c", code])
    Pool(Processes(1, tmp_path), tmp_path).make(iter([Job(Recipe(name="a"), Run(tmp_path / "a"))]), lambda job, status: None)
    assert capfd.readouterr().out.split() == ["3,7", "1"]


def test_the_memory_that_is_free():
    """Other programs take and give memory meanwhile, so it may take more than one look."""
    held = "import time\nheld = bytearray(b'1') * (300 * 2**20)\nprint('held', flush=True)\ninput()"

    def less_is_free() -> bool:
        free = share.free_memory()
        assert 2**24 < free < 2**50
        holding = subprocess.Popen([sys.executable, "-c", held], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        holding.stdout.readline()
        less = share.free_memory()
        holding.communicate(b"\n")
        return less < free - 100 * 2**20 or less < share.free_memory() - 100 * 2**20

    assert any(less_is_free() for _ in range(5))


def test_a_limit_of_a_container_counts(tmp_path, monkeypatch):
    files = [tmp_path / name for name in ("max", "current", "stat")]
    for file, text in zip(files, ["1000000000\n", "400000000\n", "anon 5\ninactive_file 100000000\n"], strict=True):
        file.write_text(text)
    monkeypatch.setattr(share, "CGROUPS", (tuple(files),))
    assert share.free_memory() == 700_000_000
    files[0].write_text("max\n")
    assert share.free_memory() > 0


@pytest.mark.parametrize(
    ("free", "needs", "fits"),
    [([10], 3, 3), ([10], 11, 1), ([10, 10], 6, 2), ([10, 5], 6, 1), ([16, 15], 5, 6)],
)
def test_how_many_runs_fit(free, needs, fits):
    assert beside.room(free, needs) == fits


def test_fewer_runs_are_made_where_memory_is_short(monkeypatch):
    told = []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(beside, "free_memory", lambda: 5 * 10**9)
    assert beside.lowered(2, 2 * 10**9, told.append) == 2
    assert beside.lowered(4, 2 * 10**9, told.append) == 2
    assert beside.lowered(4, 9 * 10**9, told.append) == 1
    assert "2 runs at a time take up to about 4 GB" in told[0]
    assert "4 runs at a time do not fit" in told[1] and "2 are made at a time" in told[1]
    assert "1 is made at a time" in told[2]
    monkeypatch.setattr(beside, "free_memory", lambda: 0)
    assert beside.lowered(4, 9 * 10**9, told.append) == 4, "nothing is known"


def test_what_several_runs_need(monkeypatch):
    monkeypatch.setattr(Memory, "now", lambda self: 2 * 10**8)  # of this process, which grows meanwhile
    tree = {
        "model": {"path": "town/t5"},
        "tasks": {"town/tags": 1.0},
        "plan": {"steps": 1, "examples": 2},
        "forgetting": "none",
    }
    lora, base = (settings.build(Recipe, {**tree, "name": name, "method": name}) for name in ("lora", "none"))
    other = settings.build(Recipe, {**tree, "name": "x", "seed": 3, "method": "lora"})
    assert beside.alike(lora) == beside.alike(other) != beside.alike(base)
    needs = beside.needed(base)
    assert 10**8 < needs < 4 * 10**9
    assert beside.most_needed([lora, other, base]) >= needs
    kinds = [settings.build(Recipe, {**tree, "plan": {**tree["plan"], "examples": 2 + number}}) for number in range(9)]
    looked = []
    with monkeypatch.context() as counting:
        counting.setattr(beside, "needed", lambda recipe: looked.append(recipe.plan.examples) or 1)
        beside.most_needed(kinds)
    assert looked[0] == 2 and looked[-1] == 10, "the first and the last"
    told = of_recipe(lora)
    assert beside.needed(lora) == told.peak_bytes
