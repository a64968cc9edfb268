"""Tools and their calls reach the chat template as the row has them: token by token what transformers makes of the row."""

import json
from pathlib import Path

import pytest
from transformers import AutoConfig, AutoTokenizer

from tunesmith.data.example import Message
from tunesmith.data.shapes import guess, recognise
from tunesmith.errors import UserError
from tunesmith.tokens.renderer import Renderer
from tunesmith.tokens.sequence import IGNORED

ASSETS = Path(__file__).resolve().parents[2] / "tunesmith" / "assets"
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "The weather of a town.",
            "parameters": {"type": "object", "properties": {"town": {"type": "string", "default": None}}, "required": ["town"]},
        },
    }
]
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": {"town": "Bern", "days": 2}}}
MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "How is it in Bern?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1", "name": "weather", "content": '{"sun": true}'},
    {"role": "assistant", "content": "It is sunny."},
]
# Templates of our own, in the manner of those that published networks have: arguments as objects; as JSON text; with what was
# thought before the last answer alone.
OBJECTS = """{{ bos_token }}{% if tools %}<|system|>{% for tool in tools %}{{ tool | tojson }}
{% endfor %}{% endif %}{% for m in messages %}<|{{ m.role }}|>{% if m.content %}{{ m.content }}{% endif %}{% if m.tool_calls %}\
{% for call in m.tool_calls %}<call>{{ call.function.name }}:{{ call.function.arguments | tojson }}</call>\
{% endfor %}{% endif %}\
{% if m.tool_call_id %}#{{ m.tool_call_id }}{% endif %}{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}\
{% if add_generation_prompt %}<|assistant|>{% endif %}"""
TEXT = OBJECTS.replace("{{ call.function.arguments | tojson }}", "{{ '' + call.function.arguments }}")


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(ASSETS / "llama")


def renderer(tokenizer, template) -> Renderer:
    return Renderer.of(tokenizer, "causal", AutoConfig.from_pretrained(ASSETS / "llama"), chat=template)


def theirs(tokenizer, template, messages, tools) -> list[int]:
    return tokenizer.apply_chat_template(messages, tools=tools, chat_template=template, tokenize=True, return_dict=False)


def ours(tokens) -> list[int]:
    """The ids of a causal row."""
    return [*tokens.inputs, tokens.targets[-1]]


def as_text(messages) -> list[dict]:
    """The messages with the arguments of calls as JSON text, as OpenAI has them."""
    made = json.loads(json.dumps(messages))
    for call in (call for message in made for call in message.get("tool_calls", ())):
        call["function"]["arguments"] = json.dumps(call["function"]["arguments"])
    return made


@pytest.mark.parametrize("last", [3, 5], ids=["a call is learnt", "an answer is learnt"])
@pytest.mark.parametrize("template", [OBJECTS, TEXT], ids=["objects", "text"])
@pytest.mark.parametrize("given", [MESSAGES, as_text(MESSAGES)], ids=["row with objects", "row with text"])
def test_tool_calls_are_what_transformers_makes_of_them(tokenizer, template, given, last):
    row = {"messages": given[:last], "tools": json.dumps(TOOLS) if last == 3 else TOOLS}
    assert recognise([row]).columns == ("messages", "tools")
    example = guess(row).apply(row)
    rendered = renderer(tokenizer, template).render(example)
    wanted = as_text(MESSAGES) if template is TEXT else MESSAGES
    whole = theirs(tokenizer, template, wanted[:last], TOOLS)
    assert ours(rendered) == whole
    learnt = tokenizer.decode([id_ for id_ in rendered.targets if id_ != IGNORED])
    said = '<call>weather:{"town": "Bern", "days": 2}</call></s>' if last == 3 else "It is sunny.</s>"
    assert learnt.replace(" ", "") == said.replace(" ", "")
    asked = renderer(tokenizer, template).prompt(example)
    assert ours(rendered)[: len(asked)] == asked


@pytest.mark.parametrize("template", [OBJECTS, TEXT], ids=["objects", "text"])
def test_every_turn_is_learnt_with_its_calls(tokenizer, template):
    row = {"messages": MESSAGES, "tools": TOOLS}
    rendered = renderer(tokenizer, template).render(guess(row).apply(row), turns="all")
    wanted = as_text(MESSAGES) if template is TEXT else MESSAGES
    assert ours(rendered) == theirs(tokenizer, template, wanted, TOOLS)
    learnt = tokenizer.decode([id_ for id_ in rendered.targets if id_ != IGNORED]).replace(" ", "")
    assert learnt == '<call>weather:{"town":"Bern","days":2}</call></s>Itissunny.</s>'


