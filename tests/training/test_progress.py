"""What a person sees while it works."""

import io
import logging
from dataclasses import dataclass, field

import pytest
from rich.console import Console

from tunesmith.training import progress
from tunesmith.training.progress import Reporter, duration, gigabytes


@dataclass
class Step:
    step: int
    loss: float = 1.5
    tokens: int = 1000
    seconds: float = 0.5
    tasks: dict = field(default_factory=dict)


def reporter(monkeypatch, terminal, name="lora [/x] :smile:"):
    screen = io.StringIO()
    monkeypatch.setattr(
        progress, "Console", lambda **given: Console(file=screen, force_terminal=terminal, width=120, highlight=False)
    )
    return Reporter(name, every=1000.0), screen


def test_in_a_pipe_lines_now_and_then(monkeypatch):
    made, screen = reporter(monkeypatch, False)
    with made:
        for step in range(1, 101):
            made.step(Step(step), 100, 3 * 2**30)
    lines = screen.getvalue().splitlines()
    assert lines == [
        "lora [/x] :smile:  learning  step 1/100  loss 1.500  2,000 tokens/s  50s left  3.00 GiB",
        "lora [/x] :smile:  learning  step 100/100  loss 1.500  2,000 tokens/s  0s left  3.00 GiB",
    ]


def test_on_a_terminal_one_line_that_moves(monkeypatch):
    made, screen = reporter(monkeypatch, True)
    with made:
        made.step(Step(1), 4, 100 * 2**20)
        made.bar.refresh()
        made.say("a [bold]plain[/] line")
        made.count("answering rows", 2, 8)
        made.bar.refresh()
    seen = screen.getvalue()
    assert "step 1/4  loss 1.500  2,000 tokens/s  2s left  100 MiB" in seen
    assert "a [bold]plain[/] line" in seen
    assert "answering rows" in seen
    assert "2/8" in seen
    assert seen.endswith("\x1b[?25h") or "\x1b[2K" in seen  # the moving line is gone at the end


def test_talk_of_the_logger_is_said(monkeypatch):
    made, screen = reporter(monkeypatch, False, "run")
    with made:
        logging.getLogger("tunesmith").warning("%d rows left out", 3)
    logging.getLogger("tunesmith").warning("afterwards")
    assert screen.getvalue() == "run  3 rows left out\n"


def test_quiet_says_nothing(capfd):
    with Reporter("run", quiet=True) as made:
        made.step(Step(1), 1, 0)
        made.say("text")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0s"), (59.6, "1m 00s"), (185, "3m 05s"), (7800, "2h 10m")])
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_sizes():
    assert gigabytes(2**30 * 5 // 2) == "2.50 GiB"
    assert gigabytes(2**20) == "1 MiB"
