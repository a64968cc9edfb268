"""Sequences that hold numbers instead of rows: what they are asked for is fetched anew, and memory hardly grows with them."""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, chain
from typing import Any, TypeVar, overload

T = TypeVar("T")


class Lazy(Sequence[T]):
    """A sequence by the size and the item at a place; equal to a list of the same items."""

    def item(self, place: int) -> T:
        """The item at a place in [0, len)."""
        raise NotImplementedError

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[T]: ...
    def __getitem__(self, place: int | slice) -> T | Sequence[T]:
        if isinstance(place, slice):
            return Chosen(self, range(*place.indices(len(self))))
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        return self.item(place % len(self))

    def __iter__(self) -> Iterator[T]:
        return (self.item(place) for place in range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (Lazy, list, tuple)):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]


class Chosen(Lazy[T]):
    """Some items of a sequence, by their numbers (8 bytes each, or a range). `origin` as `Made` has it."""

    def __init__(self, items: Sequence[T], numbers: Iterable[int], origin: tuple[object, ...] = ()) -> None:
        self.items = items
        self.origin = origin
        self.numbers = numbers if isinstance(numbers, (array, range)) else array("q", numbers)

    def __len__(self) -> int:
        return len(self.numbers)

    def item(self, place: int) -> T:
        return self.items[self.numbers[place]]


class Joined(Lazy[T]):
    """Sequences one after another."""

    def __init__(self, parts: Iterable[Sequence[T]]) -> None:
        self.parts = tuple(parts)
        self.ends = list(accumulate(map(len, self.parts)))

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0

    def at(self, place: int) -> tuple[Sequence[T], int]:
        """The part that holds a place, and the place in it."""
        part = bisect_right(self.ends, place)
        return self.parts[part], place - (self.ends[part - 1] if part else 0)

    def item(self, place: int) -> T:
        part, within = self.at(place)
        return part[within]

    def __iter__(self) -> Iterator[T]:
        return chain.from_iterable(self.parts)


class Made(Lazy[T]):
    """What a function makes of each (place, item) of a sequence.

    origin: a key of all that decides what is made, by which a pass over it may be kept; empty: it is not known.
    """

    def __init__(self, make: Callable[[int, Any], T], items: Sequence[Any], origin: tuple[object, ...] = ()) -> None:
        self.make = make
        self.items = items
        self.origin = origin

    def __len__(self) -> int:
        return len(self.items)

    def item(self, place: int) -> T:
        return self.make(place, self.items[place])

    def __iter__(self) -> Iterator[T]:
        return (self.make(place, item) for place, item in enumerate(self.items))
