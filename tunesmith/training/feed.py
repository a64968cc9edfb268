"""What the coming steps will read, spelled ahead of them in other processes, in the same order and with the same ids.

Other processes, which share the rows with ours and touch no tensor, take the next steps in turn, a few ahead of the loop.
Where they are late, the loop's own process spells a step too. What a step reads hangs on its place in the stream alone, so it
does not matter who spelled it.
"""

import multiprocessing
import os
import signal
import sys
import warnings
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from typing import Any

from tunesmith.data.example import Example
from tunesmith.data.mixture import Mixture
from tunesmith.data.passes import MANY
from tunesmith.errors import UserError
from tunesmith.interruption import die_with_parent
from tunesmith.models.model import Model
from tunesmith.objectives.objective import Objective, Placed
from tunesmith.tokens.packing import check_fits
from tunesmith.tokens.sequence import Tokens
from tunesmith.training.plan import Plan
from tunesmith.training.world import World

AHEAD = 16  # steps that are spelled before they are asked for
POLL = 1.0  # seconds between two looks at whether the parent still lives

Stream = Callable[[int], Example]
Look = Callable[[], object]  # a pass over rows that may refuse one


def can_fork() -> bool:
    """Whether a process can be begun that shares our memory as it is, which is safe where no graphics hangs on it."""
    return sys.platform == "linux" and "fork" in multiprocessing.get_all_start_methods()


def spells_ahead(objective: Objective) -> bool:
    """Whether an objective's sequences hang on examples alone and are made by `render`, in whatever process."""
    return type(objective).updates is Objective.updates


def processes(plan: Plan, places: int, objective: Objective) -> int:
    """How many processes are to spell ahead."""
    if not can_fork() or not spells_ahead(objective):
        return 0
    return plan.ahead if plan.ahead is not None else int(places >= MANY)


class Feed:
    """Gives the examples of each step, with their sequences where those are spelled here.

    make: the examples of the step that begins at a place of the stream.
    """

    def __init__(self, make: Callable[[int], list[Placed]], examples: int) -> None:
        self.make = make
        self.examples = examples

    def take(self, place: int) -> list[Placed]:
        """The examples of the step that begins at a place."""
        return self.make(place)


