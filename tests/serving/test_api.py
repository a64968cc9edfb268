"""The API as its clients use it: OpenAI's own, and httpx2 with server-sent events."""

import json
from http.client import HTTPConnection

import httpx2
import openai
import pytest

from tests.serving.api_server import BASE, STANDING, base
from tunesmith.data.example import Example, Message
from tunesmith.generation.sampling import Sampling

PROMPTS = ("The river", "Once upon a time there was", "Question: why?\nAnswer:")
GREEDY = Sampling(tokens=12)


@pytest.fixture(scope="session")
def client(api):
    with openai.OpenAI(base_url=f"{api.address}/v1", api_key="none", max_retries=0) as made:
        yield made


@pytest.mark.parametrize("adapter", ["", *STANDING])
def test_an_answer_is_what_generate_says_alone(api, client, adapter):
    for prompt in PROMPTS:
        asked = client.completions.create(model=adapter or BASE, prompt=prompt, max_tokens=12, temperature=0)
        alone = api.alone(prompt, GREEDY, adapter)
        assert asked.choices[0].text == alone.text
        assert asked.choices[0].finish_reason == alone.reason
        assert asked.usage.completion_tokens == len(alone.ids)
        assert asked.usage.prompt_tokens == alone.prompt_tokens


def test_adapters_say_other_things_than_their_base(api):
    assert len({api.said(PROMPTS[0], adapter, max_tokens=24) for adapter in ("", *STANDING)}) > 2


@pytest.mark.parametrize("adapter", ["", "low"])
def test_a_conversation_is_put_by_the_renderer_and_streams_as_it_reads_whole(api, client, adapter):
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": [{"type": "text", "text": "Hello!"}]}]
    ids = base().renderer.prompt(Example((Message("system", "Be brief."), Message("user", "Hello!")), ""))
    alone = api.alone(ids, GREEDY, adapter)
    given = {"model": adapter or BASE, "messages": turns, "max_completion_tokens": 12, "temperature": 0, "logprobs": True}
    whole = client.chat.completions.create(**given, top_logprobs=3)
    assert whole.choices[0].message.content == alone.text
    assert whole.usage.prompt_tokens == len(ids)
    parts = list(client.chat.completions.create(**given, top_logprobs=3, stream=True, stream_options={"include_usage": True}))
    assert parts[0].choices[0].delta.role == "assistant"
    assert "".join(part.choices[0].delta.content or "" for part in parts if part.choices) == alone.text
    reasons = [part.choices[0].finish_reason for part in parts if part.choices]
    assert reasons[-1] == alone.reason and set(reasons[:-1]) == {None}
    assert parts[-1].usage == whole.usage and not parts[-1].choices
    streamed = [one for part in parts if part.choices and part.choices[0].logprobs for one in part.choices[0].logprobs.content]
    assert streamed == whole.choices[0].logprobs.content
    assert sum(one.logprob for one in streamed) == pytest.approx(alone.logprob, abs=1e-3) or alone.reason == "stop"
    assert all(len(one.top_logprobs) == 3 for one in streamed)


def test_seeds_repeat_and_choices_differ(api, client):
    given = {"model": "low", "prompt": PROMPTS[1], "temperature": 1.0, "top_p": 0.9, "max_tokens": 10}
    first = client.completions.create(**given, seed=7, n=3)
    again = client.completions.create(**given, seed=7, n=3)
    texts = [choice.text for choice in first.choices]
    assert texts == [choice.text for choice in again.choices]
    assert len(set(texts)) > 1
    assert [choice.index for choice in first.choices] == [0, 1, 2]
    assert texts[0] == api.alone(PROMPTS[1], Sampling(tokens=10, temperature=1.0, top_p=0.9, seed=7), "low").text
    free = {client.completions.create(**given).choices[0].text for _ in range(4)}
    assert len(free) > 1, "without a seed each request draws anew"
    streams = ["", "", ""]
    for part in client.completions.create(**given, seed=7, n=3, stream=True):
        streams[part.choices[0].index] += part.choices[0].text
    assert streams == texts


def test_several_prompts_ids_and_stop_texts(api, client):
    ids = base().renderer.text(PROMPTS[0])
    listed = client.completions.create(model=BASE, prompt=list(PROMPTS), max_tokens=12, temperature=0)
    assert [choice.text for choice in listed.choices] == [api.alone(prompt, GREEDY).text for prompt in PROMPTS]
    assert client.completions.create(model=BASE, prompt=ids, max_tokens=12, temperature=0).choices[0].text == api.said(
        PROMPTS[0]
    )
    both = client.completions.create(model=BASE, prompt=[ids, ids], max_tokens=12, temperature=0)
    assert [choice.text for choice in both.choices] == [api.said(PROMPTS[0])] * 2
    whole = api.said(PROMPTS[0], max_tokens=24)
    stop = whole.split()[2]
    cut = client.completions.create(model=BASE, prompt=PROMPTS[0], max_tokens=24, temperature=0, stop=[stop])
    assert cut.choices[0].finish_reason == "stop"
    assert stop not in cut.choices[0].text and whole.startswith(cut.choices[0].text)
    parts = client.completions.create(model=BASE, prompt=PROMPTS[0], max_tokens=24, temperature=0, stop=stop, stream=True)
    assert "".join(part.choices[0].text for part in parts) == cut.choices[0].text


