"""Plots of what tuning did inside a network: a heat map of layers and parts, singular values, words near soft prompts."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tunesmith.comparison import words
from tunesmith.comparison.drawing import Area, Frame, Text, round_ticks
from tunesmith.comparison.inspected import Cells, Change, Inspected, Prompt, by, heat_cells, short
from tunesmith.comparison.panels import HEIGHT, WIDTH, Panel
from tunesmith.comparison.plots import write_plots

CELL = (52.0, 20.0)  # points
SHOWN = 64  # singular values of a curve
MOST_ROLES = 12


def panels(made: Inspected) -> dict[str, list[Panel]]:
    """The plots by subject."""
    found: dict[str, list[Panel]] = {}
    cells = heat_cells(made)
    if cells and not made.still:
        note = "Frobenius norm of the change, as a part of the weight's own"
        found["change"] = [heat_map("change", "Change of each weight", note, cells)]
    ranks = {(change.row, change.role): float(change.given) for change in made.changes if change.given is not None}
    if ranks:
        note = f"the method gave {sum(ranks.values()):.0f} in all, {sum(ranks.values()) / len(ranks):.1f} a map"
        found["ranks"] = [heat_map("ranks", "Rank of each change", note, ranks, tell="{:.0f}".format)]
    if made.matrices:
        found["singular-values"] = list(spectra(made.matrices))
    if made.prompts:
        found["prompt"] = [neighbours(prompt) for prompt in made.prompts]
    return found


def write(made: Inspected, folder: Path) -> list[Path]:
    """Write every plot as SVG and PNG."""
    return write_plots(panels(made), folder)


def heat_map(name: str, title: str, note: str, cells: Cells, tell: Callable[[float], str] = words.percent) -> Panel:
    """A shade for each layer and part, with its number; the darkest is the largest of all."""
    rows, columns = (list(dict.fromkeys(place[side] for place in cells)) for side in (0, 1))
    largest = max(cells.values()) or 1.0
    room = 6.4 * max(len(row) for row in rows) + 16
    frame = Frame(
        (room + CELL[0] * len(columns) + 8, 28 + CELL[1] * len(rows)),
        (-0.5, len(columns) - 0.5),
        (len(rows) - 0.5, -0.5),
        [(float(place), short(column)) for place, column in enumerate(columns)],
        [(float(place), row) for place, row in enumerate(rows)],
        row_names=True,
    )
    for (row, column), value in cells.items():
        x, y, share = columns.index(column), rows.index(row), value / largest
        corners = [frame.at(x + right, y + down) for right, down in ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))]
        frame.marks.append(Area(tuple(corners), "paper", None))
        frame.marks.append(Area(tuple(corners), 2, None, alpha=0.04 + 0.96 * share))
        frame.marks.append(Text(frame.at(x, y), tell(value), "paper" if share > 0.7 else "ink", 9.5, "middle"))
    top = max(cells, key=cells.__getitem__)
    return Panel(name, title, note, f"most: {top[0]} {top[1]} {tell(cells[top])}", frame)


def spectra(changes: Sequence[Change]) -> Iterator[Panel]:
    """For each part the singular values of its changes, as parts of the largest; a line a layer, the last the darkest."""
    for role, some in list(by(changes, lambda change: change.role).items())[:MOST_ROLES]:
        longest = min(SHOWN, max(len(change.singular) for change in some))
        frame = Frame(
            (WIDTH, HEIGHT),
            (0.5, longest + 0.5),
            (0.0, 1.05),
            [(value, text) for value, text in round_ticks(1, longest + 1) if value >= 1 and value == int(value)],
            [(part / 4, f"{part / 4:.2f}") for part in range(5)],
            x_name="singular value",
        )
        for place, change in enumerate(some):
            values = [(index + 1, value / change.singular[0]) for index, value in enumerate(change.singular[:longest])]
            shade = 0.25 + 0.75 * (place + 1) / len(some)
            frame.line(values, 2, 1.4, alpha=shade)
            if longest <= 16:
                for value in values:
                    frame.mark(value, 0, 4, 2, None)
        means = [sum(getattr(change, name) or 0 for change in some) / len(some) for name in ("effective_rank", "rank_90")]
        note = f"effective rank {means[0]:.1f}, for 90 % {means[1]:.1f}; {len(some)} maps"
        yield Panel(f"singular-{role}", role.replace("_", " "), note, note, frame)


def neighbours(prompt: Prompt) -> Panel:
    """The cosine of each virtual token to its nearest word, which is written beside it; dashed: of random vectors."""
    nearest = [(str(token.place), token.by_cosine[0]) for token in prompt.tokens]
    random = prompt.tightness[1].cosine
    low, high = min(0.0, *(near.cosine for _, near in nearest)), max(random, *(near.cosine for _, near in nearest)) * 1.05
    ticks = [(float(row), name) for row, (name, _) in enumerate(nearest)]
    size = (WIDTH, 36 + 15 * len(nearest))
    frame = Frame(size, (low, high), (len(nearest) - 0.5, -0.5), round_ticks(low, high), ticks, 96, row_names=True)
    frame.line([(random, -0.5), (random, len(nearest) - 0.5)], "muted", 1.2, dash=3)
    for row, (_, near) in enumerate(nearest):
        frame.line([(max(low, 0.0), row), (near.cosine, row)], 2, 2)
        frame.mark((near.cosine, row), 0, 7, 2)
        frame.marks.append(Text((frame.end + 6, frame.at(low, row)[1]), words.short(near.word, 14), "ink", 10))
    told = "; ".join(f"{name}: {near.word} {near.cosine:.2f}" for name, near in nearest)
    return Panel(
        "prompt", "Nearest word of each virtual token", "cosine; dashed: random vectors of the same lengths", told, frame
    )
