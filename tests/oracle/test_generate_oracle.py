"""Our engine against transformers' own `generate`."""

import pytest
import torch

from tests.models.networks import NETWORKS
from tests.models.speakers import STOPS, prompts, speaker
from tunesmith.data.example import Example, Message
from tunesmith.evaluation.ask import speak
from tunesmith.generation.engine import generate
from tunesmith.generation.sampling import Sampling
from tunesmith.models.load import ModelSettings, load

KINDS = ["llama", "gpt2", "qwen3", "mistral", "gemma2", "opt", "t5", "bart"]


def theirs(network, family, prompt, **options):
    ids = torch.tensor([prompt])
    said = network.generate(ids, attention_mask=torch.ones_like(ids), pad_token_id=0, **options)[0].tolist()
    return said[1:] if family == "seq2seq" else said[len(prompt) :]


@pytest.mark.parametrize("penalty", [1.0, 1.7])
@pytest.mark.parametrize("name", KINDS)
def test_greedy_answers_are_transformers_own(name, penalty):
    model, asked = speaker(name), prompts()
    spoken = generate(model, asked, Sampling(tokens=20, repetition_penalty=penalty), rows=4)
    for prompt, said in zip(asked, spoken, strict=True):
        expected = theirs(
            model.network,
            NETWORKS[name][0],
            prompt,
            max_new_tokens=20,
            do_sample=False,
            eos_token_id=list(STOPS),
            repetition_penalty=penalty,
        )
        assert list(said.ids) == expected
        assert said.prompt_tokens == len(prompt)
        assert said.finished == (said.ids[-1] in STOPS)


def test_forced_ids_are_honoured_as_transformers_does():
    model = speaker("bart", stops=frozenset({2}))
    model.network.generation_config.forced_bos_token_id = 20
    model.network.generation_config.forced_eos_token_id = 2
    model.renderer.forced = 20
    asked = prompts()
    for prompt, said in zip(asked, generate(model, asked, Sampling(tokens=6)), strict=True):
        expected = theirs(model.network, "seq2seq", prompt, max_new_tokens=6, do_sample=False)
        assert list(said.ids) == expected
        assert said.ids[0] == 20
        assert said.ids[-1] == 2


@pytest.mark.parametrize(("top_k", "top_p"), [(0, 1.0), (5, 1.0), (0, 0.7), (9, 0.6)])
def test_only_tokens_that_transformers_would_keep_are_drawn_and_as_often(top_k, top_p):
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    model = speaker("llama", stops=frozenset())
    prompt, temperature, count = [12, 30, 45], 1.4, 4000
    sampling = Sampling(tokens=1, temperature=temperature, top_k=top_k, top_p=top_p)
    spoken = generate(model, [prompt] * count, sampling, rows=1000)
    with torch.no_grad():
        scores = model.network(torch.tensor([prompt])).logits[:, -1]
    for warp in [TemperatureLogitsWarper(temperature), *([TopKLogitsWarper(top_k)] if top_k else []), TopPLogitsWarper(top_p)]:
        scores = warp(None, scores)
    expected = scores.softmax(-1)[0]
    found = torch.bincount(torch.tensor([said.ids[0] for said in spoken]), minlength=len(expected)) / count
    assert not found[expected == 0].any()
    assert (found - expected).abs().max() < 0.035  # four standard deviations at 4,000 draws


@pytest.mark.parametrize("folder", ["models/bart-g2p-en-us", "models/stories260K"])
def test_real_models_speak_as_in_transformers(shared, folder):
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    path = shared(folder)
    model = load(ModelSettings(path=str(path)), device="cpu")
    kind = AutoModelForSeq2SeqLM if model.family == "seq2seq" else AutoModelForCausalLM
    reference = kind.from_pretrained(path).eval()
    texts = ["hello", "abracadabra", "tunesmith", "once upon a time", "a", "the little dog ran home", "knight"]
    examples = [Example((Message("user", text),), "", id=text) for text in texts]
    asked = [model.renderer.prompt(example) for example in examples]
    spoken = generate(model, asked, Sampling(tokens=40), rows=4)
    for prompt, said in zip(asked, spoken, strict=True):
        assert list(said.ids) == theirs(reference, model.family, prompt, max_new_tokens=40, max_length=None, do_sample=False)
    assert [answer.said for answer in speak(model, examples, Sampling(tokens=40))] == [said.text for said in spoken]
