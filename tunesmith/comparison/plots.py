"""Panels as pictures: SVG within the page, that takes its colours from it, and SVG and PNG files to put elsewhere."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tunesmith.comparison import words
from tunesmith.comparison.colours import IN_PAGE, ON_DARK, ON_LIGHT, Theme
from tunesmith.comparison.drawing import Block, Sheet, Text, pixels, svg
from tunesmith.comparison.panels import Panel
from tunesmith.run import write_text

COLUMNS = 3
DPI = 120
EDGE, HEAD, GAP = 12.0, 44.0, 14.0  # around a figure; for its title; between panels
TITLE = 36.0  # height of a panel's title and note
TITLES = {
    "quality": "Quality, with 95 % intervals",
    "cost": "Quality against cost; filled marks and the line are the Pareto front",
    "learning": "Learning: training and validation loss",
    "change": "How far tuning moved each weight",
    "ranks": "Ranks that the method gave",
    "singular-values": "Singular values of the change, as parts of the largest; the darker, the deeper",
    "prompt": "Soft prompts and the vocabulary",
    "clusters": "Clusters that were left out, with 95 % intervals",
    "forgetting": "Forgetting: what was lost on other tasks",
    "harms": "Bias and toxicity: what tuning changed",
}


def inline(panel: Panel) -> str:
    """One panel as an SVG element whose colours are CSS variables and whose text is text."""
    return svg(panel.frame.marks, panel.frame.size, IN_PAGE, "var(--font)", ' aria-hidden="true" focusable="false"')


def write_plots(pictures: Mapping[str, Sequence[Panel]], folder: Path) -> list[Path]:
    """Write each subject as `SUBJECT.svg`, `SUBJECT.png` and `SUBJECT-dark.png`, and return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written, drawn = [], []
    for subject, panels in pictures.items():
        sheet = _sheet(subject, panels)
        drawn += [(sheet, theme, folder / f"{subject}{ending}.png") for ending, theme in (("", ON_LIGHT), ("-dark", ON_DARK))]
        written.append(folder / f"{subject}.svg")
        marks = [mark for block in sheet.blocks for mark in block.moved()]
        ground = f' style="background:{ON_LIGHT.paper}"'
        write_text(written[-1], svg(marks, sheet.size, ON_LIGHT, "'DejaVu Sans',sans-serif", ground) + "\n")
    with ThreadPoolExecutor(2) as pool:  # most of the time goes by in Pillow, which lets others work meanwhile
        return [*written, *pool.map(lambda job: _write_png(*job), drawn)]


def _write_png(sheet: Sheet, theme: Theme, path: Path) -> Path:
    pixels(sheet, theme, DPI).save(path, compress_level=1, dpi=(DPI, DPI))
    return path


def _sheet(subject: str, panels: Sequence[Panel]) -> Sheet:
    """The panels side by side under one title."""
    columns = min(COLUMNS, len(panels)) if len(panels) != 4 else 2
    wide, high = (max(panel.frame.size[side] for panel in panels) for side in (0, 1))
    size = (2 * EDGE + columns * (wide + GAP) - GAP, HEAD + EDGE + -(-len(panels) // columns) * (high + TITLE + GAP) - GAP)
    blocks = [Block((EDGE, 0), (size[0] - EDGE, HEAD), [Text((0, EDGE + 10), TITLES[subject], "ink", 15, bold=True)])]
    for number, panel in enumerate(panels):
        down, right = divmod(number, columns)
        title = [Text((0, 7), words.short(panel.title, 40), "ink", 12, bold=True), Text((0, 23), panel.note, "muted", 9.5)]
        marks = [*title, *Block((0, TITLE), panel.frame.size, panel.frame.marks).moved()]
        corner = (EDGE + right * (wide + GAP), HEAD + down * (high + TITLE + GAP))
        blocks.append(Block(corner, (wide, TITLE + panel.frame.size[1]), marks))
    return Sheet(size, blocks)
