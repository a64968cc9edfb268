"""What each small plot shows: quality with intervals, quality against cost, learning curves, forgetting."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor, hypot, inf, isfinite, log10

import numpy as np

from tunesmith.comparison import words
from tunesmith.comparison.colours import Colour, places
from tunesmith.comparison.drawing import LETTER, Frame, Line, Spot, Text, round_ticks
from tunesmith.comparison.forgetting import UNITS
from tunesmith.comparison.overfitting import Curve
from tunesmith.comparison.significance import Interval
from tunesmith.comparison.table import Comparison, Measure

Box = tuple[float, float, float, float]

WIDTH = 316.8  # points of one panel
HEIGHT = 180.0


@dataclass(frozen=True)
class Panel:
    """One small plot; `told` is what it shows, in words, for those who cannot see it."""

    name: str
    title: str
    note: str
    told: str
    frame: Frame


def groups(made: Comparison) -> dict[str, list[Panel]]:
    """The plots of a comparison by subject; a subject without data is left out."""
    found = {
        "quality": list(quality_panels(made)),
        "cost": list(cost_panels(made)),
        "learning": [*learning_panels(made), *task_panels(made)],
        "forgetting": list(forgetting_panels(made)),
        "harms": list(harms_panels(made)),
    }
    return {name: panels for name, panels in found.items() if panels}


def quality_panels(made: Comparison) -> Iterator[Panel]:
    """A forest plot for each metric."""
    for measure in made.measures:
        scores = [made.scores[system.name][measure.name] for system in made.systems]
        told = "; ".join(f"{s.name} {words.score(v.value)}" for s, v in zip(made.systems, scores, strict=True))
        note = "95 % intervals" + ("" if measure.higher_is_better else "; lower is better")
        yield Panel(f"quality-{measure.name}", words.label(measure.name), note, told, _forest(made, measure))


def _forest(made: Comparison, measure: Measure) -> Frame:
    at = places(made)
    scores = {system.name: made.scores[system.name][measure.name] for system in made.systems}
    base = scores[made.baseline].value
    low, high = ends_of(scores.values())
    if low == high:  # nothing to choose a scale by
        low, high = min(low, 0) - 0.05, max(high, 1) + 0.05
    frame = _rows(list(scores), (low, high), right=46)
    frame.line([(base, -0.5), (base, len(scores) - 0.5)], "muted", 1, dash=3)
    for row, (name, score) in enumerate(scores.items()):
        _interval(frame, row, score, at[name], at[name], 3, 8)
        spot = (frame.end + 6, frame.at(low, row)[1])
        frame.marks.append(Text(spot, words.score(score.value), "ink"))
    return frame


def ends_of(intervals: Iterable[Interval], *more: float) -> Spot:
    """The least and the largest finite number in some intervals; around nought where there is none."""
    ends = [end for told in intervals for end in (told.low, told.value, told.high) if isfinite(end)]
    return (min([*ends, *more]), max([*ends, *more])) if ends or more else (-0.5, 0.5)


def _rows(names: Sequence[str], ends: Spot, right: float = 8.0) -> Frame:
    """A frame with a line for each name, the first on top; a row of names needs a third of an inch."""
    span = ends[1] - ends[0]
    low, high = ends[0] - 0.05 * span, ends[1] + 0.05 * span
    size = (WIDTH, 36 + 22.3 * len(names))
    ticks = [(float(row), words.short(name)) for row, name in enumerate(names)]
    return Frame(size, (low, high), (len(names) - 0.5, -0.5), round_ticks(low, high), ticks, right, row_names=True)


def _interval(frame: Frame, row: int, told: Interval, colour: Colour, shape: int, width: float, mark: float) -> None:
    frame.line([(told.low, row), (told.high, row)], colour, width, round=True)
    frame.mark((told.value, row), shape, mark, colour)


COSTS: tuple[tuple[str, str, Callable[[float | None], str]], ...] = (
    ("trained_parameters", "Trained parameters", words.count),
    ("peak_memory_bytes", "Peak memory", words.size),
    ("training_seconds", "Training time", words.seconds),
    ("seconds_per_answer", "Time per answer", words.seconds),
    ("disk_bytes", "Size on disk", words.size),
)


def cost_panels(made: Comparison) -> Iterator[Panel]:
    """Quality against each cost that at least two systems state, with the systems that no other beats on both."""
    for name, title, written in COSTS:
        points = [(s.name, getattr(s.cost, name), made.scores[s.name][made.headline.name].value) for s in made.systems]
        known = [(system, float(cost), quality) for system, cost, quality in points if cost is not None and isfinite(quality)]
        if len(known) < 2 or len({cost for _, cost, _ in known}) < 2:
            continue
        best = front([(cost, quality) for _, cost, quality in known], made.headline.higher_is_better)
        told = "not beaten on both: " + ", ".join(known[place][0] for place in best)
        note = f"against {words.label(made.headline.name)}"
        yield Panel(f"cost-{name}", title, note, told, _scatter(made, known, best, written))


def front(points: Sequence[tuple[float, float]], higher_is_better: bool = True) -> list[int]:
    """Places of the points (cost, quality) on the Pareto front, cheapest first: none is better for as little."""
    sign = 1 if higher_is_better else -1
    order = sorted(range(len(points)), key=lambda place: (points[place][0], -sign * points[place][1]))
    kept, best = [], -inf
    for place in order:
        if sign * points[place][1] > best:
            kept.append(place)
            best = sign * points[place][1]
    return kept


def _scatter(
    made: Comparison, known: Sequence[tuple[str, float, float]], best: Sequence[int], written: Callable[[float | None], str]
) -> Frame:
    at = places(made)
    across, ticks = _scale([cost for _, cost, _ in known])
    spots = [(across(cost), quality) for _, cost, quality in known]
    x, y = (_with_room([spot[side] for spot in spots]) for side in (0, 1))
    frame = Frame((WIDTH, HEIGHT), x, y, [(across(tick), written(tick)) for tick in ticks], round_ticks(*y))
    line = [spots[place] for place in best]
    steps = [line[0], *(corner for (_, y), (right, up) in pairwise(line) for corner in ((right, y), (right, up)))]
    frame.line(steps, "muted", 1.2)
    for place, (system, _, _) in enumerate(known):
        frame.mark(spots[place], at[system], 9, at[system] if place in best else "paper", at[system], 2)
    _name_points(frame, [system for system, _, _ in known], spots, line)
    return frame


def _with_room(values: Sequence[float]) -> Spot:
    """Ends that leave room around the points for their names."""
    low, high = min(values), max(values)
    span = (high - low) or abs(high) or 1.0
    return low - 0.16 * span, high + 0.16 * span


def _scale(costs: Sequence[float]) -> tuple[Callable[[float], float], list[float]]:
    """Where a cost stands: logarithmic where costs span decades, with a place of its own for nought; and the ticks."""
    some = [cost for cost in costs if cost > 0]
    if max(some) / min(some) < 20:
        highest = max(some)
        step = _round_step(highest / 3 if min(costs) == 0 else (highest - min(some)) / 3)
        first = floor(min(costs) / step) * step
        return float, [first + step * place for place in range(6) if min(costs) <= first + step * place <= highest * 1.05]
    low, high = floor(log10(min(some))), floor(log10(max(some))) + 1
    nought = low - 0.8
    every = max(1, round((high - low) / 3))
    decades = [10.0**power for power in range(low, high + 1, every) if 10.0**power <= max(some) * 1.5]
    return lambda cost: log10(cost) if cost > 0 else nought, ([0.0] if min(costs) == 0 else []) + decades


def _round_step(rough: float) -> float:
    power = 10.0 ** floor(log10(rough))
    return min((factor * power for factor in (1, 2, 5, 10)), key=lambda step: abs(step - rough))


def _name_points(frame: Frame, names: Sequence[str], values: Sequence[Spot], line: Sequence[Spot]) -> None:
    """Write each name beside its point where it covers no other name, no point and no part of the front, within the axes."""
    shown = [words.short(name) for name in names]
    spots = [frame.at(*value) for value in values]
    taken = [(x - 6, y - 6, x + 6, y + 6) for x, y in spots]
    taken += _steps([frame.at(*value) for value in line], 1.5)
    offsets = [("start", 9, 0), ("end", -9, 0), ("middle", 0, -13), ("middle", 0, 13)]
    offsets += [
        (side, x, y) for y in (-11, 11, -20, 20) for side, x in (("start", 5), ("end", -5), ("start", -12), ("end", 12))
    ]
    for place in sorted(range(len(names)), key=lambda place: -spots[place][0]):
        x, y = spots[place]
        others = [spot for number, spot in enumerate(spots) if number != place]
        wide, high = LETTER * 11 * len(shown[place]) + 4, 12
        least = inf
        for side, right, down in offsets:
            left = x + right - {"start": 0, "middle": wide / 2, "end": wide}[side]
            box = (left, y + down - high / 2, left + wide, y + down + high / 2)
            outside = max(0, frame.left - box[0]) + max(0, box[2] - frame.end)
            outside += max(0, frame.top - box[1]) + max(0, box[3] - frame.bottom)
            covered = outside * high + sum(_overlap(box, other) for number, other in enumerate(taken) if number != place)
            if covered < least:
                own = _away(box, spots[place]) - 1
                covered += 2000 if any(_away(box, other) < own for other in others) else 0
            if covered < least:
                best, least, chosen = (side, right, down), covered, box
            if not least:
                break
        taken.append(chosen)
        side, right, down = best
        frame.marks.append(Text((x + right, y + down), shown[place], "ink", anchor=side))


def _away(box: Box, spot: Spot) -> float:
    """How far a point lies from a box."""
    return hypot(max(box[0] - spot[0], 0, spot[0] - box[2]), max(box[1] - spot[1], 0, spot[1] - box[3]))


def _steps(corners: Sequence[Spot], thick: float) -> list[Box]:
    """The boxes that the line of the front covers: along, then up."""
    boxes = []
    for (x, y), (right, up) in pairwise(corners):
        boxes.append((x + 8 * thick, y - thick, right + thick, y + thick))
        boxes.append((right - thick, min(y, up), right + thick, max(y, up)))
    return boxes


def _overlap(one: Box, other: Box) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, wide) * max(0.0, high)


def learning_panels(made: Comparison) -> Iterator[Panel]:
    """Training and validation loss of every trained system, on one scale."""
    trained = {name: curve for name, curve in made.curves.items() if curve.steps}
    if not trained:
        return
    limits = loss_limits(list(trained.values()))
    for name, curve in trained.items():
        yield Panel(f"learning-{name}", name, curve.in_words(), _told(curve), _learning(places(made)[name], curve, limits))


MOST_TASKS = 12  # of a mixture that have a plot


def task_panels(made: Comparison) -> Iterator[Panel]:
    """Of mixtures a plot for each task, with a line for each system that learnt it; those of which most was learnt."""
    names = list(dict.fromkeys(task for curves in made.by_task.values() for task in curves))
    for task in names[:MOST_TASKS]:
        curves = {system: told[task] for system, told in made.by_task.items() if task in told}
        lowest = (f"{name} {words.score(one.best)} at step {one.best_step}" for name, one in curves.items() if one.best)
        told = f"lowest validation loss: {', '.join(lowest)}"
        note = "one task of the mixture; marks: validation, thin: training"
        yield Panel(f"learning-task-{task}", words.task_name(task), note, told, _task(made, curves))


def _task(made: Comparison, curves: Mapping[str, Curve]) -> Frame:
    last = max(curve.steps[-1] for curve in curves.values()) * 1.02
    limits = loss_limits(list(curves.values()))
    ticks = round_ticks(0, last), round_ticks(*limits)
    frame = Frame((WIDTH, HEIGHT), (0, last), limits, *ticks, x_name="step", y_name="loss, nats a token")
    for name, curve in curves.items():
        colour = places(made)[name]
        frame.line(list(zip(curve.steps, curve.smooth, strict=True)), colour, 0.9, alpha=0.5)
        validated = list(zip(curve.validated, curve.validation, strict=True))
        frame.line(validated, colour, 1.8)
        for value in validated:
            frame.mark(value, colour, 5, colour)
    return frame


def loss_limits(curves: Sequence[Curve]) -> Spot:
    """Ends that show nearly all losses; single ones that are far too high may lie above."""
    losses = [loss for curve in curves for loss in (*curve.smooth, *curve.validation) if isfinite(loss)] or [0.0]
    low, high = min(losses), float(np.quantile(losses, 0.99)) if len(losses) > 50 else max(losses)
    room = 0.08 * (high - low) or 0.5
    return low - room, high + room


def _told(curve: Curve) -> str:
    if curve.best is None:
        return "training loss only"
    return f"lowest validation loss {words.score(curve.best)} at step {curve.best_step}; {curve.in_words()}"


def _learning(colour: int, curve: Curve, limits: Spot) -> Frame:
    last = curve.steps[-1] * 1.02
    ticks = round_ticks(0, last), round_ticks(*limits)
    frame = Frame((WIDTH, HEIGHT), (0, last), limits, *ticks, x_name="step", y_name="loss, nats a token")
    if curve.since is not None:
        frame.shade((curve.since, curve.steps[-1]), "muted", 0.14)
    frame.line(list(zip(curve.steps, curve.training, strict=True)), colour, 0.6, alpha=0.3)
    frame.line(list(zip(curve.steps, curve.smooth, strict=True)), colour, 2)
    validated = list(zip(curve.validated, curve.validation, strict=True))
    frame.line(validated, "ink", 1.4)
    for value in validated:
        frame.mark(value, 0, 4, "ink", None)
    if curve.best is not None and curve.best_step is not None:
        frame.mark((curve.best_step, curve.best), 0, 10, None, "ink", 1.6)
    _key(frame, colour, bool(validated))
    return frame


def _key(frame: Frame, colour: int, validated: bool) -> None:
    """Which line is which, in the corner that loss curves leave empty."""
    lines: dict[str, Colour] = {"training": colour, "validation": "ink"} if validated else {"training": colour}
    for row, (text, shade) in enumerate(lines.items()):
        spots = [
            (frame.left + part * (frame.end - frame.left), frame.top + (0.07 + 0.105 * row) * (frame.bottom - frame.top))
            for part in (0.60, 0.67, 0.70)
        ]
        frame.marks += [Line((spots[0], spots[1]), shade, 2), Text(spots[2], text, "ink")]


def forgetting_panels(made: Comparison) -> Iterator[Panel]:
    """What each tuned system lost, task by task, and the rise of cross-entropy on general text."""
    known = [lost for lost in made.forgetting if lost.tasks]
    ends = ends_of((task.loss for lost in known for task in lost.tasks), 0.0)
    for lost in known:
        rows = [(words.task_name(t.task) + ("" if t.counted else " (kin)"), t.loss) for t in lost.tasks]
        if lost.overall:
            rows.append(("overall", lost.overall))
        told = "; ".join(f"{name} {words.signed(-loss.value)}" for name, loss in rows)
        note = "score lost; left of the line is a gain"
        frame = _lost(made, lost.system, rows, ends)
        yield Panel(f"forgetting-{lost.system}", lost.system, note, told, frame)
    yield from _text_panels(made)


def harms_panels(made: Comparison) -> Iterator[Panel]:
    """How far each figure of bias and toxicity moved, system by system."""
    moved = [one for one in made.harms if isfinite(one.change.value)]
    ends = ends_of((one.change for one in moved), 0.0)
    for system, where in dict.fromkeys((one.system, one.where) for one in moved):
        rows = [(one.figure, one.change) for one in moved if (one.system, one.where) == (system, where)]
        told = "; ".join(f"{name} {words.signed(change.value)}" for name, change in rows)
        title, frame = f"{system}: {words.task_name(where)}", _lost(made, system, rows, ends)
        yield Panel(f"harms-{system}-{where}", title, "change by tuning; right of the line is more", told, frame)


def _text_panels(made: Comparison) -> Iterator[Panel]:
    for task in dict.fromkeys(text.task for lost in made.forgetting for text in lost.texts):
        texts = [text for lost in made.forgetting for text in lost.texts if (text.task, text.unit) == (task, UNITS[0])]
        rows = [(text.system, text.rise) for text in texts]
        told = "; ".join(f"{name} {words.signed(rise.value)}" for name, rise in rows)
        title = f"General text: {words.task_name(task)}"
        frame = _lost(made, None, rows, ends_of((rise for _, rise in rows), 0.0))
        yield Panel(f"forgetting-text-{task}", title, f"rise of cross-entropy, {UNITS[0]}", told, frame)


def _lost(made: Comparison, system: str | None, rows: Sequence[tuple[str, Interval]], ends: Spot) -> Frame:
    at = places(made)
    frame = _rows([name for name, _ in rows], ends if ends[0] < ends[1] else (-0.5, 0.5))
    frame.line([(0, -0.5), (0, len(rows) - 0.5)], "muted", 1)
    for row, (name, loss) in enumerate(rows):
        place, overall = at[system or name], name == "overall"
        _interval(frame, row, loss, "ink" if overall else place, place, 4 if overall else 2.5, 7.5)
    return frame
