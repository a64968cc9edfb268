"""How often each of several tasks is shown: rates from sizes and weights, and what comes of them before anything is learnt.

Examples-proportional with a cap, and temperature: Raffel et al. 2020, "Exploring the Limits of Transfer Learning with a Unified
Text-to-Text Transformer", section 3.5.2. Task m has e_m examples; K is the cap, T the temperature:
r_m = min(e_m, K) / sum over n of min(e_n, K), or that to the power 1 / T, renormalised.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Annotated, Literal

from pydantic import Field

from tunesmith.errors import UserError

TEMPERATURE = 2.0  # where none is set


@dataclass(frozen=True)
class Mixing:
    """How often the examples of each task are shown (docs/mixtures.md).

    by:          `weight`: in an epoch each example stands as often as its task's weight says: large tasks are shown more.
                 `size`: the rate of a task is its number of examples, but at most `cap` (examples-proportional; T5), and an
                 epoch has so many places of it. `temperature`: these rates to the power 1 / `temperature`, in an epoch of as
                 many places. Here a task's weight multiplies its rate; 1 leaves it.
    cap:         examples from which on a task counts as no larger; null: all count.
    temperature: 1 is `size`; the higher, the more alike all tasks; `.inf`: alike. null: 2.
    """

    by: Literal["weight", "size", "temperature"] = "weight"
    cap: Annotated[int, Field(gt=0)] | None = None
    temperature: Annotated[float, Field(gt=0)] | None = None

    def refuse_unheard(self) -> None:
        """Refuse a setting that the chosen way of mixing does not read."""
        if self.by == "weight" and self.cap is not None:
            raise UserError(
                "`mixture.cap` is set, and `mixture.by` is `weight`", "set `mixture.by: size`, or leave the cap out"
            )
        if self.by != "temperature" and self.temperature is not None:
            raise UserError(
                f"`mixture.temperature` is set, and `mixture.by` is `{self.by}`",
                "set `mixture.by: temperature`, or leave the temperature out",
            )

    def weights(self, sizes: Sequence[int], weights: Sequence[float]) -> list[float]:
        """How often each example of each task stands in an epoch: `data/mixture.py: Mixture` takes it.

        Args:
            sizes: examples of each task, e_m.
            weights: what the recipe gives each task.
        """
        self.refuse_unheard()
        if self.by == "weight" or not all(0 <= weight < inf for weight in weights):  # which a mixture refuses
            return list(weights)
        counted = [float(min(size, self.cap or size)) for size in sizes]
        wanted = [weight * size for weight, size in zip(weights, counted, strict=True)]
        if self.by == "temperature":
            whole_size, places = sum(counted) or 1.0, sum(wanted)
            rates = [w * tempered(size / whole_size, self.temperature) for w, size in zip(weights, counted, strict=True)]
            wanted = [places * rate / (sum(rates) or 1.0) for rate in rates]
        return [places / size if size else 0.0 for places, size in zip(whole(wanted), sizes, strict=True)]


def tempered(rate: float, temperature: float | None) -> float:
    """A rate to the power 1 / T; a task without examples stays without."""
    return float(rate ** (1 / (temperature or TEMPERATURE))) if rate else 0.0


def whole(numbers: Sequence[float]) -> list[int]:
    """Whole numbers near these, of the same sum (largest remainders, the first of equal ones); what is above 0 gets 1 at least.

    >>> whole([2.5, 2.5, 4.0])
    [3, 2, 4]
    >>> whole([0.2, 99.8, 0.0])
    [1, 99, 0]
    """
    made = [max(int(number), 1 if number else 0) for number in numbers]
    short = round(sum(numbers)) - sum(made)
    order = sorted(range(len(numbers)), key=lambda place: made[place] - numbers[place])  # who lacks most comes first
    for place in order[: max(0, short)]:
        made[place] += 1
    for place in reversed(order):
        taken = min(max(0, -short), max(0, made[place] - 1))
        made[place], short = made[place] - taken, short + taken
    return made


@dataclass(frozen=True, slots=True)
class Portion:
    """What one task is of a run.

    rows:    its training examples.
    rate:    share of the examples shown, 0 to 1.
    shown:   examples of it that the whole run shows.
    epochs:  how often each of its rows is seen, on average.
    tokens:  of one of its examples, prompt and answer, on average (of some that were looked at).
    share:   of all tokens that are read, 0 to 1.
    replayed: shown beside the tasks, so that it is not forgotten.
    """

    task: str
    rows: int
    rate: float
    shown: int
    epochs: float
    tokens: float
    share: float
    replayed: bool = False


MANY = 4  # epochs: repeated so often, data is worth nearly as much as new data, and soon less (Muennighoff et al. 2023)


def portions(
    names: Sequence[str], sizes: Sequence[int], shown: Sequence[int], tokens: Sequence[float], replayed: int = 0
) -> tuple[Portion, ...]:
    """The portions of tasks that are so often shown; the last `replayed` of them are replayed."""
    total = sum(shown) or 1
    read = sum(count * each for count, each in zip(shown, tokens, strict=True)) or 1.0
    return tuple(
        Portion(name, size, count / total, count, count / size if size else 0.0, each, count * each / read, place >= own)
        for own in (len(names) - replayed,)
        for place, (name, size, count, each) in enumerate(zip(names, sizes, shown, tokens, strict=True))
    )


def cautions(portions: Sequence[Portion]) -> list[str]:
    """What to think about: rows that are seen more than four times, and tasks that are never seen."""
    told = []
    for one in portions:
        if not one.shown:
            told.append(f"`{one.task}` is never shown: it has no rows, or its weight is 0, or the run is too short")
        elif one.epochs > MANY:
            told.append(
                f"each row of `{one.task}` is seen {one.epochs:.1f} times: past {MANY} it is learnt by heart rather than "
                "learnt from; show it less (its `weight`, `mixture`), or find more rows"
            )
    return told


HEADER = ("task", "rows", "rate", "shown", "epochs", "tokens each", "of all tokens")


def table(portions: Sequence[Portion]) -> list[str]:
    """Lines of a table of portions, with a header, for a terminal of any width."""
    rows = [HEADER]
    for one in portions:
        name = f"{one.task} (replayed)" if one.replayed else one.task
        cells = f"{one.rows:,}", f"{100 * one.rate:.1f} %", f"{one.shown:,}", f"{one.epochs:.2f}", f"{one.tokens:.0f}"
        rows.append((name, *cells, f"{100 * one.share:.1f} %"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    return ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
