"""Panels as pictures: SVG within the page, that takes its colours from it, and SVG and PNG files to put elsewhere."""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tunesmith.comparison import words
from tunesmith.comparison.colours import IN_PAGE, ON_DARK, ON_LIGHT, VARIABLES, Theme
from tunesmith.comparison.panels import Panel, groups
from tunesmith.comparison.table import Comparison
from tunesmith.run import write_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 4.4  # inches of one panel; 72 units an inch in the page
COLUMNS = 3
DPI = 150
TITLES = {
    "quality": "Quality, with 95 % intervals",
    "cost": "Quality against cost; filled marks and the line are the Pareto front",
    "learning": "Learning: training and validation loss",
    "forgetting": "Forgetting: what was lost on other tasks",
}


def inline(panel: Panel) -> str:
    """One panel as an SVG element whose colours are CSS variables and whose text is text."""
    with _style(IN_PAGE):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(WIDTH, _height([panel])), layout="constrained")
        axes = figure.add_subplot()
        panel.draw(axes, IN_PAGE)
        _settle(figure, [(panel, axes)], IN_PAGE)
        axes.patch.set_alpha(0)
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _for_page(file.getvalue(), panel.name)


def write_plots(made: Comparison, folder: Path) -> list[Path]:
    """Write each subject as `SUBJECT.svg`, `SUBJECT.png` and `SUBJECT-dark.png`, and return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for subject, panels in groups(made).items():
        for ending, theme in (("", ON_LIGHT), ("-dark", ON_DARK)):
            with _style(theme):
                figure = _grid(subject, panels, theme)
                written.append(folder / f"{subject}{ending}.png")
                figure.savefig(written[-1], dpi=DPI)
                if not ending:
                    written.append(folder / f"{subject}.svg")
                    file = io.StringIO()
                    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
                    write_text(written[-1], file.getvalue())
    return written


def _grid(subject: str, panels: Sequence[Panel], theme: Theme) -> "Figure":
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    columns = min(COLUMNS, len(panels)) if len(panels) != 4 else 2
    rows = -(-len(panels) // columns)
    figure = Figure(
        figsize=(WIDTH * columns, (_height(panels) + 0.55) * rows + 0.5),
        layout=ConstrainedLayoutEngine(w_pad=0.18, h_pad=0.16),
        facecolor=theme.paper,
    )
    figure.suptitle(TITLES[subject], x=0.02, ha="left", fontsize=15, fontweight="bold", color=theme.ink)
    drawn = []
    for number, panel in enumerate(panels):
        axes = figure.add_subplot(rows, columns, number + 1)
        axes.set_title(f"{words.short(panel.title, 40)}\n", loc="left", fontsize=12, fontweight="bold", color=theme.ink)
        axes.text(0, 1.04, panel.note, transform=axes.transAxes, fontsize=9.5, color=theme.muted)
        panel.draw(axes, theme)
        drawn.append((panel, axes))
    _settle(figure, drawn, theme)
    return figure


def _settle(figure: "Figure", drawn: Sequence[tuple[Panel, "Axes"]], theme: Theme) -> None:
    """Lay the figure out once, keep it so, and draw what needs to know where the axes are."""
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.execute(figure)
    figure.set_layout_engine("none")
    for panel, axes in drawn:
        if panel.after:
            panel.after(axes, theme)


def _height(panels: Sequence[Panel]) -> float:
    """Inches: a row of names needs a third of one."""
    return max(2.5 if panel.rows == 6 else 0.5 + 0.31 * panel.rows for panel in panels)


@contextmanager
def _style(theme: Theme) -> Iterator[None]:
    """Quiet axes in the theme's colours. Imported here: matplotlib takes longer to load than a table to compute."""
    import matplotlib as mpl

    settings = {
        "svg.fonttype": "none",
        "text.parse_math": False,  # a dollar in a name is a dollar
        "svg.hashsalt": "tunesmith",
        "font.family": "sans-serif",
        "font.size": 11,
        "text.color": theme.ink,
        "axes.edgecolor": theme.grid,
        "axes.facecolor": theme.paper,
        "axes.labelsize": 10,
        "axes.linewidth": 1,
        "axes.axisbelow": True,
        "axes.grid": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "axes.unicode_minus": True,
        "grid.color": theme.grid,
        "grid.linewidth": 0.8,
        "xtick.color": theme.grid,
        "ytick.color": theme.grid,
        "xtick.labelcolor": theme.muted,
        "ytick.labelcolor": theme.ink,
        "xtick.labelsize": 10,
        "ytick.major.size": 0,
        "xtick.major.size": 3,
    }
    with mpl.rc_context(settings):
        yield


def _for_page(svg: str, name: str) -> str:
    """Cut to the element, fit to its frame, and make every id the panel's own, since ids are the whole page's."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = svg.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1)
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    own = re.sub(r"[^a-z0-9]+", "-", name.lower())
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{own}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{own}-\1)", svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{own}-\1"', svg)
    svg = re.sub(r"font: ([^;\"]*?) ?'?(?:DejaVu Sans|sans-serif)[^;\"]*", r"font: \1 var(--font)", svg)
    svg = re.sub(r"font-family: [^;\"]*", "font-family: var(--font)", svg)
    for stand_in, variable in VARIABLES.items():
        svg = svg.replace(stand_in, variable)
    return svg.strip()
