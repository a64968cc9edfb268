"""Text in ids by its chunks, each spelled once and remembered: many times as fast, and id for id the same.

A text may be cut where the tokenizer always cuts it too and neither side depends on the other, say before a blank behind a
letter. Where that is so is read from the tokenizer's own description (`way`); where it tells nothing, texts are spelled whole.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from tunesmith.tokens.spelling import Tokenizer, follow, spell, spell_all

KNOWN = 1 << 16  # chunks that are remembered; as many that were met before them are looked up too
LONGEST = 64  # letters of a chunk that is remembered
MARK = "\0"  # stands before a chunk that does not begin with a blank; texts with it are spelled whole


@dataclass(frozen=True)
class Way:
    """How texts may be cut.

    cut:    where.
    apart:  what a text must not hold to be cut at blanks and ends of lines alone, without a look at what stands there.
    marked: the end of a line, with a blank where the cut is.
    """

    cut: re.Pattern[str]
    apart: re.Pattern[str]
    marked: str


# In all of them no word goes on from a letter into a blank. In the first, none goes on into the end of a line either; in the
# second, some do, but none goes on behind it.
BEFORE_LINES = Way(re.compile(r"(?<=\S)(?=[ \n])"), re.compile(rf"\s[ \n]|{MARK}"), f" {MARK}\n")
BEHIND_LINES = Way(re.compile(r"(?<=\S)(?= )|(?<=\n)(?=\S)"), re.compile(rf"\s |\n\s|{MARK}"), f"\n {MARK}")
# How GPT-4, Llama 3 and Qwen 2 find words.
_WORDS = tuple(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|" + digits + r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    for digits in (r"\p{N}", r"\p{N}{1,3}")
)


class Chunks:
    """Spells texts for one tokenizer, without special tokens."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.way = way(tokenizer)
        self._first: dict[str, Sequence[int]] = {}  # chunks with which a text began
        self._further: dict[str, Sequence[int]] = {}  # with a blank at the beginning, by what follows it; others marked
        self._older: dict[str, Sequence[int]] = {}  # those before that
        self._latest: tuple[str, tuple[int, ...]] = ("", ())  # a prompt is asked for again when its answer follows

    def spell(self, text: str) -> list[int]:
        """Bare ids of a text."""
        if self.way is None:
            return spell(self.tokenizer, text)
        if text != self._latest[0]:
            self._latest = (text, tuple(self._spell(self.way, text)))
        return list(self._latest[1])

    def _spell(self, way: Way, text: str) -> Sequence[int]:
        if not way.apart.search(text):
            first, *further = text.replace("\n", way.marked).split(" ")
        elif MARK in text:
            return spell(self.tokenizer, text)
        else:
            first, *chunks = way.cut.split(text)
            further = [chunk[1:] if chunk[0] == " " else MARK + chunk for chunk in chunks]
        begun = self._first.get(first)
        if begun is None:
            [begun] = spell_all(self.tokenizer, [first])
            if len(first) <= LONGEST:
                if len(self._first) >= KNOWN:
                    self._first.clear()
                self._first[first] = tuple(begun)
        try:
            return [*begun, *chain.from_iterable(map(self._further.__getitem__, further))]
        except KeyError:
            return self._spell_new(text, begun, further)

    def follow(self, shown: str, shown_ids: Sequence[int], said: str) -> list[int]:
        """As `spelling.follow`, which is asked only about the chunks that meet."""
        if self.way is None:
            return follow(self.tokenizer, shown, shown_ids, said).ids
        cut = self.way.cut
        if cut.search(shown[-1:] + said[:1]) and self.spell(shown) == list(shown_ids):
            return self.spell(said)
        head = max((found.start() for found in cut.finditer(shown)), default=0)
        before = self.spell(shown[:head])
        if list(shown_ids[: len(before)]) != before:
            return follow(self.tokenizer, shown, shown_ids, said).ids
        found = cut.search(said)
        end = found.start() if found else len(said)
        met = follow(self.tokenizer, shown[head:], shown_ids[len(before) :], said[:end]).ids
        return [*met, *self.spell(said[end:])]

    def _spell_new(self, text: str, begun: Sequence[int], further: Sequence[str]) -> Sequence[int]:
        """Ids of a text with chunks in it that were not met lately."""
        missing = set(further).difference(self._further)
        found = {chunk: self._older[chunk] for chunk in missing if chunk in self._older}
        new = [chunk for chunk in missing if chunk not in found]
        if self._older and 4 * len(new) > len(further):
            return spell(self.tokenizer, text)  # unlike all that is remembered
        whole = [chunk[1:] if chunk[:1] == MARK else f" {chunk}" for chunk in new]
        found.update(zip(new, map(tuple, spell_all(self.tokenizer, whole)), strict=True))
        self._further.update(found)
        ids = [*begun, *chain.from_iterable(map(self._further.__getitem__, further))]
        for chunk in found:
            if len(chunk) > LONGEST:
                del self._further[chunk]
        if len(self._further) > KNOWN:
            self._older, self._further = self._further, {}
        return ids


def way(tokenizer: Tokenizer) -> Way | None:
    """How texts may be cut; None where that is not known.

    Known are byte-level BPE that finds words as GPT-2, GPT-4, Llama 3 or Qwen 2 do, and BERT's WordPiece. SentencePiece's
    vocabularies have pieces over several words, or know where a text begins.
    """
    if not tokenizer.is_fast:
        return None
    backend = tokenizer.backend_tokenizer
    added = tokenizer.added_tokens_decoder.values()
    if getattr(backend.model, "dropout", None) or any(token.single_word or token.rstrip for token in added):
        return None
    found = _way(_described(backend.normalizer), _described(backend.pre_tokenizer))
    return found if found and not any(found.cut.search(token.content) for token in added) else None


def _way(normalizer: Any, words: Any) -> Way | None:
    """How texts may be cut, by the descriptions of how they are normalized and how words are found."""
    if words == {"type": "BertPreTokenizer"}:
        return BEFORE_LINES if normalizer and normalizer["type"] == "BertNormalizer" else None
    if normalizer not in (None, {"type": "NFC"}):
        return None
    match words:
        case {"type": "ByteLevel", "use_regex": True, "add_prefix_space": False}:
            return BEFORE_LINES
        case {"type": "Sequence", "pretokenizers": [{"type": "Digits"}, last]}:
            return _way(normalizer, last)
        case {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False},
                {"type": "ByteLevel", "use_regex": False, "add_prefix_space": False},
            ],
        }:
            return BEHIND_LINES if pattern in _WORDS else None
    return None


def _described(part: Any) -> Any:
    """The description of a part of a Rust tokenizer, as in `tokenizer.json`."""
    return None if part is None else json.loads(part.__getstate__())
