"""How cost grows: seconds and memory against sizes, one at a time, beside what the arithmetic demands.

    python benchmarks/cost_growth.py [--brief] [--rounds 1] [--only "training: width" ...]
    python benchmarks/cost_growth.py --plots    # the results as docs/cost-time.svg and docs/cost-memory.svg

Each point (`growth_points.py`) runs in a process of its own, so that its peak memory is its own. Beside what was measured
stands what is demanded, counted from the shapes. A line's growth is the slope, in logarithms, of what was measured by what was
demanded over its last points (from an eighth of the largest on, three at least): 0 where cost grows as it must. Above 0.1 it is
told. Where rows grow longer, seconds are taken apart into those of matrix products and of attention, by least squares.
"""

import json
import math
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass
from multiprocessing import get_context
from typing import Any

import growth_points as at
import numpy as np
from growth_points import TOKENS, Point
from record import RESULTS, arguments, keep

from tunesmith.comparison import words
from tunesmith.comparison.colours import ON_LIGHT
from tunesmith.comparison.drawing import Block, Frame, Mark, Text, svg

FASTER = 0.1  # growth above which cost is said to grow faster than the arithmetic
LOADED = ("transformers.models.llama.modeling_llama", "tunesmith.experiment")  # before a process of its own begins
DOCS = RESULTS.parents[1] / "docs"


@dataclass(frozen=True)
class Sweep:
    """One size that grows.

    axis:   what it is called.
    sizes:  its values.
    one:    (size, what the line stands for) -> a point, or points by the names of lines.
    lines:  name of a line -> what it stands for.
    counts: what is demanded of time.
    """

    axis: str
    sizes: tuple[int, ...]
    one: Callable[[int, str], Point | dict[str, Point]]
    lines: Mapping[str, str]
    counts: str = "billions of multiplications and additions"


LENGTHS = (128, 256, 512, 1024, 2048, 4096, 8192)
WIDTHS = (128, 256, 512, 1024)
VOCABULARIES = (1000, 4000, 16_000, 50_000, 150_000)
ROWS = (1, 2, 4, 8, 16, 32, 64)
ANSWERS = (100, 1000, 10_000, 100_000)
BOTH = {"LoRA": "lora", "full": "full"}
OURS = {"tunesmith": ""}
STOPS = {"greedy": "", "with a stop text": "\n\n"}
SWEEPS = {
    "training: length": Sweep(f"tokens a row, {TOKENS:,} a step", LENGTHS, at.training_length, BOTH),
    "training: batch": Sweep("rows of 256 tokens a step", ROWS, at.training_batch, BOTH),
    "training: width": Sweep("width", WIDTHS, at.training_width, BOTH),
    "training: vocabulary": Sweep("vocabulary", VOCABULARIES, at.training_vocabulary, BOTH),
    "training: file": Sweep("rows of the file", (1000, 10_000, 100_000, 1_000_000), at.training_rows, OURS, "rows; steps"),
    "answering: prompt": Sweep(f"tokens a prompt, {TOKENS:,} in all", LENGTHS, at.answering_prompt, OURS),
    "answering: answer": Sweep("tokens an answer, 4 requests", LENGTHS, at.answering_length, STOPS),
    "answering: requests": Sweep("requests under way", ROWS, at.answering_requests, OURS),
    "answering: width": Sweep("width", WIDTHS, at.answering_width, OURS),
    "answering: vocabulary": Sweep("vocabulary", VOCABULARIES, at.answering_vocabulary, OURS),
    "scoring: ROUGE": Sweep("answers", ANSWERS, at.scoring_rouge, OURS, "answers"),
    "scoring: bootstrap": Sweep("answers, 1,000 draws", ANSWERS, at.scoring_bootstrap, OURS, "answers"),
}


def apart(one: Callable[[int, str], Point | dict[str, Point]], size: int, line: str) -> Point | dict[str, Point]:
    """A point from a process of its own."""
    context = get_context("forkserver")
    context.set_forkserver_preload(list(LOADED))
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(one, size, line).result()


