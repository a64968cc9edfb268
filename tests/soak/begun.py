"""A process that has read all libraries once, and becomes a command whenever it is told: seconds less a life.

Reads a line of JSON for each command: {"command", "folder", "environment", "output"}; forks, and writes the number of the new
process, then, when that has ended, its status as `subprocess` counts it. The new process has a session of its own.
"""

import importlib
import json
import os
import sys
import traceback
from pathlib import Path

HEAVY = (
    "tunesmith.cli",
    "tunesmith.stages",
    "tunesmith.studies.study",
    "tunesmith.comparison.report",
    "transformers.models.t5",
)
HEAVY += (
    "transformers.models.llama.modeling_llama",
    "transformers.models.t5.modeling_t5",
    "transformers.models.bert.modeling_bert",
)


def main() -> None:
    for name in HEAVY:
        importlib.import_module(name)
    print("ready", flush=True)
    for line in sys.stdin:
        told = json.loads(line)
        process = os.fork()
        if process == 0:
            become(told)
        print(process, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)


def become(told: dict[str, object]) -> None:
    """Run the command in this very process, which ends with it."""
    status = 1
    try:
        os.setsid()
        os.environ.update(told["environment"])
        os.chdir(told["folder"])
        output, nothing = os.open(told["output"], os.O_WRONLY | os.O_TRUNC | os.O_CREAT), os.open(os.devnull, os.O_RDONLY)
        for number, stream in ((0, nothing), (1, output), (2, output)):
            os.dup2(stream, number)
        sys.path.insert(0, str(Path(__file__).parent / "hook"))
        importlib.import_module("moments").begin()
        from tunesmith.cli import main as command

        sys.argv = ["tunesmith", *told["command"]]
        command(told["command"])
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
