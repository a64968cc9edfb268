"""Who enters next: in the order given, or in turn by client so that nobody waits for another's many."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol

from tunesmith.generation.slots import Slot


class Waiting(Protocol):
    """Slots that are not under way."""

    def __len__(self) -> int: ...

    def front(self, count: int) -> list[Slot]:
        """The first so many, in the order in which they are to enter; they stay."""
        ...

    def drop(self, slots: Iterable[Slot]) -> None:
        """These wait no longer."""
        ...

    def again(self, slot: Slot) -> None:
        """One that was under way is to go on before all others of its client."""
        ...

    def all(self) -> list[Slot]:
        """Every one, in no particular order."""
        ...


class InOrder:
    """As they are given."""

    def __init__(self, slots: Sequence[Slot] = ()) -> None:
        self._slots = OrderedDict((slot.number, slot) for slot in slots)

    def __len__(self) -> int:
        return len(self._slots)

    def front(self, count: int) -> list[Slot]:
        return list(islice(self._slots.values(), count))

    def drop(self, slots: Iterable[Slot]) -> None:
        for slot in slots:
            self._slots.pop(slot.number, None)

    def add(self, slot: Slot) -> None:
        self._slots[slot.number] = slot

    def again(self, slot: Slot) -> None:
        self.add(slot)
        self._slots.move_to_end(slot.number, last=False)

    def all(self) -> list[Slot]:
        return list(self._slots.values())


class InTurn:
    """One of each client after the other; a client's own in the order in which they came."""

    def __init__(self) -> None:
        self._clients: OrderedDict[str, InOrder] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._clients.values()))

    def front(self, count: int) -> list[Slot]:
        return list(islice(self._in_turn(), count))

    def _in_turn(self) -> Iterator[Slot]:
        queues = [iter(own.all()) for own in self._clients.values()]
        while queues:
            left = []
            for queue in queues:
                slot = next(queue, None)
                if slot is not None:
                    yield slot
                    left.append(queue)
            queues = left

    def drop(self, slots: Iterable[Slot]) -> None:
        for slot in slots:
            own = self._clients.get(slot.client)
            if own is None:
                continue
            own.drop([slot])
            if len(own):
                self._clients.move_to_end(slot.client)  # who has just been served waits for the others
            else:
                del self._clients[slot.client]

    def add(self, slot: Slot) -> None:
        self._clients.setdefault(slot.client, InOrder()).add(slot)

    def again(self, slot: Slot) -> None:
        self._clients.setdefault(slot.client, InOrder()).again(slot)

    def all(self) -> list[Slot]:
        return [slot for own in self._clients.values() for slot in own.all()]
