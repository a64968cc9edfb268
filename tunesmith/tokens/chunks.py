"""Text in ids by its chunks, each spelled once and remembered: many times as fast, and id for id the same.

A text may be cut where the tokenizer always cuts it too and neither side depends on the other, say before a blank behind a
letter. Where that is so is read from the tokenizer's own description (`way`); where it tells nothing, texts are spelled whole.
"""

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain
from math import inf
from typing import Any

from tunesmith.tokens.spelling import METASPACE, Tokenizer, follow, spell, spell_all

KNOWN = 1 << 16  # chunks that are remembered; as many that were met before them are looked up too
LONGEST = 64  # letters of a chunk that is remembered
MARK = "\0"  # stands before a chunk that does not begin with a blank, as the first; texts with it are spelled whole


@dataclass(frozen=True)
class Way:
    """How texts may be cut.

    cut:   where.
    lines: the end of a line, with a blank where the cut is.
    ascii: whether only texts of ASCII letters are cut at all blanks and ends of lines without a look at what stands there.
    apart: what no text that is cut so may hold.
    bare:  whether a chunk is spelled without the blank before it, which the tokenizer puts there itself.
    """

    cut: re.Pattern[str]
    lines: str = "\n"
    ascii: bool = False
    apart: tuple[str, ...] = ()
    bare: bool = False

    def split(self, text: str) -> list[str] | None:
        """Chunks, marked or without their blank; None where that needs a look at what stands there."""
        spaced = text.replace(" \n", "\n").replace("\n", " ")
        if (
            "  " in spaced
            or not spaced.isprintable()  # other white space
            or (self.ascii and not text.isascii())
            or (self.bare and (text[:1] == " " or text[-1:] == " "))
            or any(letters in text for letters in self.apart)
        ):
            return None
        chunks = f"{MARK}{text}".replace(" \n", "\1").replace("\n", self.lines).replace("\1", " \n").split(" ")
        return chunks[1:] if chunks[0] == MARK else chunks


# In all of them no word goes on from a letter into a blank. In the first, none goes on into the end of a line either; in the
# second, some do, but none goes on behind it; in the third, an end of a line is a letter as others are.
BEFORE_LINES = Way(re.compile(r"(?<=\S)(?=[ \n])"), f" {MARK}\n")
BEHIND_LINES = Way(re.compile(r"(?<=\S)(?= )|(?<=\n)(?=\S)"), f"\n {MARK}")
BLANKS = Way(re.compile(rf"(?<=[^\s{METASPACE}])(?= )"), apart=(f"{METASPACE} ",))
# SentencePiece's own table of letters may read two that are written together as one, a blank with what is beside it, but these
# never: letters of Latin, Greek and Cyrillic, and marks of ASCII.
_ALONE = r"[!-~\xa1-\u02ff\u0370-\u0482]"
ALONE = {
    BEFORE_LINES: Way(re.compile(rf"(?<={_ALONE})(?=[ \n]{_ALONE})"), f" {MARK}\n", ascii=True),
    BLANKS: Way(re.compile(rf"(?<={_ALONE})(?= {_ALONE})"), ascii=True),
}
# How GPT-4, Llama 3 and Qwen 2 find words.
_WORDS = tuple(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|" + digits + r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    for digits in (r"\p{N}", r"\p{N}{1,3}")
)
_TOWN_WORDS = r"'(?:s|t|re|ve|m|ll|d)| ?\p{L}+| ?[0-9]| ?[^\s\p{L}0-9]+|\s"  # how the embedded models do
_PREPENDED = {  # how Llama 2 marks beginnings of words
    "type": "Sequence",
    "normalizers": [
        {"type": "Prepend", "prepend": METASPACE},
        {"type": "Replace", "pattern": {"String": " "}, "content": METASPACE},
    ],
}


