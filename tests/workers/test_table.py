"""How far runs are that are made side by side."""

import io
import time

from rich.console import Console

from tests.workers.here import Done
from tunesmith.methods.lora import LoRA
from tunesmith.recipe import Recipe
from tunesmith.run import Run
from tunesmith.training.plan import Plan
from tunesmith.workers.job import Job, last_step
from tunesmith.workers.table import line, now_and_then, table, watching


def job(folder, name, steps=8, **changed):
    return Job(Recipe(name=name, plan=Plan(steps=steps), **changed), Run(folder / name))


def running(tmp_path):
    jobs = [job(tmp_path, "lora", method=LoRA(rank=2)), job(tmp_path, "base", method="none"), job(tmp_path, "late", steps=None)]
    jobs[0].run.folder.mkdir(exist_ok=True)
    for step in (1, 2):
        jobs[0].run.log({"step": step, "loss": 1 / step, "tokens": 300, "seconds": 0.5})
    with (jobs[0].run.folder / "steps.jsonl").open("a") as file:
        file.write('{"step": 3, "lo')  # half written
    return {Done(None): one for one in jobs}


def test_a_row_a_run(tmp_path):
    found = running(tmp_path)
    console = Console(file=io.StringIO(), width=80)
    console.print(table(found))
    rows = [row.split() for row in console.file.getvalue().splitlines()]
    assert rows == [
        ["run", "where", "step", "loss", "tokens/s"],
        ["lora", "here", "2/8", "0.500", "600"],
        ["base", "here", "answering"],
        ["late", "here", "step", "0"],
    ]
    assert line(found) == "lora 2/8, base answering, late step 0"
    assert last_step(Run(tmp_path / "nowhere")) == {}


def test_in_a_pipe_nothing_is_said_before_half_a_minute_and_alone_nothing_at_all(tmp_path, capsys):
    said = []
    for apart in (True, False):
        with watching(running(tmp_path), apart, said.append) as shown:
            shown()
            shown()
    assert said == [] and capsys.readouterr().err == ""
    told = []
    tell = now_and_then(0.05, lambda: told.append(1), first=0.05)
    tell()
    assert told == []
    time.sleep(0.06)
    tell()
    tell()
    assert told == [1]