def test_weights_on_tokens_and_echo(api, client):
    whole = api.alone(PROMPTS[0], GREEDY)
    given = {"model": BASE, "prompt": PROMPTS[0], "max_tokens": 12, "temperature": 0}
    banned = client.completions.create(**given, logit_bias={str(whole.ids[0]): -100}, logprobs=1)
    assert banned.choices[0].logprobs.tokens[0] != base().renderer.pieces(whole.ids[:1])[0]
    said = client.completions.create(**given, echo=True).choices[0].text
    assert said.startswith(PROMPTS[0]) and said.endswith(whole.text)
    streamed = "".join(part.choices[0].text for part in client.completions.create(**given, echo=True, stream=True))
    assert streamed == said
    assert client.completions.create(**given | {"max_tokens": 0}, echo=True).choices[0].text == PROMPTS[0]
    least = client.completions.create(**given | {"max_tokens": 40}, extra_body={"min_tokens": 40})
    assert least.usage.completion_tokens == 40
    penalised = Sampling(tokens=12, repetition_penalty=1.8)
    again = client.completions.create(**given, extra_body={"repetition_penalty": 1.8})
    assert again.choices[0].text == api.alone(PROMPTS[0], penalised).text


def test_a_stream_as_plain_events(api):
    body = {"model": "soft", "prompt": PROMPTS[2], "max_tokens": 12, "temperature": 0, "stream": True}
    with httpx2.stream("POST", f"{api.address}/v1/completions", json=body) as answer:
        events = list(httpx2.EventSource(answer))
    assert events[-1].data == "[DONE]"
    assert "".join(event.json()["choices"][0]["text"] for event in events[:-1]) == api.said(PROMPTS[2], "soft")


def test_models_are_listed_with_their_root_and_parent(client):
    models = {one.id: one for one in client.models.list()}
    assert set(models) == {BASE, *STANDING}
    assert models[BASE].parent is None and models[BASE].root == BASE
    assert {(models[name].parent, models[name].root) for name in STANDING} == {(BASE, name) for name in STANDING}
    assert client.models.retrieve(BASE).id == BASE
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.models.retrieve("nobody")


def test_who_goes_leaves_the_row_to_others(api):
    before = api.figure("tunesmith_cancelled_total")
    body = {"model": "low", "prompt": "A", "max_tokens": 900, "temperature": 1, "min_tokens": 900, "n": 4}
    with httpx2.stream("POST", f"{api.address}/v1/completions", json=body | {"stream": True}) as answer:
        events = iter(httpx2.EventSource(answer))  # held: an iterator that is let go closes the answer
        next(events)
        assert api.figure("tunesmith_under_way") == 4
    api.comes_to("tunesmith_cancelled_total", before + 4)
    whole = HTTPConnection(api.address.removeprefix("http://"))
    whole.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
    api.comes_to("tunesmith_under_way", 4)
    whole.close()  # its answer was not read
    api.comes_to("tunesmith_cancelled_total", before + 8)
    assert api.figure("tunesmith_under_way") == api.figure("tunesmith_waiting") == 0


def test_embeddings_are_the_same_alone_and_among_others(client):
    one = client.embeddings.create(model=BASE, input=PROMPTS[0])
    many = client.embeddings.create(model=BASE, input=list(PROMPTS), encoding_format="float")
    assert one.usage.prompt_tokens == len(base().renderer.text(PROMPTS[0]))
    assert one.data[0].embedding == pytest.approx(many.data[0].embedding, abs=1e-5)
    assert sum(x * x for x in many.data[1].embedding) == pytest.approx(1, abs=1e-5)
    tuned = client.embeddings.create(model="stretched", input=PROMPTS[0])
    assert tuned.data[0].embedding != pytest.approx(one.data[0].embedding, abs=1e-3)
    with pytest.raises(openai.BadRequestError, match="dimensions"):
        client.embeddings.create(model=BASE, input="a", dimensions=3)


def test_tools_are_shown_and_their_calls_told(client):
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
    turns = [{"role": "user", "content": "Rain?"}]
    given = {"model": BASE, "messages": turns, "max_tokens": 8, "temperature": 0}
    without = client.chat.completions.create(**given)
    shown = client.chat.completions.create(**given, tools=[tool])
    assert shown.usage.prompt_tokens > without.usage.prompt_tokens
    assert client.chat.completions.create(**given, tools=[tool], tool_choice="none").usage == without.usage
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    turns += [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c1", "content": "sun"}]
    assert client.chat.completions.create(**given, tools=[tool]).usage.prompt_tokens > shown.usage.prompt_tokens
