"""Text in ids by its chunks, each spelled once and remembered: many times as fast, and id for id the same.

A text may be cut before a blank that stands behind a letter, where the tokenizer always cuts there itself and neither side of
a cut depends on the other. Which tokenizers do so is read from their own description (`may_cut`); others spell texts whole.
"""

import json
import re
from collections.abc import Sequence
from itertools import chain
from typing import Any

from tunesmith.tokens.spelling import Tokenizer, follow, spell, spell_all

KNOWN = 1 << 15  # chunks that are remembered; as many that were met before them are looked up too
LONGEST = 64  # letters of a chunk that is remembered
_CUT = re.compile(r"(?<=\S)(?= )")
_SPACE_BEFORE_BLANK = re.compile(r"\s ")
# How GPT-4, Llama 3 and Qwen 2 find words: no match goes on from another letter into a blank, and none looks behind itself.
_WORDS = tuple(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|" + digits + r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    for digits in (r"\p{N}", r"\p{N}{1,3}")
)


class Chunks:
    """Spells texts for one tokenizer, without special tokens."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.cuts = may_cut(tokenizer)
        self._first: dict[str, Sequence[int]] = {}  # chunks with which a text began
        self._further: dict[str, Sequence[int]] = {}  # chunks that begin with a blank, by what follows the blank
        self._older: dict[str, Sequence[int]] = {}  # those before that
        self._latest: tuple[str, tuple[int, ...]] = ("", ())  # a prompt is asked for again when its answer follows

    def spell(self, text: str) -> list[int]:
        """Bare ids of a text."""
        if not self.cuts:
            return spell(self.tokenizer, text)
        if text != self._latest[0]:
            self._latest = (text, tuple(self._spell(text)))
        return list(self._latest[1])

    def _spell(self, text: str) -> Sequence[int]:
        if _SPACE_BEFORE_BLANK.search(text):
            first, *further = _CUT.split(text)
            further = [chunk[1:] for chunk in further]
        else:
            first, *further = text.split(" ")
        begun = self._first.get(first)
        if begun is None:
            begun = spell(self.tokenizer, first)
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
        if not self.cuts:
            return follow(self.tokenizer, shown, shown_ids, said).ids
        if shown and not shown[-1].isspace() and said[:1] == " " and self.spell(shown) == list(shown_ids):
            return self.spell(said)
        head = max((cut.start() for cut in _CUT.finditer(shown)), default=0)
        before = self.spell(shown[:head])
        if list(shown_ids[: len(before)]) != before:
            return follow(self.tokenizer, shown, shown_ids, said).ids
        cut = _CUT.search(said)
        end = cut.start() if cut else len(said)
        met = follow(self.tokenizer, shown[head:], shown_ids[len(before) :], said[:end]).ids
        return [*met, *self.spell(said[end:])]

    def _spell_new(self, text: str, begun: Sequence[int], further: Sequence[str]) -> Sequence[int]:
        """Ids of a text with chunks in it that were not met lately."""
        met = {chunk: self._older.get(chunk) for chunk in further if chunk not in self._further}
        new = [chunk for chunk, ids in met.items() if ids is None]
        if self._older and 4 * len(new) > len(further):
            return spell(self.tokenizer, text)  # unlike all that is remembered
        met.update(zip(new, spell_all(self.tokenizer, [f" {chunk}" for chunk in new]), strict=True))
        found = list(chain.from_iterable(met.get(chunk) or self._further.get(chunk, ()) for chunk in further))
        for chunk, ids in met.items():
            if len(self._further) >= KNOWN:
                self._older, self._further = self._further, {}
            if len(chunk) <= LONGEST:
                self._further[chunk] = tuple(ids or ())
        return [*begun, *found]


def may_cut(tokenizer: Tokenizer) -> bool:
    """Whether a text may be cut before each blank behind a letter, and its parts be spelled alone.

    True only for what is known to be so: byte-level BPE that finds words as GPT-2, GPT-4, Llama 3 or Qwen 2 do, and BERT's
    WordPiece. SentencePiece's vocabularies have pieces over several words, or know where a text begins.
    """
    if not tokenizer.is_fast:
        return False
    backend = tokenizer.backend_tokenizer
    normalizer, words = _described(backend.normalizer), _described(backend.pre_tokenizer)
    by_bytes = normalizer is None or normalizer["type"] == "NFC"
    as_bert = normalizer is not None and normalizer["type"] == "BertNormalizer" and words == {"type": "BertPreTokenizer"}
    if not (by_bytes and _is_by_bytes(words)) and not as_bert:
        return False
    added = tokenizer.added_tokens_decoder.values()
    alone = all(not token.single_word and not token.rstrip and not _CUT.search(token.content) for token in added)
    return alone and not getattr(backend.model, "dropout", None)


def _is_by_bytes(words: Any) -> bool:
    """Whether words are found in one of the ways that are known."""
    match words:
        case {"type": "ByteLevel", "use_regex": True}:
            return True
        case {"type": "Sequence", "pretokenizers": [{"type": "Digits"}, {"type": "ByteLevel", "use_regex": True}]}:
            return True
        case {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False},
                {"type": "ByteLevel", "use_regex": False, "add_prefix_space": False},
            ],
        }:
            return pattern in _WORDS
    return False


def _described(part: Any) -> Any:
    """The description of a part of a Rust tokenizer, as in `tokenizer.json`."""
    return None if part is None else json.loads(part.__getstate__())
