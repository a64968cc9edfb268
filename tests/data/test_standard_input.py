"""Rows on standard input: what they are is told by how they begin; they serve several processes; a run can be gone on with."""

import gzip
import io
import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pyarrow as arrow
import pytest
from pyarrow import parquet

from tests.tiny import tiny_model
from tunesmith import answering, verbs
from tunesmith.data import standard_input
from tunesmith.data.formats import read
from tunesmith.errors import UserError
from tunesmith.tasks.own import own_task, told

ROWS = [{"question": f"What is {n}, and why?", "answer": f"It is {n}."} for n in range(30)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)


def packed(write) -> bytes:
    buffer = io.BytesIO()
    write(arrow.Table.from_pylist(ROWS), buffer)
    return buffer.getvalue()


def streamed(table, buffer):
    with arrow.ipc.new_stream(buffer, table.schema) as writer:
        writer.write_table(table)


def indexed(table, buffer):
    with arrow.ipc.new_file(buffer, table.schema) as writer:
        writer.write_table(table)


TABLE = "question\tanswer\n" + "".join(f"{row['question']}\t{row['answer']}\n" for row in ROWS)
CELLS = "question;answer\n" + "".join(f"{row['question']};{row['answer']}\n" for row in ROWS)
LAYOUTS = {
    "jsonl": LINES.encode(),
    "jsonl.gz": gzip.compress(LINES.encode()),
    "json": json.dumps(ROWS, indent=1).encode(),
    "json ": json.dumps({"data": ROWS}).encode(),
    "tsv": TABLE.encode(),
    "csv": CELLS.encode(),
    "csv ": b"question,answer\n" + b"".join(f'"{r["question"]}",{r["answer"]}\n'.encode() for r in ROWS),
    "parquet": packed(parquet.write_table),
    "arrow": packed(indexed),
    "arrow ": packed(streamed),
}


@pytest.fixture
def piped(monkeypatch):
    """Puts bytes on standard input, as a new process would find them."""
    monkeypatch.setenv(standard_input.KEPT, "")

    def put(content: bytes):
        monkeypatch.setenv(standard_input.KEPT, "")
        stdin = SimpleNamespace(buffer=io.BytesIO(content), closed=False, isatty=lambda: False)
        monkeypatch.setattr(sys, "stdin", stdin)

    return put


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_told_by_how_it_begins(layout, piped):
    piped(LAYOUTS[layout])
    path = standard_input.kept()
    assert path.name == f"rows.{layout.strip()}"
    assert list(read(path)) == ROWS
    assert standard_input.kept() == path  # read once


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        ("Once there was, in a town,\na baker, who slept.\n", "txt"),
        ("One line, and no more", "txt"),
        ("a,b\n", "txt"),
        ('{"messages": [{"role": "user", "content": "x"}]}', "jsonl"),
        ('{"Definition": "d", "Instances": [{"input": "i", "output": ["o"]}]}', "json"),
        ('[\n {"a": 1}\n]', "json"),
        ("name,number\nx,1\ny,2\n", "csv"),
        ("3,4\n5,6\n", "txt"),
    ],
)
def test_what_is_no_table_is_text(text, layout, tmp_path):
    path = tmp_path / "whole"
    path.write_text(text)
    assert standard_input.sniffed(path) == layout


def test_a_setting_says_otherwise_and_what_was_read_is_said(piped):
    piped(LAYOUTS["csv"])
    task = own_task("-", layout="txt", cut_text="line")
    assert {example.target for example in task.examples("train")} <= set(CELLS.splitlines())
    piped(LAYOUTS["jsonl"])
    task = own_task("-")
    assert told([task])["stdin"].startswith("stdin (standard input, read as JSON lines): question and answer (columns")


def test_nothing_and_faults_are_told(piped, monkeypatch):
    piped(b"")
    with pytest.raises(UserError, match="it is empty") as caught:
        own_task("-")
    assert "when the same rows are piped in again" in caught.value.hint
    piped(LINES.encode()[:-5])
    with pytest.raises(UserError, match=r"standard input line 30, column .* is not JSON"):
        own_task("-")
    monkeypatch.setenv(standard_input.KEPT, "")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(closed=False, isatty=lambda: True))
    with pytest.raises(UserError, match="nothing is piped in"):
        own_task("-")


def test_a_run_goes_on_with_the_same_rows_alone(piped, tmp_path):
    tree = {
        "name": "piped",
        "model": {"path": str(tiny_model(tmp_path / "t5")), "attention": "eager"},
        "tasks": {"-": 1.0},
        "method": {"kind": "lora", "rank": 1},
        "plan": {"steps": 4, "examples": 4, "save_every": 2},
        "forgetting": "none",
        "limit": {"test": 2, "validation": 2},
    }
    folder = tmp_path / "run"
    piped(LAYOUTS["csv"])
    verbs.train(tree, into=folder, overrides=["plan.stop_after=0.5"], quiet=True)
    piped(LAYOUTS["csv"].replace(b"why", b"who"))
    with pytest.raises(UserError, match="the rows of task `stdin` have changed") as caught:
        verbs.train(tree, into=folder, quiet=True)
    assert "pipe the same rows in again" in caught.value.hint
    piped(LAYOUTS["csv"])
    run = verbs.train(tree, into=folder, quiet=True)
    assert len(run.steps()) == 4
    assert run.world()["shapes"]["stdin"]["shape"] == "question and answer"
    piped(b"")  # the rows are gone: how they were put is kept
    questions = tmp_path / "q.jsonl"
    questions.write_text('{"question": "What is 1, and why?"}\n')
    made = answering.predict(str(folder), questions, overrides=["tokens=2"])
    assert "answer" in json.loads(made.read_text())


def test_a_command_reads_them_and_leaves_nothing_behind(tmp_path):
    command = [sys.executable, "-m", "tunesmith", "show", "--data", "-", "--model", "town/llama", "--examples", "1"]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "COLUMNS": "120"}
    environment.pop(standard_input.KEPT, None)
    done = subprocess.run(command, input=LAYOUTS["jsonl.gz"], env=environment, capture_output=True, check=True)
    assert b"stdin (standard input, read as JSON lines): question and answer" in done.stderr
    assert "⟦It is 0.</s>⟧" in done.stdout.decode()
    assert not list(tmp_path.iterdir())