def lines_of(sweep: Sweep, sizes: Sequence[int], rounds: int) -> dict[str, Any]:
    """What was measured, by line."""
    found: dict[str, list[list[Point]]] = {}
    for size in sizes:
        goes: dict[str, list[Point]] = {}
        for _ in range(rounds):
            for name, line in sweep.lines.items():
                made = apart(sweep.one, size, line)
                for whose, point in (made if isinstance(made, dict) else {name: made}).items():
                    goes.setdefault(whose, []).append(point)
        for name, points in goes.items():
            found.setdefault(name, []).append(points)
    return {name: told(sweep, sizes, points) for name, points in found.items()}


def told(sweep: Sweep, sizes: Sequence[int], found: Sequence[Sequence[Point]]) -> dict[str, Any]:
    """One line: medians over rounds, rates, growth."""
    points = [Point(*(statistics.median(values) for values in zip(*map(astuple, goes), strict=True))) for goes in found]
    line: dict[str, Any] = {
        "sizes": list(sizes),
        "seconds": [round(point.seconds, 5) for point in points],
        "demanded": [round(point.demanded, 4) for point in points],
        "demanded_a_second": [round(point.demanded / point.seconds, 2) for point in points],
        "megabytes": [round(point.bytes / 1e6, 2) for point in points],
        "megabytes_demanded": [round(point.must / 1e6, 2) for point in points],
        "growth_of_time": round(growth(sizes, [point.seconds / point.demanded for point in points]), 3),
        "growth_of_memory": round(growth(sizes, [max(point.bytes, 1) / point.must for point in points]), 3),
    }
    if any(point.tokens for point in points):
        line["tokens_a_second"] = [round(point.tokens / point.seconds) for point in points]
    if sweep.sizes is LENGTHS:
        products, attention = taken_apart(points)
        line["gigaflops_of_products"], line["gigaflops_of_attention"] = round(products, 1), round(attention, 1)
    return line


def growth(sizes: Sequence[int], ratios: Sequence[float]) -> float:
    """Slope of log(measured by demanded) over log(size), over the last points."""
    first = max(0, min(len(sizes) - 3, sum(8 * size < sizes[-1] for size in sizes)))
    return float(np.polyfit(np.log(sizes[first:]), np.log(ratios[first:]), 1)[0])


def taken_apart(points: Sequence[Point]) -> tuple[float, float]:
    """Billions of operations a second of matrix products and of attention that explain the seconds best, relatively."""
    work = np.array([[point.demanded - point.square, point.square] for point in points])
    taken = np.array([[point.seconds] for point in points])
    seconds = np.linalg.lstsq(work / taken, np.ones(len(points)), rcond=None)[0]
    return float(1 / seconds[0]), float(1 / seconds[1])


