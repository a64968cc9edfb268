"""How far runs are that are made side by side: one table at a terminal, a line now and then in a pipe."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table

from tunesmith.training.progress import duration
from tunesmith.workers.job import Job, Say, Worker, last_step

EVERY = 30.0  # seconds between two lines in a pipe
AGAIN = 1.0  # seconds between two looks at the files, for the table


@contextmanager
def watching(running: Mapping[Worker, Job], apart: bool, say: Say) -> Iterator[Callable[[], None]]:
    """The function that is given shows how far the runs are. Nothing is shown where they talk to the terminal themselves."""
    console = Console(stderr=True, highlight=False)
    began = time.monotonic()
    if not apart:
        yield lambda: None
    elif not console.is_terminal:
        yield now_and_then(EVERY, lambda: say(f"{duration(time.monotonic() - began)}: {line(running)}"), first=EVERY)
    else:
        with Live(console=console, transient=True, auto_refresh=False) as live:
            yield now_and_then(AGAIN, lambda: live.update(table(running), refresh=True))


def now_and_then(every: float, tell: Callable[[], None], first: float = 0.0) -> Callable[[], None]:
    """A function that tells at most once in so many seconds."""
    due = time.monotonic() + first

    def told() -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + every
            tell()

    return told


def line(running: Mapping[Worker, Job]) -> str:
    """Every run and its step."""
    return ", ".join(f"{job.name} {far(job, last_step(job.run).get('step', 0))}" for job in running.values())


def table(running: Mapping[Worker, Job]) -> Table:
    """A row a run: where it is made, its step, its loss, its tokens a second."""
    made = Table("run", "where", box=None, pad_edge=False)
    for head in ("step", "loss", "tokens/s"):
        made.add_column(head, justify="right")
    for worker, job in running.items():
        step = last_step(job.run)
        seconds = float(step.get("seconds") or 0)
        speed = f"{step.get('tokens', 0) / seconds:,.0f}" if seconds else ""
        loss = f"{step['loss']:.3f}" if "loss" in step else ""
        made.add_row(job.name, worker.where, far(job, step.get("step", 0)), loss, speed)
    return made


def far(job: Job, step: int) -> str:
    """Step of how many, as far as the recipe tells; a run past its last one, or without any, is being answered."""
    steps = job.recipe.plan.steps
    if job.recipe.method == "none" or (steps and step >= steps):
        return "answering"
    return f"{step}/{steps}" if steps else f"step {step}"
