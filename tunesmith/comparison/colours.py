"""One colour and one mark for each system, the same in every plot and table, told apart by the colour-blind and in grey.

The hues are those of Okabe and Ito (2008), darkened or lightened for each ground; the baseline is grey.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tunesmith.comparison.table import Comparison

LIGHT = ("#6a7280", "#c98500", "#0072b2", "#d0480a", "#00835f", "#b0568a", "#2a97cf", "#7a5230")
DARK = ("#a3abb8", "#f2b93b", "#58b2f2", "#ff8b52", "#35cc9b", "#ec9fcb", "#8ed4fb", "#cfa37f")

Colour = Literal["ink", "muted", "grid", "paper"] | int


@dataclass(frozen=True)
class Theme:
    """What the colours of a plot are on one ground; `systems` are by place, the baseline's first."""

    ink: str
    muted: str
    grid: str
    paper: str
    systems: tuple[str, ...]

    def __getitem__(self, colour: Colour) -> str:
        shade: str = self.systems[colour] if isinstance(colour, int) else getattr(self, colour)
        return shade


ON_LIGHT = Theme("#1b1f27", "#5d6573", "#e1e4ea", "#ffffff", LIGHT)
ON_DARK = Theme("#e8eaf0", "#9aa3b2", "#2c323d", "#14171d", DARK)
IN_PAGE = Theme("var(--ink)", "var(--muted)", "var(--line)", "var(--card)", tuple(f"var(--s{n})" for n in range(len(LIGHT))))


def places(made: Comparison) -> Mapping[str, int]:
    """System -> its place among the colours and marks; past the last one they come round again, the grey excepted."""
    others = [system.name for system in made.systems if system.name != made.baseline]
    return {made.baseline: 0, **{name: 1 + place % (len(LIGHT) - 1) for place, name in enumerate(others)}}
