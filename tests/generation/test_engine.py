"""The engine: what ends an answer, what is refused, and what callers get to know."""

import pytest
import torch

from tests.models.speakers import attached, prompts, speaker
from tunesmith.errors import UserError
from tunesmith.generation.engine import generate
from tunesmith.generation.sampling import Sampling
from tunesmith.methods.prompt import PromptTuning

NEVER: frozenset[int] = frozenset()


def test_answers_come_in_the_order_of_the_prompts_and_are_told_as_they_are_done():
    model, asked = speaker("llama"), prompts()
    told = []
    spoken = generate(model, asked, Sampling(tokens=9), rows=3, on_done=lambda number, said: told.append((number, said)))
    assert sorted(number for number, _ in told) == list(range(len(asked)))
    assert all(spoken[number] is said for number, said in told)
    assert [said.prompt_tokens for said in spoken] == [len(prompt) for prompt in asked]
    assert all(said.seconds > 0 for said in spoken)


def test_no_prompts_no_answers():
    assert generate(speaker("llama"), [], Sampling()) == []


def test_an_answer_ends_at_its_longest_length():
    spoken = generate(speaker("llama", stops=NEVER), prompts(), Sampling(tokens=5), rows=4)
    assert {len(said.ids) for said in spoken} == {5}
    assert {said.reason for said in spoken} == {"length"}


@pytest.mark.parametrize(("name", "expected"), [("llama", 15), ("bart", 24)])
def test_an_answer_ends_at_the_window(name, expected):
    """Ten prompt tokens in a window of 24: the last of 15 said tokens is never read. A decoder has a window of its own."""
    model = speaker(name, stops=NEVER, max_position_embeddings=24)
    [said] = generate(model, prompts([10]), Sampling(tokens=50))
    assert len(said.ids) == expected
    assert said.reason == "length"


def test_virtual_tokens_take_room_in_the_window():
    model = attached(speaker("llama", stops=NEVER, max_position_embeddings=24), "a", PromptTuning(virtual_tokens=4))
    assert len(generate(model, prompts([10]), Sampling(tokens=50))[0].ids) == 11
    with pytest.raises(UserError, match="prompt 1 has 25 tokens; the network reads at most 24"):
        generate(model, prompts([10, 21]), Sampling())


def test_a_prompt_without_tokens_is_refused():
    with pytest.raises(UserError, match="prompt 0 has no tokens"):
        generate(speaker("llama"), [[]], Sampling())


def test_masked_models_do_not_speak():
    with pytest.raises(UserError, match="cannot speak"):
        generate(speaker("bert"), prompts(), Sampling())


def test_a_stop_text_ends_an_answer_and_is_cut_from_it():
    model, asked = speaker("gpt2", stops=NEVER), prompts()
    whole = generate(model, asked, Sampling(tokens=12), rows=4)
    text = whole[0].text.split()[4]
    for said, cut in zip(whole, generate(model, asked, Sampling(tokens=12, stop=(f" {text}",)), rows=4), strict=True):
        assert cut.text == said.text.split(f" {text}")[0]
        assert cut.finished == (f" {text}" in said.text)
        assert list(cut.ids) == list(said.ids[: len(cut.ids)])


def test_text_leaves_the_stop_token_out():
    said = generate(speaker("llama"), prompts(), Sampling(tokens=20))
    ended = [one for one in said if one.finished]
    assert ended
    for one in ended:
        assert one.text == " ".join(f"w{id_}" for id_ in one.ids[:-1])


def test_the_log_probability_is_the_networks_own_at_any_temperature():
    model, [prompt] = speaker("llama"), prompts([6])
    [said] = generate(model, [prompt], Sampling(tokens=8, temperature=2.0, top_k=7, repetition_penalty=1.5))
    row = torch.tensor([[*prompt, *said.ids]])
    with torch.no_grad():
        logprobs = model.network(row).logits.log_softmax(-1)[0, len(prompt) - 1 : -1]
    expected = logprobs.gather(1, torch.tensor(said.ids)[:, None]).sum()
    assert said.logprob == pytest.approx(float(expected), abs=1e-4)


@pytest.mark.parametrize(
    "wrong", [{"tokens": 0}, {"temperature": -1.0}, {"top_p": 0.0}, {"top_k": -2}, {"repetition_penalty": 0.0}, {"stop": ("",)}]
)
def test_settings_that_make_no_sense_are_refused(wrong):
    [name] = wrong
    with pytest.raises(UserError, match=f"sampling.{name}"):
        Sampling(**wrong)


def test_a_network_with_a_state_that_is_no_attention_is_refused():
    model = speaker("llama")
    model.network.config.layer_types = ["full_attention", "linear_attention"]
    with pytest.raises(UserError, match="linear_attention"):
        generate(model, prompts(), Sampling())


def test_bfloat16_speaks():
    model = speaker("llama").to(torch.bfloat16)
    assert len(generate(model, prompts(), Sampling(tokens=5, temperature=0.7), rows=4)) == 11
