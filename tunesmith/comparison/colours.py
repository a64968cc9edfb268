"""One colour and one mark for each system, the same in every plot and table, told apart by the colour-blind and in grey.

The hues are those of Okabe and Ito (2008), darkened or lightened for each ground; the baseline is grey.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tunesmith.comparison.table import Comparison

LIGHT = ("#6a7280", "#c98500", "#0072b2", "#d0480a", "#00835f", "#b0568a", "#2a97cf", "#7a5230")
DARK = ("#a3abb8", "#f2b93b", "#58b2f2", "#ff8b52", "#35cc9b", "#ec9fcb", "#8ed4fb", "#cfa37f")
MARKS = ("o", "s", "D", "^", "v", "P", "X", "p")


@dataclass(frozen=True)
class Theme:
    """The colours of a plot; `systems` are by place, the baseline's first."""

    ink: str
    muted: str
    grid: str
    paper: str
    systems: tuple[str, ...]


ON_LIGHT = Theme("#1b1f27", "#5d6573", "#e1e4ea", "#ffffff", LIGHT)
ON_DARK = Theme("#e8eaf0", "#9aa3b2", "#2c323d", "#14171d", DARK)

# In a page the colours are the page's own: each stand-in below is replaced by a CSS variable.
IN_PAGE = Theme("#010101", "#020202", "#030303", "#040404", tuple(f"#0505{place:02x}" for place in range(len(LIGHT))))
VARIABLES = {
    IN_PAGE.ink: "var(--ink)",
    IN_PAGE.muted: "var(--muted)",
    IN_PAGE.grid: "var(--line)",
    IN_PAGE.paper: "var(--card)",
    **{stand_in: f"var(--s{place})" for place, stand_in in enumerate(IN_PAGE.systems)},
}


def places(made: Comparison) -> Mapping[str, int]:
    """System -> its place among the colours and marks; past the last one they come round again, the grey excepted."""
    others = [system.name for system in made.systems if system.name != made.baseline]
    return {made.baseline: 0, **{name: 1 + place % (len(LIGHT) - 1) for place, name in enumerate(others)}}
