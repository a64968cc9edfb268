"""The thread that owns a model: it speaks to all who ask, and puts adapters on and off between two tokens.

Whatever touches the network is done by this thread, one thing after the other, so that an answer never mixes two versions of
an adapter and no lock is held while a network computes. A fault ends the answers that were under way, which are told so; those
that still waited go on, with an engine made anew. Where memory was not enough, those under way go on too, fewer at once. After
too many faults in a row, or where the device computes no more, the worker ends, and whoever asks is told so.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeVar

from tunesmith.errors import UserError, out_of_memory
from tunesmith.generation.engine import Engine
from tunesmith.generation.quiet import quiet
from tunesmith.generation.sampling import Sampling
from tunesmith.generation.slots import Guide, Reason, Slot, Told, Wants
from tunesmith.generation.waiting import InTurn
from tunesmith.models.model import Model
from tunesmith.models.threads import let_threads_go
from tunesmith.serving.jobs import EndedError, Jobs
from tunesmith.serving.mending import free, is_lost, let_go, put_back
from tunesmith.serving.shelf import Shelf

Result = TypeVar("Result")
log = logging.getLogger(__name__)
PATIENCE = 0.1  # seconds that an idle worker sleeps at most, so that it hears that it is to end
RESTARTS = 8
CALM = 64  # tokens of each row after which one row more may be under way, where memory was not enough for as many as wanted


@dataclass(frozen=True, slots=True)
class Heard:
    """What a row has said since it was last told of.

    ids, told: the new tokens, and what is known of each where that was asked for.
    reason:    why it has ended; None: it goes on.
    fault:     what went wrong; the answer is not whole.
    """

    ids: tuple[int, ...]
    told: tuple[Told, ...] = ()
    reason: Reason | None = None
    fault: str = ""


@dataclass(frozen=True)
class Ask:
    """One answer that is wanted.

    prompt:  ids, as the renderer spells them.
    adapter: name of an adapter that stands, "" for the model as it was given.
    copy:    number of earlier equal prompts of the same request, which draws differently.
    client:  who asks: those who wait take turns.
    guide:   makes what the answer's form allows, anew for each answer; None: any form.
    inside:  a version of an adapter that whoever asks holds (`Served.holding`), in the place of the one that stands.
    streams: tell of each token; else only of the end.
    hears:   called by the worker's thread; must return at once.
    """

    prompt: Sequence[int]
    adapter: str
    sampling: Sampling
    hears: Callable[[Heard], None]
    wants: Wants = Wants()
    guide: Callable[[], Guide] | None = None
    copy: int = 0
    client: str = ""
    inside: str | None = None
    streams: bool = False


@dataclass(eq=False)
class Ticket:
    """An answer that was accepted."""

    ask: Ask
    worker: "Worker"
    slot: Slot | None = None
    began: float = field(default_factory=time.monotonic)

    def cancel(self) -> None:
        """Nobody wants it any more. May be called by any thread, and after its end."""
        self.worker.post(lambda: self.worker.cancel(self))


@dataclass
class Counts:
    """What a worker has done since it began; numbers only grow."""

    accepted: int = 0
    ended: int = 0
    cancelled: int = 0
    failed: int = 0
    restarts: int = 0
    full: int = 0
    evicted: int = 0
    prompt_tokens: int = 0
    said_tokens: int = 0


class Worker:
    """Speaks until it is closed.

    Args:
        model:   the base, in eval mode from now on.
        rows:    most answers under way at once.
        columns: most tokens kept of all rows together (`generation.engine.Engine`); None: no bound.
        begun:   tokens kept of what prompts of late began with alike; 0: none.
        restarts: most faults in a row, with no answer that ended as it should between; the next one ends the worker.

    Attributes:
        fault: why it has ended; "" while it runs, and where it was closed.
    """

    def __init__(
        self, model: Model, rows: int = 64, columns: int | None = None, begun: int = 0, restarts: int = RESTARTS
    ) -> None:
        self.model, self.rows, self.columns, self.begun, self.restarts = model, rows, columns, begun, restarts
        self.fault = ""
        self.base = model.active  # an adapter that the model came with; "": the bare network
        self.shelf = Shelf(model)
        self.counts = Counts()
        self._speaks = model.family != "masked"
        self._jobs = Jobs()
        self._tickets: dict[int, Ticket] = {}
        self._ends = threading.Event()
        self._engine: Engine | None = None
        self._most, self._calm = rows, 0  # rows that memory is enough for, and turns since it was not
        self._faults = 0  # in a row
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)

    def start(self) -> "Worker":
        let_threads_go()
        self._thread.start()
        return self

    @property
    def alive(self) -> bool:
        """Whether it answers. A fault that ends it is seen here before anybody is told of it."""
        return self._thread.is_alive() and not self.fault

    @property
    def under_way(self) -> int:
        engine = self._engine
        return 0 if engine is None else len(engine.slots)

    @property
    def waiting(self) -> int:
        engine = self._engine
        return len(self._jobs) + (0 if engine is None else len(engine.waiting))

    def post(self, work: Callable[[], None]) -> None:
        """Have something done by the worker's thread, between two tokens; nothing, where it has ended."""
        self._jobs.post(work)

    def call(self, work: Callable[[], Result]) -> "Future[Result]":
        """The same, with what came of it; `EndedError`: the worker has ended."""
        return self._jobs.call(work)

    def submit(self, asks: Sequence[Ask]) -> "Future[list[Ticket]]":
        """Answers that are wanted; all are accepted, or none. `UserError`: an adapter is not known, a prompt is too long."""
        return self.call(lambda: self._accept(asks))

    def close(self, patience: float = 30.0) -> bool:
        """Let what was accepted end, for so many seconds at most; whether all of it did."""
        deadline = time.monotonic() + patience
        while (self.under_way or self.waiting) and self.alive and time.monotonic() < deadline:
            time.sleep(0.01)
        whole = not (self.under_way or self.waiting)
        self._ends.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=max(1.0, patience))
        return whole

    def _run(self) -> None:
        try:
            with quiet(self.model):
                while not self._ends.is_set():
                    error = self._tried()
                    if error is not None:
                        self._mend(error)
        except BaseException as error:  # whatever it is: nobody waits for a thread that is no more
            self.fault = f"{type(error).__name__}: {error}" if not isinstance(error, EndedError) else str(error)
            log.critical("the worker has ended: %s", self.fault)
        self._engine = None
        self._fail_all(f"the worker has ended: {self.fault}" if self.fault else "the server was stopped")
        self._jobs.close(EndedError(self.fault or "the server was stopped"))

    def _tried(self) -> Exception | None:
        """One turn; what went wrong in it, without the frames that hold its tensors."""
        try:
            self._turn()
        except Exception as error:
            if not out_of_memory(error):
                log.error("the worker failed, and begins anew", exc_info=error)
            let_go(error)
            return error
        return None

    def _turn(self) -> None:
        """Do what was posted, then say one token of each row; sleep where there is nothing to do."""
        idle = self._engine is None or not self._engine.busy
        self._jobs.do(PATIENCE if idle else None)
        engine = self._engine
        if engine is not None and engine.busy:
            engine.advance()
            self.counts.evicted = engine.evicted
            self._calm += 1
            if engine.most < self.rows and self._calm % CALM == 0:
                self._most = engine.most = engine.most + 1

    def _accept(self, asks: Sequence[Ask]) -> list[Ticket]:
        engine = self._speaking()
        made: list[tuple[Ticket, Slot, str]] = []
        for ask in asks:
            inside = ask.inside or (self.shelf.version(ask.adapter).inside if ask.adapter else self.base)
            ticket = Ticket(ask, self)
            guide = ask.guide() if ask.guide else None
            slot = engine.slot(ask.prompt, inside, ask.sampling, copy=ask.copy, wants=ask.wants, guide=guide, client=ask.client)
            made.append((ticket, slot, inside))
        for ticket, slot, inside in made:
            self._stand(ticket, slot, inside)
        return [ticket for ticket, *_ in made]

    def _stand(self, ticket: Ticket, slot: Slot, inside: str) -> None:
        ticket.slot = slot
        slot.heeds = _Teller(ticket, self)
        self.shelf.take(inside)
        self._tickets[slot.number] = ticket
        self.counts.accepted += 1
        self.counts.prompt_tokens += len(slot.prompt)
        engine = self._speaking()
        assert isinstance(engine.waiting, InTurn)
        engine.waiting.add(slot)

    def _speaking(self) -> Engine:
        if not self._speaks:
            raise UserError("a masked model cannot speak", "ask it to classify, or serve a causal or an encoder-decoder model")
        if self._engine is None:
            self._engine = Engine(self.model, InTurn(), self._most, self.columns, self.begun)
        return self._engine

    def renew(self) -> None:
        """By the worker's thread, while nobody waits: the next answer has an engine made anew, with the model's stops."""
        assert self._engine is None or not self._engine.busy
        self._engine = None

    def cancel(self, ticket: Ticket) -> None:
        """By the worker's thread: as `Ticket.cancel`."""
        if ticket.slot is not None and ticket.slot.reason is None and self._engine is not None:
            waited = ticket.slot not in self._engine.slots
            self._engine.cancel(ticket.slot)
            if waited:
                self.left(ticket)

    def left(self, ticket: Ticket) -> None:
        """By the worker's thread: a row has ended, whichever way."""
        slot = ticket.slot
        assert slot is not None
        if self._tickets.pop(slot.number, None) is None:
            return
        self.counts.said_tokens += len(slot.ids)
        if slot.reason == "cancelled":
            self.counts.cancelled += 1
        elif slot.reason is not None:
            self.counts.ended += 1
            self._faults = 0
        else:
            self.counts.failed += 1
        self.shelf.release(slot.adapter)

    def _mend(self, error: Exception) -> None:
        """Those that wait go on; those under way end with the fault, or go on too where memory was not enough for all."""
        engine, self._engine = self._engine, None
        waiting = [] if engine is None else engine.waiting.all()
        waits = {slot.number for slot in waiting}
        under_way = [ticket for number, ticket in self._tickets.items() if number not in waits]
        back: list[Slot] = []
        if not out_of_memory(error):
            self._count(error)
            for ticket in under_way:
                self._end(ticket, f"the worker failed: {error}")
        else:
            back = self._put_back(under_way, engine is not None and engine.speech.paired)
        if engine is None:
            return
        engine.evicted += len(back)
        fresh = self._speaking()
        fresh.go_on_from(engine)
        del engine
        free(self.model.device)
        assert isinstance(fresh.waiting, InTurn)
        for slot in waiting:
            fresh.waiting.add(slot)
        for slot in reversed(back):  # the first of them is then in front
            fresh.waiting.again(slot)

    def _count(self, error: Exception) -> None:
        """One fault more; `EndedError`: there is no use in going on."""
        self.counts.restarts += 1
        self._faults += 1
        told = f"{type(error).__name__}: {error}"
        if is_lost(self.model.device):
            raise EndedError(f"{told} (its device computes no more)")
        if self._faults > self.restarts:
            raise EndedError(f"{told} ({self._faults} faults in a row)")

    def _put_back(self, under_way: Sequence[Ticket], paired: bool) -> list[Slot]:
        """Memory was not enough: half as many rows at once from now on; one that had it alone cannot be answered."""
        self.counts.full += 1
        back = [ticket for ticket in under_way if ticket.slot is not None and ticket.slot.reason is None]
        if len(back) == 1:
            self._end(back.pop(), "the memory of this server is not enough for this answer, even alone")
        for ticket in under_way:
            if ticket not in back:
                self._end(ticket, "")
        self._most, self._calm = max(1, len(back) // 2), 0
        log.warning("memory was not enough for %d answers at once; they go on, %d at a time", len(back), self._most)
        slots = [ticket.slot for ticket in back if ticket.slot is not None]
        for slot in slots:
            put_back(slot, paired)
        return sorted(slots, key=lambda slot: slot.number)

    def _end(self, ticket: Ticket, fault: str) -> None:
        """It ends with a fault, unless it had ended by itself and was only not told so yet."""
        slot = ticket.slot
        if slot is not None and slot.reason is not None and slot.heeds is not None:
            slot.heeds(slot)
        elif slot is not None and slot.number in self._tickets:
            self._fail(ticket, fault)

    def _fail(self, ticket: Ticket, fault: str) -> None:
        self.left(ticket)
        ticket.ask.hears(Heard((), fault=fault))

    def _fail_all(self, fault: str) -> None:
        for ticket in list(self._tickets.values()):
            self._end(ticket, fault)


class _Teller:
    """Tells an asker of each token, or of the end alone."""

    def __init__(self, ticket: Ticket, worker: Worker) -> None:
        self.ticket, self.worker = ticket, worker
        self.sent = 0

    def __call__(self, slot: Slot) -> None:
        if slot.reason is None and not self.ticket.ask.streams:
            return
        new, told = tuple(slot.ids[self.sent :]), tuple(slot.told[self.sent :])
        self.sent = len(slot.ids)
        if slot.reason is not None:
            self.worker.left(self.ticket)
        self.ticket.ask.hears(Heard(new, told, slot.reason))
