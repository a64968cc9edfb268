"""Disks that are full, shut or gone, and two processes at one folder: a run stops cleanly, and goes on exactly."""

import ctypes
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.tiny import rows, tiny_model
from tunesmith import manifest, verbs
from tunesmith.disk import DiskError, size
from tunesmith.errors import UserError
from tunesmith.run import Run
from tunesmith.training.progress import Reporter
from tunesmith.training.state import checkpoints

RECIPE = {
    "name": "tiny",
    "model": {"path": "model"},
    "method": {"kind": "lora", "rank": 2},
    "tasks": {"sums.jsonl": 1.0},
    "forgetting": "none",
    "plan": {"steps": 8, "examples": 4, "validate_every": 2, "learning_rate": 1e-2, "checkpoints": {"short": "say"}},
    "ask": {"tokens": 4},
    "limit": {"test": 6, "validation": 4},
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with a model, rows, and a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("world")
    tiny_model(folder / "model")
    rows(folder / "sums.jsonl")
    before = Path.cwd()
    os.chdir(folder)
    try:
        verbs.train(RECIPE, into=folder / "whole", quiet=True)
    finally:
        os.chdir(before)
    return folder


@pytest.fixture(autouse=True)
def here(world, monkeypatch):
    monkeypatch.chdir(world)
    return world


@pytest.fixture
def small(tmp_path):
    """A small file system of its own."""
    folder = tmp_path / "small"
    folder.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", str(folder).encode(), b"tmpfs", 0, b"size=4m") != 0:
        pytest.skip(f"no file system can be mounted here: {os.strerror(ctypes.get_errno())}")
    yield folder
    libc.umount2(str(folder).encode(), 2)


def same(run, whole):
    assert [step["loss"] for step in run.steps()] == [step["loss"] for step in whole.steps()]
    assert [step["step"] for step in run.steps()] == list(range(1, 9))
    assert [one["loss"] for one in run.validations()] == [one["loss"] for one in whole.validations()]
    [mine, theirs] = [load_file(one.folder / "adapter" / "adapter_model.safetensors") for one in (run, whole)]
    assert all((mine[name] == theirs[name]).all() for name in theirs)
    assert [answer.said for answer in run.answers("sums")] == [answer.said for answer in whole.answers("sums")]
    assert not [path for path in run.folder.rglob("*") if path.name.endswith(".tmp")]


def at_step(monkeypatch, number, happens):
    """Something happens after a step was logged."""
    shown = Reporter.step

    def step(self, shown_step, steps, memory):
        shown(self, shown_step, steps, memory)
        if shown_step.step == number:
            happens()

    monkeypatch.setattr(Reporter, "step", step)


def fill(folder, leave=0):
    """Take all room of a file system but so many bytes."""
    with (folder / "ballast").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
        file.truncate(max(0, file.tell() - leave))


@pytest.mark.parametrize(("number", "leave"), [(1, 0), (2, 0), (4, 12_288), (4, 40_960), (6, 0)])
def test_a_full_disk_stops_a_run_with_its_last_checkpoint_whole(small, here, monkeypatch, number, leave):
    run, whole = Run(small / "run"), Run(here / "whole")
    with monkeypatch.context() as filling, pytest.raises(DiskError) as told:
        at_step(filling, number, lambda: fill(small, leave))
        verbs.train(RECIPE, into=run.folder, quiet=True)
    assert "run` is full" in told.value.problem and "are free" in told.value.problem
    found = checkpoints(run.folder / "state")
    assert [folder.name for folder in found] == [f"step-{step:06d}" for step in range(2 * ((number - 1) // 2), 0, -2)][:2]
    for folder in found:
        manifest.check(folder, alone=True)
    assert run.writer() is None
    (small / "ballast").unlink()
    same(verbs.train(RECIPE, into=run.folder, quiet=True), whole)


@contextmanager
def longest_file(length):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (length(), before[1]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_log_that_is_cut_in_mid_line_is_mended(tmp_path, here, monkeypatch):
    """The limit lets half of a line through, as a disk does whose last block is full."""
    run, log = Run(tmp_path / "run"), tmp_path / "run" / "steps.jsonl"
    with longest_file(lambda: log.stat().st_size + 20) as limited, monkeypatch.context() as broken:
        at_step(broken, 5, limited)
        with pytest.raises(DiskError, match=r"a file in .*run` grew past what this process or its disk allows"):
            verbs.train(RECIPE, into=run.folder, quiet=True)
    lines = log.read_bytes().split(b"\n")
    assert len(lines) == 6 and len(lines[-1]) == 20, "the sixth line is cut"
    assert [step["step"] for step in run.steps()] == [1, 2, 3, 4, 5]
    same(verbs.train(RECIPE, into=run.folder, quiet=True), Run(here / "whole"))


def test_a_checkpoint_that_is_too_long_for_a_limit_leaves_the_one_before(tmp_path, here, monkeypatch):
    run = Run(tmp_path / "run")
    with longest_file(lambda: 3000) as limited, monkeypatch.context() as broken:
        at_step(broken, 3, limited)
        with pytest.raises(DiskError, match=r"(?s)[0-9.]+ kB were to be written; whole in .*`step-000002`.*ulimit -f"):
            verbs.train(RECIPE, into=run.folder, quiet=True)
    same(verbs.train(RECIPE, into=run.folder, quiet=True), Run(here / "whole"))


def test_a_full_disk_while_answering(small, here, monkeypatch):
    run = Run(small / "run")
    count = Reporter.count

    def counting(self, *given):
        count(self, *given)
        fill(small)

    with monkeypatch.context() as filling, pytest.raises(DiskError, match="is full"):
        filling.setattr(Reporter, "count", counting)
        verbs.train(RECIPE, into=run.folder, quiet=True)
    assert not run.world().get("ended")
    (small / "ballast").unlink()
    same(verbs.train(RECIPE, into=run.folder, quiet=True), Run(here / "whole"))


def test_too_little_room_is_told_before_the_first_step(small, here):
    fill(small, leave=60_000)
    tree = {**RECIPE, "plan": {**RECIPE["plan"], "checkpoints": {"last": 3}}}
    with pytest.raises(UserError, match=r"has [0-9.]+ kB free, and the run is estimated to need [0-9.]+ kB") as told:
        verbs.train(tree, into=small / "run", quiet=True)
    assert "3 checkpoints of" in told.value.problem and "--into" in told.value.hint
    assert not (small / "run" / "steps.jsonl").exists()


def test_the_estimate_is_near_what_is_written(tmp_path, here, monkeypatch):
    """Of a checkpoint to a tenth, and of the whole run never too little."""
    from tunesmith.training import space

    told, seen, written = [], [], []
    needed = space.needed

    def noted(*given):
        told.append(needed(*given))
        return told[0]

    folder = tmp_path / "run"
    monkeypatch.setattr("tunesmith.training.learning.needed", noted)
    for number in (5, 7, 8):
        at_step(monkeypatch, number, lambda: seen.append(sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())))
    at_step(monkeypatch, 5, lambda: written.extend(_bytes(one) for one in checkpoints(folder / "state")))
    run = verbs.train({**RECIPE, "method": {"kind": "lora", "rank": 64}}, into=folder, quiet=True)
    assert run.world()["ended"]
    [found] = told
    assert found.weights + found.moments == pytest.approx(written[0], rel=0.1) and found.checkpoints == 3
    assert max(seen) <= found.total


def _bytes(folder):
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def test_a_folder_that_vanishes_is_told_and_not_made_again(tmp_path, here, monkeypatch):
    run = Run(tmp_path / "run")
    with monkeypatch.context() as taking, pytest.raises(DiskError, match="run` is gone: it was removed or renamed") as told:
        at_step(taking, 5, lambda: run.folder.rename(tmp_path / "elsewhere"))
        verbs.train(RECIPE, into=run.folder, quiet=True)
    assert "put it back under its name" in told.value.hint and not run.folder.exists()
    (tmp_path / "elsewhere").rename(run.folder)
    same(verbs.train(RECIPE, into=run.folder, quiet=True), Run(here / "whole"))


def test_a_read_only_disk(small, here):
    verbs.train({**RECIPE, "plan": {**RECIPE["plan"], "stop_after": 0.5}}, into=small / "run", quiet=True)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mount(None, str(small).encode(), None, 32 | 1, None) == 0  # MS_REMOUNT | MS_RDONLY
    with pytest.raises(DiskError, match=r"run/.writing` cannot be written: its disk is read-only"):
        verbs.train(RECIPE, into=small / "run", quiet=True)
    with pytest.raises(DiskError, match=r"other` cannot be written: its disk is read-only"):
        verbs.train(RECIPE, into=small / "other", quiet=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes somebody else for a moment, which only root may")
def test_permission_denied(tmp_path):
    folder = tmp_path / "run"
    Run(folder).keep_world(a=1)
    for path in (tmp_path, *tmp_path.parents[:4]):
        path.chmod(0o755)
    os.seteuid(65534)
    try:
        with (
            pytest.raises(DiskError, match=r"run/.writing` cannot be written: permission denied") as told,
            Run(folder).writing(),
        ):
            pass
        with pytest.raises(DiskError, match="new` cannot be written: permission denied"), Run(tmp_path / "new").writing():
            pass
    finally:
        os.seteuid(0)
    assert "ls -ld" in told.value.hint


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}


def command(*words):
    return [sys.executable, "-m", "tunesmith", *map(str, words)]


def test_two_processes_cannot_use_one_folder(tmp_path, here):
    """While one process writes, training and evaluating there are refused to another; a kill leaves the folder free."""
    recipe = here / "recipe.json"
    recipe.write_text(json.dumps({**RECIPE, "plan": {**RECIPE["plan"], "steps": 400}}))
    run = tmp_path / "run"
    first = subprocess.Popen(command("train", recipe, "--into", run), cwd=here, env=ENVIRONMENT, stderr=subprocess.DEVNULL)
    try:
        for _ in range(1200):
            if (run / "steps.jsonl").is_file():
                break
            assert first.poll() is None
            time.sleep(0.05)
        with pytest.raises(UserError, match=f"process {first.pid} writes into `{run}`"):
            verbs.train(recipe, into=run, quiet=True)
        with pytest.raises(UserError, match=f"process {first.pid} writes into"):
            verbs.evaluate("model", ["sums.jsonl"], into=run, quiet=True)
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert (run / ".writing").is_file() and Run(run).writer() is None, "a lock goes with its process"
        with Run(run).writing():
            assert (run / ".writing").read_text() == str(os.getpid())
    finally:
        first.kill()
        first.wait()


def test_two_comparisons_cannot_use_one_folder(tmp_path, here):
    folder = tmp_path / "compared"
    other = "import sys, time\nfrom pathlib import Path\nfrom tunesmith.run import Run\n"
    other += "with Run(Path(sys.argv[1])).holding():\n    print('held', flush=True)\n    time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", other, str(folder)], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    try:
        assert holder.stdout.readline() == "held\n"
        tree = {key: value for key, value in RECIPE.items() if key not in ("name", "method")}
        tree |= {"systems": {"lora": {"method": {"kind": "lora", "rank": 2}}}}
        with pytest.raises(UserError, match=f"process {holder.pid} writes into"):
            verbs.compare(tree, into=folder)
    finally:
        holder.kill()
        holder.wait()
    with Run(folder).holding():
        assert (folder / ".writing").read_text() == str(os.getpid())
    assert not (folder / ".writing").exists()


def test_whoever_waited_for_a_lock_that_was_taken_away_takes_the_new_one(tmp_path, monkeypatch):
    """Between another's opening and locking, the holder may end and remove the file: the lock of that file holds nobody out."""
    from tunesmith import run as module

    record, locked, calls = Run(tmp_path), module.locked, []

    def late(file):
        if not calls:
            calls.append(1)
            (tmp_path / module.LOCK).unlink()
        return locked(file)

    with monkeypatch.context() as racing:
        racing.setattr(module, "locked", late)
        holding = record.holding()
        holding.__enter__()
    try:
        with pytest.raises(UserError, match=f"process {os.getpid()} writes into"), record.holding():
            pass
    finally:
        holding.__exit__(None, None, None)


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "adapter_config.json"])
def test_an_adapter_that_is_not_as_it_was_saved_is_refused(tmp_path, here, name):
    run = tmp_path / "run"
    shutil.copytree(here / "whole", run)
    file = run / "adapter" / name
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(file.read_bytes().replace(b'mode": true', b'mode": null') if name.endswith(".json") else data)
    with pytest.raises(UserError, match=f"{name}` has other bytes than were written") as told:
        verbs.evaluate(str(run), ["sums.jsonl"], into=tmp_path / "judged", quiet=True)
    assert "on purpose, remove" in told.value.hint and "manifest.json" in told.value.hint
    file.unlink()
    with pytest.raises(UserError, match=r"missing|neither a network"):
        verbs.evaluate(str(run), ["sums.jsonl"], into=tmp_path / "again", quiet=True)


def test_a_folder_without_a_list_is_read_as_ever(tmp_path, here):
    run = tmp_path / "run"
    shutil.copytree(here / "whole", run)
    (run / "adapter" / "manifest.json").unlink()
    judged = verbs.evaluate(str(run), ["sums.jsonl"], into=tmp_path / "judged", overrides=["limit.test=6"], quiet=True)
    assert judged.scores()["sums"]


def test_bytes_for_people():
    assert [size(count) for count in (0, 999, 1000, 2_500_000, 7.5e12)] == [
        "0 bytes",
        "999 bytes",
        "1.0 kB",
        "2.5 MB",
        "7500.0 GB",
    ]
