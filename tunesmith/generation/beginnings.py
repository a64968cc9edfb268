"""What prompts of late began with: a system's words, a document, shots. Found without being told, for each adapter apart."""

from collections import OrderedDict, deque
from collections.abc import Sequence

from tunesmith.models.path import Ids, common

LEAST = 32  # tokens that a beginning must have to be worth looking at apart
RECENT = 16  # prompts that a new one is held against
MOST = 16  # beginnings that are known of an adapter
ADAPTERS = 128  # whose beginnings are known: those that were asked last


class Beginnings:
    """Prompts as they come; the second of two that begin alike makes their beginning known."""

    def __init__(self) -> None:
        self._recent: OrderedDict[str, deque[Ids]] = OrderedDict()
        self._known: dict[str, OrderedDict[Ids, None]] = {}

    def trunk(self, adapter: str, prompt: Sequence[int]) -> int:
        """Tokens of the longest beginning that this prompt shares with earlier ones, but for one at least; 0: none."""
        ids = tuple(prompt)
        recent = self._recent.setdefault(adapter, deque(maxlen=RECENT))
        known = self._known.setdefault(adapter, OrderedDict())
        self._recent.move_to_end(adapter)
        if len(self._recent) > ADAPTERS:
            gone, _ = self._recent.popitem(last=False)
            del self._known[gone]
        best = max((len(one) for one in known if len(one) < len(ids) and ids[: len(one)] == one), default=0)
        alike = max((min(common(ids, other), len(ids) - 1) for other in recent), default=0)
        recent.append(ids)
        if alike >= best + LEAST:
            best = alike
            known[ids[:best]] = None
            if len(known) > MOST:
                known.popitem(last=False)
        if best:
            known.move_to_end(ids[:best])
        return best
