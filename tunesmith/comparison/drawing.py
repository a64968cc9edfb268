"""Small plots from lines, marks and text, written as SVG or as pixels: a page of forty plots in the blink of an eye.

Lengths are points, 72 an inch; y runs downward. A colour is a name in a `Theme` or a system's place, so one drawing serves the
page, light paper and dark.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from html import escape
from itertools import pairwise
from math import ceil, cos, floor, hypot, isfinite, log10, pi, sin
from typing import TYPE_CHECKING

from tunesmith.comparison.colours import Colour, Theme

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

Spot = tuple[float, float]
Tick = tuple[float, str]

LETTER = 0.58  # width of a letter as a part of the font's size, on average
_FINE = 2  # pixels drawn for each that is kept, either way


def _star(corners: int, turned: float = 0.0, size: float = 0.5) -> tuple[Spot, ...]:
    angles = [2 * pi * corner / corners + turned for corner in range(corners)]
    return tuple((size * sin(angle), -size * cos(angle)) for angle in angles)


_PLUS = [(-1, -3), (1, -3), (1, -1), (3, -1), (3, 1), (1, 1), (1, 3), (-1, 3), (-1, 1), (-3, 1), (-3, -1), (-1, -1)]
_CROSS = [(-1, -2), (0, -1), (1, -2), (2, -1), (1, 0), (2, 1), (1, 2), (0, 1), (-1, 2), (-2, 1), (-1, 0), (-2, -1)]
SHAPES: tuple[tuple[Spot, ...], ...] = (
    _star(24),
    _star(4, pi / 4, 0.7),
    _star(4, 0.0, 0.7),
    ((0, -0.5), (0.5, 0.5), (-0.5, 0.5)),
    ((0, 0.5), (0.5, -0.5), (-0.5, -0.5)),
    tuple((x / 6, y / 6) for x, y in _PLUS),
    tuple((x / 4, y / 4) for x, y in _CROSS),
    _star(5),
)  # of width 1, by a system's place: disc, square, diamond, triangles, plus, cross, pentagon


@dataclass(frozen=True, slots=True)
class Line:
    spots: tuple[Spot, ...]
    colour: Colour
    width: float
    alpha: float = 1.0
    dash: float = 0.0
    round: bool = False


@dataclass(frozen=True, slots=True)
class Area:
    """A closed shape; no line around it where `edge` is None, nothing within it where `face` is."""

    spots: tuple[Spot, ...]
    face: Colour | None
    edge: Colour | None = None
    width: float = 0.0
    alpha: float = 1.0


@dataclass(frozen=True, slots=True)
class Text:
    """`spot` is at the middle of its height, and at its `start`, `middle` or `end`."""

    spot: Spot
    text: str
    colour: Colour
    size: float = 11.0
    anchor: str = "start"
    bold: bool = False
    upward: bool = False


Mark = Line | Area | Text


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a sheet: marks by their places within it, and where it stands."""

    corner: Spot
    size: Spot
    marks: Sequence[Mark]

    def moved(self) -> Iterator[Mark]:
        """The marks by their places in the sheet."""
        right, down = self.corner
        for mark in self.marks:
            if isinstance(mark, Text):
                yield replace(mark, spot=(mark.spot[0] + right, mark.spot[1] + down))
            else:
                yield replace(mark, spots=tuple((x + right, y + down) for x, y in mark.spots))


@dataclass(frozen=True, slots=True)
class Sheet:
    size: Spot
    blocks: Sequence[Block]