class Chunks:
    """Spells texts for one tokenizer, without special tokens."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.way = way(tokenizer)
        self._by_letters = self.way is not None and all(
            len(token.content) > 1 for token in tokenizer.added_tokens_decoder.values()
        )  # behind an added token another blank is put: that token has letters enough for both
        self._known: dict[str, Sequence[int]] = {}  # chunks with a blank at the beginning, by what follows it; others marked
        self._older: dict[str, Sequence[int]] = {}  # those before that
        self._latest: tuple[str, tuple[int, ...]] = ("", ())  # a prompt is asked for again when its answer follows

    def spell(self, text: str) -> tuple[int, ...]:
        """Bare ids of a text."""
        if self.way is None:
            return tuple(spell(self.tokenizer, text))
        if text != self._latest[0]:
            self._latest = (text, tuple(self._spell(self.way, text)))
        return self._latest[1]

    def _spell(self, way: Way, text: str) -> Sequence[int]:
        if MARK in text:
            return spell(self.tokenizer, text)
        chunks = way.split(text)
        if chunks is None:
            first, *further = way.cut.split(text)
            chunks = [MARK + first, *(chunk[1:] if chunk[0] == " " else MARK + chunk for chunk in further)]
        parts = list(map(self._known.get, chunks))
        if not all(parts):  # new ones, or some without any id
            return self._spell_new(way, text, chunks, parts)
        return [*chain.from_iterable(parts)]  # type: ignore[arg-type]

    def most(self, text: str) -> float:
        """As many ids as a text can have, told by its letters: each id is one of ASCII at least, but a blank put before them.

        Infinite where letters tell nothing.
        """
        return len(text) + 1 if self._by_letters and text.isascii() else inf

    def follow(self, shown: str, shown_ids: Sequence[int], said: str) -> Sequence[int]:
        """As `spelling.follow`, which is asked only about the chunks that meet."""
        if self.way is None:
            return follow(self.tokenizer, shown, shown_ids, said).ids
        cut, bare = self.way.cut, self.way.bare
        if cut.match(shown[-1:] + said[:2], len(shown[-1:])) and self.spell(shown) == tuple(shown_ids):
            return self.spell(said[bare:])
        head = max((found.start() for found in cut.finditer(shown)), default=0)
        before = self.spell(shown[:head])
        # Where SentencePiece's table leaves letters out, tokenizers tells wrong places of all that follow.
        misplaced = self.way.ascii and not (shown[:head].isascii() and shown[:head].replace("\n", " ").isprintable())
        if misplaced or tuple(shown_ids[: len(before)]) != before:
            return follow(self.tokenizer, shown, shown_ids, said).ids
        found = cut.search(said)
        end = found.start() if found else len(said)
        met = follow(self.tokenizer, shown[head + (bare and head > 0) :], shown_ids[len(before) :], said[:end]).ids
        return [*met, *self.spell(said[end + bare :])]

    def _spell_new(self, way: Way, text: str, chunks: Sequence[str], parts: Sequence[Sequence[int] | None]) -> Sequence[int]:
        """Ids of a text with chunks in it that were not met lately; their parts are None."""
        missing = {chunk for chunk, part in zip(chunks, parts, strict=True) if part is None}
        found = {chunk: self._older[chunk] for chunk in missing if chunk in self._older}
        new = [chunk for chunk in missing if chunk not in found]
        if self._older and 4 * len(new) > len(chunks):
            return spell(self.tokenizer, text)  # unlike all that is remembered
        blank = "" if way.bare else " "
        whole = [chunk[1:] if chunk[:1] == MARK else blank + chunk for chunk in new]
        found.update(zip(new, map(tuple, spell_all(self.tokenizer, whole)), strict=True))
        self._known.update((chunk, ids) for chunk, ids in found.items() if len(chunk) <= LONGEST)
        if len(self._known) > KNOWN:
            self._older, self._known = self._known, {}
        ids = (found[chunk] if part is None else part for chunk, part in zip(chunks, parts, strict=True))
        return [*chain.from_iterable(ids)]


def way(tokenizer: Tokenizer) -> Way | None:
    """How texts may be cut; None where that is not known.

    Known are byte-level BPE that finds words as GPT-2, GPT-4, Llama 3 or Qwen 2 do, BERT's WordPiece, and SentencePiece's
    vocabularies where words are spelled apart, or where BPE has no piece from one word into the next. Where Unigram spells a
    text at once, rounding decides between spellings of equal worth, and that hangs on all that stands before.
    """
    if not tokenizer.is_fast:
        return None
    backend = tokenizer.backend_tokenizer
    added = tokenizer.added_tokens_decoder.values()
    drawn = any(getattr(backend.model, name, None) for name in ("dropout", "alpha", "nbest_size"))
    if drawn or any(token.single_word or token.rstrip for token in added):
        return None
    found = _way(backend, {token.content for token in added})
    texts = (f"\n{token.content}" if token.lstrip else token.content for token in added)  # an end of a line is taken along
    return found if found and not any(map(found.cut.search, texts)) else None


def _way(backend: Any, added: Collection[str]) -> Way | None:
    """How texts may be cut, by the descriptions of how they are normalized and how words are found."""
    normalizer, words = _described(backend.normalizer), _described(backend.pre_tokenizer)
    match normalizer:
        case None | {"type": "NFC" | "NFKC"}:
            return _by_words(words, backend.model)
        case {"type": "BertNormalizer"}:
            return BEFORE_LINES if words == {"type": "BertPreTokenizer"} else None
        case {"type": "Precompiled"} if _is_by_letters(backend.normalizer):
            found = _by_words(words, backend.model)
            return ALONE.get(found) if found else None
        case _ if normalizer == _PREPENDED and words is None and _is_of_words(backend.model):
            # What stands behind an added token gets a blank too, so texts are not cut beside those.
            ends, heads = {METASPACE, *(text[-1] for text in added)}, {text[0] for text in added}
            cut = rf"(?<=[^\s{re.escape(''.join(ends))}])(?= [^\s{re.escape(''.join(heads))}])"
            return Way(re.compile(cut), apart=(*(f"{one} " for one in ends), *(f" {one}" for one in heads)), bare=True)
    return None


def _by_words(words: Any, model: Any) -> Way | None:
    """How texts may be cut, by the description of how words are found in them."""
    match words:
        case {"type": "ByteLevel", "use_regex": True, "add_prefix_space": False} | {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "WhitespaceSplit"},
                {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
            ],
        }:
            return BEFORE_LINES
        case {"type": "Sequence", "pretokenizers": [{"type": "Digits"}, last]}:
            return _by_words(last, model)
        case {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False},
                {"type": "ByteLevel", "use_regex": False, "add_prefix_space": False},
            ],
        }:
            return BEHIND_LINES if pattern in _WORDS else None
        case {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False},
                {"type": "Metaspace", "replacement": "▁", "split": False},
            ],
        }:
            return BLANKS if pattern == _TOWN_WORDS else None
        case {"type": "Metaspace", "replacement": "▁", "split": split}:
            return BLANKS if split or _is_of_words(model) else None
    return None


def _is_of_words(model: Any) -> bool:
    """Whether a model is BPE that has a piece for a blank and none with a blank behind a letter."""
    described = json.loads(model.__getstate__())
    return (
        described["type"] == "BPE"
        and not described["ignore_merges"]
        and not described["continuing_subword_prefix"]
        and not described["end_of_word_suffix"]
        and METASPACE in described["vocab"]
        and not any(METASPACE in piece.lstrip(METASPACE) for piece in described["vocab"])
    )


def _is_by_letters(normalizer: Any) -> bool:
    """Whether letters of ASCII become one each at most, and a blank a blank."""
    texts = [*map(chr, range(128)), "\r\n"]
    return normalizer.normalize_str(" ") == " " and all(len(normalizer.normalize_str(text)) <= len(text) for text in texts)


def _described(part: Any) -> Any:
    """The description of a part of a Rust tokenizer, as in `tokenizer.json`."""
    return None if part is None else json.loads(part.__getstate__())
