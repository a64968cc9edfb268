"""Texts made comparable: what counts as the same text, as a word, and as a run of words."""

import re
import unicodedata
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

# Scripts that put no spaces between words: there every letter is a word (Thai, Lao, Burmese, Khmer, kana, Han).
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
WORD = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+")
SPECIAL = re.compile(
    r"<\|[A-Za-z][\w-]{0,40}\|>|</?s>|<(?:pad|unk|mask|bos|eos|sep|cls)>|\[(?:PAD|UNK|CLS|SEP|MASK)\]|\[/?INST\]|<</?SYS>>"
    r"|<(?:start|end)_of_turn>|<extra_id_\d+>"
)
_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def plain(text: str) -> str:
    """One form for texts that differ in nothing but case, white space, or the way a letter is encoded (NFKC).

    >>> plain("  The ﬁrst\\nROW ")
    'the first row'
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def words_of(text: str) -> list[str]:
    """Words of `plain(text)`: letters and digits; punctuation parts words and is none.

    >>> words_of("Don't  stop, 猫だ!")
    ['don', 't', 'stop', '猫', 'だ']
    """
    return WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def without_special_tokens(text: str) -> str:
    """A text without what tokenizers would take for one of their special tokens.

    >>> without_special_tokens("yes<|endoftext|></s>")
    'yes'
    """
    return SPECIAL.sub("", text)


def digest(*texts: str) -> int:
    """64 bits that stand for some texts; two different ones among a million agree once in 40 million times."""
    whole = "\0".join(texts).encode(errors="surrogatepass")
    return int.from_bytes(blake2b(whole, digest_size=8).digest(), "big")


def runs(values: Hashes, size: int) -> Hashes:
    """[max(0, N - size + 1)] a hash of each run of `size` of N values."""
    count = len(values) - size + 1
    if count <= 0:
        return np.empty(0, np.uint64)
    found = np.zeros(count, np.uint64)
    for start in range(size):
        found *= _STEP
        found += values[start : start + count]
    return mixed(found)


def mixed(values: Hashes) -> Hashes:
    """Numbers scattered over all 64 bits (the finaliser of splitmix64; Steele, Lea and Flood 2014)."""
    values = (values ^ (values >> np.uint64(30))) * _MIX[0]
    values = (values ^ (values >> np.uint64(27))) * _MIX[1]
    return values ^ (values >> np.uint64(31))


def word_hashes(words: list[str]) -> Hashes:
    """A number for each word; the same within a process, and not kept beyond it."""
    return mixed(np.fromiter(map(hash, words), np.int64, len(words)).view(np.uint64))
