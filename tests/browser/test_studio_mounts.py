"""The pages for people within the studio: reached by its navigation, used as they are by themselves, and left again."""

import re

import pytest

from tests.browser.conftest import contrast
from tests.browser.test_write_page import SHAPE, fill
from tests.serving.judging import HOSTILE, serving, some_pairs
from tests.serving.studio_runs import made_run
from tunesmith.serving.form_file import read_shape
from tunesmith.serving.votes import Votes
from tunesmith.serving.writing import Writing

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """One studio for all tests here; each is another person."""
    folder = tmp_path_factory.mktemp("mounted")
    made_run(folder / "runs" / "one")
    votes = Votes(folder / "labels.sqlite", seed=1, overlap=9)
    votes.add(some_pairs(3))
    votes.close()
    (folder / "shape.yaml").write_text(SHAPE)
    shape = read_shape(str(folder / "shape.yaml"))
    Writing(folder / "writing.sqlite", shape.form, shape.guidelines).close()
    with serving(folder, "--labels", "labels.sqlite", "--writing", "writing.sqlite", verb="studio") as server:
        server.folder = folder
        yield server


def tabs(page):
    return page.locator("header nav a").all_inner_texts()


def enter(page, name):
    page.fill("#enter-name", name)
    page.keyboard.press("Enter")


@pytest.mark.parametrize(("wide", "high", "scheme"), [(1280, 900, "light"), (390, 844, "dark")], ids=["desk", "phone"])
def test_votes_are_cast_within_the_studio(visit, served, wide, high, scheme):
    page = visit(name="", wide=wide, high=high, scheme=scheme)
    assert tabs(page) == ["Runs", "Compare", "Playground", "Data", "Labelling", "Writing"]
    page.click("header nav >> text=Labelling")
    page.wait_for_url(re.compile("/label$"))
    enter(page, f"Ann {scheme}")
    page.wait_for_selector("#work:not([hidden])")
    seen = set()
    for number, key in enumerate(("1", "2", "t"), start=1):
        page.wait_for_timeout(300)  # keys that come too soon after a pair are passed over
        seen |= {page.locator("#left").inner_text(), page.locator("#right").inner_text()}
        page.keyboard.press(key)
        page.wait_for_function("text => document.getElementById('count').textContent.startsWith(text)", arg=f"{number} of 3")
    assert HOSTILE in seen and "owned" not in page.title()
    page.wait_for_selector("#over:not([hidden])")
    assert contrast(page, "#over-text") > 4.5
    assert page.evaluate("document.documentElement.scrollWidth") <= wide
    votes = Votes(served.folder / "labels.sqlite", new=False)
    mine = [event.verdict for event in votes.standing() if event.annotator == f"Ann {scheme}"]
    votes.close()
    assert len(mine) == 3 and mine.count("tie") == 1
    page.click(".brand a")
    page.wait_for_url(re.compile("/runs$"))
    page.wait_for_selector("#rows tr")


@pytest.mark.parametrize(("wide", "high", "scheme"), [(1280, 900, "dark"), (390, 844, "light")], ids=["desk", "phone"])
def test_a_row_is_written_within_the_studio(visit, served, wide, high, scheme):
    page = visit(name="", wide=wide, high=high, scheme=scheme)
    page.click("header nav >> text=Writing")
    page.wait_for_url(re.compile("/write$"))
    enter(page, f"Ben {scheme}")
    page.wait_for_selector("#fields:visible")
    question = f"Where do the {scheme} owls sleep?"
    fill(page, question=question)
    page.keyboard.press("Control+Enter")
    page.wait_for_function("() => document.querySelector('#field-question').value === ''")
    assert page.evaluate("document.documentElement.scrollWidth") <= wide
    writing = Writing(served.folder / "writing.sqlite", new=False)
    sent = [row for row in writing.mine(f"Ben {scheme}") if row.fields.get("question") == question]
    writing.close()
    assert [row.state for row in sent] == ["submitted"]
    page.click(".brand a")
    page.wait_for_url(re.compile("/runs$"))
