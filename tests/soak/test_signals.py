"""Ctrl-C and SIGTERM: the step is finished and saved, the very command that goes on is said, and nothing stays behind."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.soak.killing import Victim
from tests.soak.scenarios import LORA, SYSTEMS, Scenario, several, training
from tunesmith.run import Run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found again by /proc")
LONG = {"steps": 2000, "save_every": 2000, "validate_every": 2000}
NUMBERS = {signal.SIGINT: 130, signal.SIGTERM: 143}


def given(scenario: Scenario, folder, begun) -> Victim:
    return Victim(scenario.command, folder, environment=scenario.lay(folder), begun=begun)


def sending(file, lines, *numbers):
    """Sends signals once a file has so many lines."""

    def watch(process):
        while not file.is_file() or file.read_bytes().count(b"\n") < lines:
            time.sleep(0.02)
        for number in numbers:
            os.kill(process, number)

    return watch


@pytest.mark.parametrize("number", NUMBERS)
def test_a_run_saves_after_its_step_and_says_how_it_goes_on(begun, tmp_path, number):
    victim = given(training("llama", LORA, plan=LONG), tmp_path, begun)
    life = victim.live(watch=sending(tmp_path / "out/run/steps.jsonl", 2, number))
    assert (life.status, life.behind) == (NUMBERS[number], ())
    steps = len(Run(tmp_path / "out/run").steps())
    assert (tmp_path / f"out/run/state/step-{steps:06d}").is_dir()
    assert f"stopped after step {steps} of 2000" in life.said
    told = "the same command goes on where it stopped:\n  tunesmith train recipe.yaml --into out/run\n"
    assert life.said.endswith(told) and "Traceback" not in life.said


def test_two_signals_stop_at_once(begun, tmp_path):
    victim = given(training("llama", LORA, plan=LONG), tmp_path, begun)
    life = victim.live(watch=sending(tmp_path / "out/run/steps.jsonl", 2, signal.SIGTERM, signal.SIGINT))
    assert life.status in NUMBERS.values() and life.behind == ()
    assert not list((tmp_path / "out/run/state").glob("step-*")), "it did not wait for the step's end"


def test_a_comparison_stops_with_its_process(begun, tmp_path):
    """SIGTERM, which no terminal passes on; and the comparison is where it was when it goes on."""
    victim = given(several(("compare",), systems={"lora": SYSTEMS["lora"]}, plan=LONG), tmp_path, begun)
    life = victim.live(watch=sending(tmp_path / "out/all/runs/lora/steps.jsonl", 2, signal.SIGTERM))
    assert (life.status, life.behind) == (143, ())
    run = Run(tmp_path / "out/all/runs/lora")
    assert (run.folder / f"state/step-{len(run.steps()):06d}").is_dir()
    assert life.said.count("goes on where it stopped:") == 1
    assert life.said.endswith("  tunesmith compare recipe.yaml --into out/all\n") and "Traceback" not in life.said


def hears(process):
    """Whether a process takes SIGTERM itself."""
    told = Path(f"/proc/{process}/status").read_text().partition("SigCgt:")[2].split()[0]
    return bool(int(told, 16) & 1 << signal.SIGTERM - 1)


COMMANDS = {
    "eval": (("eval", "town/llama", "town/question", "--into", "out/run"), "out/run/state/answers/*.jsonl", "goes on where"),
    "data check": (("data", "check", "town/dialogues", "--into", "out/check"), "", "begins anew"),
    "label": (("label", "pairs.jsonl", "--port", "0", "--no-open"), "said.txt", "goes on where"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_other_commands_say_how_they_go_on(begun, tmp_path, name):
    command, pattern, told = COMMANDS[name]
    (tmp_path / "pairs.jsonl").write_text('{"prompt": "a", "chosen": "b", "rejected": "c"}\n')

    def watch(process):
        while pattern and not any(file.stat().st_size for file in tmp_path.glob(pattern)):
            time.sleep(0.02)
        while not hears(process):
            time.sleep(0.02)
        os.kill(process, signal.SIGTERM)

    life = Victim(command, tmp_path, begun=begun).live(watch=watch)
    assert (life.status, life.behind) == (143, ())
    assert told in life.said and f"tunesmith {' '.join(command)}" in life.said and "Traceback" not in life.said
