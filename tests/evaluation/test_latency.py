"""One request with and without its adapter: what is timed, and that nothing is left changed."""

import pytest
import torch

from tests.models.methods import BESIDE, EVERY
from tests.models.speakers import attached, prompts, speaker
from tunesmith.evaluation import latency as timing
from tunesmith.evaluation.latency import latency
from tunesmith.methods.lora import LoRA
from tunesmith.models.quantize import quantise

MERGED = {"LoRA", "DoRA", "PiSSA", "AdaLoRA", "IA3"}


@pytest.mark.parametrize("name", ["llama", "t5", "bart"])
@pytest.mark.parametrize("kind", BESIDE)
def test_every_side_is_timed_and_the_network_is_as_it_was(name, kind, monkeypatch):
    monkeypatch.setattr(timing, "ROUNDS", 1)
    model = attached(speaker(name), "a", EVERY[kind]).train()
    before = {path: value.clone() for path, value in model.state_dict().items()}
    found = latency(model, prompts())
    assert set(found) == {"base", "attached"} | ({"merged"} if kind in MERGED else set())
    assert all(seconds > 0 for seconds in found.values())
    assert model.active == "a" and model.training
    after = model.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[path], after[path]) for path in before)


def test_nothing_is_timed_where_there_is_nothing_beside_the_network():
    assert latency(speaker("llama"), prompts()) == {}
    assert latency(attached(speaker("llama"), "a", EVERY["Full"]), prompts()) == {}
    assert latency(attached(speaker("bert"), "a", LoRA(rank=2)), prompts()) == {}
    assert latency(attached(speaker("llama"), "a", LoRA(rank=2)), []) == {}


def test_a_base_in_four_bits_stays_packed(monkeypatch):
    monkeypatch.setattr(timing, "ROUNDS", 1)
    model = speaker("llama")
    quantise(model.network)
    assert set(latency(attached(model, "a", LoRA(rank=2)), prompts())) == {"base", "attached"}


def test_the_longest_prompt_leaves_room_for_what_is_said(monkeypatch):
    monkeypatch.setattr(timing, "ROUNDS", 1)
    model = attached(speaker("llama"), "a", EVERY["PromptTuning"])
    assert latency(model, [[12] * model.window])


def test_nothing_is_timed_in_a_window_too_small_for_it(monkeypatch):
    model = attached(speaker("llama"), "a", LoRA(rank=2))
    monkeypatch.setattr(timing, "TOKENS", model.window)
    assert latency(model, prompts()) == {}
