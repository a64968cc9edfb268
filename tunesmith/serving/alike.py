"""Texts much like one that stands already: ROUGE-L's F (Lin 2004) over words, in any script.

The count of common words bounds the longest common subsequence, so only few texts are laid along each other, and the answer is
that of comparing with all.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from tunesmith.metrics.alignment import common_length, places

WIDE = "\u3040-\u30ff\u3400-\u9fff"  # scripts that leave no blanks: every letter counts as a word
WORDS = re.compile(f"[{WIDE}]|[^\\W{WIDE}]+")
FEWEST = 4  # words below which texts are alike by chance
MOST = 400  # words of a text that are compared


@dataclass(frozen=True, slots=True)
class Near:
    """A text that stands, and how much it is alike: F of the longest common subsequence of words, 0 to 1."""

    score: float
    row: str
    text: str


@dataclass(slots=True)
class Pool:
    """Texts of one column, by row; a row may be put in again, and stands with its last text."""

    texts: dict[str, str] = field(default_factory=dict)
    words: dict[str, list[str]] = field(default_factory=dict)
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    having: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def put(self, row: str, text: str) -> None:
        """Let a text stand; one of too few words does not."""
        self.take(row)
        words = words_of(text)
        if len(words) < FEWEST:
            return
        self.texts[row], self.words[row], self.counts[row] = text, words, Counter(words)
        for word in self.counts[row]:
            self.having[word].add(row)

    def take(self, row: str) -> None:
        """Let a row's text stand no longer."""
        for word in self.counts.pop(row, ()):
            self.having[word].discard(row)
        self.texts.pop(row, None)
        self.words.pop(row, None)

    def nearest(self, text: str, least: float, but: Collection[str] = ()) -> Near | None:
        """The text most alike, `least` or more; none of the rows `but`."""
        words = words_of(text)
        if len(words) < FEWEST:
            return None
        where, best = places(words), None
        for bound, row in self._bounds(Counter(words), len(words), least, but):
            if best is not None and bound <= best.score:
                break
            size = len(self.words[row])
            score = 2 * common_length(where, len(words), self.words[row]) / (len(words) + size)
            if score >= least and (best is None or score > best.score):
                best = Near(score, row, self.texts[row])
        return best

    def _bounds(self, counts: Counter[str], size: int, least: float, but: Collection[str]) -> Iterator[tuple[float, str]]:
        """(bound, row), the highest first, of rows that may reach `least`."""
        common: Counter[str] = Counter()
        for word, count in counts.items():
            for row in self.having.get(word, ()):
                common[row] += min(count, self.counts[row][word])
        bounds = ((2 * shared / (size + len(self.words[row])), row) for row, shared in common.items() if row not in but)
        yield from sorted((one for one in bounds if one[0] >= least), reverse=True)


def words_of(text: str) -> list[str]:
    """Words in lower case, the first `MOST`."""
    return WORDS.findall(text.casefold())[:MOST]
