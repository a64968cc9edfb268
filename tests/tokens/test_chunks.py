"""Chunks: which tokenizers may be cut at blanks, and what is remembered. That nothing changes is a law of spelling."""

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers
from transformers import AutoTokenizer, ByT5Tokenizer, PreTrainedTokenizerFast

import tunesmith
from tunesmith.tokens import chunks
from tunesmith.tokens.chunks import BEFORE_LINES, BEHIND_LINES, BLANKS, Chunks, way
from tunesmith.tokens.spelling import follow, spell

TEXT = "It was late. The cat sat on the mat, and the cat's hat lay there too.\nThe cat slept  well. "


def asset(name):
    return AutoTokenizer.from_pretrained(str(Path(tunesmith.__file__).parent / "assets" / name))


def made(words, normalizer=None, model=None, added=()):
    backend = Tokenizer(model or models.BPE(vocab={"a": 0}, merges=[]))
    backend.pre_tokenizer, backend.normalizer = words, normalizer
    backend.add_tokens(list(added))
    return PreTrainedTokenizerFast(tokenizer_object=backend)


GPT2 = pre_tokenizers.ByteLevel(add_prefix_space=False)
BARE = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


def by(pattern, then=BARE):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), then])


def bpe(*merges, **options):
    """Pieces that the merges make of a few letters; `c` is none of them."""
    pieces = ["<unk>", *"▁ab\n.", *("".join(pair) for pair in merges)]
    vocab = {piece: id_ for id_, piece in enumerate(pieces)}
    return models.BPE(vocab=vocab, merges=list(merges), unk_token="<unk>", fuse_unk=True, **options)


def byte_bpe():
    vocab = {piece: id_ for id_, piece in enumerate([*sorted(pre_tokenizers.ByteLevel.alphabet()), "Ġa", "ĠĊ", "ĊĊ"])}
    return models.BPE(vocab=vocab, merges=[("Ġ", "a"), ("Ġ", "Ċ"), ("Ċ", "Ċ")])


def unigram(**options):
    pieces = ["<unk>", *"▁ab\n.", "▁a", "ab", "aa", "▁ab", "▁▁", "b▁a"]
    return models.Unigram([(piece, -float(len(pieces) - id_)) for id_, piece in enumerate(pieces)], 0, **options)


MERGES = (("▁", "a"), ("a", "b"), ("▁", "▁"), ("▁a", "b"), ("b", "b"))
META = pre_tokenizers.Metaspace()
UNSPLIT = pre_tokenizers.Metaspace(split=False)
FIRST = pre_tokenizers.Metaspace(split=False, prepend_scheme="first")
PARTED = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), META])
PREPENDED = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
ADDED = [AddedToken("<s>", normalized=False), AddedToken("<mask>", lstrip=True), AddedToken("ba", normalized=True)]
CUT = {
    "bytes": made(GPT2, normalizers.NFC(), byte_bpe(), ADDED),
    "bytes by lines": made(by(chunks._WORDS[0]), None, byte_bpe(), ADDED[::2]),
    "parted unigram": made(PARTED, None, unigram(), ADDED),
    "split unigram": made(META, normalizers.NFKC(), unigram(), ADDED),
    "split bpe": made(pre_tokenizers.Metaspace(prepend_scheme="never"), None, bpe(*MERGES)),
    "unsplit bpe": made(UNSPLIT, normalizers.NFC(), bpe(*MERGES), ADDED),
    "first unsplit bpe": made(FIRST, normalizers.NFKC(), bpe(*MERGES), ADDED),
    "prepended bpe": made(None, PREPENDED, bpe(*MERGES), ADDED),
    "prepended bpe of bytes": made(None, PREPENDED, bpe(*MERGES, byte_fallback=True)),
    "town": made(by(chunks._TOWN_WORDS, FIRST), normalizers.NFKC(), bpe(*MERGES), ADDED),
}


def test_only_tokenizers_that_cut_at_blanks_themselves_are_cut():
    assert way(asset("llama")) is BEFORE_LINES
    assert way(asset("bert")) is BEFORE_LINES
    assert way(asset("t5")) is BLANKS
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
    assert way(made(GPT2, model=bpe(dropout=0.1))) is None, "pieces are drawn anew each time"
    assert way(made(GPT2, added=[AddedToken("<end>", rstrip=True)])) is None, "it takes the blank behind it away"
    assert way(made(GPT2, added=[AddedToken("end", single_word=True)])) is None
    assert way(made(GPT2, added=[AddedToken("the end")])) is None
    assert way(made(by(chunks._WORDS[0]), added=[AddedToken("<mask>", lstrip=True)])) is None, "it takes the line's end away"


