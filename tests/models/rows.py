"""Random sequences for each family, and how they are laid out."""

import random
from collections.abc import Sequence

from tests.models.networks import V
from tunesmith.models.families import Family
from tunesmith.tokens.batch import Batch, Rows, collate
from tunesmith.tokens.sequence import IGNORED, Tokens, causal, masked, seq2seq


def sequences(family: Family, count: int = 4, seed: int = 0, longest: int = 11) -> list[Tokens]:
    """Sequences of unlike lengths, a few targets in each."""
    dice = random.Random(seed)

    def ids(least: int, most: int) -> list[int]:
        return [dice.randrange(3, V) for _ in range(dice.randint(least, most))]

    made = []
    for _ in range(count):
        words = ids(4, longest)
        if family == "causal":
            made.append(causal(words, [float(i >= len(words) // 2) for i in range(len(words))]))
        elif family == "seq2seq":
            made.append(seq2seq(ids(3, longest), words, 0))
        else:
            hidden = [dice.random() < 0.4 or i == 1 for i in range(len(words))]
            targets = [word if hide else IGNORED for word, hide in zip(words, hidden, strict=True)]
            made.append(masked([3 if hide else word for word, hide in zip(words, hidden, strict=True)], targets))
    return made


def laid(
    tokens: Sequence[Tokens],
    virtual: int | Sequence[int] = 0,
    adapters: tuple[str, ...] | None = None,
    in_decoder: bool | Sequence[bool] = False,
) -> Batch:
    """One sequence a row."""
    rows = Rows(tuple((t,) for t in tokens), tuple((n,) for n in range(len(tokens))))
    return collate(rows, virtual, adapters, in_decoder=in_decoder)


def packed(tokens: Sequence[Tokens], virtual: int = 0) -> Batch:
    """Two sequences a row."""
    pairs = [(n, n + 1) for n in range(0, len(tokens), 2)]
    return collate(Rows(tuple((tokens[a], tokens[b]) for a, b in pairs), tuple(pairs)), virtual, shared=True)