SHARED = [
    {"from": "system", "value": "Be brief."},
    {"from": "human", "value": "How is it in Bern?"},
    {"from": "function_call", "value": '{"name": "weather", "arguments": {"town": "Bern", "days": 2}}'},
    {"from": "observation", "value": '{"sun": true}'},
    {"from": "gpt", "value": "It is sunny."},
]


@pytest.mark.parametrize("count", [2, 3, 5])
def test_sharegpt_is_the_same_conversation(tokenizer, count):
    plain = [{key: value for key, value in message.items() if key not in ("tool_call_id", "name")} for message in MESSAGES]
    plain[2]["tool_calls"] = [{"type": "function", "function": CALL["function"]}]
    shared, theirs_ = ([one[0], *one[1:count]] for one in (SHARED, plain))
    bare = [TOOLS[0]["function"]]
    row = {"conversations": shared if count > 2 else [*SHARED[:2], SHARED[4]], "tools": json.dumps(bare)}
    wanted = theirs_ if count > 2 else [*plain[:2], plain[4]]
    rendered = renderer(tokenizer, OBJECTS).render(guess(row).apply(row))
    assert ours(rendered) == theirs(tokenizer, OBJECTS, wanted, TOOLS)


def test_parallel_calls_and_openai_s_older_call():
    calls = json.dumps([{"name": "a", "arguments": {}}, {"name": "b", "arguments": {"c": 1}}])
    row = {"conversations": [SHARED[1], {"from": "function_call", "value": calls}]}
    example = guess(row).apply(row)
    assert [call["function"]["name"] for call in json.loads(example.extra)["tool_calls"]] == ["a", "b"]
    row = {"messages": [MESSAGES[1], {"role": "assistant", "content": None, "function_call": CALL["function"]}]}
    assert (
        guess(row).apply(row).target
        == '<tool_call>\n{"name": "weather", "arguments": {"town": "Bern", "days": 2}}\n</tool_call>'
    )


def test_a_network_whose_template_knows_no_tools_is_told_of_them_as_text(tokenizer):
    row = {"messages": MESSAGES[:3], "tools": TOOLS}
    example = guess(row).apply(row)
    for known in (renderer(tokenizer, "auto"), renderer(tokenizer, "none")):
        rendered = known.render(example)
        text = tokenizer.decode(ours(rendered)).replace(" ", "")
        assert "Tools:" in text
        assert '"description":"Theweatherofatown."' in text
        learnt = tokenizer.decode([id_ for id_ in rendered.targets if id_ != IGNORED]).replace(" ", "")
        assert learnt == '<tool_call>\n{"name":"weather","arguments":{"town":"Bern","days":2}}\n</tool_call></s>'


def test_pairs_with_calls_are_written_in_one_way():
    row = {"prompt": MESSAGES[:2], "chosen": [MESSAGES[2]], "rejected": [{"role": "assistant", "content": "No idea."}]}
    example = guess(row).apply(row)
    assert (example.extra, example.rejected) == ("", "No idea.")
    assert "<tool_call>" in example.target


@pytest.mark.parametrize(
    ("turn", "told"),
    [
        ({"from": "function_call", "value": "weather(Bern)"}, "a turn of `function_call` is `weather"),
        ({"role": "assistant", "tool_calls": "weather"}, "the `tool_calls` of a turn"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {}}]}, "a part of the kind `image_url`"),
        ({"role": "judge", "content": "x"}, "the role `judge`"),
    ],
)
def test_what_cannot_be_read_is_refused(turn, told):
    row = {"messages": [MESSAGES[1], turn]}
    with pytest.raises(UserError, match=told):
        guess(row).apply(row)
    with pytest.raises(UserError, match="the `tools` of a row"):
        guess({"messages": MESSAGES}).apply({"messages": MESSAGES, "tools": "weather"})


def test_a_turn_keeps_what_a_template_may_ask_for():
    turn = {"role": "tool", "tool_call_id": "x", "name": "n", "content": "c", "empty": None}
    row = {"messages": [MESSAGES[1], turn, MESSAGES[4]]}
    assert guess(row).apply(row).messages[1] == Message("tool", "c", json.dumps({"tool_call_id": "x", "name": "n"}))