@settings(max_examples=400)
@given(st.sampled_from([GPT2, *map(by, chunks._WORDS)]), st.text("a\u00e9\u0301B1!' \n\r\t\x1c\u00a0\u3000", max_size=24))
def test_chunks_have_the_words_of_the_whole_text(words, text):
    parts = way(made(words)).cut.split(text)
    assert "".join(parts) == text
    assert [word for part in parts for word, _ in words.pre_tokenize_str(part)] == [w for w, _ in words.pre_tokenize_str(text)]


def test_vocabularies_with_pieces_over_several_words_are_not_cut():
    crossing = (*MERGES, ("b", "▁"))
    for words, normalizer in ((UNSPLIT, None), (FIRST, normalizers.NFKC()), (None, PREPENDED)):
        assert way(made(words, normalizer, bpe(*MERGES)))
        assert way(made(words, normalizer, bpe(*crossing))) is None
        assert way(made(words, normalizer, bpe(*MERGES, ignore_merges=True))) is None, "a whole text may be one piece"
        assert way(made(words, normalizer, bpe(*MERGES, end_of_word_suffix="</w>"))) is None
        assert way(made(words, normalizer, models.BPE(vocab={"a": 0}, merges=[]))) is None, "blanks melt into what is unknown"
        assert way(made(words, normalizer, unigram())) is None, "of spellings of equal worth rounding takes one"
    assert way(made(META, None, bpe(*crossing))) is BLANKS, "cut before it is spelled"
    assert way(made(META, PREPENDED, bpe(*MERGES))) is None


@pytest.mark.skipif(not hasattr(models.Unigram([("a", 0.0)], 0), "alpha"), reason="this version of tokenizers draws no pieces")
def test_a_unigram_that_draws_its_pieces_is_not_cut():
    tokenizer = made(META, None, unigram())
    tokenizer.backend_tokenizer.model.alpha = 0.1
    assert way(tokenizer) is None


letters = st.sampled_from([*"aab   \n▁", "<s>", "ba"]) | st.sampled_from([*"abc.\t\x1c\u00a8\u0301\u3000\0", "<mask>"])
texts = st.lists(letters, max_size=7).map("".join)


@pytest.mark.parametrize("name", CUT)
@settings(max_examples=400)
@given(shown=texts, said=texts)
def test_chunks_spell_as_made_tokenizers_do(name, shown, said):
    tokenizer = CUT[name]
    speller = Chunks(tokenizer)
    assert speller.way
    for text in (shown, shown + said):
        ids = spell(tokenizer, text)
        assert list(speller.spell(text)) == ids
        assert len(ids) <= speller.most(text)
    ids = spell(tokenizer, shown)
    assert list(speller.follow(shown, ids, said)) == follow(tokenizer, shown, ids, said).ids


def test_letters_tell_how_many_ids_a_text_has_at_most():
    for tokenizer in CUT.values():
        speller = Chunks(tokenizer)
        assert speller.most("ab c") == 5
        assert speller.most("ab ç") == math.inf
    assert Chunks(made(GPT2, added=[AddedToken("b")])).most("a") == math.inf
    assert Chunks(made(BARE)).most("a") == math.inf


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(chunks, "KNOWN", 8)
    tokenizer = asset("llama")
    speller = Chunks(tokenizer)
    texts = [TEXT, "one two three four five six seven " + "x" * 200, TEXT + "more", TEXT, f"{TEXT} {TEXT} 1", "x" * 99]
    texts += [f"{n} {n} {n + 1} {n % 3}" for n in range(30)]
    assert [list(speller.spell(text)) for text in texts] == [spell(tokenizer, text) for text in texts]
    for known in (speller._known, speller._older):
        assert len(known) <= 8 + 20, "one text at most above the limit"
        assert max(map(len, known), default=0) <= chunks.LONGEST


def test_a_limit_of_an_earlier_call_is_not_applied():
    tokenizer = asset("llama")
    speller = Chunks(tokenizer)
    tokenizer(["late again", "cat"], truncation=True, max_length=2, padding="max_length")
    assert list(speller.spell(TEXT)) == spell(tokenizer, TEXT)


def test_ids_that_are_not_those_of_what_is_shown():
    tokenizer = asset("llama")
    for ids in ([5, 6, 7], [], spell(tokenizer, "It was")[:-1], [*spell(tokenizer, "It was late."), 9]):
        found = Chunks(tokenizer).follow("It was late.", ids, " The cat slept well")
        assert list(found) == follow(tokenizer, "It was late.", ids, " The cat slept well").ids
