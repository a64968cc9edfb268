"""The thread that owns a model: many askers, adapters replaced under way, faults, and an end that loses nobody."""

import threading
from collections import Counter

import pytest
import torch

from tests.models.speakers import attached, prompts, speaker
from tunesmith.errors import UserError
from tunesmith.generation.engine import generate
from tunesmith.generation.sampling import Sampling
from tunesmith.generation.slots import Wants
from tunesmith.methods.ia3 import IA3
from tunesmith.methods.lora import LoRA
from tunesmith.models.model import Model
from tunesmith.models.weights import save_adapter
from tunesmith.serving.jobs import EndedError
from tunesmith.serving.worker import Ask, Heard, Worker

TOKENS = Sampling(tokens=10)
KINDS = {"low": LoRA(rank=2), "high": LoRA(rank=4), "stretched": IA3()}


class Hearing:
    """What one asker hears."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.told: list[int] = []
        self.last: Heard | None = None
        self.ended = threading.Event()

    def __call__(self, heard: Heard) -> None:
        self.ids += heard.ids
        self.told += [one.id for one in heard.told]
        self.last = heard
        if heard.reason or heard.fault:
            self.ended.set()

    def whole(self) -> "Hearing":
        assert self.ended.wait(60), "an answer never ended"
        return self


def asked(worker: Worker, prompt: list[int], adapter: str = "", **more) -> Hearing:
    hearing = Hearing()
    worker.submit([Ask(prompt, adapter, TOKENS, hearing, **more)]).result(60)
    return hearing


@pytest.fixture
def folders(tmp_path):
    """Files of three adapters, and of another version of the first."""
    made = {}
    for seed, (name, method) in enumerate([*KINDS.items(), ("low again", LoRA(rank=2))]):
        model = attached(base(), "x", method, seed=seed)
        made[name] = save_adapter(tmp_path / name.replace(" ", "-"), model.adapter("x"), model)
    return made


def base() -> Model:
    return speaker("llama", stops=frozenset())


def expected(folder, prompt) -> tuple[int, ...]:
    from tunesmith.models.weights import load_adapter

    model = base()
    if folder is not None:
        load_adapter(folder, model, "x")
    return generate(model, [prompt], TOKENS)[0].ids


def test_many_askers_get_what_each_adapter_says_alone(folders):
    worker = Worker(base(), rows=4).start()
    for name in KINDS:
        worker.call(lambda name=name: worker.shelf.put(name, folders[name])).result(60)
    names = ["", *KINDS]
    hearings = [
        (names[n % 4], prompt, asked(worker, prompt, names[n % 4], streams=n % 2 == 0)) for n, prompt in enumerate(prompts())
    ]
    for name, prompt, hearing in hearings:
        assert tuple(hearing.whole().ids) == expected(folders.get(name), prompt)
    assert worker.close(10)
    assert worker.counts.accepted == worker.counts.ended == len(prompts())


def test_an_answer_ends_with_the_version_that_it_began_with(folders):
    worker = Worker(base(), rows=2).start()
    worker.call(lambda: worker.shelf.put("support", folders["low"])).result(60)
    prompt = prompts()[3]
    first = [asked(worker, prompt, "support") for _ in range(6)]  # four of them still wait
    worker.call(lambda: worker.shelf.put("support", folders["low again"])).result(60)
    second = [asked(worker, prompt, "support") for _ in range(3)]
    assert {tuple(one.whole().ids) for one in first} == {expected(folders["low"], prompt)}
    assert {tuple(one.whole().ids) for one in second} == {expected(folders["low again"], prompt)}
    assert worker.call(lambda: set(worker.model.adapters)).result(60) == {"support@2"}
    worker.call(lambda: worker.shelf.drop("support")).result(60)
    assert worker.call(lambda: set(worker.model.adapters)).result(60) == set()
    with pytest.raises(UserError, match="no adapter `support`"):
        asked(worker, prompt, "support")
    worker.close(10)


def test_adapters_replaced_all_the_time_never_mix(folders):
    worker = Worker(base(), rows=6, columns=200).start()
    worker.call(lambda: worker.shelf.put("support", folders["low"])).result(60)
    prompt, stop = prompts()[1], threading.Event()
    right = {expected(folders["low"], prompt), expected(folders["low again"], prompt)}

    def replace() -> None:
        for number in range(10**6):
            if stop.is_set():
                return
            worker.call(lambda n=number: worker.shelf.put("support", folders[("low", "low again")[n % 2]])).result(60)

    replacing = threading.Thread(target=replace)
    replacing.start()
    said = Counter(tuple(asked(worker, prompt, "support").whole().ids) for _ in range(30))
    stop.set()
    replacing.join()
    assert set(said) <= right
    assert len(worker.call(lambda: list(worker.model.adapters)).result(60)) == 1
    worker.close(10)


def test_who_goes_is_forgotten_at_once():
    worker = Worker(base(), rows=1).start()
    hearings = [Hearing() for _ in range(3)]
    endless = Sampling(tokens=50)
    tickets = [worker.submit([Ask([12], "", endless, hearing)]).result(60)[0] for hearing in hearings]
    tickets[0].cancel()
    tickets[1].cancel()
    hearings[2].whole()
    tickets[2].cancel()  # too late, and no harm
    assert worker.close(10)
    assert (worker.counts.cancelled, worker.counts.ended) == (2, 1)


def test_a_fault_is_told_to_those_under_way_and_the_rest_go_on():
    model = base()
    worker = Worker(model, rows=2)
    broken = threading.Event()
    asks = [Hearing() for _ in range(6)]
    futures = [worker.submit([Ask(prompt, "", TOKENS, hearing)]) for prompt, hearing in zip(prompts(), asks, strict=False)]
    worker.start()
    for future in futures:
        future.result(60)
    engine = worker.call(lambda: worker._engine).result(60)

    def broke(*given, **named):
        if not broken.is_set():
            broken.set()
            raise RuntimeError("the network is ill")
        return type(engine.speech).step(engine.speech, *given, **named)

    engine.speech.step = broke
    faults = [hearing.whole().last.fault for hearing in asks]
    assert broken.is_set()
    assert [fault for fault in faults if fault] == ["the worker failed: the network is ill"] * 2
    for prompt, hearing in zip(prompts(), asks, strict=False):
        if not hearing.last.fault:
            assert tuple(hearing.ids) == expected(None, prompt)
    assert worker.counts.restarts == 1 and worker.counts.failed == 2
    assert worker.close(10)


def test_a_server_that_stops_leaves_nobody_without_an_answer():
    worker = Worker(base(), rows=1).start()
    hearings = [asked(worker, prompt) for prompt in prompts()]
    worker.close(patience=0.0)
    for hearing in hearings:
        hearing.whole()
    assert any(hearing.last.fault == "the server was stopped" for hearing in hearings)


def test_an_adapter_that_changes_the_network_itself_is_refused(tmp_path):
    from tunesmith.methods.selective import Selective

    model = attached(base(), "x", Selective(parts=("norm",)))
    folder = save_adapter(tmp_path / "norms", model.adapter("x"), model)
    worker = Worker(base()).start()
    with pytest.raises(UserError, match="changes weights of the network itself"):
        worker.call(lambda: worker.shelf.put("norms", folder)).result(60)
    assert tuple(asked(worker, prompts()[0]).whole().ids) == expected(None, prompts()[0])
    assert worker.close(10)


MIXED = (Sampling(tokens=12), Sampling(tokens=12, temperature=1.0, seed=3), Sampling(tokens=9, temperature=0.8, top_p=0.9))


def alone(model: Model, prompt: list[int], sampling: Sampling) -> tuple[int, ...]:
    return generate(model, [prompt], sampling)[0].ids


class Breaking:
    """Has a network fail in the middle of a step, where it reads (`step`, `enter`) or once tokens are drawn and not yet said.

    fails: is told how often it came there, and may raise.
    """

    def __init__(self, monkeypatch, place: str, fails) -> None:
        from tunesmith.generation import saying
        from tunesmith.models.speech import Speech

        owner, name = {"step": (Speech, "step"), "enter": (Speech, "enter"), "tell": (saying, "_tell")}[place]
        whole, self.times = getattr(owner, name), 0

        def broke(*given):
            self.times += 1
            said = whole(*given) if place == "tell" else None
            fails(self.times)
            return said if place == "tell" else whole(*given)

        monkeypatch.setattr(owner, name, broke)


@pytest.mark.parametrize("place", ["step", "enter", "tell"])
@pytest.mark.parametrize("name", ["llama", "t5"])
def test_where_memory_is_not_enough_all_go_on_with_the_same_answers(name, place, monkeypatch):
    asks = [(prompt, MIXED[number % 3]) for number, prompt in enumerate(prompts())]
    right = [alone(speaker(name, stops=frozenset()), *one) for one in asks]

    def fails(time: int) -> None:
        several = len(worker._tickets) - len(worker._engine.waiting) > 1
        if time % 3 == 2 and several and worker.counts.full < 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr("tunesmith.serving.worker.CALM", 2)
    Breaking(monkeypatch, place, fails)
    worker = Worker(speaker(name, stops=frozenset()), rows=4)
    hearings = [Hearing() for _ in asks]
    wants = Wants(alternatives=2)
    futures = [
        worker.submit([Ask(prompt, "", sampling, hearing, wants=wants, streams=True)])
        for (prompt, sampling), hearing in zip(asks, hearings, strict=True)
    ]
    worker.start()
    for future in futures:
        future.result(60)
    assert [tuple(hearing.whole().ids) for hearing in hearings] == right, "no token twice, none left out"
    assert [hearing.told for hearing in hearings] == [list(ids) for ids in right]
    assert worker.counts.full >= 2 and worker.counts.failed == worker.counts.restarts == 0
    assert worker.close(10) and not worker.fault


def test_rows_come_back_where_memory_is_enough_again(monkeypatch):
    monkeypatch.setattr("tunesmith.serving.worker.CALM", 8)
    most = []

    def fails(time: int) -> None:
        most.append(worker.under_way)
        if time == 12:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory")

    Breaking(monkeypatch, "step", fails)
    worker = Worker(base(), rows=8).start()
    hearings = [asked(worker, prompts()[number % 5]) for number in range(40)]
    for hearing in hearings:
        hearing.whole()
    half = most[11] // 2  # of eight, unless an answer has just ended
    assert 1 <= max(most[12:15]) <= half < max(most[15:]), most  # turns in which rows only enter are calm ones too
    assert worker.close(10)


def test_an_answer_that_is_too_large_alone_is_told_so_and_the_others_go_on(monkeypatch):
    huge = [12] * 40
    asks = [*prompts()[:3], huge, *prompts()[3:5]]
    meant = [() if prompt == huge else expected(None, prompt) for prompt in asks]  # before anything breaks

    def fails(time: int) -> None:
        engine = worker._engine
        if engine is not None and any(len(slot.prompt) == 40 for slot in engine.slots):
            raise torch.OutOfMemoryError("CUDA out of memory")

    Breaking(monkeypatch, "step", fails)
    worker = Worker(base(), rows=4)
    hearings = [Hearing() for _ in range(6)]
    futures = [worker.submit([Ask(prompt, "", TOKENS, one)]) for prompt, one in zip(asks, hearings, strict=True)]
    worker.start()
    for future in futures:
        future.result(60)
    for prompt, said, hearing in zip(asks, meant, hearings, strict=True):
        hearing.whole()
        assert ("not enough for this answer" in hearing.last.fault) == (prompt == huge), hearing.last
        if prompt != huge:
            assert tuple(hearing.ids) == said
    assert (worker.counts.failed, worker.counts.restarts) == (1, 0)
    assert worker.close(10)


def test_after_too_many_faults_in_a_row_the_worker_ends_and_refuses(monkeypatch):
    ill = threading.Event()

    def fails(time: int) -> None:
        if ill.is_set():
            raise RuntimeError("the network is ill")

    Breaking(monkeypatch, "step", fails)
    worker = Worker(base(), restarts=2).start()
    for _ in range(4):  # an answer between sets the count back
        ill.set()
        assert asked(worker, prompts()[0]).whole().last.fault == "the worker failed: the network is ill"
        ill.clear()
        assert asked(worker, prompts()[0]).whole().last.reason
    ill.set()
    faults = [asked(worker, prompts()[0]).whole().last.fault for _ in range(2)]
    last = Hearing()
    worker.submit([Ask(prompts()[0], "", TOKENS, last)])
    assert "the network is ill" in last.whole().last.fault
    worker._thread.join(10)
    assert not worker.alive and "3 faults in a row" in worker.fault and len(faults) == 2
    with pytest.raises(EndedError, match="faults in a row"):
        worker.submit([Ask(prompts()[0], "", TOKENS, last)]).result(5)
    worker.close(1)


def test_whatever_ends_the_thread_nobody_waits_for_it(monkeypatch):
    def fails(time: int) -> None:
        raise SystemExit("somebody ended the thread")

    Breaking(monkeypatch, "step", fails)
    worker = Worker(base(), rows=1).start()
    hearings = [Hearing() for _ in range(3)]
    futures = [worker.submit([Ask(prompts()[0], "", TOKENS, one)]) for one in hearings]
    told = []
    for future, hearing in zip(futures, hearings, strict=True):
        try:
            future.result(20)
            told.append(hearing.whole().last.fault)
        except EndedError as error:
            told.append(str(error))
    assert all("somebody ended the thread" in one for one in told), told
    assert not worker.alive or worker._thread.join(5) is None
