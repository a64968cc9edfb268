"""The figures of the study over model sizes, from the runs' answers, and their plot.

Dimension key: N answers, Q draws, M seeds.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.comparison import words
from tunesmith.comparison.colours import ON_LIGHT
from tunesmith.comparison.drawing import Block, Frame, Line, Mark, Text, round_ticks, svg
from tunesmith.comparison.forgetting import headline, span
from tunesmith.comparison.significance import Interval, bootstrap_counts, interval
from tunesmith.comparison.totals import Array, column
from tunesmith.run import Run, write_json, write_text

DRAWS = 1000
WAYS = {
    "full": "full fine-tuning, a task at a time",
    "together": "full fine-tuning, all tasks together",
    "prompt": "prompt tuning",
    "words": "prompts in words",
}
MEAN = "mean of the tasks"
PAIRS = (("full", "prompt"), ("prompt", "words"), ("full", "together"))  # ways that are held against each other


def scored(task: str, runs: Sequence[Run]) -> tuple[float, Array]:
    """The mean of the seeds' headline scores, from 0 to 1, and [Q] of resamples of both answers and seeds."""
    values, drawn = [], []
    for run in runs:
        answers = run.answers(task)
        name, _ = headline(run, task, answers)
        found = column(name, answers, run.scores()[task].get(name))
        values.append(found.value / span(name))
        drawn.append(found.resampled(bootstrap_counts(len(answers), DRAWS, 0)) / span(name))
    drawn_MQ = np.array(drawn)
    chosen_MQ = np.random.default_rng(1).integers(0, len(runs), drawn_MQ.shape)
    return float(np.mean(values)), np.take_along_axis(drawn_MQ, chosen_MQ, 0).mean(0)


def subjects(by_task: Mapping[str, Sequence[Run]]) -> dict[str, tuple[float, Array]]:
    """Of one way and size: task -> score and its resamples, and of their mean where every task has a run."""
    found = {task: scored(task, runs) for task, runs in by_task.items() if runs}
    if len(found) < len(by_task):
        return found
    value = float(np.mean([value for value, _ in found.values()]))
    return {MEAN: (value, np.mean([drawn_Q for _, drawn_Q in found.values()], axis=0)), **found}


def told(ways: Mapping[str, Mapping[str, Sequence[Run]]]) -> dict[str, Any]:
    """Of one size: way -> subject -> score with its interval; and by how much ways differ, with paired intervals."""
    found = {way: subjects(ways[way]) for way in WAYS}
    seeds = {
        way: {MEAN: min(map(len, ways[way].values())), **{task: len(runs) for task, runs in ways[way].items()}} for way in WAYS
    }
    gaps = {
        f"{first} - {second}": {
            subject: as_json(interval(value - other, drawn_Q - other_Q), seeds[first][subject])
            for subject, (value, drawn_Q) in found[first].items()
            if seeds[first][subject] == seeds[second].get(subject)
            for other, other_Q in [found[second][subject]]
        }
        for first, second in PAIRS
    }
    lines = {way: {name: as_json(interval(*some), seeds[way][name]) for name, some in found[way].items()} for way in WAYS}
    return {"ways": lines, "gaps": gaps}


def as_json(of: Interval, seeds: int) -> dict[str, float]:
    return {"value": round(of.value, 4), "low": round(of.low, 4), "high": round(of.high, 4), "seeds": seeds}


def write(gathered: Mapping[str, Mapping[str, Any]], tasks: Sequence[str], figures: Path, plot: Path) -> None:
    """Write the figures as JSON and as a plot."""
    sizes = {name: {**size, **told(size["ways"])} for name, size in gathered.items()}
    write_json(figures, {"study": "model sizes", "draws": DRAWS, "ways": WAYS, "sizes": sizes})
    print(json.dumps({name: {w: s["ways"][w].get(MEAN) for w in WAYS} for name, s in sizes.items()}, indent=2))
    if sizes:
        marks, size = drawn(sizes, [MEAN, *tasks])
        ground = f' style="background:{ON_LIGHT.paper}"'
        write_text(plot, svg(marks, size, ON_LIGHT, "'DejaVu Sans',sans-serif", ground) + "\n")
        print(plot)


PANEL = (330.0, 200.0)
EDGE, TITLE, GAP, HEAD = 12.0, 20.0, 18.0, 62.0


def drawn(sizes: Mapping[str, Mapping[str, Any]], subjects: Sequence[str]) -> tuple[list[Mark], tuple[float, float]]:
    """A panel a subject, two in a row, under one legend."""
    wide, high = PANEL[0] + GAP, PANEL[1] + TITLE + GAP
    rows = -(-len(subjects) // 2)
    size = (2 * EDGE + 2 * wide - GAP, EDGE + HEAD + rows * high)
    marks: list[Mark] = [Text((EDGE, EDGE + 8), "Score by model size, with 95 % intervals", "ink", 15, bold=True)]
    for place, name in enumerate(WAYS.values()):
        corner = (EDGE + (place % 2) * wide, EDGE + 28 + 16 * (place // 2))
        marks += [Line((corner, (corner[0] + 18, corner[1])), place, 2.0), Text((corner[0] + 24, corner[1]), name, "ink", 11)]
    for place, subject in enumerate(subjects):
        down, right = divmod(place, 2)
        corner = (EDGE + right * wide, EDGE + HEAD + down * high)
        marks += Block(corner, (PANEL[0], PANEL[1] + TITLE), list(panel(sizes, subject))).moved()
    return marks, size


def panel(sizes: Mapping[str, Mapping[str, Any]], subject: str) -> Iterator[Mark]:
    """One subject: a line a way over the parameters, an upright line for each interval."""
    yield Text((0, 7), words.task_name(subject), "ink", 12, bold=True)
    points = {
        way: [
            (math.log10(size["parameters"]), size["ways"][way][subject])
            for size in sizes.values()
            if subject in size["ways"][way]
        ]
        for way in WAYS
    }
    ends = [point[end] for line in points.values() for _, point in line for end in ("low", "high")]
    if not ends:
        return
    room = max(0.02, 0.06 * (max(ends) - min(ends)))
    y = (max(0.0, min(ends) - room), min(1.0, max(ends) + room))
    across = [math.log10(size["parameters"]) for size in sizes.values()]
    x = (min(across) - 0.12, max(across) + 0.12)
    ticks = [(at, f"{10 ** (at - 6):.1f} M") for at in across]
    frame = Frame(PANEL, x, y, ticks, round_ticks(*y), x_name="parameters of the model")
    for place, line in enumerate(points.values()):
        shift = 0.012 * (place - 1.5)  # intervals side by side
        frame.line([(at + shift, point["value"]) for at, point in line], place, 2.0, round=True)
        for at, point in line:
            frame.line([(at + shift, point["low"]), (at + shift, point["high"])], place, 1.2)
            frame.mark((at + shift, point["value"]), place, 8, place)
    yield from Block((0, TITLE), PANEL, frame.marks).moved()
