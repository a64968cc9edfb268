"""Parts of the API beyond plain answers: weighed prompts, the best of several, calls that must be, states of encoders."""

import json

import openai
import pytest
import torch

from tests.serving.api_server import BASE, base
from tests.serving.test_api_errors import wrong
from tunesmith.models.load import ModelSettings, load
from tunesmith.models.weights import load_adapter

PROMPT = "Once upon a time there was"
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {
                "type": "object",
                "properties": {"day": {"$ref": "#/$defs/Day"}},
                "required": ["day"],
                "additionalProperties": False,
                "$defs": {"Day": {"enum": ["today", "tomorrow"]}},
            },
        },
    },
    {"type": "function", "function": {"name": "stop", "parameters": {"type": "object", "additionalProperties": False}}},
]
ASKED = {"model": BASE, "messages": [{"role": "user", "content": "Rain?"}], "temperature": 1.2, "max_tokens": 60}


@pytest.fixture(scope="session")
def client(api):
    with openai.OpenAI(base_url=f"{api.address}/v1", api_key="none", max_retries=0) as made:
        yield made


@pytest.mark.parametrize("adapter", ["", "low", "soft"])
def test_a_weighed_prompt_is_what_the_network_thinks_of_it(api, client, adapter):
    model = base()
    ids = model.renderer.text(PROMPT)
    given = {"model": adapter or BASE, "prompt": PROMPT, "temperature": 0, "logprobs": 2, "echo": True}
    weighed = client.completions.create(**given, max_tokens=0).choices[0]
    assert weighed.text == PROMPT and len(weighed.logprobs.tokens) == len(ids)
    assert weighed.logprobs.token_logprobs[0] is weighed.logprobs.top_logprobs[0] is None
    if adapter:
        load_adapter(api.folders[adapter], model, "x")
    try:
        virtual = model.virtual_tokens
        with torch.no_grad():
            from tunesmith.tokens.packing import Room
            from tunesmith.tokens.sequence import causal

            (batch,) = model.pack([[causal(ids, [1.0] * len(ids))]], Room())
            right = model(batch).logprobs().tolist()
    finally:
        if adapter:
            model.detach("x")
    assert bool(virtual) == (adapter == "soft")
    assert weighed.logprobs.token_logprobs[1:] == pytest.approx(right, abs=1e-4)
    for own, likeliest in zip(weighed.logprobs.token_logprobs[1:], weighed.logprobs.top_logprobs[1:], strict=True):
        assert 2 <= len(likeliest) <= 3 and max(likeliest.values()) >= own


def test_an_answer_weighs_the_same_when_it_is_read_as_a_prompt(client):
    given = {"model": "low", "prompt": PROMPT, "temperature": 0, "logprobs": 1, "max_tokens": 8}
    said = client.completions.create(**given).choices[0]
    both = client.completions.create(**given, echo=True).choices[0]
    before = len(both.logprobs.tokens) - 8
    assert both.logprobs.tokens[before:] == said.logprobs.tokens
    assert both.logprobs.token_logprobs[before:] == pytest.approx(said.logprobs.token_logprobs, abs=1e-4)
    ids = base().renderer.text(PROMPT)
    read = client.completions.create(model="low", prompt=both.text, temperature=0, logprobs=1, echo=True, max_tokens=0).choices[
        0
    ]
    if len(read.logprobs.tokens) == len(ids) + 8:  # spelled again as it was said
        assert read.logprobs.token_logprobs[len(ids) :] == pytest.approx(said.logprobs.token_logprobs, abs=1e-3)
    offsets = both.logprobs.text_offset
    assert offsets == sorted(offsets) and offsets[before] == len(PROMPT)
    streamed = list(client.completions.create(**given, echo=True, stream=True))
    assert streamed[0].choices[0].logprobs == both.logprobs and streamed[0].choices[0].text == both.text


def test_several_prompts_are_weighed_and_their_first_tokens_stand_alone(client):
    found = client.completions.create(model=BASE, prompt=[[5], [5, 6], [5, 6, 7]], logprobs=0, echo=True, max_tokens=0)
    assert [len(one.logprobs.tokens) for one in found.choices] == [1, 2, 3]
    two, three = (one.logprobs.token_logprobs for one in found.choices[1:])
    assert three[:2] == [None, pytest.approx(two[1], abs=1e-5)]


