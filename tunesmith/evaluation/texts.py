"""Plain text as sequences to be weighed: nothing is cut away, and every token but the first is predicted once.

Causal networks read windows, one behind the other. Networks that fill in see the text in several copies, and in each copy
another seventh of it is hidden: spans of three tokens for an encoder-decoder network with sentinels (as T5 learnt it),
single tokens for a masked one. An encoder-decoder network without sentinels reads the first half and says the second.
"""

from collections.abc import Sequence

from tunesmith.errors import UserError
from tunesmith.tokens.renderer import Renderer
from tunesmith.tokens.sequence import IGNORED, Tokens, seq2seq

COPIES = 7
SPAN = 3


def sequences(renderer: Renderer, text: str, window: int | None, virtual: int = 0) -> list[Tokens]:
    """What is read to weigh a text.

    Args:
        window: most tokens of a row, virtual tokens included; None for no limit.
        virtual: virtual tokens at the head of each row.

    Raises:
        UserError: the text has nothing to predict.
    """
    ids = renderer.text(text)
    room = len(ids) if window is None else window - virtual
    if room < 2:
        raise UserError(f"a window of {window} tokens leaves no room beside {virtual} virtual ones", "use fewer virtual tokens")
    if renderer.family == "causal":
        found = [_window(ids, start, room) for start in range(0, len(ids) - 1, room)]
    else:
        body = ids[len(renderer.head) : len(ids) - len(renderer.tail)]
        room -= len(renderer.head) + len(renderer.tail)
        pieces = [body[start : start + room] for start in range(0, len(body), room)]
        found = [tokens for piece in pieces for tokens in _filled(renderer, piece)]
    if not any(tokens.learnt for tokens in found):
        raise UserError(f"the text {text[:40]!r} has nothing to predict: it is {len(ids)} token(s) long", "leave it out")
    return found


def _window(ids: Sequence[int], start: int, room: int) -> Tokens:
    inputs, targets = ids[start : start + room], ids[start + 1 : start + room + 1]
    return Tokens(tuple(inputs[: len(targets)]), tuple(targets))


def _filled(renderer: Renderer, ids: Sequence[int]) -> list[Tokens]:
    if renderer.family == "masked":
        copies = range(min(COPIES, len(ids)))
        return [_masked(renderer, ids, copy) for copy in copies]
    if not renderer.sentinels:
        half = (len(ids) + 1) // 2
        source = [*renderer.head, *ids[:half], *renderer.tail]
        return [seq2seq(source, ids[half:], renderer.start)] if ids[half:] else []
    found = [_spans(renderer, ids, copy) for copy in range(COPIES)]
    return [tokens for tokens in found if tokens is not None]


def _masked(renderer: Renderer, ids: Sequence[int], copy: int) -> Tokens:
    assert renderer.mask is not None
    hidden = [i % COPIES == copy for i in range(len(ids))]
    shown = [renderer.mask if gone else id_ for id_, gone in zip(ids, hidden, strict=True)]
    targets = [id_ if gone else IGNORED for id_, gone in zip(ids, hidden, strict=True)]
    before, behind = [IGNORED] * len(renderer.head), [IGNORED] * len(renderer.tail)
    return Tokens((*renderer.head, *shown, *renderer.tail), (*before, *targets, *behind))


def _spans(renderer: Renderer, ids: Sequence[int], copy: int) -> Tokens | None:
    """Every seventh span of three tokens is hidden; sentinels themselves are not scored."""
    spans = [(start, ids[start : start + SPAN]) for start in range(copy * SPAN, len(ids), COPIES * SPAN)]
    if not spans:
        return None
    source: list[int] = []
    answer: list[int] = []
    weights: list[float] = []
    place = 0
    for number, (start, span) in enumerate(spans):
        sentinel = renderer.sentinels[number % len(renderer.sentinels)]
        source += [*ids[place:start], sentinel]
        answer += [sentinel, *span]
        weights += [0.0, *[1.0] * len(span)]
        place = start + len(span)
    return seq2seq([*renderer.head, *source, *ids[place:], *renderer.tail], answer, renderer.start, weights)
