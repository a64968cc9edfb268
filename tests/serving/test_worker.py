"""The thread that owns a model: many askers, adapters replaced under way, faults, and an end that loses nobody."""

import threading
from collections import Counter

import pytest

from tests.models.speakers import attached, prompts, speaker
from tunesmith.errors import UserError
from tunesmith.generation.engine import generate
from tunesmith.generation.sampling import Sampling
from tunesmith.methods.ia3 import IA3
from tunesmith.methods.lora import LoRA
from tunesmith.models.model import Model
from tunesmith.models.weights import save_adapter
from tunesmith.serving.worker import Ask, Heard, Worker

TOKENS = Sampling(tokens=10)
KINDS = {"low": LoRA(rank=2), "high": LoRA(rank=4), "stretched": IA3()}


class Hearing:
    """What one asker hears."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.last: Heard | None = None
        self.ended = threading.Event()

    def __call__(self, heard: Heard) -> None:
        self.ids += heard.ids
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
