"""What is tried with each input, and how many of them there are. `make fuzz` tries many; the tests a few, always the same.

python -m tests.bad_input.fuzzing --seconds 600        inputs tried, a line a room; a failure is written down whole
"""

import argparse
import json
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, settings

from tests.bad_input.mutations import ODD_ROWS, mutants, wordings
from tunesmith.data.sources import source_of
from tunesmith.data.template import Template
from tunesmith.errors import UserError
from tunesmith.tasks.own import own_task

ROW = {"prompt": "ask me", "completion": "say it", "tags": ["x", "y"], "n": 3}
LONGEST = 20  # seconds of processor time that any one input may take
QUIET = settings(database=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
tried: Counter[str] = Counter()
refused: Counter[str] = Counter()


def bounded(room: str, call: Callable[[], Any]) -> UserError | None:
    """Run it; the error for a person, if it is one. Any other error, and too long a time, is a fault of ours."""
    tried[room] += 1
    began = time.process_time()
    try:
        call()
    except UserError as error:
        refused[room] += 1
        assert error.problem.strip()
        return error
    finally:
        assert time.process_time() - began < LONGEST
    return None


def read_file(suffix: str, content: bytes) -> None:
    """A file gives rows, or an error that names it; with bad rows left out too; and what it gives can be put in words."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"rows.{suffix}"
        path.write_bytes(content)

        def look(**how: Any) -> None:
            task = own_task(str(path), **how)
            for split in task.source.splits():
                for example in task.sequence(split):
                    json.dumps([example.target, [one.content for one in example.messages]], ensure_ascii=False).encode()

        for how in ({}, {"bad_rows": {"do": "skip", "share": 0.9}}, {"template": "{{prompt}} ||| {{completion}}"}):
            error = bounded("files", lambda how=how: look(**how))
            assert error is None or path.name in error.problem, error
        bounded("files", lambda: list(source_of(str(path)).placed()))


def put_row(wording: str) -> None:
    """A template puts a row, or says what is wrong, in bounds of time and memory."""
    for row in (ROW, {**ROW, "tags": None, "n": "3", "prompt": ""}):
        bounded("templates", lambda row=row: Template("t", wording).apply(row))
    bounded("templates", lambda: Template("t", wording, choices=wording, references=wording[:30]).ask(ROW))


def put_odd(rows: list[dict[str, Any]]) -> None:
    """Rows of any types under known names."""
    read_file("jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=600)
    until = time.monotonic() + parser.parse_args().seconds
    many = settings(QUIET, derandomize=False, max_examples=200, verbosity=Verbosity.normal)
    rooms = (
        many(given(mutants())(lambda mutant: read_file(*mutant))),
        many(given(ODD_ROWS)(put_odd)),
        many(given(wordings())(put_row)),
    )
    known: set[str] = set()
    while time.monotonic() < until:
        for room in rooms:
            try:
                room()
            except Exception as error:
                last = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{type(error).__name__} at {last.filename}:{last.lineno}"
                if where not in known:
                    known.add(where)
                    print(f"{where}\n{traceback.format_exc()[-3000:]}", flush=True)
        print({name: f"{count:,} tried, {refused[name]:,} refused" for name, count in tried.items()}, flush=True)
    sys.exit(bool(known))


if __name__ == "__main__":
    main()
