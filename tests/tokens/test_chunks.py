"""Chunks: which tokenizers may be cut at blanks, and what is remembered. That nothing changes is a law of spelling."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers
from transformers import AutoTokenizer, ByT5Tokenizer, PreTrainedTokenizerFast

import tunesmith
from tunesmith.tokens import chunks
from tunesmith.tokens.chunks import BEFORE_LINES, BEHIND_LINES, Chunks, way
from tunesmith.tokens.spelling import follow, spell

TEXT = "It was late. The cat sat on the mat, and the cat's hat lay there too.\nThe cat slept  well. "


def asset(name):
    return AutoTokenizer.from_pretrained(str(Path(tunesmith.__file__).parent / "assets" / name))


def made(words, normalizer=None, dropout=None, added=()):
    backend = Tokenizer(models.BPE(vocab={"a": 0}, merges=[], dropout=dropout))
    backend.pre_tokenizer, backend.normalizer = words, normalizer
    backend.add_tokens(list(added))
    return PreTrainedTokenizerFast(tokenizer_object=backend)


GPT2 = pre_tokenizers.ByteLevel(add_prefix_space=False)
BARE = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


def by(pattern):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), BARE])


def test_only_tokenizers_that_cut_at_blanks_themselves_are_cut():
    assert way(asset("llama")) is BEFORE_LINES
    assert way(asset("bert")) is BEFORE_LINES
    assert way(asset("t5")) is None
    assert way(ByT5Tokenizer()) is None
    assert way(made(GPT2)) is BEFORE_LINES
    assert way(made(GPT2, normalizers.NFC())) is BEFORE_LINES
    assert way(made(by(chunks._WORDS[0]))) is BEHIND_LINES
    assert way(made(by(chunks._WORDS[1]))) is BEHIND_LINES
    assert way(made(GPT2, added=[AddedToken("<mask>", lstrip=True), AddedToken("  ")])) is BEFORE_LINES
    assert way(made(by(r".+"))) is None
    assert way(made(None)) is None
    assert way(made(BARE)) is None
    assert way(made(GPT2, normalizers.Replace(" ", "_"))) is None
    assert way(made(GPT2, dropout=0.1)) is None, "pieces are drawn anew each time"
    assert way(made(GPT2, added=[AddedToken("<end>", rstrip=True)])) is None, "it takes the blank behind it away"
    assert way(made(GPT2, added=[AddedToken("end", single_word=True)])) is None
    assert way(made(GPT2, added=[AddedToken("the end")])) is None


@settings(max_examples=400, deadline=None)
@given(st.sampled_from([GPT2, *map(by, chunks._WORDS)]), st.text("a\u00e9\u0301B1!' \n\r\t\x1c\u00a0\u3000", max_size=24))
def test_chunks_have_the_words_of_the_whole_text(words, text):
    parts = way(made(words)).cut.split(text)
    assert "".join(parts) == text
    assert [word for part in parts for word, _ in words.pre_tokenize_str(part)] == [w for w, _ in words.pre_tokenize_str(text)]


@settings(max_examples=200, deadline=None)
@given(text=st.text("aB1! \n\t\0", max_size=24))
def test_a_short_cut_cuts_at_the_same_places(text):
    for found in (BEFORE_LINES, BEHIND_LINES):
        if not found.apart.search(text):
            first, *further = text.replace("\n", found.marked).split(" ")
            parts = [first, *(part[1:] if part[:1] == chunks.MARK else f" {part}" for part in further)]
            assert [part for part in parts if part] == [part for part in found.cut.split(text) if part]


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(chunks, "KNOWN", 8)
    tokenizer = asset("llama")
    speller = Chunks(tokenizer)
    texts = [TEXT, "one two three four five six seven " + "x" * 200, TEXT + "more", TEXT, f"{TEXT} {TEXT} 1", "x" * 99]
    texts += [f"{n} {n} {n + 1} {n % 3}" for n in range(30)]
    assert [speller.spell(text) for text in texts] == [spell(tokenizer, text) for text in texts]
    for known in (speller._first, speller._further, speller._older):
        assert len(known) <= 8 + 20, "one text at most above the limit"
        assert max(map(len, known), default=0) <= chunks.LONGEST


def test_what_is_given_may_be_changed():
    speller = Chunks(asset("llama"))
    ids = speller.spell(TEXT)
    kept = list(ids)
    ids.clear()
    assert speller.spell(TEXT) == kept


def test_a_limit_of_an_earlier_call_is_not_applied():
    tokenizer = asset("llama")
    speller = Chunks(tokenizer)
    tokenizer(["late again", "cat"], truncation=True, max_length=2, padding="max_length")
    assert speller.spell(TEXT) == spell(tokenizer, TEXT)


def test_ids_that_are_not_those_of_what_is_shown():
    tokenizer = asset("llama")
    for ids in ([5, 6, 7], [], spell(tokenizer, "It was")[:-1], [*spell(tokenizer, "It was late."), 9]):
        found = Chunks(tokenizer).follow("It was late.", ids, " The cat slept well")
        assert found == follow(tokenizer, "It was late.", ids, " The cat slept well").ids
