"""The renderer by hand-made cases: families, weights, chat templates, and what it refuses."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import tunesmith
from tunesmith.data.example import Example, Message, Weight
from tunesmith.errors import UserError
from tunesmith.tokens.renderer import Renderer, marked
from tunesmith.tokens.sequence import IGNORED

ASSETS = Path(tunesmith.__file__).parent / "assets"
NONE = SimpleNamespace()
END_OF_TURN = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% if m.role == 'assistant' %}</s>\n{% endif %}{% endfor %}"
)
ASK = "{% if add_generation_prompt %}<|assistant|>{% endif %}"
CHAT = Example(
    (
        Message("system", "Be kind."),
        Message("user", "Hello"),
        Message("assistant", "Good morning"),
        Message("user", "Is it late?"),
    ),
    "No, it is early.",
    id="chat-1",
)
ONE = Example((Message("user", "Summarize: The cat sat.\n"),), "A cat sat down.", id="one")


def tokenizer_of(name, **options):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(ASSETS / name), **options)


def renderer_of(name, family, config=NONE, chat="auto", **options):
    return Renderer.of(tokenizer_of(name, **options), family, config, chat=chat)


@pytest.fixture(scope="module")
def plain():
    return renderer_of("llama", "causal", chat="none")


@pytest.fixture(scope="module")
def chat():
    return renderer_of("llama", "causal")


@pytest.fixture(scope="module")
def paired():
    return renderer_of("t5", "seq2seq", SimpleNamespace(decoder_start_token_id=0, eos_token_id=1))


@pytest.fixture(scope="module")
def filling():
    return renderer_of("bert", "masked")


def learnt(renderer, tokens):
    return "".join(piece for piece, weight in marked(tokens, renderer) if weight > 0)


def whole(renderer, tokens):
    return "".join(piece for piece, _ in marked(tokens, renderer))


def test_causal_row_is_spelled_at_once(plain):
    tokens = plain.render(replace(ONE, messages=(Message("user", "Is it late?"),)))
    ids = [1, *plain.spell("Is it late? A cat sat down."), 2]
    assert list(tokens.inputs) == ids[:-1]
    assert tokens.targets[-1] == 2
    assert learnt(plain, tokens) == " A cat sat down.</s>"


def test_whitespace_at_the_end_of_a_prompt_is_learnt_with_the_answer(plain):
    tokens = plain.render(ONE)
    assert plain.prompt(ONE) == [1, *plain.spell("Summarize: The cat sat.")]
    assert learnt(plain, tokens) == "\nA cat sat down.</s>"
    assert plain.say([target for target in tokens.targets if target != IGNORED]) == ONE.target


def test_no_blank_is_added_before_an_answer_that_has_one(plain):
    assert whole(plain, plain.render(replace(ONE, messages=(Message("user", "Go"),)), " on")) == "<s>Go on</s>"
    assert whole(plain, plain.render(replace(ONE, messages=(Message("user", "Go"),)), "on")) == "<s>Go on</s>"


def test_plain_text_has_no_prompt(plain, chat):
    for renderer in (plain, chat):
        text = Example((), "It was late.", id="text")
        assert renderer.prompt(text) == [1]
        assert whole(renderer, renderer.render(text)) == "<s>It was late.</s>"
        assert renderer.text("It was late.") == [1, *renderer.spell("It was late.")]
        assert renderer.text("It was late.", ended=True)[-1] == 2


def test_padding_that_is_the_end_is_learnt():
    renderer = renderer_of("llama", "causal", chat="none", pad_token="</s>")
    assert renderer.pad == renderer.end == 2
    assert renderer.render(ONE).targets[-1] == 2


def test_stops_of_tokenizer_config_and_generation_config():
    tokenizer = tokenizer_of("llama")
    renderer = Renderer.of(tokenizer, "causal", SimpleNamespace(eos_token_id=7), SimpleNamespace(eos_token_id=[2, 9, 99999]))
    assert renderer.stops == {2, 7, 9}
    assert renderer.say([*renderer.spell("yes it"), 9, *renderer.spell("not said")]) == "yes it"


def test_an_empty_answer_learns_its_end_alone(plain, chat, paired):
    for renderer in (plain, chat):
        tokens = renderer.render(replace(ONE, messages=(Message("user", "Go"),)), "")
        assert [target for target in tokens.targets if target != IGNORED] == [2]
    assert paired.render(ONE, "").targets == (1,)


def test_an_empty_target_is_refused_by_its_name(plain, filling):
    with pytest.raises(UserError, match="`one` has nothing to learn"):
        plain.render(replace(ONE, target=""))
    with pytest.raises(UserError, match="`one`"):
        filling.render(ONE, "")


def test_prompt_weight(plain, paired, filling):
    tokens = plain.render(ONE, prompt_weight=0.25)
    shown = len(plain.prompt(ONE))
    assert tokens.weights[: shown - 1] == (0.25,) * (shown - 1)
    assert set(tokens.weights[shown - 1 :]) == {1.0}
    for renderer in (paired, filling):
        with pytest.raises(UserError, match=r"prompt weight of 0\.5"):
            renderer.render(ONE, prompt_weight=0.5)


@pytest.mark.parametrize("name", ["plain", "chat", "paired", "filling"])
def test_weights_of_spans(name, request):
    renderer = request.getfixturevalue(name)
    target = "the dog came home"
    tokens = renderer.render(replace(ONE, target=target, weights=(Weight(4, 7, 3.0), Weight(8, 12, 0.0))))
    weights = {piece.strip(): weight for piece, weight in marked(tokens, renderer)}
    assert weights["the"] == 1.0
    assert weights["dog"] == 3.0
    assert weights.get("came", 0.0) == 0.0  # under a mask it cannot be read
    assert weights["home"] == 1.0
    other = renderer.render(replace(ONE, target=target, weights=(Weight(4, 7, 3.0),)), "another answer")
    assert other.weights == (), "the spans are the target's"


def test_encoder_decoder(paired):
    tokens = paired.render(ONE)
    assert paired.prompt(ONE) == [*paired.spell("Summarize: The cat sat.\n"), 1] == list(tokens.source)
    assert list(tokens.targets) == [*paired.spell("A cat sat down."), 1]
    assert tokens.inputs == (0, *tokens.targets[:-1])
    assert len(paired.sentinels) == 32
    assert paired.pieces(paired.sentinels[:2]) == ["<extra_id_0>", "<extra_id_1>"]


def test_letters_to_phonemes_keep_their_specials(shared):
    from transformers import AutoConfig, AutoTokenizer, GenerationConfig

    folder = str(shared("models/bart-g2p-en-us"))
    config, generation = AutoConfig.from_pretrained(folder), GenerationConfig.from_pretrained(folder)
    renderer = Renderer.of(AutoTokenizer.from_pretrained(folder), "seq2seq", config, generation)
    tokens = renderer.render(Example((Message("user", "cat"),), "kˈæt"))
    assert (tokens.targets[0], tokens.targets[-1], renderer.start) == (1, 2, 1)
    assert tokens.source[0] == 1 and tokens.source[-1] == 2
    assert renderer.say(tokens.targets) == "kˈæt"


def test_stories_stop_at_either_end(shared):
    from transformers import AutoConfig, AutoTokenizer, GenerationConfig

    folder = str(shared("models/stories260K"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    renderer = Renderer.of(tokenizer, "causal", AutoConfig.from_pretrained(folder), GenerationConfig.from_pretrained(folder))
    assert renderer.stops == {1, 2}
    assert renderer.text("Once upon a time")[0] == 1
    assert renderer.say([*renderer.spell("Once upon"), 1, *renderer.spell("Lily")]) == "Once upon"


def test_masked(filling):
    tokens = filling.render(ONE)
    answer = filling.spell("A cat sat down.")
    assert list(tokens.inputs) == [*filling.prompt(ONE), *[filling.mask] * len(answer), 3]
    assert [target for target in tokens.targets if target != IGNORED] == answer
    assert tokens.inputs[0] == 2


def test_chat_learns_the_last_turn_or_all(chat):
    last, every = chat.render(CHAT), chat.render(CHAT, turns="all")
    text = "<s><|system|>Be kind.<|user|>Hello<|assistant|>Good morning</s><|user|>Is it late?<|assistant|>No, it is early.</s>"
    assert whole(chat, last) == whole(chat, every) == text
    assert learnt(chat, last) == "No, it is early.</s>"
    assert learnt(chat, every) == "Good morning</s>No, it is early.</s>"
    assert list(every.inputs[: len(chat.prompt(CHAT))]) == chat.prompt(CHAT)
    assert chat.prompt(CHAT).count(1) == 1, "the template writes <s> and the tokenizer would too"


def test_a_template_without_beginning_of_sequence_gets_one():
    renderer = renderer_of("llama", "causal", chat=END_OF_TURN + ASK)
    assert renderer.prompt(CHAT)[0] == 1
    assert renderer.prompt(CHAT).count(1) == 1
    tokens = renderer.render(CHAT, turns="all")
    assert learnt(renderer, tokens) == "Good morning</s>No, it is early.</s>", "the line break behind the end is not said"
    assert list(tokens.inputs[: len(renderer.prompt(CHAT))]) == renderer.prompt(CHAT)


def test_a_template_that_strips_answers():
    stripping = (END_OF_TURN + ASK).replace("m.content", "m.content | trim")
    renderer = renderer_of("llama", "causal", chat=stripping)
    tokens = renderer.render(CHAT, "  No, it is early. ")
    assert learnt(renderer, tokens) == "No, it is early.</s>"


def test_a_template_without_end_of_turn_ends_anyway():
    renderer = renderer_of("llama", "causal", chat="{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}")
    assert renderer.render(CHAT).targets[-1] == renderer.end == 2


THINKING = (
    "{% for m in messages %}<|{{ m.role }}|>{% if m.role == 'assistant' %}"
    "{{ m.content if loop.last else m.content.split('</think>')[-1].lstrip() }}</s>{% else %}{{ m.content }}{% endif %}"
    "{% endfor %}" + ASK
)


def test_a_template_that_strips_thinking_learns_one_turn_at_a_time():
    renderer = renderer_of("llama", "causal", chat=THINKING)
    first, second, _, fourth = CHAT.messages
    thought = replace(CHAT, messages=(first, second, Message("assistant", "<think>Hm.</think>\n\nGood morning"), fourth))
    with pytest.raises(UserError, match="`chat-1`: the chat template writes earlier turns otherwise"):
        renderer.render(thought, turns="all")
    tokens = renderer.render(thought)
    assert "Hm." not in whole(renderer, tokens)
    assert learnt(renderer, tokens) == "No, it is early.</s>"
    assert learnt(renderer, renderer.render(CHAT, turns="all")) == "Good morning</s>No, it is early.</s>"


def test_thinking_that_a_template_adds_is_learnt_with_the_answer():
    adding = THINKING.replace("{{ m.content if loop.last", "{{ '<think>\n\n</think>\n\n' + m.content if loop.last")
    renderer = renderer_of("llama", "causal", chat=adding)
    tokens = renderer.render(replace(ONE, target="Yes", weights=(Weight(0, 3, 2.0),)))
    assert learnt(renderer, tokens) == "<think>\n\n</think>\n\nYes</s>"
    assert [w for piece, w in marked(tokens, renderer) if piece.startswith("Y")] == [2.0]


def test_what_a_template_refuses_is_told():
    refusing = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + END_OF_TURN + ASK
    renderer = renderer_of("llama", "causal", chat=refusing)
    with pytest.raises(UserError, match="refuses a conversation of system, user, assistant, user: no system role"):
        renderer.prompt(CHAT)


def test_refusals(plain):
    with pytest.raises(UserError, match="without a chat template nothing ends a turn"):
        plain.render(CHAT, turns="all")
    with pytest.raises(UserError, match="a chat template was given for a seq2seq network"):
        renderer_of("t5", "seq2seq", chat=ASK)
    with pytest.raises(UserError, match="no mask token"):
        renderer_of("llama", "masked")
    with pytest.raises(UserError, match="3072 pieces and the network 100"):
        renderer_of("llama", "causal", SimpleNamespace(vocab_size=100))
    with pytest.raises(UserError, match="does not show what an assistant says"):
        renderer_of("llama", "causal", chat="{{ messages[0].content }}")


def test_conversations_without_a_template(plain):
    assert whole(plain, plain.render(CHAT)) == "<s>Be kind.\n\nHello Good morning\n\nIs it late? No, it is early.</s>"


def test_keys_tell_options_apart(plain, chat, paired, filling):
    assert len({renderer.key for renderer in (plain, chat, paired, filling)}) == 4
    assert renderer_of("llama", "causal", chat="none").key == plain.key


def test_pieces_are_readable(plain):
    ids = plain.spell("a cat\n£😀")
    assert plain.pieces(ids)[:3] == ["a", " cat", "\n"]
    assert "".join(plain.pieces(plain.spell("😀"))) == "<0xF0><0x9F><0x98><0x80>"


@pytest.mark.parametrize("name", ["t5", "llama", "bert"])
def test_the_shipped_tokenizers_know_all_of_ascii(name):
    tokenizer = tokenizer_of(name)
    assert len(tokenizer) == 3072
    for code in range(32, 127):
        for text in (chr(code), f"a{chr(code)}b", f" {chr(code)}"):
            assert tokenizer.unk_token_id is None or tokenizer.unk_token_id not in tokenizer(text)["input_ids"], text
    if name != "bert":
        code = 'def f(x):\n    for i in range(3):\n        x += i\n\n    return "a"  # ok\n'
        assert tokenizer.decode(tokenizer(code, add_special_tokens=False)["input_ids"]) == code
