"""How many rows are spoken at once, by the bytes of what is kept of them."""

import pytest
import torch

from tests.models.networks import network
from tests.models.speakers import speaker
from tunesmith.generation.engine import generate
from tunesmith.generation.sampling import Sampling
from tunesmith.models import cache
from tunesmith.models.cache import column_bytes, fitting
from tunesmith.models.speech import Speech

PROMPTS = [[3 + (n * step) % 50 for n in range(2 + step)] for step in range(1, 13)]


def test_bytes_of_a_token_are_those_of_its_keys_and_values():
    for name in ("llama", "llama-tied", "gpt2", "qwen3", "gemma2", "phi3", "opt"):
        made = network(name)
        kept = made(torch.tensor([[5, 6, 7]]), use_cache=True).past_key_values
        held = sum(layer.keys.numel() + layer.values.numel() for layer in kept.layers) * 4
        assert column_bytes(made.config, 4) * 3 == held, name
    for name in ("t5", "bart"):
        made = network(name)
        kept = made(torch.tensor([[5, 6, 7]]), decoder_input_ids=torch.tensor([[0, 4]]), use_cache=True).past_key_values
        own = sum(layer.keys.numel() + layer.values.numel() for layer in kept.self_attention_cache.layers) * 4
        assert column_bytes(made.config, 4) * 2 == own, name


def test_rows_stay_within_the_bytes(monkeypatch):
    made = network("llama")
    monkeypatch.setattr(cache, "CACHE", 10 * 30 * column_bytes(made.config, 4))
    weights = sum(p.numel() * 4 for p in made.parameters())
    assert fitting(made, 100, 30) == max(10, weights // (30 * column_bytes(made.config, 4)))
    assert fitting(made, 3, 30) == 3
    assert fitting(made, 100, 10**9) == cache.LEAST


@pytest.mark.parametrize("name", ["llama", "gpt2", "t5", "bart"])
def test_answers_do_not_depend_on_it(name, monkeypatch):
    made = speaker(name)
    wanted = generate(made, PROMPTS, Sampling(tokens=9), rows=12)
    seen = []
    expected = Speech.expect

    def few(speech, rows, prompts):
        seen.append(expected(speech, rows, prompts))
        speech.room = 2
        return 2

    monkeypatch.setattr(Speech, "expect", few)
    said = generate(made, PROMPTS, Sampling(tokens=9), rows=12)
    assert seen == [12]
    assert [one.ids for one in said] == [one.ids for one in wanted]


def test_a_buffer_that_knows_its_columns_is_made_once():
    fresh = cache.Columns(room=4, columns=40)
    fresh.update(torch.ones(1, 2, 5, 8), torch.ones(1, 2, 5, 8))
    for number in range(35):
        fresh.update(torch.full((1, 2, 1, 8), float(number)), torch.ones(1, 2, 1, 8))
        assert fresh.key_buffer.shape == (4, 2, 40, 8)
    assert fresh.width == 40 and float(fresh.keys[0, 0, -1, 0]) == 34
    fresh.update(torch.ones(1, 2, 1, 8), torch.ones(1, 2, 1, 8))  # more than was expected
    assert fresh.width == 41 and fresh.key_buffer.shape[2] > 41
