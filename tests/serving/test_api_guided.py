"""Answers that have to be JSON of a form: whatever the model says, whole answers are valid."""

import json
import sys

import jsonschema
import openai
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.serving.api_server import BASE, base
from tunesmith.errors import UserError
from tunesmith.serving.guiding import Guides

SCALARS = st.sampled_from(
    [{"type": "integer"}, {"type": "boolean"}, {"type": "null"}, {"type": "string", "maxLength": 6}, {"type": "number"}]
)
SCHEMAS = st.recursive(
    SCALARS
    | st.lists(st.sampled_from(["red", "blue", "up", 3, None]), min_size=1, unique=True).map(lambda some: {"enum": some}),
    lambda inner: (
        st.dictionaries(st.sampled_from(["a", "name", "size of it", "é"]), inner, max_size=3).map(
            lambda parts: {
                "type": "object",
                "properties": parts,
                "required": sorted(parts)[:2],
                "additionalProperties": False,
            }
        )
        | inner.map(lambda one: {"type": "array", "items": one, "maxItems": 3})
    ),
    max_leaves=5,
)


def ask(client, schema, tokens=200, **more):
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    turns = [{"role": "user", "content": "Tell me."}]
    given = {"model": BASE, "messages": turns, "max_tokens": tokens, "temperature": 1.5, "response_format": form}
    return client.chat.completions.create(**given | more).choices[0]


@pytest.fixture(scope="session")
def client(api):
    with openai.OpenAI(base_url=f"{api.address}/v1", api_key="none", max_retries=0) as made:
        yield made


def test_fifty_schemas_are_followed(client):
    ends = {"stop": 0, "length": 0}

    @settings(max_examples=50, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(SCHEMAS, st.integers(0, 99))
    def follow(schema, seed):
        said = ask(client, schema, seed=seed)
        ends[said.finish_reason] += 1
        if said.finish_reason == "stop":
            jsonschema.validate(json.loads(said.message.content), schema)

    follow()
    assert ends["stop"] >= 40, ends


def test_an_answer_that_is_cut_is_told_to_be(client):
    schema = {"type": "array", "items": {"type": "string"}, "minItems": 50}
    said = ask(client, schema, tokens=20)
    assert said.finish_reason == "length"
    with pytest.raises(json.JSONDecodeError):
        json.loads(said.message.content)


def test_any_object_and_each_choice_of_several_and_a_stream(client):
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 99}}, "required": ["n"]}
    schema["additionalProperties"] = False
    given = {"model": "low", "prompt": "n is", "max_tokens": 60, "seed": 5, "n": 4}
    form = {"response_format": {"type": "json_schema", "json_schema": {"schema": schema}}}
    choices = client.completions.create(**given, extra_body=form).choices
    assert [set(json.loads(choice.text)) for choice in choices] == [{"n"}] * 4
    streamed = [""] * 4
    for part in client.completions.create(**given, extra_body=form, stream=True):
        streamed[part.choices[0].index] += part.choices[0].text
    assert streamed == [choice.text for choice in choices]
    turns = [{"role": "user", "content": "Say something."}]
    free = client.chat.completions.create(
        model=BASE, messages=turns, max_tokens=400, temperature=0.4, seed=1, response_format={"type": "json_object"}
    )
    assert free.choices[0].finish_reason == "length" or isinstance(json.loads(free.choices[0].message.content), dict)


def test_where_the_library_is_missing_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "llguidance", None)
    with pytest.raises(UserError, match="tunesmith\\[guided\\]"):
        Guides(base()).of({"type": "integer"})


def test_an_encoder_decoder_follows_too():
    from tunesmith.generation.engine import Engine
    from tunesmith.generation.quiet import quiet
    from tunesmith.generation.sampling import Sampling
    from tunesmith.generation.waiting import InOrder
    from tunesmith.models.load import ModelSettings, load

    model = load(ModelSettings(path="town/t5"))
    schema = {"type": "object", "properties": {"a": {"enum": ["red", 7]}}, "required": ["a"], "additionalProperties": False}
    make = Guides(model).of(schema)
    with quiet(model):
        engine = Engine(model, InOrder(), rows=4)
        slots = [
            engine.slot(model.renderer.text("Tell me."), "", Sampling(tokens=40, temperature=2.0, seed=seed), guide=make())
            for seed in range(4)
        ]
        engine.waiting = InOrder(slots)
        while engine.busy:
            engine.advance()
    for slot in slots:
        jsonschema.validate(json.loads(engine.spoken(slot).text), schema)
