"""The engine while requests come and go: each answer is what it would be alone."""

import pytest
import torch

from tests.models.speakers import attached, prompts, speaker
from tunesmith.errors import UserError
from tunesmith.generation.engine import Engine, generate
from tunesmith.generation.quiet import quiet
from tunesmith.generation.sampling import Sampling
from tunesmith.generation.slots import Slot, Wants
from tunesmith.generation.waiting import InTurn
from tunesmith.methods.lora import LoRA

KINDS = ["llama", "gpt2", "t5"]
SAMPLINGS = [
    Sampling(tokens=12),
    Sampling(tokens=9, temperature=1.2, top_k=9, seed=3),
    Sampling(tokens=7, temperature=0.7, top_p=0.8, repetition_penalty=1.6),
    Sampling(tokens=14, repetition_penalty=1.3),
]


class Guided:
    """Even ids only, and four of them."""

    def __init__(self, vocabulary: int) -> None:
        self.mask = torch.arange(vocabulary) % 2 == 0
        self.left = 4

    def allowed(self) -> torch.Tensor:
        return self.mask

    def take(self, id_: int) -> bool:
        self.left -= 1
        return self.left == 0


def spoken(model, slots_of, rows=4, columns=None):
    """Answers by number, and the engine."""
    with quiet(model):
        engine = Engine(model, InTurn(), rows, columns)
        waiting = slots_of(engine)
        while engine.busy or waiting:
            if waiting:  # one more comes while others are under way
                engine.waiting.add(waiting.pop(0))
            engine.advance()
        return engine


@pytest.mark.parametrize("columns", [None, 60])
@pytest.mark.parametrize("name", KINDS)
def test_requests_of_any_settings_that_come_and_go_get_what_they_get_alone(name, columns):
    model, asked = speaker(name, stops=frozenset({2})), prompts()
    for number in range(3):
        attached(model, f"a{number}", LoRA(rank=1 + number), seed=number)
    names = [("", "a0", "a1", "a2")[number % 4] for number in range(len(asked))]
    slots: list[Slot] = []

    def make(engine):
        for number, prompt in enumerate(asked):
            slots.append(engine.slot(prompt, names[number], SAMPLINGS[number % 3], client=str(number % 2)))
        return list(slots)

    engine = spoken(model, make, columns=columns)
    assert (engine.evicted > 0) == (columns is not None)
    for number, (slot, prompt) in enumerate(zip(slots, asked, strict=True)):
        [alone] = generate(model, [prompt], SAMPLINGS[number % 3], adapters=[names[number]])
        expected = alone.ids[: slot.limit]
        assert tuple(slot.ids) == expected
        if len(expected) == len(alone.ids):
            assert slot.logprob == pytest.approx(alone.logprob, abs=1e-3)


def test_a_cancelled_row_leaves_at_once_and_changes_no_other():
    model, asked = speaker("llama", stops=frozenset()), prompts()
    heard = []

    def make(engine):
        made = [engine.slot(prompt, "", Sampling(tokens=10)) for prompt in asked]

        def heeds(slot):
            heard.append(slot.reason)
            if len(slot.ids) == 3:
                engine.cancel(slot)

        made[2].heeds = heeds
        make.slots = made
        return list(made)

    spoken(model, make)
    cancelled = make.slots[2]
    assert cancelled.reason == "cancelled" and len(cancelled.ids) == 3 and heard == [None, None, None, "cancelled"]
    rest = [slot for slot in make.slots if slot is not cancelled]
    expected = generate(model, [slot.prompt for slot in rest], Sampling(tokens=10))
    assert [tuple(slot.ids) for slot in rest] == [said.ids for said in expected]


def test_clients_take_turns():
    model = speaker("llama", stops=frozenset())
    order = []

    def make(engine):
        def heeds(slot):
            if slot.reason:
                order.append(slot.client)

        many = [engine.slot([20 + n], "", Sampling(tokens=3), client="many", heeds=heeds) for n in range(6)]
        few = [engine.slot([30 + n], "", Sampling(tokens=3), client="few", heeds=heeds) for n in range(2)]
        for slot in [*many, *few]:
            engine.waiting.add(slot)
        return []

    spoken(model, make, rows=1)
    assert order == ["many", "few", "many", "few", "many", "many", "many", "many"]


def test_what_one_asker_wants_of_tokens():
    model = speaker("llama", stops=frozenset({2}))
    prompt = prompts()[3]
    [plain] = generate(model, [prompt], Sampling(tokens=8))
    first = plain.ids[0]
    vocabulary = model.vocabulary.weight.shape[0]
    wanted = {
        "barred": Wants(bias={first: -100.0}),
        "once": Wants(presence=1e4),
        "told": Wants(alternatives=2),
        "long": Wants(least=8, bias={2: 50.0}),
        "short": Wants(bias={2: 50.0}),
    }
    slots = {}

    def make(engine):
        for name, wants in wanted.items():
            slots[name] = engine.slot(prompt, "", Sampling(tokens=8), wants=wants)
        slots["guided"] = engine.slot(prompt, "", Sampling(tokens=8), guide=Guided(vocabulary))
        return list(slots.values())

    spoken(model, make)
    assert first not in slots["barred"].ids
    assert len(set(slots["once"].ids)) == len(slots["once"].ids)
    assert tuple(slots["told"].ids) == plain.ids
    for told in slots["told"].told:
        assert told.likeliest[0] == (told.id, pytest.approx(told.logprob))
        assert told.likeliest[1][1] <= told.logprob
    assert sum(told.logprob for told in slots["told"].told) == pytest.approx(plain.logprob, abs=1e-4)
    assert len(slots["long"].ids) == 8 and 2 not in slots["long"].ids
    assert slots["short"].ids == [2] and slots["short"].reason == "stop"
    assert len(slots["guided"].ids) == 4 and all(id_ % 2 == 0 for id_ in slots["guided"].ids)


def test_a_prompt_that_finds_no_room_is_refused():
    model = speaker("llama")
    engine = Engine(model, InTurn(), 4, columns=20)
    with pytest.raises(UserError, match="30 tokens; 20 are kept"):
        engine.slot([12] * 30, "", Sampling())


def test_what_prompts_begin_with_is_read_once_for_each_adapter():
    model = speaker("llama", stops=frozenset())
    attached(model, "a0", LoRA(rank=2), seed=1)
    system = prompts([40])[0]
    asked = [system + rest for rest in prompts([3, 5, 2, 4, 6, 3, 1, 2], seed=4)]
    names = ["", "a0"] * 4
    slots = []

    def make(engine):
        slots.extend(engine.slot(prompt, name, Sampling(tokens=6)) for prompt, name in zip(asked, names, strict=True))
        return list(slots)

    with quiet(model):
        engine = Engine(model, InTurn(), 4, begun=1000)
        waiting = make(engine)
        while engine.busy or waiting:
            if waiting:
                engine.waiting.add(waiting.pop(0))
            engine.advance()
    assert [slot.trunk for slot in slots] == [0, 0, 40, 40, 40, 40, 40, 40]
    assert {key[0] for key in engine.speech._paths} == {"", "a0"}
    for slot, name in zip(slots, names, strict=True):
        [alone] = generate(model, [slot.prompt], Sampling(tokens=6), adapters=[name])
        assert tuple(slot.ids) == alone.ids
        assert slot.logprob == pytest.approx(alone.logprob, abs=1e-3)
