"""Runs side by side: real processes, real signals."""

import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.tiny import rows, tiny_model
from tests.workers.here import made_here
from tunesmith import settings, sweep, verbs
from tunesmith.errors import UserError
from tunesmith.interruption import TerminatedError
from tunesmith.recipe import Recipe
from tunesmith.run import Run
from tunesmith.workers.job import Job, end_of, why
from tunesmith.workers.pool import RETRIES, Outcomes, Pool, died
from tunesmith.workers.processes import Process, Processes

TREE = {
    "name": "two",
    "model": {"path": "model"},
    "tasks": {"sums.jsonl": 1.0},
    "forgetting": "none",
    "plan": {"steps": 6, "examples": 4, "learning_rate": 1e-2, "save_every": 2, "validate_every": 2},
    "ask": {"tokens": 4},
    "limit": {"test": 3, "validation": 4},
    "baseline": "base",
    "systems": {
        "base": {"method": "none"},
        "lora": {"method": {"kind": "lora", "rank": 2, "dropout": 0.1}},
    },
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    tiny_model(folder / "model")
    rows(folder / "sums.jsonl")
    return folder


@pytest.fixture
def here(home, monkeypatch):
    monkeypatch.chdir(home)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # the processes read this checkout too
    return home


@dataclass
class Scripts:
    """A place where each job is a script of Python."""

    parallel: int
    scripts: dict[str, list[str]]
    logs: Path
    apart: bool = True
    begun: list[str] = field(default_factory=list)

    def begin(self, job, slot):
        self.begun.append(job.name)
        script = self.scripts[job.name].pop(0)
        self.logs.mkdir(exist_ok=True)
        with (self.logs / f"{job.name}.log").open("ab") as output:
            return Process("here", [sys.executable, "-c", script], {}, output)


def job(name, folder):
    return Job(Recipe(name=name), Run(folder / name))


STUBBORN = """
import signal, sys, time
heard = []
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, frame: heard.append(number))
print("begun", flush=True)
while len(heard) < TIMES:
    time.sleep(0.01)
print(*map(int, heard), flush=True)
sys.exit(128 + heard[0])
"""
KILLED = "import os; print('begun', flush=True); os.kill(os.getpid(), 9)"


@pytest.mark.parametrize(
    ("numbers", "kind"),
    [((2,), KeyboardInterrupt), ((15,), TerminatedError), ((15, 2), TerminatedError)],
    ids=["Ctrl-C", "SIGTERM", "twice"],
)
def test_signals_reach_every_run_once_and_no_more_begin(tmp_path, numbers, kind):
    place = Scripts(2, {name: [STUBBORN.replace("TIMES", str(len(numbers)))] for name in "abcd"}, tmp_path)

    def press():
        while not all((tmp_path / f"{one}.log").is_file() and (tmp_path / f"{one}.log").read_text() for one in "ab"):
            time.sleep(0.02)
        for number in numbers:
            os.kill(os.getpid(), number)
            time.sleep(0.2)

    pressing = threading.Thread(target=press)
    pressing.start()
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt) as stop:
        Pool(place, tmp_path).make(iter([job(name, tmp_path) for name in "abcd"]), lambda job, status: None)
    pressing.join()
    assert type(stop.value) is kind
    assert place.begun == ["a", "b"]
    assert [(tmp_path / f"{one}.log").read_text().split() for one in "ab"] == [["begun", *map(str, numbers)]] * 2
    assert signal.getsignal(signal.SIGINT) == before


def test_a_run_that_was_killed_is_begun_again_and_one_that_always_is_fails_alone(tmp_path):
    told = []
    place = Scripts(2, {"a": [KILLED, "print('ended')"], "b": [KILLED] * (RETRIES + 1), "c": [""]}, tmp_path)
    pool = Pool(place, tmp_path, told.append)
    outcomes = Outcomes(pool, told.append)
    pool.make(iter([job(name, tmp_path) for name in "abc"]), outcomes)
    assert sorted(place.begun) == sorted(["a", "a", *["b"] * (RETRIES + 1), "c"])
    assert set(outcomes.failed) == {"b"} and "killed by SIGKILL" in outcomes.failed["b"]
    assert (tmp_path / "a.log").read_text().split() == ["begun", "ended"], "what it said before is kept"
    assert any(line.startswith("a: killed by SIGKILL") and "last checkpoint" in line for line in told)
    assert any(line.startswith("b failed: ") for line in told) and any(line.startswith("c ended") for line in told)


def test_a_failed_run_is_told_with_the_end_of_its_log(tmp_path):
    told = []
    script = (
        "print('learning'); print('error: the rows are gone'); print(); print('hint: bring them back'); raise SystemExit(1)"
    )
    place = Scripts(2, {"a": [script], "b": [""]}, tmp_path)
    pool = Pool(place, tmp_path, told.append)
    outcomes = Outcomes(pool, told.append)
    pool.make(iter([job("a", tmp_path), job("b", tmp_path)]), outcomes)
    assert outcomes.failed == {"a": "the rows are gone"}
    [ended] = [line for line in told if line.startswith("the end of")]
    assert ended.splitlines()[1:] == ["    error: the rows are gone", "    hint: bring them back"]
    assert why(tmp_path / "nowhere.log") == "" and end_of(tmp_path / "nowhere.log") == []
    assert died(3) == "exit status 3"


