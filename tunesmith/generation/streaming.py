"""An answer in words while it is still being said: no more than is sure to stay."""

from collections.abc import Callable, Sequence

BROKEN = "\ufffd"  # what a cut letter of several ids reads as
BEHIND = 8  # ids before the new ones that are put in words with them, so that spaces between words come out right


class Words:
    """The words of ids that come one after the other.

    Args:
        say:   ids -> text (`Renderer.say`).
        stops: texts that end the answer; what may be the beginning of one is held back.
    """

    def __init__(self, say: Callable[[Sequence[int]], str], stops: Sequence[str] = ()) -> None:
        self.say, self.stops = say, tuple(stops)
        self.told = ""
        self._ids: list[int] = []
        self._text = ""  # of all ids up to `_from`, and of those behind it that are sure
        self._from = 0

    def more(self, ids: Sequence[int]) -> str:
        """What may be told now that these ids have come."""
        self._ids += ids
        start = max(0, self._from - BEHIND)
        before, whole = self.say(self._ids[start : self._from]), self.say(self._ids[start:])
        if not whole.endswith(BROKEN) and whole.startswith(before):
            self._text += whole[len(before) :]
            self._from = len(self._ids)
        sure = self._text[: len(self._text) - self._held(self._text)]
        return self._tell(sure)

    def rest(self, text: str) -> str:
        """What is still untold of the whole answer, once it has ended."""
        return self._tell(text)

    def _tell(self, text: str) -> str:
        if not text.startswith(self.told):  # a stop text began in what was told; cannot be, since it was held back
            return ""
        new = text[len(self.told) :]
        self.told = text
        return new

    def _held(self, text: str) -> int:
        """Letters at the end that a stop text may begin with, or all from one on that stands there."""
        for stop in self.stops:
            at = text.find(stop)
            if at >= 0:
                return len(text) - at
        longest = max((len(stop) - 1 for stop in self.stops), default=0)
        for length in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-length:]) for stop in self.stops):
                return length
        return 0
