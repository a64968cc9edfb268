"""What the plots of a study show: quality along a setting or arm by arm, validation loss, and how each run learnt."""

from collections.abc import Callable, Iterator, Sequence
from math import isfinite, log2

from tunesmith.comparison import words
from tunesmith.comparison.axes import grouped, number_axes
from tunesmith.comparison.colours import LIGHT
from tunesmith.comparison.curve import EXAMPLES, Curve
from tunesmith.comparison.drawing import LETTER, Frame, Line, Spot, Text, Tick, round_ticks
from tunesmith.comparison.panels import HEIGHT, WIDTH, Panel, ends_of
from tunesmith.comparison.significance import Interval
from tunesmith.comparison.study import Arm, Study

MOST_LINES = 7  # groups that have a colour of their own
MOST_TICKS = 8


def groups(made: Study) -> dict[str, list[Panel]]:
    """The plots of a study by subject; a subject without data is left out."""
    found = {"quality": list(quality_panels(made)), "learning": list(learning_panels(made))}
    return {name: panels for name, panels in found.items() if panels}


def quality_panels(made: Study) -> Iterator[Panel]:
    """Validation loss and every metric: along the first setting whose values are numbers, else arm by arm."""
    told: list[tuple[str, str, dict[str, Interval]]] = []
    losses = {arm.name: arm.validation for arm in made.arms if isfinite(arm.validation.value) and arm.share == 1}
    if losses:
        note = "nats a token, lower is better" + ("; bars: lowest and highest seed" if len(made.seeds) > 1 else "")
        told.append(("Validation loss", note, losses))
    for measure in made.measures:
        scores = {arm.name: arm.scores[measure.name] for arm in made.arms if measure.name in arm.scores}
        note = "95 % intervals" + ("" if measure.higher_is_better else "; lower is better")
        told.append((words.label(measure.name), note, scores))
    axes = number_axes(made.arms, made.settings)
    lines = grouped(made.arms, axes[0]) if axes else {}
    for title, note, known in told:
        if not known:
            continue
        along = axes and len(lines) <= MOST_LINES and len(known) > 1
        first = bool(made.measures) and title == words.label(made.measures[0].name)
        begins = {plateau.arm for plateau in made.plateaus if first and plateau.setting in axes[:1]}
        curves = made.curves if first else ()
        begins |= {curve.arm for curve in curves if curve.arm}
        law = "; dashed: fitted power law, up to twice the examples" if any(curve.fit for curve in curves) else ""
        frame = _along(made, axes[0], lines, known, begins, curves) if along else _forest(made, known)
        text = "; ".join(f"{name} {words.score(value.value)}" for name, value in known.items())
        yield Panel(f"quality-{title}", title, note + law, text, frame)


def _along(
    made: Study,
    axis: str,
    lines: dict[str, list[int]],
    known: dict[str, Interval],
    begins: set[str],
    curves: Sequence[Curve] = (),
) -> Frame:
    """A line a group; the plateau's begin is ringed, with a dashed line down to the axis. Fits go on to twice as many."""
    values = sorted({float(arm.values[axis]) for arm in made.arms if axis in arm.values and arm.name in known})
    across, ticks = _scale(values, axis == EXAMPLES)
    fits = {curve.where: fit for curve in curves if (fit := curve.fit)}
    if fits:
        values.append(2 * values[-1])
    ends = _roomy(ends_of([*known.values(), *(Interval(end := fit(values[-1]), end, end) for fit in fits.values())]))
    space = 0.06 * ((across(values[-1]) - across(values[0])) or 1.0)
    names = [words.short(name) for name in lines]
    right = max(8, LETTER * 5 * len(ticks[-1][1]))  # half of the last tick stands beside the frame
    right += max(LETTER * 10 * len(name) for name in names) + 6 if len(lines) > 1 else 0
    frame = Frame(
        (WIDTH, HEIGHT),
        (across(values[0]) - space, across(values[-1]) + space),
        ends,
        ticks,
        round_ticks(*ends),
        right=right,
        x_name="examples to learn from" if axis == EXAMPLES else axis.rpartition(".")[2].replace("_", " "),
    )
    labels: list[tuple[Spot, str]] = []
    for row, (where, places) in enumerate(lines.items()):
        colour = 2 if len(lines) == 1 else 1 + row
        shift = (row - (len(lines) - 1) / 2) * space * 0.22
        arms = [made.arms[place] for place in places if made.arms[place].name in known]
        spots = [(across(float(arm.values[axis])) + shift, known[arm.name].value) for arm in arms]
        learnt = [spot for arm, spot in zip(arms, spots, strict=True) if axis != EXAMPLES or arm.values[axis]]
        frame.line(learnt, colour, 1.8)
        if learnt != spots:
            frame.line(spots[: len(spots) - len(learnt) + 1], colour, 1.2, alpha=0.5)
        if where in fits:
            least = next(value for value in values if value)
            drawn = [least * (values[-1] / least) ** (part / 40) for part in range(41)]
            frame.line([(across(at) + shift, fits[where](at)) for at in drawn], colour, 1.2, dash=4)
        for arm, spot in zip(arms, spots, strict=True):
            _bar(frame, spot[0], known[arm.name], colour)
            if arm.name in begins:
                frame.line([(spot[0], ends[0]), spot], "muted", 1.0, dash=3)
                frame.mark(spot, 0, 14, None, "ink", 1.6)
            frame.mark(spot, row % 8, 8, colour)
        if spots and len(lines) > 1:
            labels.append((frame.at(*spots[-1]), names[row]))
    for (x, y), text in _apart(labels):
        frame.marks.append(Text((max(x, frame.end) + 6, y), text, "ink", 10))
    return frame


