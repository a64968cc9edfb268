"""Along which settings the arms of a study stand, and how the scale of a low-rank change moved along its rank."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from tunesmith.comparison.curve import EXAMPLES

SIZES = ("rank", "virtual_tokens")  # settings of which a smaller value is a cheaper result
HELD = (
    "A larger rank still moves the network further in a step, since more products add up: where large ranks are unsteady, take "
    "the rank-stabilised scale, or a learning rate for each."
)


class Varied(Protocol):
    """What differs in some settings: `Tried` and `Arm` fit."""

    @property
    def values(self) -> Mapping[str, Any]: ...


class Scaled(Varied, Protocol):
    """What tells, too, what a low-rank change is multiplied by, where the method has such a number: `Tried` fits."""

    @property
    def scale(self) -> float | None: ...


def number_axes(arms: Sequence[Varied], settings: Sequence[str]) -> list[str]:
    """The varied settings of which every value is a number, those of size first."""
    found = [name for name in settings if len({arm.values[name] for arm in arms if _number(arm.values.get(name))}) > 1]
    found = [name for name in found if all(_number(arm.values[name]) for arm in arms if name in arm.values)]
    return sorted(found, key=lambda name: (name != EXAMPLES, name.rpartition(".")[2] not in SIZES))


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def grouped(arms: Sequence[Varied], axis: str) -> dict[str, list[int]]:
    """Places of the arms that differ in one setting only, in the order of its values; by what the others are.

    What learnt from no example begins every line of its kind.
    """
    groups: dict[str, list[int]] = {}
    none = [place for place, arm in enumerate(arms) if axis == EXAMPLES and arm.values.get(axis) == 0]
    for place, arm in enumerate(arms):
        if axis in arm.values and place not in none:
            rest = ", ".join(_told(name, value) for name, value in arm.values.items() if name != axis)
            groups.setdefault(rest, []).append(place)
    for place in none:
        own = {name: value for name, value in arms[place].values.items() if name != axis}
        begun = [line for line in groups.values() if own.items() <= dict(arms[line[0]].values).items()]
        for line in begun or [groups.setdefault(", ".join(_told(name, value) for name, value in own.items()), [])]:
            line.append(place)
    return {rest: sorted(places, key=lambda place: arms[place].values[axis]) for rest, places in groups.items()}


def _told(name: str, value: Any) -> str:
    return str(value) if name == "system" else f"{name.rpartition('.')[2]} {value}"


def scaling(tried: Sequence[Scaled]) -> tuple[str, tuple[str, ...]]:
    """How the scale of a low-rank change moved with its rank, in words; and a warning where that hides a learning rate."""
    axis = next(
        (name for name in number_axes(tried, sorted({n for t in tried for n in t.values})) if name.endswith("rank")), None
    )
    known = sorted({(one.values[axis], one.scale) for one in tried if axis in one.values and one.scale}) if axis else []
    if len({rank for rank, _ in known}) < 2 or len({rank for rank, _ in known}) < len(known):
        return "", ()
    (low, first), (high, last) = known[0], known[-1]
    if all(abs(scale / first - 1) < 1e-6 for _, scale in known):
        return f"The scale alpha / rank is held at {first:g} for every rank. {HELD}", ()
    if all(abs(scale * rank**0.5 / (first * low**0.5) - 1) < 1e-6 for rank, scale in known):
        return f"Rank-stabilised: the sum is scaled by {first * low**0.5:g} / sqrt(rank) (Kalajdzievski, 2023).", ()
    warning = (
        f"The scale of the change moves with the rank: {first:g} at rank {low}, {last:g} at rank {high}. That changes the "
        "learning rate in secret, so the arms differ in more than their rank. Leave method.alpha null, by which alpha / rank "
        "stays as it is, or set method.rank_stabilised with an alpha."
    )
    return "", (warning,)
