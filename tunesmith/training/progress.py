"""What a person sees while it works: a live line on a terminal, plain lines now and then in a pipe. Talk goes to stderr."""

import logging
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

SHOWN = 3  # tasks of a mixture whose losses stand in the line


class Shown(Protocol):
    """What a progress line is made of (`training/loop.py: Step` fits)."""

    @property
    def step(self) -> int: ...
    @property
    def loss(self) -> float: ...
    @property
    def tokens(self) -> int: ...
    @property
    def seconds(self) -> float: ...
    @property
    def tasks(self) -> Mapping[str, tuple[float, float]]: ...


class Reporter:
    """Tells how a run goes. Use as a context manager around the whole run.

    every: seconds between two lines where the output is not a terminal.
    """

    def __init__(self, name: str, quiet: bool = False, every: float = 5.0) -> None:
        self.console = Console(stderr=True, quiet=quiet, highlight=False)
        self.name = name
        self.every = every
        self.spoken = 0.0
        self.rate = 0.0  # tokens a second, smoothed
        self.pace = 0.0  # seconds a step, smoothed
        self.tasks: dict[str, tuple[float, float]] = {}  # of a mixture: sums and counts, older ones for less
        self.bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[text]}", markup=False),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.task: TaskID | None = None
        self.ear = _Ear(self)

    def __enter__(self) -> "Reporter":
        self.bar.start()
        logging.getLogger("tunesmith").addHandler(self.ear)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        logging.getLogger("tunesmith").removeHandler(self.ear)
        self.bar.stop()

    def say(self, text: str) -> None:
        """A line that stays."""
        self.console.print(Text.assemble((self.name, "dim"), f"  {text}"), soft_wrap=True)

    def step(self, shown: Shown, steps: int, memory_bytes: int) -> None:
        """One training step."""
        seconds = max(shown.seconds, 1e-9)
        keep = 0.9 if self.pace else 0.0
        self.pace = keep * self.pace + (1 - keep) * seconds
        self.rate = keep * self.rate + (1 - keep) * shown.tokens / seconds
        left = duration(self.pace * (steps - shown.step))
        learnt = f"step {shown.step}/{steps}  loss {shown.loss:.3f}{self._by_task(shown.tasks)}"
        text = f"{learnt}  {self.rate:,.0f} tokens/s  {left} left  {gigabytes(memory_bytes)}"
        self._show("learning", shown.step, steps, text)

    def _by_task(self, tasks: Mapping[str, tuple[float, float]]) -> str:
        """The smoothed losses of a mixture's tasks: of many the highest and the lowest."""
        for name in {**self.tasks, **tasks}:
            (total, count), (more, counted) = self.tasks.get(name, (0.0, 0.0)), tasks.get(name, (0.0, 0.0))
            self.tasks[name] = (0.9 * total + more, 0.9 * count + counted) if counted else (total, count)
        losses = sorted((total / count, name) for name, (total, count) in self.tasks.items() if count)
        if not losses:
            return ""
        told = [f"{name.rpartition('/')[2]} {loss:.2f}" for loss, name in reversed(losses)]
        return f" ({', '.join(told if len(told) <= SHOWN else [told[0], '…', told[-1]])})"

    def count(self, what: str, done: int, total: int) -> None:
        """Progress of anything that is counted: answers, examples."""
        self._show(what, done, total, f"{done}/{total}")

    def _show(self, what: str, done: int, total: int, text: str) -> None:
        if self.console.is_terminal:
            if self.task is None:
                self.task = self.bar.add_task("", total=total, text="")
            self.bar.update(self.task, description=f"{self.name}  {what}", completed=done, total=total, text=text)
        elif done >= total or time.monotonic() - self.spoken > self.every:
            self.spoken = time.monotonic()
            self.console.print(Text(f"{self.name}  {what}  {text}"), soft_wrap=True)


class _Ear(logging.Handler):
    """What is told to the `tunesmith` logger is said too."""

    def __init__(self, reporter: Reporter) -> None:
        super().__init__()
        self.reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        self.reporter.say(record.getMessage())


def duration(seconds: float) -> str:
    """`42s`, `3m 05s`, `2h 10m`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02d}m"


def gigabytes(count: int) -> str:
    return f"{count / 2**30:.2f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
