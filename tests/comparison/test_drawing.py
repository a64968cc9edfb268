"""A drawing's geometry by hand, its SVG as XML, and its pixels."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.comparison import panels
from tunesmith.comparison.colours import IN_PAGE, ON_DARK, ON_LIGHT
from tunesmith.comparison.drawing import SHAPES, Area, Block, Frame, Line, Sheet, Text, pixels, round_ticks, svg
from tunesmith.comparison.overfitting import Curve
from tunesmith.comparison.significance import Interval


def frame(**more):
    return Frame((200, 100), (0, 10), (0, 1), [(0, "0"), (10, "10")], [(0, "0"), (1, "1")], **more)


@given(st.floats(-1e6, 1e6), st.floats(1e-4, 1e6))
def test_ticks_are_round_and_within(low, span):
    ticks = round_ticks(low, low + span)
    values = [value for value, _ in ticks]
    assert 1 <= len(ticks) <= 6
    assert all(low - 1e-6 * span <= value <= low + span * (1 + 1e-6) for value in values)
    assert len({text for _, text in ticks}) == len(ticks)
    assert [float(text.replace("−", "-")) for _, text in ticks] == pytest.approx(values, rel=1e-9, abs=1e-9 * span)


def test_ticks_by_hand():
    assert [text for _, text in round_ticks(0, 125)] == ["0", "25", "50", "75", "100", "125"]
    assert [text for _, text in round_ticks(-1.1, 1.1)] == ["−1.0", "−0.5", "0.0", "0.5", "1.0"]
    assert [text for _, text in round_ticks(0.1, 0.2)] == ["0.10", "0.12", "0.14", "0.16", "0.18", "0.20"]


def test_values_stand_between_the_ends_of_the_axes():
    drawn = frame()
    assert drawn.at(0, 0) == (drawn.left, drawn.bottom) and drawn.at(10, 1) == (drawn.end, drawn.top)
    assert drawn.at(5, 0.5) == pytest.approx(((drawn.left + drawn.end) / 2, (drawn.top + drawn.bottom) / 2))


def test_a_line_is_cut_where_it_leaves_the_axes_and_nothing_is_drawn_of_what_is_not_a_number():
    drawn = frame()
    drawn.marks.clear()
    drawn.line([(0, 0.5), (2, 1.5), (4, 0.5), (float("nan"), 0.2), (6, -3), (8, -2)], "ink", 1)
    first, second = (mark.spots for mark in drawn.marks)
    assert first == (drawn.at(0, 0.5), pytest.approx(drawn.at(1, 1)))
    assert second[:2] == (pytest.approx(drawn.at(3, 1)), drawn.at(4, 0.5))
    assert second[2] == pytest.approx(drawn.at(4 + 2 / 7, 0))
    drawn.mark((1, float("nan")), 0, 5, "ink")
    drawn.mark((1, 2.0), 0, 5, "ink")
    assert len(drawn.marks) == 2


def test_every_place_has_a_shape_of_its_own():
    assert len(set(SHAPES)) == len(SHAPES) == len(ON_LIGHT.systems) == len(ON_DARK.systems)
    assert all(abs(x) <= 0.75 and abs(y) <= 0.75 for shape in SHAPES for x, y in shape)


def test_svg_is_whole_and_its_text_is_text():
    evil = "</text><script>alert(1)</script> & \"'"
    marks = [*frame(x_name="x", y_name="y").marks, Text((1, 2), evil, "ink"), Area(((0, 0), (1, 1), (0, 1)), 3, alpha=0.5)]
    root = ElementTree.fromstring(svg(marks, (200, 100), IN_PAGE, "var(--font)"))
    texts = [element.text for element in root if element.tag.endswith("text")]
    assert evil in texts and {"x", "y", "0", "10"} <= set(texts)
    assert not any(element.tag.endswith("script") for element in root.iter())
    assert "fill:var(--s3)" in root[-1].attrib["style"] and "opacity:0.5" in root[-1].attrib["style"]


@pytest.mark.parametrize("theme", [ON_LIGHT, ON_DARK])
def test_pixels_have_the_theme_s_colours_where_marks_are(theme):
    square = Area(((10, 10), (30, 10), (30, 30), (10, 30)), 2, None)
    half = Area(((40, 10), (60, 10), (60, 30), (40, 30)), "ink", alpha=0.5)
    block = Block((100, 50), (80, 40), [square, half, Line(((0, 36), (80, 36)), "muted", 4), Text((70, 20), "−Ж", "ink")])
    image = pixels(Sheet((200, 100), [block]), theme, 72)
    assert image.size == (200, 100)

    def shade(x, y):
        return "#{:02x}{:02x}{:02x}".format(*image.getpixel((x, y)))

    assert shade(120, 70) == theme.systems[2]
    assert shade(140, 86) == theme.muted
    assert shade(95, 86) == shade(120, 20) == theme.paper
    blend = [(int(theme.ink[at : at + 2], 16) + int(theme.paper[at : at + 2], 16)) / 2 for at in (1, 3, 5)]
    assert image.getpixel((150, 70)) == pytest.approx(blend, abs=1)
    assert any(shade(x, y) != theme.paper
               for x in range(170, 180) for y in range(62, 78))  # fmt: skip


def test_a_dashed_line_has_gaps():
    image = pixels(Sheet((40, 10), [Block((0, 0), (40, 10), [Line(((0, 5), (40, 5)), "ink", 2, dash=4)])]), ON_LIGHT, 72)
    dark = [image.getpixel((x, 5))[0] < 128 for x in range(1, 39)]
    assert 0.3 < sum(dark) / len(dark) < 0.7


def test_numbers_that_are_none_have_no_place_in_a_plot():
    """A run that diverged, and an interval that cannot be had."""
    curve = Curve((1, 2, 3), (float("nan"), float("inf"), 2.0), (float("nan"), float("inf"), 2.0), (3,), (float("nan"),))
    assert panels.loss_limits([curve]) == (1.5, 2.5)
    assert panels.loss_limits([replace(curve, training=(), smooth=())]) == (-0.5, 0.5)
    assert panels.ends_of([Interval(float("nan"), float("nan"), float("inf"))]) == (-0.5, 0.5)
    assert panels.ends_of([Interval(0.2, float("nan"), 0.4)], 0.0) == (0.0, 0.4)