def faster(pairs: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """A sentence for each line that grows faster than what is demanded."""
    for title, lines in pairs.items():
        for name, line in lines.items():
            for what in ("time", "memory"):
                if line[f"growth_of_{what}"] > FASTER:
                    yield (
                        f"{title}, {name}: {what} grows faster than demanded, by size ^ {line[f'growth_of_{what}']:.2f} "
                        f"towards {line['sizes'][-1]:,}"
                    )


# Plots.

COLUMNS, PANEL = 3, (300.0, 170.0)
TITLE, EDGE, GAP = 34.0, 12.0, 16.0
FIGURES = {
    "time": ("Seconds", "seconds", "demanded", 1.0, words.seconds),
    "memory": ("Memory above the start", "megabytes", "megabytes_demanded", 1e6, words.size),
}


def drawn(pairs: Mapping[str, Mapping[str, Any]], what: str) -> Block:
    """A panel a sweep; dashed is what the arithmetic demands, from the first of the last points on."""
    head, key, demanded, unit, written = FIGURES[what]
    known = [(title, pairs[title]) for title in SWEEPS if title in pairs]
    wide, high = PANEL[0] + GAP, PANEL[1] + TITLE + GAP
    size = (2 * EDGE + COLUMNS * wide - GAP, 2 * EDGE + TITLE + -(-len(known) // COLUMNS) * high - GAP)
    heading = f"{head}; dashed: what the arithmetic demands"
    marks: list[Mark] = [Text((EDGE, EDGE + 8), heading, "ink", 15, bold=True)]
    for number, (title, lines) in enumerate(known):
        down, right = divmod(number, COLUMNS)
        corner = (EDGE + right * wide, EDGE + TITLE + down * high)
        inside = list(panel(title, lines, key, demanded, unit, written))
        marks += Block(corner, (PANEL[0], PANEL[1] + TITLE), inside).moved()
    return Block((0, 0), size, marks)


def panel(
    title: str, lines: Mapping[str, Any], key: str, demanded: str, unit: float, written: Callable[[float], str]
) -> Iterator[Mark]:
    values = [unit * value for line in lines.values() for value in line[key] if value > 0]
    sizes = next(iter(lines.values()))["sizes"]
    x, y = (math.log10(sizes[0]), math.log10(sizes[-1])), ends(values)
    x_ticks = [(math.log10(size), words.count(size)) for size in sizes]
    y_ticks = [(math.log10(value), written(value)) for value in scale(*y)]
    frame = Frame(PANEL, x, y, x_ticks, y_ticks, right=16, x_name=SWEEPS[title].axis)
    yield Text((0, 7), title, "ink", 12, bold=True)
    across = 0.0
    for colour, (name, line) in enumerate(lines.items(), start=1):
        if len(lines) > 1:
            yield Text((across, 23), name, colour, 10)
            across += 6.2 * len(name) + 14
        start = max(0, min(len(sizes) - 3, sum(8 * size < sizes[-1] for size in sizes)))
        must = [line[key][start] * value / line[demanded][start] for value in line[demanded]]
        last = list(zip(sizes, must, strict=True))[start:]
        frame.line([(math.log10(size), math.log10(unit * value)) for size, value in last], "muted", 1.2, dash=3)
        spots = [
            (math.log10(size), math.log10(unit * value)) for size, value in zip(sizes, line[key], strict=True) if value > 0
        ]
        frame.line(spots, colour, 1.8, round=True)
        for spot in spots:
            frame.mark(spot, colour, 6, colour)
    yield from Block((0, TITLE), PANEL, frame.marks).moved()


def ends(values: Sequence[float]) -> tuple[float, float]:
    """Logarithms of two ends that leave some room, and half a decade at least."""
    low, high = math.log10(min(values)), math.log10(max(values))
    room = max(0.08 * (high - low), (0.7 - high + low) / 2)
    return low - room, high + room


def scale(low: float, high: float) -> list[float]:
    """Round values between two logarithms: powers of ten, or 1, 2 and 5 of each where these are few."""
    powers = range(math.floor(low), math.ceil(high) + 1)
    for factors in ((1,), (1, 3), (1, 2, 5)):
        found = [
            factor * 10.0**power for power in powers for factor in factors if low <= math.log10(factor * 10.0**power) <= high
        ]
        if len(found) > 2:
            break
    return found


def plot() -> None:
    pairs = json.loads((RESULTS / "cost_growth.json").read_text(encoding="utf-8"))["pairs"]
    for what in FIGURES:
        made = drawn(pairs, what)
        path = DOCS / f"cost-{what}.svg"
        ground = f' style="background:{ON_LIGHT.paper}"'
        path.write_text(svg(made.marks, made.size, ON_LIGHT, "'DejaVu Sans',sans-serif", ground) + "\n", encoding="utf-8")
        print(path)


def main() -> None:
    parser = arguments(__doc__, rounds=1)
    parser.add_argument("--plots", action="store_true", help="draw the results that stand; nothing is measured")
    given = parser.parse_args()
    if given.plots:
        plot()
        return
    pairs = {}
    for title, sweep in SWEEPS.items():
        if not given.only or title in given.only:
            sizes = sweep.sizes[:3] if given.brief else sweep.sizes
            pairs[title] = lines_of(sweep, sizes, given.rounds)
            print(title, file=sys.stderr, flush=True)
    keep("cost_growth", given, {"layers": at.LAYERS, "width": at.WIDTH, "vocabulary": at.VOCABULARY}, pairs)
    for sentence in faster(pairs):
        print(sentence, file=sys.stderr)


if __name__ == "__main__":
    main()
