"""Chunks: which tokenizers may be cut at blanks, and what is remembered. That nothing changes is a law of spelling."""

from pathlib import Path

import pytest
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers
from transformers import AutoTokenizer, ByT5Tokenizer, PreTrainedTokenizerFast

import tunesmith
from tunesmith.tokens import chunks
from tunesmith.tokens.chunks import Chunks, may_cut
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
    assert may_cut(asset("llama"))
    assert may_cut(asset("bert"))
    assert not may_cut(asset("t5"))
    assert not may_cut(ByT5Tokenizer())
    assert may_cut(made(GPT2))
    assert may_cut(made(GPT2, normalizers.NFC()))
    assert may_cut(made(by(chunks._WORDS[0])))
    assert may_cut(made(by(chunks._WORDS[1])))
    assert may_cut(made(GPT2, added=[AddedToken("<mask>", lstrip=True), AddedToken("  ")]))
    assert not may_cut(made(by(r".+")))
    assert not may_cut(made(None))
    assert not may_cut(made(BARE))
    assert not may_cut(made(GPT2, normalizers.Replace(" ", "_")))
    assert not may_cut(made(GPT2, dropout=0.1)), "pieces are drawn anew each time"
    assert not may_cut(made(GPT2, added=[AddedToken("<end>", rstrip=True)])), "it takes the blank behind it away"
    assert not may_cut(made(GPT2, added=[AddedToken("end", single_word=True)]))
    assert not may_cut(made(GPT2, added=[AddedToken("the end")]))


@pytest.mark.parametrize("pattern", chunks._WORDS)
@pytest.mark.parametrize("text", [TEXT, "a\n\n b?!\r\n c 1234 56 \u00e9\u0301 \t d\x1c e", "x \n y  ", " ", "", "??\n zz"])
def test_words_as_newer_tokenizers_find_them(pattern, text):
    """Each chunk has the words that the whole text has at its place."""
    words = by(pattern)
    backend = Tokenizer(models.WordLevel({"?": 0}, "?"))
    backend.pre_tokenizer = words
    parts = chunks._CUT.split(text)
    assert [word for part in parts for word, _ in words.pre_tokenize_str(part)] == [w for w, _ in words.pre_tokenize_str(text)]


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(chunks, "KNOWN", 8)
    tokenizer = asset("llama")
    speller = Chunks(tokenizer)
    texts = [TEXT, "one two three four five six seven " + "x" * 200, TEXT + "more", TEXT, f"{TEXT} {TEXT} 1", "x" * 99]
    texts += [f"{n} {n} {n + 1} {n % 3}" for n in range(30)]
    assert [speller.spell(text) for text in texts] == [spell(tokenizer, text) for text in texts]
    for known in (speller._first, speller._further, speller._older):
        assert 0 < len(known) <= 8
        assert max(map(len, known)) <= chunks.LONGEST


def test_what_is_given_may_be_changed():
    speller = Chunks(asset("llama"))
    ids = speller.spell(TEXT)
    kept = list(ids)
    ids.clear()
    assert speller.spell(TEXT) == kept


def test_ids_that_are_not_those_of_what_is_shown():
    tokenizer = asset("llama")
    for ids in ([5, 6, 7], [], spell(tokenizer, "It was")[:-1], [*spell(tokenizer, "It was late."), 9]):
        found = Chunks(tokenizer).follow("It was late.", ids, " The cat slept well")
        assert found == follow(tokenizer, "It was late.", ids, " The cat slept well").ids