@dataclass
class Frame:
    """Axes of a plot, within which marks are put by the values they stand for.

    size:       width and height of the whole plot.
    x, y:       values at left and right, at bottom and top.
    right:      room at the right of the axes.
    x_name:     and `y_name`: what the axes are called.
    row_names:  y ticks are names of rows, between which there is no grid.
    """

    size: Spot
    x: Spot
    y: Spot
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    right: float = 8.0
    x_name: str = ""
    y_name: str = ""
    row_names: bool = False
    marks: list[Mark] = field(default_factory=list)

    def __post_init__(self) -> None:
        label = 11.0 if self.row_names else 10.0
        widest = max((LETTER * label * len(text) for _, text in self.y_ticks), default=0.0)
        self.left = widest + 8 + (16 if self.y_name else 0)
        self.end, self.top, self.bottom = self.size[0] - self.right, 6.0, self.size[1] - (38 if self.x_name else 22)
        low, high = sorted(self.x)
        for value, text in self.x_ticks:
            if low - 1e-9 <= value <= high + 1e-9:
                across = self.at(value, 0)[0]
                self.marks.append(Line(((across, self.top), (across, self.bottom)), "grid", 0.8))
                self.marks.append(Line(((across, self.bottom), (across, self.bottom + 3)), "grid", 0.8))
                self.marks.append(Text((across, self.bottom + 11), text, "muted", 10, "middle"))
        for value, text in self.y_ticks:
            up = self.at(0, value)[1]
            if not self.row_names:
                self.marks.append(Line(((self.left, up), (self.end, up)), "grid", 0.8))
            self.marks.append(Text((self.left - 5, up), text, "ink", label, "end"))
        self.marks.append(Line(((self.left, self.bottom), (self.end, self.bottom)), "grid", 1))
        if self.x_name:
            self.marks.append(Text(((self.left + self.end) / 2, self.size[1] - 9), self.x_name, "muted", 10, "middle"))
        if self.y_name:
            self.marks.append(Text((8, (self.top + self.bottom) / 2), self.y_name, "muted", 10, "middle", upward=True))

    def at(self, x: float, y: float) -> Spot:
        """Where values stand in the plot."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return self.left + across * (self.end - self.left), self.bottom - up * (self.bottom - self.top)

    def line(
        self,
        values: Sequence[Spot],
        colour: Colour,
        width: float,
        *,
        alpha: float = 1.0,
        dash: float = 0.0,
        round: bool = False,  # noqa: A002
    ) -> None:
        """A line through finite values, cut where it leaves the axes."""
        spots = [self.at(*value) for value in values if isfinite(value[0]) and isfinite(value[1])]
        for part in _within(spots, self.top, self.bottom):
            self.marks.append(Line(part, colour, width, alpha, dash, round))

    def mark(
        self, value: Spot, shape: int, width: float, face: Colour | None, edge: Colour | None = "paper", line: float = 1.0
    ) -> None:
        if not all(map(isfinite, value)):
            return
        x, y = self.at(*value)
        if self.top - 1 <= y <= self.bottom + 1:
            spots = tuple((x + width * right, y + width * down) for right, down in SHAPES[shape])
            self.marks.append(Area(spots, face, edge, line))

    def shade(self, x: Spot, colour: Colour, alpha: float) -> None:
        """From one value of x to another, over the whole height."""
        left, right = (self.at(value, 0)[0] for value in x)
        corners = ((left, self.top), (right, self.top), (right, self.bottom), (left, self.bottom))
        self.marks.append(Area(corners, colour, alpha=alpha))


def _within(spots: Sequence[Spot], top: float, bottom: float) -> Iterator[tuple[Spot, ...]]:
    """The parts of a line between two heights."""
    part: list[Spot] = []
    for (x, y), (right, down) in pairwise(spots):
        if max(y, down) < top or min(y, down) > bottom:
            continue
        ends = [
            (here, height) if top <= height <= bottom else (x + (right - x) * (edge - y) / (down - y), edge)
            for here, height in ((x, y), (right, down))
            for edge in [top if height < top else bottom]
        ]
        if part and part[-1] != ends[0]:
            yield tuple(part)
            part = []
        part += ends[1:] if part else ends
    if part:
        yield tuple(part)


def round_ticks(low: float, high: float, most: int = 5) -> list[Tick]:
    """Round values between two others, with what is written at them.

    >>> [text for _, text in round_ticks(-0.03, 0.21)]
    ['0.00', '0.05', '0.10', '0.15', '0.20']
    """
    rough = (high - low) / most
    power = floor(log10(rough))
    factor = next(factor for factor in (1, 2, 2.5, 5, 10) if factor * 10.0**power >= rough * (1 - 1e-9))
    step = factor * 10.0**power
    places = max(0, -power + (factor == 2.5) - (factor == 10))
    values = [step * place for place in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]
    return [(value, f"{value + 0.0:.{places}f}".replace("-", "−")) for value in values]


def svg(marks: Sequence[Mark], size: Spot, theme: Theme, font: str, more: str = "") -> str:
    """An SVG element; nothing in it is fetched, and all text is escaped."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]:.2f} {size[1]:.2f}"{more}>'
    return "\n".join([head, *(_element(mark, theme, font) for mark in marks), "</svg>"])


def _element(mark: Mark, theme: Theme, font: str) -> str:
    if isinstance(mark, Text):
        x, y = mark.spot
        down = 0.35 * mark.size
        place = (
            f'transform="translate({x + down:.1f} {y:.1f}) rotate(-90)"' if mark.upward else f'x="{x:.1f}" y="{y + down:.1f}"'
        )
        style = f"font:{'bold ' if mark.bold else ''}{mark.size:g}px {font};text-anchor:{mark.anchor};fill:{theme[mark.colour]}"
        return f'<text {place} style="{style}">{escape(mark.text)}</text>'
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in mark.spots)
    if isinstance(mark, Area):
        edge = "none" if mark.edge is None else f"{theme[mark.edge]};stroke-width:{mark.width:g}"
        face = "none" if mark.face is None else theme[mark.face]
        style = f"fill:{face};stroke:{edge}"
        path += "Z"
    else:
        style = f"fill:none;stroke:{theme[mark.colour]};stroke-width:{mark.width:g}"
        style += f";stroke-dasharray:{mark.dash:g}" if mark.dash else ""
        style += ";stroke-linecap:round" if mark.round else ""
    style += f";opacity:{mark.alpha:g}" if mark.alpha < 1 else ""
    return f'<path d="{path}" style="{style}"/>'


