"""What each small plot shows: quality with intervals, quality against cost, learning curves, forgetting."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor, hypot, inf, log10
from typing import Any

import numpy as np

from tunesmith.comparison import words
from tunesmith.comparison.colours import MARKS, Theme, places
from tunesmith.comparison.overfitting import Curve
from tunesmith.comparison.table import Comparison, Measure

Axes = Any
Draw = Callable[[Axes, Theme], None]
Spot = tuple[float, float]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Panel:
    """One small plot.

    told: what it shows, in words, for those who cannot see it.
    rows: how many lines of names it has; they make it higher.
    after: what is drawn once the axes have their place, and pixels can be reckoned with.
    """

    name: str
    title: str
    note: str
    told: str
    draw: Draw
    rows: int = 6
    after: Draw | None = None


def groups(made: Comparison) -> dict[str, list[Panel]]:
    """The plots of a comparison by subject; a subject without data is left out."""
    found = {
        "quality": list(quality_panels(made)),
        "cost": list(cost_panels(made)),
        "learning": list(learning_panels(made)),
        "forgetting": list(forgetting_panels(made)),
    }
    return {name: panels for name, panels in found.items() if panels}


def quality_panels(made: Comparison) -> Iterator[Panel]:
    """A forest plot for each metric."""
    for measure in made.measures:
        scores = [made.scores[system.name][measure.name] for system in made.systems]
        told = "; ".join(f"{s.name} {words.score(v.value)}" for s, v in zip(made.systems, scores, strict=True))
        note = "95 % intervals" + ("" if measure.higher_is_better else "; lower is better")
        draw = _forest(made, measure)
        yield Panel(f"quality-{measure.name}", words.label(measure.name), note, told, draw, len(made.systems))


def _forest(made: Comparison, measure: Measure) -> Draw:
    def draw(axes: Axes, theme: Theme) -> None:
        at = places(made)
        base = made.scores[made.baseline][measure.name].value
        axes.axvline(base, color=theme.muted, linewidth=1, linestyle=(0, (3, 3)))
        for row, system in enumerate(made.systems):
            told, colour = made.scores[system.name][measure.name], theme.systems[at[system.name]]
            axes.plot([told.low, told.high], [row, row], color=colour, linewidth=3, solid_capstyle="round")
            axes.plot(told.value, row, MARKS[at[system.name]], color=colour, markersize=8, markeredgecolor=theme.paper)
            axes.annotate(
                words.score(told.value),
                (1, row),
                xycoords=("axes fraction", "data"),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                color=theme.ink,
                annotation_clip=False,
            )
        ends = {end for score in made.scores.values() for end in (score[measure.name].low, score[measure.name].high)}
        if ends == {base}:  # nothing to choose a scale by
            axes.set_xlim(min(base, 0) - 0.05, max(base, 1) + 0.05)
        _named_rows(axes, [system.name for system in made.systems])

    return draw


def _named_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [words.short(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.locator_params(axis="x", nbins=5)


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
        known = [(system, float(cost), quality) for system, cost, quality in points if cost is not None]
        if len(known) < 2 or len({cost for _, cost, _ in known}) < 2:
            continue
        best = front([(cost, quality) for _, cost, quality in known], made.headline.higher_is_better)
        told = "not beaten on both: " + ", ".join(known[place][0] for place in best)
        note = f"against {words.label(made.headline.name)}"
        draw, after = _scatter(made, known, best, written), _names(known, best)
        yield Panel(f"cost-{name}", title, note, told, draw, after=after)


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
) -> Draw:
    def draw(axes: Axes, theme: Theme) -> None:
        at = places(made)
        across, ticks = _scale([cost for _, cost, _ in known])
        spots = [(across(cost), quality) for _, cost, quality in known]
        axes.step(
            *zip(*[spots[place] for place in best], strict=True), where="post", color=theme.muted, linewidth=1.2, zorder=1
        )
        for place, (system, _, _) in enumerate(known):
            colour = theme.systems[at[system]]
            face = colour if place in best else theme.paper
            axes.plot(*spots[place], MARKS[at[system]], markersize=9, color=face, markeredgecolor=colour, markeredgewidth=2)
        _with_room(axes, spots)
        axes.set_xticks([across(tick) for tick in ticks], [written(tick) for tick in ticks])
        axes.locator_params(axis="y", nbins=5)

    return draw


def _names(known: Sequence[tuple[str, float, float]], best: Sequence[int]) -> Draw:
    def draw(axes: Axes, theme: Theme) -> None:
        across, _ = _scale([cost for _, cost, _ in known])
        spots = [(across(cost), quality) for _, cost, quality in known]
        _name_points(axes, [system for system, _, _ in known], spots, [spots[place] for place in best], theme)

    return draw


def _with_room(axes: Axes, spots: Sequence[tuple[float, float]]) -> None:
    """Room around the points for their names."""
    for limits, values in ((axes.set_xlim, [x for x, _ in spots]), (axes.set_ylim, [y for _, y in spots])):
        span = (max(values) - min(values)) or abs(max(values)) or 1.0
        limits(min(values) - 0.16 * span, max(values) + 0.16 * span)


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


def _name_points(axes: Axes, names: Sequence[str], spots: Sequence[Spot], line: Sequence[Spot], theme: Theme) -> None:
    """Write each name beside its point where it covers no other name, no point and no part of the front, within the axes."""
    shown = [words.short(name) for name in names]
    pixels = axes.transData.transform(np.array(spots))
    unit = axes.figure.dpi / 72
    inside = axes.get_window_extent()
    taken = [(x - 6 * unit, y - 6 * unit, x + 6 * unit, y + 6 * unit) for x, y in pixels]
    taken += _steps(axes.transData.transform(np.array(line)), 1.5 * unit)
    offsets = [("left", 9, 0), ("right", -9, 0), ("center", 0, 13), ("center", 0, -13)]
    offsets += [
        (side, x, y) for y in (11, -11, 20, -20) for side, x in (("left", 5), ("right", -5), ("left", -12), ("right", 12))
    ]
    for place in sorted(range(len(names)), key=lambda place: -pixels[place][0]):
        x, y = pixels[place]
        wide, high = (6.4 * len(shown[place]) + 4) * unit, 12 * unit
        best, least = offsets[0], inf
        for side, right, up in offsets:
            left = x + right * unit - {"left": 0, "center": wide / 2, "right": wide}[side]
            box = (left, y + up * unit - high / 2, left + wide, y + up * unit + high / 2)
            outside = max(0, inside.x0 - box[0]) + max(0, box[2] - inside.x1)
            outside += max(0, inside.y0 - box[1]) + max(0, box[3] - inside.y1)
            astray = any(_away(box, other) < _away(box, pixels[place]) - 1 for other in np.delete(pixels, place, axis=0))
            covered = (
                (2000 * unit if astray else 0)
                + outside * high
                + sum(_overlap(box, other) for number, other in enumerate(taken) if number != place)
            )
            if covered < least:
                best, least, chosen = (side, right, up), covered, box
        taken.append(chosen)
        side, right, up = best
        axes.annotate(
            shown[place], spots[place], xytext=(right, up), textcoords="offset points", ha=side, va="center", color=theme.ink
        )


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
    losses = [loss for curve in trained.values() for loss in (*curve.smooth, *curve.validation)]
    low, high = min(losses), float(np.quantile(losses, 0.99)) if len(losses) > 50 else max(losses)
    limits = (low - 0.08 * (high - low), high + 0.08 * (high - low))
    for name, curve in trained.items():
        yield Panel(f"learning-{name}", name, curve.in_words(), _told(curve), _learning(made, name, curve, limits))


def _told(curve: Curve) -> str:
    if curve.best is None:
        return "training loss only"
    return f"lowest validation loss {words.score(curve.best)} at step {curve.best_step}; {curve.in_words()}"


def _learning(made: Comparison, name: str, curve: Curve, limits: tuple[float, float]) -> Draw:
    def draw(axes: Axes, theme: Theme) -> None:
        colour = theme.systems[places(made)[name]]
        axes.plot(curve.steps, curve.training, color=colour, linewidth=0.6, alpha=0.3)
        axes.plot(curve.steps, curve.smooth, color=colour, linewidth=2)
        if curve.validated:
            axes.plot(curve.validated, curve.validation, "o-", color=theme.ink, linewidth=1.4, markersize=4)
        if curve.since is not None:
            axes.axvspan(curve.since, curve.steps[-1], color=theme.muted, alpha=0.14, linewidth=0)
        if curve.best is not None and curve.best_step is not None:
            axes.plot(
                curve.best_step, curve.best, "o", markersize=10, color="none", markeredgecolor=theme.ink, markeredgewidth=1.6
            )
        axes.set_ylim(*limits)
        axes.set_xlim(0, curve.steps[-1] * 1.02)
        axes.set_xlabel("step", color=theme.muted)
        axes.set_ylabel("loss, nats a token", color=theme.muted)
        axes.locator_params(nbins=5)
        _name_lines(axes, curve, colour, theme, limits)

    return draw


def _name_lines(axes: Axes, curve: Curve, colour: str, theme: Theme, limits: tuple[float, float]) -> None:
    """A key in the corner that loss curves leave empty."""
    lines = [("training", colour, "-")] + ([("validation", theme.ink, "o-")] if curve.validated else [])
    for row, (text, shade, style) in enumerate(lines):
        y = 0.93 - 0.105 * row
        axes.plot([0.60, 0.67], [y, y], style, color=shade, linewidth=2, markersize=4, transform=axes.transAxes)
        axes.text(0.70, y, text, color=theme.ink, va="center", transform=axes.transAxes)


def forgetting_panels(made: Comparison) -> Iterator[Panel]:
    """What each tuned system lost, task by task, and the rise of cross-entropy on general text."""
    known = [lost for lost in made.forgetting if lost.tasks]
    ends = [end for lost in known for task in lost.tasks for end in (task.loss.low, task.loss.high, 0.0)]
    for lost in known:
        rows = [(words.task_name(t.task) + ("" if t.counted else " (kin)"), t.loss) for t in lost.tasks]
        if lost.overall:
            rows.append(("overall", lost.overall))
        told = "; ".join(f"{name} {words.signed(-loss.value)}" for name, loss in rows)
        note = "score lost; left of the line is a gain"
        draw = _lost(made, lost.system, rows, (min(ends), max(ends)))
        yield Panel(f"forgetting-{lost.system}", lost.system, note, told, draw, len(rows))
    yield from _text_panels(made)


def _text_panels(made: Comparison) -> Iterator[Panel]:
    for task in dict.fromkeys(text.task for lost in made.forgetting for text in lost.texts):
        rows = [(text.system, text.rise) for lost in made.forgetting for text in lost.texts if text.task == task]
        told = "; ".join(f"{name} {words.signed(rise.value)}" for name, rise in rows)
        ends = [end for _, rise in rows for end in (rise.low, rise.high, 0.0)]
        title = f"General text: {words.task_name(task)}"
        draw = _lost(made, None, rows, (min(ends), max(ends)))
        yield Panel(f"forgetting-text-{task}", title, "rise of cross-entropy, nats a token", told, draw, len(rows))


def _lost(made: Comparison, system: str | None, rows: Sequence[tuple[str, Any]], ends: tuple[float, float]) -> Draw:
    def draw(axes: Axes, theme: Theme) -> None:
        at = places(made)
        axes.axvline(0, color=theme.muted, linewidth=1)
        for row, (name, loss) in enumerate(rows):
            place = at[system or name]
            overall = name == "overall"
            colour = theme.ink if overall else theme.systems[place]
            axes.plot([loss.low, loss.high], [row, row], color=colour, linewidth=4 if overall else 2.5, solid_capstyle="round")
            axes.plot(loss.value, row, MARKS[place], color=colour, markersize=7.5, markeredgecolor=theme.paper)
        span = (ends[1] - ends[0]) or 1.0
        axes.set_xlim(ends[0] - 0.06 * span, ends[1] + 0.06 * span)
        _named_rows(axes, [name for name, _ in rows])

    return draw
