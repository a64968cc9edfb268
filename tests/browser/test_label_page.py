"""The labelling page in a real browser: by mouse and by keys, with two tabs, two people, light and dark, on a phone."""

import json
import os
from pathlib import Path

import pytest

from tests.browser.conftest import contrast
from tests.serving.judging import HOSTILE, pairs_file, serving
from tunesmith.serving.votes import Votes

GUIDELINES = (
    "# Which answer is better?\n\nRead **both**. Then ask:\n\n- Is it true?\n- Is it `polite`?\n\n<script>alert(1)</script>\n"
)

pytestmark = pytest.mark.browser


@pytest.fixture
def served(tmp_path):
    pairs_file(tmp_path / "pairs.jsonl", 5)
    (tmp_path / "guide.md").write_text(GUIDELINES)
    with serving(tmp_path, "pairs.jsonl", "--guidelines", "guide.md") as server:
        server.folder = tmp_path
        yield server


def standing(server, kind="vote"):
    votes = Votes(server.folder / "labels.sqlite")
    found = votes.standing(kind)
    votes.close()
    return found


def counted(page, text):
    page.wait_for_function("text => document.getElementById('count').textContent.startsWith(text)", arg=text)
    page.wait_for_timeout(300)  # keys that come too soon after a pair are passed over


def texts(page):
    return page.locator("#left").inner_text(), page.locator("#right").inner_text()


def test_by_keys_alone(visit, served):
    page = visit(name="")
    assert page.evaluate("document.activeElement.id") == "enter-name"
    page.keyboard.type("Ann")
    page.keyboard.press("Enter")
    page.wait_for_selector("#work:not([hidden])")
    counted(page, "0 of 5")
    seen = []
    for number, key in enumerate(("1", "ArrowRight", "t", "b"), start=1):
        seen.append(texts(page))
        page.keyboard.press(key)
        counted(page, f"{number} of 5")
    page.keyboard.press("s")
    assert page.evaluate("document.getElementById('skipping').open")
    page.keyboard.press("Escape")
    counted(page, "4 of 5")
    page.keyboard.press("s")
    page.keyboard.press("1")
    page.wait_for_selector("#over:not([hidden])")
    assert "last pair" in page.locator("#over-title").inner_text()
    found = standing(served)
    assert [event.chosen_side or event.verdict for event in found] == ["left", "right", "tie", "bad"]
    assert [event.reason for event in standing(served, "skip")] == ["cannot"]
    assert all(event.seconds > 0.2 for event in found)
    for left in (4, 3, 2):
        page.keyboard.press("u")
        counted(page, f"{left} of 5")
    assert texts(page) == seen[2]
    page.keyboard.press("2")
    counted(page, "3 of 5")
    assert [event.chosen_side for event in standing(served)] == ["left", "right", "right"]


def test_by_mouse_with_a_note_that_comes_back(visit, served):
    page = visit()
    counted(page, "0 of 5")
    page.click("#note-open")
    page.keyboard.type("1 2 t b s u: no keys here")
    counted(page, "0 of 5")
    page.click("[data-choice=right]")
    counted(page, "1 of 5")
    assert standing(served)[0].note == "1 2 t b s u: no keys here"
    assert page.locator("#note-box").is_hidden()
    page.click("#undo")
    counted(page, "0 of 5")
    assert page.locator("#note").input_value() == "1 2 t b s u: no keys here"
    page.click("[data-choice=tie]")
    counted(page, "1 of 5")
    page.click("#skip")
    page.click("text=It is harmful or upsetting")
    counted(page, "2 of 5")
    assert standing(served, "skip")[0].reason == "harmful"
    page.keyboard.press("n")
    assert page.evaluate("document.activeElement.id") == "note"
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    counted(page, "3 of 5")