def _apart(labels: list[tuple[Spot, str]], least: float = 12.0) -> list[tuple[Spot, str]]:
    """Labels from top to bottom, none nearer than `least` below another."""
    placed: list[tuple[Spot, str]] = []
    for (x, y), text in sorted(labels, key=lambda label: label[0][1]):
        placed.append(((x, max(y, placed[-1][0][1] + least) if placed else y), text))
    return placed


def _bar(frame: Frame, x: float, told: Interval, colour: int) -> None:
    """An interval upright; `Frame.line` cuts what leaves the axes."""
    if isfinite(told.low) and isfinite(told.high) and told.high > told.low:
        frame.marks.append(Line((frame.at(x, told.low), frame.at(x, told.high)), colour, 2.2, 0.45, round=True))


def _roomy(ends: Spot) -> Spot:
    room = 0.08 * (ends[1] - ends[0]) or abs(ends[1]) * 0.05 or 0.5
    return ends[0] - room, ends[1] + room


def _scale(values: Sequence[float], nought: bool = False) -> tuple[Callable[[float], float], list[Tick]]:
    """Where a value stands: by its logarithm where values span more than a factor of eight; and the ticks, at the values.

    nought: a value of 0 stands apart, before the logarithms of the others.
    """
    above = [value for value in values if value > 0 or not nought]
    logarithmic = above[0] > 0 and (above[-1] / above[0] >= 8 or len(above) < len(values))
    beside = log2(above[0]) - 1 if logarithmic else 0.0
    across: Callable[[float], float] = (lambda value: log2(value) if value > 0 else beside) if logarithmic else float
    every = -(-len(values) // MOST_TICKS)
    return across, [(across(value), f"{value:,.10g}") for value in values[::every]]


def _forest(made: Study, known: dict[str, Interval]) -> Frame:
    """A row an arm."""
    arms = [arm for arm in made.arms if arm.name in known]
    low, high = _roomy(ends_of(known.values()))
    size = (WIDTH, 36 + 22.3 * len(arms))
    ticks = [(float(row), words.short(arm.name, 26)) for row, arm in enumerate(arms)]
    frame = Frame(size, (low, high), (len(arms) - 0.5, -0.5), round_ticks(low, high), ticks, 46, row_names=True)
    for row, arm in enumerate(arms):
        told = known[arm.name]
        colour = 3 if arm.name == made.best else 2
        frame.line([(told.low, row), (told.high, row)], colour, 3, round=True)
        frame.mark((told.value, row), 0, 8, colour)
        frame.marks.append(Text((frame.end + 6, frame.at(low, row)[1]), words.score(told.value), "ink"))
    return frame


def learning_panels(made: Study) -> Iterator[Panel]:
    """Validation loss of every run as it learnt; a run that was stopped at a rung ends there."""
    curves = [(place, curve) for place, arm in enumerate(made.arms) for curve in arm.curves if len(curve) > 1]
    losses = sorted(loss for _, curve in curves for _, loss in curve if isfinite(loss))
    if not losses:
        return
    ends = _roomy((losses[0], losses[int(0.98 * (len(losses) - 1))]))
    last = max(curve[-1][0] for _, curve in curves) * 1.02
    many = len(made.arms) > len(LIGHT) - 1
    names = [words.short(name) for name in apart([arm.name for arm in made.arms])]
    right = 8 if many else 30 + max(LETTER * 10 * len(name) for name in names)
    frame = Frame((WIDTH, HEIGHT), (0, last), ends, round_ticks(0, last), round_ticks(*ends), right=right, x_name="step")
    for place, curve in curves:
        best = made.arms[place].name == made.best
        colour = (3 if best else 2) if many else 1 + place
        frame.line(list(curve), colour, 1.8 if best else 1.2, alpha=1.0 if best or not many else 0.5)
        frame.mark(curve[-1], place % 8, 6, colour)
    if not many:
        for row, name in enumerate(names):
            up, left = frame.top + 8 + 13 * row, frame.end + 6
            frame.marks += [Line(((left, up), (left + 14, up)), 1 + row, 2.4), Text((left + 18, up), name, "ink", 10)]
    note = f"nats a token; {len(curves)} runs" + (f", the best arm ({made.best}) stands out" if many else "")
    told = "; ".join(f"{arm.name} {words.score(arm.validation.value)}" for arm in made.arms)
    yield Panel("learning-validation", "Validation loss by step", note, told, frame)


def apart(names: Sequence[str]) -> list[str]:
    """Names of arms without what all of them say: `lora, rank 4` and `lora, rank 8` are `4` and `8`."""
    rows = [name.split(", ") for name in names]
    if len({len(parts) for parts in rows}) > 1:
        return list(names)
    columns = []
    for column in zip(*rows, strict=True):
        first = {part.partition(" ")[0] for part in column}
        if len(first) == 1 and all(" " in part for part in column):
            column = tuple(part.partition(" ")[2] for part in column)  # noqa: PLW2901
        if len(set(column)) > 1:
            columns.append(column)
    return [", ".join(parts) for parts in zip(*columns, strict=True)] if columns else list(names)


def in_order(made: Study) -> list[Arm]:
    """Arms as a table lists them: along the first setting whose values are numbers, else the better validated first."""
    axes = number_axes(made.arms, made.settings)
    if axes and len(made.settings) == 1:
        return sorted(made.arms, key=lambda arm: float(arm.values.get(axes[0], 0)))
    return sorted(made.arms, key=lambda arm: (-arm.share, not isfinite(arm.validation.value), arm.validation.value))
