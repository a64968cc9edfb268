"""Long texts in windows: every token is learnt in exactly one of them, and a window may show again what came before it.

How far a window reaches is counted in tokens of the whole text, which is spelled once; nothing is spelled anew at a border.
"""

import logging
import os
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tunesmith.data.example import Example
from tunesmith.data.formats import Kept
from tunesmith.data.rows import Made
from tunesmith.errors import UserError
from tunesmith.tokens.sequence import Tokens, causal

UNLIMITED = 1 << 40  # tokens

talk = logging.getLogger("tunesmith")


@dataclass(frozen=True, slots=True)
class Window(Example):
    """A stretch of a text in ids.

    ids:     [T] what is read.
    context: how many of the first ids are read only: they are learnt in an earlier window, or nothing stands before them.
    ended:   whether the text ends here.
    """

    ids: tuple[int, ...] = ()
    context: int = 0
    ended: bool = True

    @property
    def letters(self) -> int:
        """Its length, for an order by length; a token is about four letters."""
        return 4 * len(self.ids)

    def causal(self) -> Tokens:
        """Every id but the first `context` predicted from those before it."""
        return causal(self.ids, [0.0] * self.context + [1.0] * (len(self.ids) - self.context))


@dataclass(frozen=True)
class Cutting:
    """How texts are cut.

    width:   most ids of a window.
    overlap: ids of a window that the one before has learnt already, where there is one.
    least:   ids at the beginning of a text that nothing predicts.
    """

    width: int
    overlap: int = 0
    least: int = 0

    def __post_init__(self) -> None:
        if self.overlap >= self.width:
            width, overlap = self.width - self.least, self.overlap - self.least
            raise UserError(
                f"a window with room for {width} tokens of a text leaves nothing to learn beside an overlap of {overlap}",
                "set the window larger or `overlap` lower, at most to half of the window",
            )

    @classmethod
    def causal(cls, limit: int, overlap: int) -> "Cutting":
        """For networks that predict: rows of `limit` inputs. The last id of a window is predicted and not read."""
        return cls(limit + 1, overlap + 1, 1)

    def windows(self, ids: Sequence[int]) -> Iterator[Window]:
        """The windows of a text; none where it has nothing to be learnt."""
        end = 0
        while end < len(ids):
            begin = max(0, end - self.overlap)
            context = max(end - begin, self.least)
            end = min(begin + self.width, len(ids))
            if begin + context < end:
                yield Window((), "", ids=tuple(ids[begin:end]), context=context, ended=end == len(ids))


def kept(
    examples: Sequence[Example], spell: Callable[[Example], Sequence[int]], cutting: Cutting, name: str
) -> Sequence[Example]:
    """The windows of all examples, in their order; they are kept on the disk and read when they are asked for.

    How many there are is told to the `tunesmith` logger, where any text is longer than one window.

    Args:
        spell: all ids of an example.
        name: whose examples they are, for messages.
    """
    long = short = 0

    def found() -> Iterator[dict[str, Any]]:
        nonlocal long, short
        for example in examples:
            windows = list(cutting.windows(spell(example)))
            long += len(windows) > 1
            short += not windows
            for number, window in enumerate(windows):
                id_ = f"{example.id}#{number}" if len(windows) > 1 else example.id
                yield {"id": id_, "ids": array("i", window.ids).tobytes(), "context": window.context, "ended": window.ended}

    rows = Kept(found()) if hasattr(os, "pread") else list(found())
    if long:
        talk.warning(
            "%s: %d of %d texts are longer than %d tokens and read in windows, %d in all; every token is learnt once",
            *(name, long, len(examples), cutting.width - cutting.least, len(rows)),
        )
    if short:
        talk.warning("%s: %d of %d texts have no token to learn and are left out", name, short, len(examples))
    return Made(_made, rows)


def _made(_: int, row: dict[str, Any]) -> Example:
    return Window((), "", id=row["id"], ids=tuple(array("i", row["ids"])), context=row["context"], ended=row["ended"])
