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
from tunesmith.comparison.choosing import kept
from tunesmith.interruption import STATUSES, Heard, error_of, taking_signals
from tunesmith.workers.job import Job, Place, Say, Worker, end_of, why
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
        again: list[Job] = []
        stop: KeyboardInterrupt | None = None
        with forwarding(self.running) as heard, watching(self.running, self.place.apart, self.say) as shown:
            try:
                while True:
                    while not (stop or heard()) and len(self.running) < self.parallel:
                        job = again.pop() if again else next(jobs, None)
                        if job is None:
                            break
                        worker = self.begin(job)
                        if heard() and not worker.told:  # while it began
                            worker.pass_on(heard.numbers[0])
                    if not self.running:
                        break
                    shown()
                    time.sleep(POLL)
                    stop = stop or (heard.error if heard() else None)
                    for worker, status in [(one, one.poll()) for one in self.running]:
                        if status is None:
                            continue
                        job = self.running.pop(worker)
                        del self.slots[worker]
                        stop = stop or (error_of(status) if status in STATUSES.values() else None)
                        if status < 0 and not stop and self.lost[job.name] < RETRIES:
                            self.begun_again(job, status)
                            again.append(job)
                        elif status == 0 or not stop:  # what was told to stop has not failed
                            ended(job, status)
            finally:
                for worker in self.running:  # only where an error of ours ends the loop
                    worker.pass_on(signal.SIGTERM)
        if stop or heard():
            raise stop or heard.error

    def begin(self, job: Job) -> Worker:
        if self.place.apart and not self.lost[job.name]:
            (self.logs / f"{job.name}.log").unlink(missing_ok=True)  # of an attempt before this command
        slot = min(set(range(self.parallel)) - {*self.slots.values()})
        worker = self.place.begin(job, slot)
        self.running[worker] = job
        self.slots[worker] = slot
        return worker

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
            found = kept(job.run)
            validated = f", validation loss {words.score(found['loss'])}" if found else ""
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
def forwarding(running: Mapping[Worker, Job]) -> Iterator[Heard]:
    """Pass signals to stop on to the workers, which save and end; what is given tells which ones came."""
    heard = Heard()

    def pass_on(number: int, frame: FrameType | None) -> None:
        heard.numbers.append(number)
        for worker in list(running):
            worker.pass_on(number)

    with taking_signals(pass_on):
        yield heard