def test_what_answers_and_guidelines_say_is_shown_and_never_run(visit):
    page = visit()
    counted(page, "0 of 5")
    shown = []
    for number in range(1, 6):
        page.keyboard.press("d")
        assert page.locator("#left mark, #right mark").count() > 0
        shown += texts(page)
        page.keyboard.press("d")
        assert page.locator("#left *, #right *").count() == 0
        shown += texts(page)
        page.keyboard.press("t")
        if number < 5:
            counted(page, f"{number} of 5")
    assert shown.count(HOSTILE) == 2
    assert page.title() != "owned"
    assert "<script>alert(1)</script>" in page.locator("#guide").text_content()
    assert page.locator("#guide script").count() == 0
    assert page.locator("#guide li").all_inner_texts() == ["Is it true?", "Is it polite?"]


def test_no_model_is_named_anywhere_in_the_page(visit):
    page = visit()
    told = []
    page.on("response", lambda answer: told.append(answer.text()))
    counted(page, "0 of 5")
    for number in range(1, 5):
        assert "alpha" not in page.content() and "beta" not in page.content()
        page.keyboard.press("1")
        counted(page, f"{number} of 5")
    assert len(told) >= 4 and not any("alpha" in text or "beta" in text for text in told)


def test_two_tabs_of_one_person(visit, served):
    one = visit()
    two = visit(context=one.context)
    counted(one, "0 of 5")
    counted(two, "0 of 5")
    assert texts(one) != texts(two)
    for number, page in enumerate((one, two, one, two, one), start=1):
        page.keyboard.press("1")
        counted(page, f"{number} of")
    for page in (one, two):
        page.reload()
        page.wait_for_selector("#over:not([hidden])")
    assert len({event.pair for event in standing(served)}) == len(standing(served)) == 5


def test_a_pair_that_was_judged_in_another_tab_is_told_and_passed(visit, served):
    visit.expected.append("409")
    one = visit()
    counted(one, "0 of 5")
    key = one.evaluate("sessionStorage.getItem('tunesmith-tab')")
    pair = served.ask("/api/label/next", annotator="Ann", tab=key)[1]["pair"]
    served.ask("/api/label/vote", annotator="Ann", tab="elsewhere", id="other", pair=pair["key"], choice="tie")
    one.keyboard.press("1")
    counted(one, "1 of 5")
    assert "before" in one.locator("#said").text_content()
    assert [event.verdict for event in standing(served)] == ["tie"]


def test_two_people_at_once(visit, served):
    ann, ben = visit("Ann"), visit("Ben")
    counted(ann, "0 of 5")
    counted(ben, "0 of 5")
    assert texts(ann) != texts(ben)[::-1] and texts(ann) != texts(ben)
    for page, number in ((ann, 1), (ben, 1), (ann, 2), (ben, 2), (ann, 3)):
        page.keyboard.press("2")
        counted(page, f"{number} of")
    ben.reload()
    ben.wait_for_selector("#over:not([hidden])")
    assert {event.annotator for event in standing(served)} == {"Ann", "Ben"}
    assert len({event.pair for event in standing(served)}) == len(standing(served)) == 5


def test_a_verdict_is_kept_while_the_server_is_away_and_counts_once(visit, served):
    visit.expected += ["net::ERR", "Failed to load"]
    page = visit()
    counted(page, "0 of 5")
    dropped = []

    def lose(route):  # the server hears it, and its answer is lost
        route.fetch()
        dropped.append(route.request.post_data_json["id"])
        route.abort()

    page.route("**/api/label/vote", lose)
    page.keyboard.press("1")
    page.wait_for_selector("#trouble:not([hidden])")
    page.keyboard.press("2")
    page.wait_for_timeout(200)
    assert "is sent again" in page.locator("#trouble").inner_text()
    page.unroute("**/api/label/vote")
    page.reload()
    counted(page, "1 of 5")
    assert len(dropped) == 1
    assert [event.chosen_side for event in standing(served)] == ["left"]
    page.route("**/api/label/vote", lambda route: route.abort())
    page.keyboard.press("1")
    page.wait_for_selector("#trouble:not([hidden])")
    page.unroute("**/api/label/vote")
    page.click("#again")
    counted(page, "2 of 5")
    assert page.locator("#trouble").is_hidden()


