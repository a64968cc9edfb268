"""Runs side by side, here or on a cluster: begun as there is room, begun again where they were killed, stopped together.

Ctrl-C and SIGTERM are passed on to every run: each saves after its step and ends; the same command goes on there.
"""

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from tunesmith.comparison import words
from tunesmith.training.learning import taking_signals
from tunesmith.workers.job import INTERRUPTED, Job, Place, Say, Worker, end_of, lowest, why
from tunesmith.workers.table import watching

POLL = 0.05  # seconds between two looks at the workers
RETRIES = 2  # of a run whose worker was killed or lost: a run that takes more memory than there is would be killed for ever


@dataclass
class Pool:
    """Makes runs in a place, as many at a time as it has room for.

    logs: folder for what runs say where they do not talk to our terminal.
    """

    place: Place
    logs: Path
    say: Say = lambda text: None
    running: dict[Worker, Job] = field(default_factory=dict)
    slots: dict[Worker, int] = field(default_factory=dict)
    lost: Counter[str] = field(default_factory=Counter)

    @property
    def parallel(self) -> int:
        return self.place.parallel

    def make(self, jobs: Iterator[Job], ended: Callable[[Job, int], None]) -> None:
        """Make all runs; `ended` is told each with its exit status. A job is asked for when there is room for it.

        Raises:
            KeyboardInterrupt: after Ctrl-C or SIGTERM, when every run has saved and ended.
        """
        stop, again = False, list[Job]()
        with forwarding(self.running) as stopped, watching(self.running, self.place.apart, self.say) as shown:
            try:
                while True:
                    while not stop and len(self.running) < self.parallel:
                        job = again.pop() if again else next(jobs, None)
                        if job is None:
                            break
                        self.begin(job)
                        if stopped():  # a signal that came meanwhile has not reached this one
                            next(reversed(self.running)).send_signal(signal.SIGTERM)
                    if not self.running:
                        break
                    shown()
                    time.sleep(POLL)
                    stop = stop or stopped()
                    for worker, status in [(one, one.poll()) for one in self.running]:
                        if status is None:
                            continue
                        job = self.running.pop(worker)
                        del self.slots[worker]
                        stop = stop or status == INTERRUPTED
                        if status < 0 and not stop and self.lost[job.name] < RETRIES:
                            self.begun_again(job, status)
                            again.append(job)
                        elif status == 0 or not stop:  # what was told to stop has not failed
                            ended(job, status)
            finally:
                for worker in self.running:  # only where an error of ours ends the loop
                    worker.send_signal(signal.SIGTERM)
        if stop:
            raise KeyboardInterrupt

    def begin(self, job: Job) -> None:
        if self.place.apart and not self.lost[job.name]:
            (self.logs / f"{job.name}.log").unlink(missing_ok=True)  # of an attempt before this command
        slot = min(set(range(self.parallel)) - {*self.slots.values()})
        worker = self.place.begin(job, slot)
        self.running[worker] = job
        self.slots[worker] = slot

    def begun_again(self, job: Job, status: int) -> None:
        self.lost[job.name] += 1
        again = f"begun again from its last checkpoint ({self.lost[job.name]} of {RETRIES} times)"
        self.say(f"{job.name}: {died(status)}; {again}")


@dataclass
class Outcomes:
    """Told by a pool how each run ended, and tells a person. A run that fails does not stop the others.

    failed: run -> why it stopped.
    """

    pool: Pool
    say: Say
    failed: dict[str, str] = field(default_factory=dict)

    def __call__(self, job: Job, status: int) -> None:
        if status:
            log = self.pool.logs / f"{job.name}.log"
            reason = died(status) if status < 0 else why(log) or job.run.world().get("failed") or died(status)
            self.failed[job.name] = reason
            self.say(f"{job.name} failed: {reason}")
            told = end_of(log)
            if told[1:]:
                self.say("\n".join([f"the end of `{log}`:", *(f"    {line}" for line in told)]))
        elif self.pool.place.apart:
            self.failed.pop(job.name, None)
            validated = f", validation loss {words.score(lowest(job.run))}" if job.run.validations() else ""
            self.say(f"{job.name} ended{validated}")


def died(status: int) -> str:
    """An exit status in words."""
    if status >= 0:
        return f"exit status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = str(-status)
    return f"killed by {name}" + (", as the system does where memory is short" if name == "SIGKILL" else "")


@contextmanager
def forwarding(running: Mapping[Worker, Job]) -> Iterator[Callable[[], bool]]:
    """Pass signals to stop on to the workers, which save and end; the function that is given tells whether one came."""
    came: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        came.append(number)
        for worker in list(running):
            worker.send_signal(number)

    with taking_signals(pass_on):
        yield lambda: bool(came)
