"""The page of a study in a real browser: light and dark, narrow and wide, and nothing is fetched."""

import pytest

from tests.browser.test_page import opened
from tests.comparison.test_study import ranks, share
from tunesmith.comparison.study import study
from tunesmith.comparison.study_page import page as report

pytestmark = pytest.mark.browser
fixtures = (opened,)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    worths = {rank: [share(10 + rank), share(12 + rank)] for rank in (2, 4, 8, 16)}
    made = study("ranks", ranks(folder, worths, scales=dict.fromkeys(worths, 2.0)), ["method.rank"])
    file = folder / "report.html"
    file.write_text(report(made, folder), encoding="utf-8")
    return file.as_uri()


@pytest.mark.parametrize("wide", [390, 1280])
def test_it_shows_arms_and_plots_and_never_scrolls_sideways(opened, wide):
    page = opened(wide=wide)
    assert page.locator("table.study tbody tr").count() == 4
    assert page.locator(".tag", has_text="plateau").count() == 1
    assert page.locator("figure.plot svg").count() == 3
    assert page.evaluate("document.documentElement.scrollWidth") <= wide


def test_the_button_changes_between_light_and_dark(opened):
    ground = "getComputedStyle(document.body).backgroundColor"
    light, dark = opened(), opened(scheme="dark")
    assert light.evaluate(ground) != dark.evaluate(ground)
    light.click("#theme")
    assert light.evaluate(ground) == dark.evaluate(ground)