def test_the_best_of_several_have_the_highest_log_probability_a_token(client):
    given = {"model": "low", "prompt": [PROMPT, "The river"], "max_tokens": 10, "temperature": 1.0, "seed": 3}
    every = client.completions.create(**given, n=6, logprobs=0).choices

    def mean(choice):
        return sum(choice.logprobs.token_logprobs) / len(choice.logprobs.token_logprobs)

    best = client.completions.create(**given, n=2, best_of=6)
    assert [choice.index for choice in best.choices] == [0, 1, 2, 3]
    wanted = [sorted(part, key=mean, reverse=True)[:2] for part in (every[:6], every[6:])]
    assert [choice.text for choice in best.choices] == [choice.text for part in wanted for choice in part]
    assert all(choice.logprobs is None for choice in best.choices)
    assert best.usage.completion_tokens > 2 * 2 * 10, "what was spoken and not told is counted too"
    alone = client.completions.create(**given, n=2, best_of=2).choices
    assert [choice.text for choice in alone] == [every[number].text for number in (0, 1, 6, 7)]


def test_a_call_that_must_be_is_one(client):
    for seed in range(4):
        choice = client.chat.completions.create(**ASKED, tools=TOOLS, tool_choice="required", seed=seed).choices[0]
        [call] = choice.message.tool_calls
        arguments = json.loads(call.function.arguments)
        assert choice.finish_reason == "tool_calls" and not choice.message.content
        assert arguments == {} if call.function.name == "stop" else arguments["day"] in ("today", "tomorrow")
    named = {"type": "function", "function": {"name": "weather"}}
    given = {**ASKED, "tools": TOOLS, "tool_choice": named, "seed": 2}
    choice = client.chat.completions.create(**given).choices[0]
    assert choice.finish_reason == "stop" and choice.message.tool_calls[0].function.name == "weather"
    parts = [part.choices[0] for part in client.chat.completions.create(**given, stream=True)]
    [calls] = [part.delta.tool_calls for part in parts if part.delta.tool_calls]
    assert calls[0].function.model_dump() == choice.message.tool_calls[0].function.model_dump()
    assert parts[-1].finish_reason == "stop"
    cut = client.chat.completions.create(**{**given, "max_tokens": 3}).choices[0]
    assert cut.finish_reason == "length" and not cut.message.tool_calls and cut.message.content


@pytest.mark.parametrize(
    "more",
    [
        {"tool_choice": "required"},
        {"tool_choice": {"type": "function", "function": {"name": "nobody"}}, "tools": TOOLS},
        {"tool_choice": "required", "tools": TOOLS, "response_format": {"type": "json_object"}},
        {"tool_choice": "sometimes", "tools": TOOLS},
    ],
)
def test_a_call_that_cannot_be_is_refused(api, more):
    assert wrong(api, ASKED | more, "/v1/chat/completions")["param"] == "tool_choice"


def test_states_of_an_encoder_are_the_mean_of_what_it_says():
    from tests.models.speakers import attached
    from tunesmith.methods.lora import LoRA
    from tunesmith.methods.prompt import PromptTuning
    from tunesmith.serving.vectors import embedded

    model = load(ModelSettings(path="town/t5"))
    model.eval()
    texts = [model.renderer.text(text) for text in ("The river", "Question: is the mill beside the river? Answer:", "yes")]
    found = embedded(model, texts)
    for ids, vector in zip(texts, found, strict=True):
        with torch.no_grad():
            states = model.network.get_encoder()(input_ids=torch.tensor([ids]))[0][0]
        torch.testing.assert_close(vector, torch.nn.functional.normalize(states.mean(0), dim=0), atol=1e-5, rtol=1e-4)
    for method in (LoRA(rank=2), PromptTuning(virtual_tokens=3)):
        attached(model, "x", method)
        tuned = embedded(model, texts)
        alone = torch.cat([embedded(model, [ids]) for ids in texts])
        torch.testing.assert_close(tuned, alone, atol=1e-5, rtol=1e-4)
        assert (tuned - found).abs().max() > 1e-3
        model.detach("x")
