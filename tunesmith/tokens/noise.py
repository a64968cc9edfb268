"""Texts with parts hidden: spans behind sentinels (T5), spans behind one mask each (BART), single tokens (BERT)."""

import random
from collections.abc import Sequence

from tunesmith.tokens.sequence import IGNORED

Spans = tuple[list[int], list[int]]


def spans(length: int, noise: float, span: float, most: int, dice: random.Random) -> Spans:
    """How many tokens are kept and hidden in turn; what is kept begins and ends, and may be nothing there.

    As T5 has it (Raffel et al., 2020, section 3.1.4): round(length * noise) tokens are hidden, in round(hidden / span) spans of
    any lengths that make that sum, all equally likely. But T5 always hides the last token and never the first; here every place
    is as likely as its neighbour, which matters in short texts.

    Args:
        most: most spans.

    Returns:
        (lengths of what is kept, one more than spans; lengths of the spans).
    """
    hidden = max(1, min(round(length * noise), length - 1)) if length > 1 else length
    count = max(1, min(round(hidden / span), hidden, length - hidden + 1, most))
    gone = _parts(hidden, count, dice)
    kept = _parts(length - hidden + 2, count + 1, dice)  # between two spans at least one token, at both ends maybe none
    kept[0] -= 1
    kept[-1] -= 1
    return kept, gone


def sentinelled(ids: Sequence[int], sentinels: Sequence[int], lengths: Spans) -> tuple[list[int], list[int]]:
    """(source, answer): each hidden span is a sentinel in the source, and the answer spells sentinel and span in turn.

    Where the text goes on behind the last span, one more sentinel closes the answer (ibid., figure 2).
    """
    source: list[int] = []
    answer: list[int] = []
    place = 0
    for kept, gone, sentinel in zip(*lengths, sentinels, strict=False):
        source += [*ids[place : place + kept], sentinel]
        answer += [sentinel, *ids[place + kept : place + kept + gone]]
        place += kept + gone
    closing = sentinels[len(lengths[1]) : len(lengths[1]) + 1] if ids[place:] else []
    return [*source, *ids[place:]], [*answer, *closing]


def masked_spans(ids: Sequence[int], mask: int, lengths: Spans) -> list[int]:
    """The text with one mask for each hidden span (BART: Lewis et al., 2020, text infilling)."""
    source: list[int] = []
    place = 0
    for kept, gone in zip(*lengths, strict=False):
        source += [*ids[place : place + kept], mask]
        place += kept + gone
    return [*source, *ids[place:]]


def _parts(total: int, count: int, dice: random.Random) -> list[int]:
    """`total` as a sum of `count` numbers of at least one, every way equally likely."""
    cuts = sorted(dice.sample(range(1, total), count - 1)) if count > 1 else []
    return [after - before for before, after in zip([0, *cuts], [*cuts, total], strict=True)]


def hide(
    ids: Sequence[int], units: Sequence[Sequence[int]], mask: int, vocabulary: int, noise: float, dice: random.Random
) -> tuple[list[int], list[int]]:
    """BERT's masking: of the chosen tokens 80 % become the mask, 10 % another token, 10 % stay; all of them are predicted.

    Args:
        units: places that are chosen together: one each, or those of a word. A unit that would hide too much is passed over.

    Returns:
        (ids as they are shown, what is to be predicted at each place or IGNORED).
    """
    wanted = max(1, round(sum(map(len, units)) * noise)) if units else 0
    chosen: set[int] = set()
    for unit in dice.sample(units, min(wanted, len(units))):
        if not chosen or len(chosen) + len(unit) <= wanted:
            chosen.update(unit)
    shown, targets = list(ids), [IGNORED] * len(ids)
    for place in sorted(chosen):
        targets[place] = ids[place]
        fate = dice.random()
        if fate < 0.8:
            shown[place] = mask
        elif fate < 0.9:
            shown[place] = dice.randrange(vocabulary)
    return shown, targets


def words(begins: Sequence[bool], places: Sequence[int]) -> list[list[int]]:
    """Places in groups, a word each; `begins` says of every place whether a word begins there."""
    found: list[list[int]] = []
    for place in places:
        if begins[place] or not found or found[-1][-1] != place - 1:
            found.append([])
        found[-1].append(place)
    return found