class Spelled(Feed):
    """A feed from other processes, which begin at a place of the stream. Places are taken in order."""

    def __init__(self, make: Callable[[int], list[Placed]], examples: int, begin: int, count: int, helps: bool) -> None:
        super().__init__(make, examples)
        self.begin, self.helps = begin, helps
        fork = multiprocessing.get_context("fork")
        self.next, self.room = fork.Value("q", 0), fork.Semaphore(AHEAD)
        self.ready: dict[int, list[Placed] | None] = {}
        self.sent: set[int] = set()  # of those that are ready, the steps that others spelled
        self.asked = 0
        self.readers: list[Connection] = []
        self.processes = []
        for _ in range(count):
            reader, writer = fork.Pipe(duplex=False)
            self.readers.append(reader)
            self.processes.append(fork.Process(target=self._work, args=(writer, os.getpid()), daemon=True))
            start(self.processes[-1])
            writer.close()

    def take(self, place: int) -> list[Placed]:
        """The examples of a step: those that were spelled, or else spelled here while the others go on with further steps."""
        number = self.asked = (place - self.begin) // self.examples
        while number not in self.ready:
            if self._receive(0.0):
                continue
            mine = self._claim() if self.helps or not self.readers else None
            if mine is not None:
                self.ready[mine] = self.make(self.begin + mine * self.examples)
            elif not self.readers:  # claimed by a process that died
                return self.make(place)
            else:
                self._receive(POLL)
        found = self.ready.pop(number)
        if number in self.sent:
            self.sent.remove(number)
            self.room.release()
        return self.make(place) if found is None else found  # which says what was wrong

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.join()
        for reader in self.readers:
            reader.close()

    def _claim(self) -> int | None:
        """The next step that nobody spells; None where it is far ahead."""
        with self.next.get_lock():
            if self.next.value > self.asked + AHEAD:
                return None
            self.next.value += 1
            return int(self.next.value) - 1

    def _receive(self, seconds: float) -> bool:
        """Take what other processes have sent; did one?"""
        came = wait(self.readers, seconds)
        for reader in came:
            assert isinstance(reader, Connection)
            try:
                number, packed = reader.recv()
            except (EOFError, OSError):  # it died: what it would have spelled is spelled here
                self.readers.remove(reader)
                continue
            self.sent.add(number)
            self.ready[number] = None if packed is None else [unpacked(one) for one in packed]
        return bool(came)

    def _work(self, writer: Connection, parent: int) -> None:
        """What another process does until it is killed, or alone."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the loop saves, and ends us
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for reader in self.readers:
            reader.close()
        with suppress(BrokenPipeError):
            while True:
                while not self.room.acquire(timeout=POLL):
                    if os.getppid() != parent:
                        return
                with self.next.get_lock():
                    number = int(self.next.value)
                    self.next.value += 1
                try:
                    made: list[Any] | None = [packed(placed) for placed in self.make(self.begin + number * self.examples)]
                except Exception:  # said where the step is made: there it is the step's own error
                    made = None
                writer.send((number, made))


def packed(placed: Placed) -> tuple[Any, ...]:
    """An example and its sequences as few objects, which another process reads many times as fast."""
    groups = [
        (*(array("i", ids).tobytes() for ids in (one.inputs, one.targets, one.source)), rest(one), one.weights)
        for one in placed.groups or ()
    ]
    return placed.example, placed.place, placed.seed, groups


def rest(tokens: Tokens) -> Tokens:
    """A sequence without its ids."""
    return replace(tokens, inputs=(), targets=(), weights=(), source=())


def unpacked(told: tuple[Any, ...]) -> Placed:
    example, place, seed, groups = told
    made = []
    for inputs, targets, source, other, weights in groups:
        ids = [tuple(array("i", raw)) for raw in (inputs, targets, source)]
        made.append(replace(other, inputs=ids[0], targets=ids[1], source=ids[2], weights=weights))
    return Placed(example, place, seed, tuple(made))


class Looking:
    """Passes over rows in another process, while training goes on: a row that is too long stops it when it is found."""

    def __init__(self, looks: Sequence[Look]) -> None:
        fork = multiprocessing.get_context("fork")
        self.reader, writer = fork.Pipe(duplex=False)
        self.parent = os.getpid()
        self.process = fork.Process(target=self._work, args=(looks, writer), daemon=True)
        start(self.process)
        writer.close()
        self.done = False

    def check(self) -> None:
        """
        Raises:
            UserError: what a pass refused.
        """
        if not self.done and self.reader.poll(0):
            self.done = True
            with suppress(EOFError):
                told = self.reader.recv()
                if told is not None:
                    raise UserError(*told)

    def close(self) -> None:
        self.process.kill()
        self.process.join()
        self.reader.close()

    def _work(self, looks: Sequence[Look], writer: Connection) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        die_with_parent(self.parent)
        os.nice(5)  # the steps come first
        try:
            for look in looks:
                look()
            writer.send(None)
        except UserError as error:
            writer.send((error.problem, error.hint))


def start(process: Any) -> None:
    with warnings.catch_warnings():  # of threads that the other process does not have: it uses none
        warnings.simplefilter("ignore")
        process.start()


@contextmanager
def feeding(
    stream: Stream,
    objective: Objective,
    model: Model,
    plan: Plan,
    place: int,
    seed: int = 0,
    world: World = World(),
    looks: Sequence[Look] = (),
) -> Iterator[Callable[[int], list[Placed]]]:
    """What gives the examples of the step that begins at a place, from `place` on.

    looks: passes over the rows that were put off until training goes on.
    """
    count = processes(plan, len(stream) if isinstance(stream, Mixture) or hasattr(stream, "__len__") else 0, objective)
    window = min(filter(None, (plan.window, model.window)), default=None)
    virtual = model.virtual_tokens

    def make(first: int) -> list[Placed]:
        places = world.share(list(range(first, first + plan.examples)))
        return [Placed(stream(one), one, seed) for one in places]

    def spelled(first: int) -> list[Placed]:
        return [checked(replace(one, groups=tuple(objective.render(one, model.renderer)))) for one in make(first)]

    def checked(placed: Placed) -> Placed:
        for tokens in placed.groups or ():
            check_fits(tokens, window, virtual, placed.example.id)
        return placed

    if not count and not looks:
        yield make
        return
    feed = Spelled(spelled, plan.examples, place, count, isinstance(stream, Mixture)) if count else Feed(spelled, plan.examples)
    looking = Looking(looks) if looks else None

    def take(first: int) -> list[Placed]:
        if looking:
            looking.check()
        return feed.take(first)

    try:
        yield take
    finally:
        for one in (feed, looking):
            if isinstance(one, Spelled | Looking):
                one.close()