def test_opening_it_again_goes_on(visit):
    page = visit("")
    page.fill("#enter-name", "Cy")
    page.click("text=Begin")
    page.wait_for_selector("#work:not([hidden])")
    counted(page, "0 of 5")
    page.keyboard.press("b")
    counted(page, "1 of 5")
    before = texts(page)
    page.reload()
    counted(page, "1 of 5")
    assert texts(page) == before
    page.click("#who")
    assert page.locator("#enter-name").input_value() == "Cy"


def test_it_can_be_used_without_eyes_or_a_mouse(visit):
    page = visit()
    counted(page, "0 of 5")
    named = page.evaluate(
        "[...document.querySelectorAll('button, input, textarea, progress, [role=region], aside')].filter(e => e.offsetParent)"
        ".map(e => (e.ariaLabel || e.innerText || e.labels?.[0]?.innerText"
        " || document.getElementById(e.getAttribute('aria-labelledby'))?.innerText || '').trim())"
    )
    assert len(named) > 12 and all(named)
    assert page.locator("#said").get_attribute("aria-live") == "polite"
    page.keyboard.press("1")
    counted(page, "1 of 5")
    assert page.locator("#said").text_content() == "Answer 1 is better. Pair 2 of 5."
    assert page.evaluate("document.activeElement.id") == "title"
    reached = []
    for _ in range(16):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.dataset.choice || document.activeElement.id"))
    assert {"left", "right", "tie", "bad", "skip", "undo", "note-open", "help-open", "guide"} <= set(reached)
    page.locator("[data-choice=left]").focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("?")
    assert page.evaluate("document.getElementById('help').open")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    assert page.locator("#guide").is_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_can_be_read(visit, scheme):
    page = visit(scheme=scheme)
    counted(page, "0 of 5")
    page.keyboard.press("d")
    for selector in ("#left", "#prompt p", "#count", "[data-choice=left]", "#skip", "h2", "#guide p", "mark", "kbd"):
        assert contrast(page, selector) >= 4.5, selector
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("#theme")
    after = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert before != after
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == after


def test_it_fits_a_phone(visit, served):
    page = visit(wide=360, high=740)
    counted(page, "0 of 5")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    left, right = page.locator("#left").bounding_box(), page.locator("#right").bounding_box()
    assert right["y"] > left["y"] + left["height"]
    for button in page.locator("[data-choice]").all():
        box = button.bounding_box()
        assert box["height"] >= 40 and box["x"] >= 0 and box["x"] + box["width"] <= 360
        assert box["y"] + box["height"] <= 740, "within reach without scrolling"
    page.click("[data-choice=right]")
    counted(page, "1 of 5")
    assert standing(served)[0].chosen_side == "right"


def test_pictures_for_a_person_to_look_at(visit, served):
    """Written where TUNESMITH_PICTURES says; else only taken."""
    folder = Path(os.environ.get("TUNESMITH_PICTURES") or served.folder)
    for name, given in (("light", {}), ("dark", {"scheme": "dark"}), ("phone", {"wide": 390, "high": 844})):
        page = visit(**given)
        counted(page, "0 of 5")
        page.keyboard.press("d")
        page.screenshot(path=folder / f"label-{name}.png")
        assert (folder / f"label-{name}.png").stat().st_size > 10_000


def test_the_link_of_a_token_opens_the_page(browser, tmp_path):
    pairs_file(tmp_path / "pairs.jsonl", 2)
    with serving(tmp_path, "pairs.jsonl", "--token", "sesame-sesame") as server:
        assert json.dumps(server.address).count("token=sesame-sesame") == 1
        context = browser.new_context()
        page = context.new_page()
        page.goto(server.address + "&as=Ann")
        page.wait_for_selector("#work:not([hidden])")
        assert "sesame" not in page.url and "as=Ann" in page.url
        assert page.evaluate("document.cookie") == ""
        context.close()
