"""Told to stop: what is heard when, by us and by the processes that we began; none of them stays behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tunesmith.interruption import TerminatedError, error_of, patient, status_of, stoppable


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted_and_the_second_obeyed(number):
    before = signal.getsignal(number)
    with patient() as interrupted:
        assert not interrupted()
        os.kill(os.getpid(), number)
        assert interrupted()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_handlers_are_put_back_after_an_error():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), patient():
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) is before


def test_in_another_thread_nothing_is_taken():
    seen = []

    def work():
        with patient() as interrupted:
            seen.append(interrupted())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]


@pytest.mark.parametrize(
    ("number", "status", "kind"), [(signal.SIGINT, 130, KeyboardInterrupt), (signal.SIGTERM, 143, TerminatedError)]
)
def test_a_signal_is_an_error_with_its_exit_status(number, status, kind):
    assert type(error_of(number)) is type(error_of(status)) is kind
    assert status_of(error_of(number)) == status
    with stoppable(), pytest.raises(KeyboardInterrupt) as stop:
        os.kill(os.getpid(), number)
        time.sleep(1)
    assert type(stop.value) is kind


def test_the_first_of_two_signals_counts():
    with pytest.raises(KeyboardInterrupt), patient() as interrupted:
        assert isinstance(interrupted.error, KeyboardInterrupt)
        os.kill(os.getpid(), signal.SIGTERM)
        assert isinstance(interrupted.error, TerminatedError)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
    assert isinstance(interrupted.error, TerminatedError)


ORPHAN = """
import os, sys, time
from tunesmith.interruption import Child, end_with_parent
if len(sys.argv) == 1:
    child = Child([sys.executable, sys.argv[0], "child"])
    print(child.pid, flush=True)
    time.sleep(60)
end_with_parent()
assert "TUNESMITH_PARENT" not in os.environ
try:
    with __import__("tunesmith").interruption.stoppable():
        print("begun", flush=True)
        time.sleep(60)
except KeyboardInterrupt as stop:
    print("saved", flush=True)
"""


def test_a_process_ends_without_the_one_that_began_it(tmp_path):
    """Killed, a parent can tell nobody anything."""
    (tmp_path / "orphan.py").write_text(ORPHAN)
    command = [sys.executable, str(tmp_path / "orphan.py")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(Path.cwd())}
    ) as parent:
        said = [parent.stdout.readline().strip() for _ in range(2)]
        parent.kill()
        assert said[1] == "begun"
        assert parent.stdout.read().split() == ["saved"]


FORKED = """
import os, time
from tunesmith.interruption import die_with_parent
parent, child = os.getpid(), os.fork()
if child == 0:
    die_with_parent(parent)
    print("begun", flush=True)
    time.sleep(60)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_a_forked_process_dies_with_its_parent():
    command = [sys.executable, "-c", FORKED]
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout.readline() == "begun\n"
        parent.kill()
        assert parent.stdout.read() == "", "the pipe is closed when the last process that has it ends"
