"""Plain text as sequences to be weighed: nothing is cut away, and no token is predicted twice.

Causal networks read windows, one behind the other. A masked network sees the text in several copies, and in each copy another
seventh of its tokens is hidden. An encoder-decoder network reads the first half and says the second (prefix language
modelling): what T5 learnt of hidden spans is gone after instruction tuning, and would tell nothing about general text.
"""

from collections.abc import Sequence

from tunesmith.errors import UserError
from tunesmith.tokens.renderer import Renderer
from tunesmith.tokens.sequence import IGNORED, Tokens, seq2seq

COPIES = 7


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
    half = (len(ids) + 1) // 2
    source = [*renderer.head, *ids[:half], *renderer.tail]
    return [seq2seq(source, ids[half:], renderer.start)] if ids[half:] else []


def _masked(renderer: Renderer, ids: Sequence[int], copy: int) -> Tokens:
    assert renderer.mask is not None
    hidden = [i % COPIES == copy for i in range(len(ids))]
    shown = [renderer.mask if gone else id_ for id_, gone in zip(ids, hidden, strict=True)]
    targets = [id_ if gone else IGNORED for id_, gone in zip(ids, hidden, strict=True)]
    before, behind = [IGNORED] * len(renderer.head), [IGNORED] * len(renderer.tail)
    return Tokens((*renderer.head, *shown, *renderer.tail), (*before, *targets, *behind))
