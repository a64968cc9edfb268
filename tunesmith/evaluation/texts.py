"""Plain text as sequences to be weighed: nothing is cut away, and no token is predicted twice.

Causal networks read windows, one behind the other or overlapping. A masked network sees the text in several copies, and in each
another seventh of its tokens is hidden, or another single one. An encoder-decoder network reads the first half and says the
second (prefix language modelling): what T5 learnt of hidden spans is gone after instruction tuning, and would tell nothing of
general text.
"""

from collections.abc import Iterator

from tunesmith.errors import UserError
from tunesmith.tokens.renderer import Renderer
from tunesmith.tokens.sequence import IGNORED, Tokens, seq2seq
from tunesmith.tokens.windows import UNLIMITED, Cutting, Window

COPIES = 7


def sequences(
    renderer: Renderer, text: str, window: int | None, virtual: int = 0, overlap: int = 0, one_by_one: bool = False
) -> list[Tokens]:
    """What is read to weigh a text.

    Args:
        window: most tokens of a row, virtual tokens included; None for no limit.
        virtual: virtual tokens at the head of each row.
        overlap: tokens of the window before that each further window reads again and does not predict.
        one_by_one: a masked network sees a copy for each token, in which that one is hidden (Salazar et al., 2020).

    Raises:
        UserError: the text has nothing to predict, or the window no room.
    """
    causal = renderer.family == "causal"
    ids = renderer.text(text) if causal else renderer.spell(text)
    ends = 0 if causal else len(renderer.head) + len(renderer.tail)
    room = UNLIMITED if window is None else window - virtual - ends
    if room < 2:
        raise UserError(f"a window of {window} tokens leaves no room beside {virtual} virtual ones", "use fewer virtual tokens")
    if overlap and renderer.family == "seq2seq":
        raise UserError(f"`ask.overlap` is {overlap}, and an encoder-decoder network says half of what it reads", "set it to 0")
    windows = (Cutting.causal(room, overlap) if causal else Cutting(room, overlap)).windows(ids)
    if causal:
        found = [one.causal() for one in windows]
    elif renderer.family == "masked":
        found = [tokens for one in windows for tokens in _copies(renderer, one, one_by_one)]
    else:
        found = [tokens for one in windows for tokens in _halves(renderer, one)]
    if not any(tokens.learnt for tokens in found):
        raise UserError(f"the text {text[:40]!r} has nothing to predict: it is {len(ids)} token(s) long", "leave it out")
    return found


def _copies(renderer: Renderer, window: Window, one_by_one: bool) -> Iterator[Tokens]:
    """The window again and again, until each of its own tokens was hidden once."""
    assert renderer.mask is not None
    own = len(window.ids) - window.context
    copies = own if one_by_one else min(COPIES, own)
    before, behind = [IGNORED] * len(renderer.head), [IGNORED] * len(renderer.tail)
    for copy in range(copies):
        hidden = set(range(window.context + copy, len(window.ids), copies))
        shown = [renderer.mask if place in hidden else id_ for place, id_ in enumerate(window.ids)]
        targets = [id_ if place in hidden else IGNORED for place, id_ in enumerate(window.ids)]
        yield Tokens((*renderer.head, *shown, *renderer.tail), (*before, *targets, *behind))


def _halves(renderer: Renderer, window: Window) -> Iterator[Tokens]:
    half = (len(window.ids) + 1) // 2
    if window.ids[half:]:
        yield seq2seq([*renderer.head, *window.ids[:half], *renderer.tail], window.ids[half:], renderer.start)
