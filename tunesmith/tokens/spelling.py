"""Text in ids, and ids in text, without special tokens: what all kinds of tokenizers have in common.

A tokenizer here is a transformers tokenizer: byte-level, SentencePiece-like or WordPiece, fast or slow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeAlias

ANCHORS = (".", "a", "\n", ")", "0", "the")
METASPACE = "▁"
BLANKS = (METASPACE, "Ġ", "Ċ")  # what a piece begins with that stands behind a blank or a line's end; the last two byte-level

Tokenizer: TypeAlias = Any  # of transformers, which has no types of its own


@dataclass(frozen=True)
class Spelt:
    """Ids of a text, and for each its first visible character and its end, as places in the text."""

    ids: list[int]
    starts: list[int]
    ends: list[int]

    def behind(self, count: int, place: int) -> "Spelt":
        """All but the first `count` ids, which spell the text up to `place`."""
        starts, ends = ([max(at - place, 0) for at in places[count:]] for places in (self.starts, self.ends))
        return Spelt(self.ids[count:], starts, ends)


def spell(tokenizer: Tokenizer, text: str) -> list[int]:
    """Bare ids of a text. A limit that is set in the tokenizer's own file is not applied: nothing is cut in silence."""
    ids: list[int] = tokenizer(text, add_special_tokens=False, truncation=False, padding=False, verbose=False)["input_ids"]
    return ids


def spell_all(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Bare ids of several short texts, each as `spell` gives them, for fast tokenizers."""
    backend = tokenizer.backend_tokenizer
    if backend.truncation is not None or backend.padding is not None:  # left behind by an earlier call
        backend.no_truncation()
        backend.no_padding()
    backend.encode_special_tokens = tokenizer.split_special_tokens
    # Not `encode_batch`: its threads cost more than a few short texts.
    return [backend.encode(text, add_special_tokens=False).ids for text in texts]


def follow(tokenizer: Tokenizer, shown: str, shown_ids: Sequence[int], said: str, places: bool = False) -> Spelt:
    """Spell `said` as it stands behind `shown`, whose ids are given and stay as they are.

    Both texts are spelled at once, and what follows `shown_ids` is `said`. Where the end of `shown` would melt into the
    beginning of `said` (":" and a newline are one piece in some vocabularies), `said` is spelled behind another text.
    The network then learns to go on from just those ids that it will be shown.
    """
    others = ((anchor, spell(tokenizer, anchor)) for anchor in ANCHORS)  # spelled only where they are needed
    for before, ids in chain([(shown, list(shown_ids))], others):
        whole = spell_with_places(tokenizer, before + said, places)
        count = len(ids)
        melted = count > 0 and count <= len(whole.ends) and whole.ends[count - 1] > len(before)
        if whole.ids[:count] == ids and not melted:
            return whole.behind(count, len(before))
    return spell_with_places(tokenizer, said, places)


def spell_with_places(tokenizer: Tokenizer, text: str, places: bool = False) -> Spelt:
    """Ids of a text with their places in it; all zero for a slow tokenizer unless `places` are asked for, as it takes long."""
    if tokenizer.is_fast:
        spelt = tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, truncation=False, padding=False, verbose=False
        )
        spans = spelt["offset_mapping"]
        return Spelt(spelt["input_ids"], [_visible(text, start, end) for start, end in spans], [end for _, end in spans])
    ids = spell(tokenizer, text)
    if not places:
        return Spelt(ids, [0] * len(ids), [0] * len(ids))
    said = (tokenizer.decode(ids[:count], clean_up_tokenization_spaces=False) for count in range(len(ids) + 1))
    cuts = [min(len(part), len(text)) for part in said]
    return Spelt(ids, [_visible(text, cut, len(text)) for cut in cuts[:-1]], cuts[1:])


def _visible(text: str, start: int, end: int) -> int:
    """The first place in [start, end) that is no whitespace; `start` where there is none.

    Kinds of tokenizers differ in whether the blank before a word belongs to the word's span; its first letter always does.
    """
    return next((place for place in range(start, end) if not text[place].isspace()), start)


def piece(tokenizer: Tokenizer, id_: int) -> str:
    """One id as a person reads it: a leading blank is a blank; a byte that is no whole character reads <0xE2>."""
    token: str | None = tokenizer.convert_ids_to_tokens(id_)
    if token is None:
        return f"<{id_}>"
    if id_ in tokenizer.all_special_ids or id_ in tokenizer.added_tokens_decoder:
        return token
    if _is_byte_level(tokenizer):
        raw = bytes(_BYTES[letter] for letter in token if letter in _BYTES)
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return "".join(f"<0x{byte:02X}>" for byte in raw)
    return token.replace(METASPACE, " ")


def _is_byte_level(tokenizer: Tokenizer) -> bool:
    return "ByteLevel" in repr(getattr(getattr(tokenizer, "backend_tokenizer", None), "decoder", ""))


def _byte_letters() -> dict[str, int]:
    """GPT-2's alphabet of bytes: printable bytes stand for themselves, the others for letters from U+0100 on."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + place): byte for place, byte in enumerate(others)}


_BYTES = _byte_letters()