def pixels(sheet: Sheet, theme: Theme, dpi: float) -> "Image":
    """A picture, whose blocks are drawn large and made small so that edges are smooth."""
    from PIL import Image

    whole = Image.new("RGB", (ceil(sheet.size[0] * dpi / 72), ceil(sheet.size[1] * dpi / 72)), theme["paper"])
    for block in sheet.blocks:
        size = ceil(block.size[0] * dpi / 72) * _FINE, ceil(block.size[1] * dpi / 72) * _FINE
        image = Image.new("RGB", size, theme["paper"])
        _draw(image, block.marks, theme, dpi / 72 * _FINE)
        whole.paste(image.reduce(_FINE), (round(block.corner[0] * dpi / 72), round(block.corner[1] * dpi / 72)))
    return whole


def _draw(image: "Image", marks: Sequence[Mark], theme: Theme, scale: float) -> None:
    from PIL import ImageDraw

    draw = ImageDraw.Draw(image)
    for mark in marks:
        if isinstance(mark, Text):
            _write(image, draw, mark, theme, scale)
            continue
        spots = [(x * scale, y * scale) for x, y in mark.spots]
        width = max(1, round(mark.width * scale))
        if isinstance(mark, Area):
            face = None if mark.face is None else _mixed(theme[mark.face], theme["paper"], mark.alpha)
            draw.polygon(spots, fill=face)
            if mark.edge is not None:
                draw.line([*spots, spots[0], spots[1]], fill=theme[mark.edge], width=width, joint="curve")
            continue
        colour = _mixed(theme[mark.colour], theme["paper"], mark.alpha)
        for part in _dashes(spots, mark.dash * scale) if mark.dash else [spots]:
            draw.line(part, fill=colour, width=width, joint="curve")
        if mark.round:
            for x, y in (spots[0], spots[-1]):
                draw.ellipse((x - width / 2 + 0.5, y - width / 2 + 0.5, x + width / 2 - 0.5, y + width / 2 - 0.5), fill=colour)


def _write(image: "Image", draw: "ImageDraw", mark: Text, theme: Theme, scale: float) -> None:
    font = _font(round(mark.size * scale), mark.bold)
    x, y = mark.spot[0] * scale, mark.spot[1] * scale
    anchor = {"start": "l", "middle": "m", "end": "r"}[mark.anchor]
    if not mark.upward:
        draw.text((x, y + 0.35 * mark.size * scale), mark.text, fill=theme[mark.colour], font=font, anchor=f"{anchor}s")
        return
    from PIL import Image as New
    from PIL import ImageDraw as Pen

    left, top, right, bottom = font.getbbox(mark.text)
    mask = New.new("L", (ceil(right - left), ceil(bottom - top)))
    Pen.Draw(mask).text((-left, -top), mark.text, fill=255, font=font)
    mask = mask.rotate(90, expand=True)
    image.paste(theme[mark.colour], (round(x - mask.width / 2), round(y - mask.height / 2)), mask)


@cache
def _font(size: int, bold: bool) -> "FreeTypeFont":
    """DejaVu Sans, which has nearly every letter; it comes with matplotlib, of which nothing else is loaded."""
    from importlib.util import find_spec
    from pathlib import Path

    from PIL import ImageFont

    found = find_spec("matplotlib")
    assert found is not None and found.origin is not None
    folder = Path(found.origin).parent / "mpl-data/fonts/ttf"
    return ImageFont.truetype(
        str(folder / f"DejaVuSans{'-Bold' if bold else ''}.ttf"), size, layout_engine=ImageFont.Layout.BASIC
    )


def _mixed(colour: str, paper: str, alpha: float) -> str:
    """What a colour looks like through which the paper is seen."""
    parts = [[int(code[place : place + 2], 16) for place in (1, 3, 5)] for code in (colour, paper)]
    return "#" + "".join(f"{round(alpha * one + (1 - alpha) * other):02x}" for one, other in zip(*parts, strict=True))


def _dashes(spots: Sequence[Spot], length: float) -> Iterator[list[Spot]]:
    for (x, y), (right, down) in pairwise(spots):
        whole = hypot(right - x, down - y)
        for place in range(0, ceil(whole / length), 2):
            ends = [min(1.0, (place + more) * length / whole) for more in (0, 1)]
            yield [(x + (right - x) * end, y + (down - y) * end) for end in ends]
