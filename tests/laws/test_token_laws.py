"""Laws of spelling, on every kind of real tokenizer: what is learnt begins with what is asked; every end is learnt."""

import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tunesmith
from tunesmith.data.example import Example, Message, Weight
from tunesmith.tokens.renderer import Renderer, marked
from tunesmith.tokens.sequence import IGNORED
from tunesmith.tokens.spelling import follow, spell

ASSETS = "assets"
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
BERT = {"mask_token": "[MASK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]"}
KINDS = {
    "gpt2": ("models/tokenizers/gpt2", "causal", {}, "auto"),
    "smollm2": ("models/tokenizers/smollm2", "causal", {"eos_token": "<|endoftext|>"}, "auto"),
    "smollm2-chat": ("models/tokenizers/smollm2", "causal", {"eos_token": "<|endoftext|>"}, CHATML),
    "dialogsum-8k": ("models/tokenizers/dialogsum-8k", "causal", {}, "auto"),
    "stories260K": ("models/stories260K", "causal", {}, "auto"),
    "t5": ("models/tokenizers/t5", "seq2seq", {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}, "auto"),
    "bart": ("models/bart-g2p-en-us", "seq2seq", {}, "auto"),
    "bert": ("models/tokenizers/bert-uncased", "masked", BERT, "auto"),
    "asset-llama": ("llama", "causal", {}, "auto"),
    "asset-llama-plain": ("llama", "causal", {}, "none"),
    "asset-t5": ("t5", "seq2seq", {}, "auto"),
    "asset-bert": ("bert", "masked", {}, "auto"),
    "bytes": ("", "causal", {}, "auto"),
}
TRICKY = [
    "",
    " ",
    "a",
    "Summary:\n",
    "é",
    "e\u0301",
    "😀",
    "👩‍👩‍👧",
    "'s",
    "don't",
    "\n\n",
    "Q: 12 + 3?\nA:",
    "  x  ",
    "\t",
    "中文",
    "▁",
    "##a",
    "\xa0",
]
words = st.one_of(st.sampled_from(TRICKY), st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
texts = st.lists(words, max_size=4).map("".join)
blanks = st.sampled_from([" ", " ", " ", "", "\n", "  ", "\n ", " \n", "\t", "\x1c ", "\u3000", "\0"])
specials = st.sampled_from(
    ["<s>", "</s>", "<eos>", "<|endoftext|>", "[MASK]", "\u0301", "\u05d0", "1234", "'ll", "\u0600", "x" * 70]
)
sentences = st.lists(st.tuples(st.one_of(words, specials), blanks), max_size=8).map(lambda parts: "".join(map("".join, parts)))
fast = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module", params=list(KINDS))
def renderer(request, shared):
    path, family, options, chat = KINDS[request.param]
    own = Path(tunesmith.__file__).parent / ASSETS / path
    folder = own if request.param.startswith("asset-") else shared(path or "models")
    return build(request.param, str(folder), family, chat, tuple(options.items()))


@cache
def build(name, folder, family, chat, options):
    from transformers import AutoTokenizer, ByT5Tokenizer, GPT2TokenizerFast, PretrainedConfig

    config = SimpleNamespace(eos_token_id=None, decoder_start_token_id=0)
    if name == "gpt2":
        tokenizer = GPT2TokenizerFast.from_pretrained(folder)
    elif name == "bytes":
        tokenizer = ByT5Tokenizer()  # spelled without offsets
        tokenizer.chat_template = None
    else:
        tokenizer = AutoTokenizer.from_pretrained(folder, **dict(options))
        if "models/tokenizers" not in folder:
            config = PretrainedConfig.from_pretrained(folder)
    return Renderer.of(tokenizer, family, config, chat=chat)


def example_of(prompt, target="yes"):
    return Example((Message("user", prompt),) if prompt else (), target, id="law")


def row(tokens):
    """All ids of a row: what is read, and the last target."""
    return list(tokens.inputs) + [target for target in tokens.targets[-1:] if target != IGNORED]


@fast
@given(prompt=texts, answer=texts)
def test_the_prompt_is_how_the_rendered_row_begins(renderer, prompt, answer):
    if renderer.family == "masked" and not renderer.spell(answer):
        answer = "yes"
    example = example_of(prompt)
    shown, tokens = renderer.prompt(example), renderer.render(example, answer)
    if renderer.family == "seq2seq":
        assert list(tokens.source) == shown
        assert tokens.inputs[0] == renderer.start
    else:
        assert row(tokens)[: len(shown)] == shown
        assert all(target == IGNORED for target in tokens.targets[: len(shown) - 1])
    assert shown, "a network needs something to start from"


@fast
@given(prompt=texts, answer=texts)
def test_everything_behind_the_prompt_is_learnt_and_ends(renderer, prompt, answer):
    example = example_of(prompt)
    if renderer.family == "masked":
        return
    tokens = renderer.render(example, answer)
    learnt = [target for target in tokens.targets if target != IGNORED]
    assert learnt[-1] == renderer.end, "the end is learnt even where it is also the padding"
    assert renderer.end in renderer.stops
    behind = 0 if renderer.family == "seq2seq" else len(renderer.prompt(example)) - 1
    assert len(learnt) == len(tokens.targets) - behind


@fast
@given(prompt=texts, answer=texts)
def test_the_answer_reads_as_it_was_given(renderer, prompt, answer):
    ids = renderer.spell(answer)
    if renderer.family == "masked" or set(ids) & (renderer.specials | renderer.stops) or "▁" in answer + prompt:
        return  # an unknown letter cannot be read again
    kind = type(renderer.tokenizer).__name__
    if renderer.say(ids) != answer.strip() and kind != "ByT5Tokenizer":
        return  # this vocabulary does not keep every letter (T5's blanks, BART's phonemes)
    learnt = [target for target in renderer.render(example_of(prompt), answer).targets if target != IGNORED]
    assert renderer.say(learnt) == answer.strip()


@fast
@given(prompt=texts, answer=texts)
def test_one_beginning_of_sequence(renderer, prompt, answer):
    bos = renderer.tokenizer.bos_token_id
    if bos is None or bos == renderer.end or not (answer or renderer.family != "masked"):
        return
    example = example_of(prompt)
    ids = renderer.prompt(example)
    if renderer.head or not prompt.strip():
        assert ids[0] == bos
    assert ids.count(bos) <= 1


@fast
@given(prompt=texts, answer=texts.filter(str.strip), data=st.data())
def test_a_span_weighs_the_tokens_that_begin_in_it(renderer, prompt, answer, data):
    start = data.draw(st.integers(0, len(answer) - 1))
    end = data.draw(st.integers(start + 1, len(answer)))
    if not renderer.spell(answer):
        return  # spelled with no piece at all (a masked network refuses it)
    example = example_of(prompt, answer)
    inside = weights_of(renderer.render(replace(example, weights=(Weight(start, end, 0.5),))))
    everything = weights_of(renderer.render(replace(example, weights=(Weight(0, len(answer), 0.5),))))
    assert set(inside) <= {0.5, 1.0}
    assert all(whole == 0.5 for part, whole in zip(inside, everything, strict=True) if part == 0.5)
    assert 0.5 in everything
    if renderer.family != "masked":
        assert everything[-1] == 1.0, "the end belongs to no span"
    if start == 0 and end == len(answer):
        assert inside == everything


def weights_of(tokens):
    pairs = zip(tokens.weights or [1.0] * len(tokens.targets), tokens.targets, strict=True)
    return [weight for weight, target in pairs if target != IGNORED]


@fast
@given(prompt=texts, answer=texts)
def test_what_is_marked_is_what_is_learnt(renderer, prompt, answer):
    if renderer.family == "masked" and not renderer.spell(answer):
        return
    tokens = renderer.render(example_of(prompt), answer)
    assert sum(weight for _, weight in marked(tokens, renderer)) == tokens.learnt


@fast
@given(shown=sentences, said=sentences, further=sentences)
def test_chunks_spell_as_whole_texts_do(renderer, shown, said, further):
    tokenizer, chunks = renderer.tokenizer, renderer._chunks
    for text in (shown, said, shown + said, said + " " + further):
        assert list(chunks.spell(text)) == spell(tokenizer, text)
    ids = spell(tokenizer, shown)
    behind = follow(tokenizer, shown, ids, said).ids
    assert list(chunks.follow(shown, ids, said)) == behind
    last = follow(tokenizer, shown + said, ids + behind, further).ids
    assert list(chunks.follow(shown + said, ids + behind, further)) == last


@fast
@given(prompt=sentences, answer=sentences.filter(str.strip))
def test_rows_are_rendered_as_without_chunks(renderer, prompt, answer):
    whole = replace(renderer)
    whole._chunks.way = None
    for one in (renderer, whole):
        if one.family == "masked" and not one.spell(answer):
            return
    example = example_of(prompt, answer)
    assert renderer.render(example) == whole.render(example)
    assert renderer.render(example) == renderer.render(replace(example, weights=(Weight(0, 1, 1.0),)))


@fast
@given(prompt=sentences, answer=sentences, earlier=st.booleans())
def test_no_row_is_longer_than_its_letters_tell(renderer, prompt, answer, earlier):
    example = example_of(prompt, answer)
    if earlier:
        turns = (Message("system", "Be brief."), Message("user", "Hello"), Message("assistant", "Hello"))
        example = replace(example, messages=(*turns, *example.messages))
    most = renderer.most(example)
    assert most == math.inf or renderer.render(example).row() <= most


def test_letters_tell_lengths_of_plain_rows_of_most_tokenizers(renderer):
    told = renderer.most(example_of("Who sat on the mat?", "The cat.")) < 50
    assert told == (renderer.family != "masked" and renderer.chat is None and renderer._chunks.way is not None)


def test_a_limit_in_the_tokenizer_file_cuts_nothing(renderer):
    long = "the cat sat on the mat and " * 200
    assert len(renderer.prompt(example_of(long))) > 600
    assert len(renderer.spell(long)) > 600


def test_key_tells_renderers_apart_and_survives_use(renderer):
    before = renderer.key
    renderer.tokenizer(["a", "b c d"], truncation=True, max_length=2)
    again = Renderer(**{name: getattr(renderer, name) for name in renderer.__dataclass_fields__})
    assert again.key == before