def test_the_hint_of_a_run_that_spoke_to_the_terminal_stands_apart_from_its_problem(tmp_path):
    place = Scripts(1, {"a": ["raise SystemExit(1)"]}, tmp_path)
    pool = Pool(place, tmp_path)
    one = job("a", tmp_path)
    with pytest.raises(UserError), one.run.failing():
        one.run.keep_world()
        raise UserError("no such model comes along", "did you mean `town/llama`?")
    outcomes = Outcomes(pool, lambda text: None)
    (tmp_path / "a.log").unlink(missing_ok=True)
    outcomes(one, 1)
    assert outcomes.failed == {"a": "no such model comes along; did you mean `town/llama`?"}


@pytest.mark.parametrize(("status", "kind"), [(130, KeyboardInterrupt), (143, TerminatedError)])
def test_a_run_that_stopped_itself_lets_no_other_begin(tmp_path, status, kind):
    place = Scripts(1, {"a": [f"raise SystemExit({status})"], "b": [""]}, tmp_path)
    with pytest.raises(kind):
        Pool(place, tmp_path).make(iter([job("a", tmp_path), job("b", tmp_path)]), lambda job, status: None)
    assert place.begun == ["a"]


def comparable(run):
    """What a run found, without what it took."""

    def without(record):
        return {name: value for name, value in record.items() if "seconds" not in name}

    weights = {path.name: path.read_bytes() for path in run.folder.glob("adapter/*.safetensors")}
    answers = [[(a.example, a.said, a.scores, a.logprob, a.stats) for a in run.answers(task)] for task in run.answered()]
    return run.scores(), answers, [*map(without, run.steps())], [*map(without, run.validations())], weights


def test_two_at_a_time_find_what_one_at_a_time_finds_bit_for_bit(here, tmp_path, monkeypatch):
    """The law of runs side by side: two real processes at a time, held against runs of this process, one after another."""
    with monkeypatch.context() as patched:
        made_here(patched, lambda job: None)
        one = verbs.compare(TREE, into=tmp_path / "one")
    two = verbs.compare(TREE, into=tmp_path / "two", parallel=2)
    assert [system.name for system in two.comparison.systems] == [*TREE["systems"]]
    assert repr((two.comparison.differences, two.comparison.scores)) == repr(
        (one.comparison.differences, one.comparison.scores)
    )
    for name in TREE["systems"]:
        runs = [Run(tmp_path / folder / "runs" / name) for folder in ("one", "two")]
        assert comparable(runs[0]) == comparable(runs[1])
        assert [run.world()["beside"] for run in runs] == [1, 2]
        assert [run.world()["latency_beside"] for run in runs] == [1, 1 if name != "base" else 2], "timed again, alone"
    assert "made up to 2 at a time" in (tmp_path / "two" / "report.md").read_text(encoding="utf-8")
    assert "at a time" not in (tmp_path / "one" / "report.md").read_text(encoding="utf-8")


def test_a_run_whose_process_is_killed_goes_on_from_its_checkpoint(here, tmp_path, monkeypatch):
    """SIGKILL in the middle of learning: the pool begins it again, and it ends as the one that nobody killed."""
    tree = {name: value for name, value in TREE.items() if name not in ("systems", "baseline")}
    tree = {**tree, "plan": {**TREE["plan"], "steps": 60}}
    recipe = settings.build(Recipe, {**tree, "name": "lora"})
    whole = verbs.train({**tree, "name": "lora"}, into=tmp_path / "whole", quiet=True)
    own, told, killed = Job(recipe, Run(tmp_path / "runs" / "lora")), [], []
    pool = Pool(Processes(2, tmp_path / "logs"), tmp_path / "logs", told.append)

    def kill():
        while not list((own.run.folder / "state").glob("step-*")):
            time.sleep(0.005)
        [worker] = pool.running
        killed.append(worker.pid)
        worker.kill()

    killing = threading.Thread(target=kill)
    killing.start()
    outcomes = Outcomes(pool, told.append)
    pool.make(iter([own]), outcomes)
    killing.join()
    assert killed and any("killed by SIGKILL" in line for line in told) and not outcomes.failed
    assert "going on from step" in (tmp_path / "logs" / "lora.log").read_text()
    assert comparable(own.run) == comparable(whole)


def test_latency_is_measured_again_only_where_it_was_measured_beside_others(here, tmp_path, monkeypatch):
    tree = {name: value for name, value in TREE.items() if name not in ("systems", "baseline")}
    monkeypatch.setenv("TUNESMITH_BESIDE", "3")
    run = verbs.train({**tree, "name": "lora"}, into=tmp_path / "run", quiet=True)
    before = run.world()
    assert (before["beside"], before["latency_beside"]) == (3, 3) and before["latency"]
    verbs.train({**tree, "name": "lora"}, into=tmp_path / "run", quiet=True)
    assert run.world() == before, "it is not alone yet"
    monkeypatch.delenv("TUNESMITH_BESIDE")
    verbs.train({**tree, "name": "lora"}, into=tmp_path / "run", quiet=True)
    after = run.world()
    assert (after["beside"], after["latency_beside"]) == (3, 1) and after["latency"].keys() == before["latency"].keys()
    assert sweep.timed_beside(run) is False
