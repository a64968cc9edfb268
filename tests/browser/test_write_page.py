"""The writing page in a real browser: by keys and by mouse, killed at any time, on a phone, light and dark."""

import os
import signal
import subprocess
import time
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.browser.conftest import ARGUMENTS, CHROMIUM, contrast
from tests.serving.judging import HOSTILE, serving
from tests.serving.test_form import RULES, field
from tunesmith.serving.writing import Writing

pytestmark = pytest.mark.browser

SHAPE = """
title: Write a row
guidelines: |
  # How
  Read <script>alert(1)</script> first.
  ## Do
  - ask **one** thing
  ## Don't
  - copy
fields:
  - {name: question, kind: line, minimum: 3, maximum: 12, unit: words, help: One sentence.}
  - {name: answer, maximum: 30}
  - {name: tone, choices: [kind, plain, no]}
  - {name: score, kind: number, minimum: 1, maximum: 5, required: false}
  - {name: others, kind: references, required: false, most: 3}
"""


@pytest.fixture
def served(tmp_path):
    (tmp_path / "shape.yaml").write_text(SHAPE)
    with serving(tmp_path, "--write", "shape.yaml") as server:
        server.folder = tmp_path
        yield server


@contextmanager
def kept(served):
    writing = Writing(served.folder / "writing.sqlite", new=False)
    yield writing
    writing.close()


def rows(served):
    with kept(served) as writing:
        return writing.every()


def wait_saved(page, text="Saved"):
    page.wait_for_function("text => document.getElementById('saved').textContent === text", arg=text)


def shown(page, view):
    page.wait_for_selector(f"#view-{view}:not([hidden])")


def fill(page, question="Where do the owls sleep?", answer="In the old oak.", tone="kind"):
    page.fill("#field-question", question)
    page.fill("#field-answer", answer)
    page.check(f"#fields input[value={tone}]")


def test_by_keys_alone(visit, served):
    page = visit(name="")
    assert page.evaluate("document.activeElement.id") == "enter-name"
    page.keyboard.type("Ann")
    page.keyboard.press("Enter")
    shown(page, "write")
    page.wait_for_function("() => document.activeElement.id === 'field-question'")
    page.keyboard.type("Where do owls sleep?")
    page.keyboard.press("Control+Enter")
    assert page.evaluate("document.activeElement.id") == "field-answer"
    assert page.locator("#field-answer-fault").inner_text() == "This is needed."
    page.keyboard.type("In the old oak.")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Control+Enter")
    wait_saved(page, "Submitted")
    (row,) = rows(served)
    assert row.state == "submitted" and row.fields["tone"] == "plain" and row.fields["question"] == "Where do owls sleep?"
    assert page.evaluate("document.activeElement.id") == "field-question" and page.input_value("#field-question") == ""
    page.keyboard.press("Escape")
    page.keyboard.press("m")
    shown(page, "mine")
    assert page.locator("#mine li").all_inner_texts() == ["Submitted Where do owls sleep? · In the old oak. · plain"]
    page.keyboard.press("r")
    page.wait_for_selector("#over:not([hidden])")
    assert "Nothing waits" in page.locator("#over-title").inner_text(), "one's own rows are not reviewed"

    ben = visit("Ben")
    shown(ben, "write")
    ben.keyboard.press("Escape")
    ben.keyboard.press("r")
    shown(ben, "review")
    assert "Ann" not in ben.content()
    ben.keyboard.press("b")
    assert ben.evaluate("document.activeElement.id") == "comment" and ben.locator("#comment-fault").inner_text()
    ben.keyboard.type("Which oak?")
    ben.keyboard.press("Escape")
    ben.keyboard.press("b")
    ben.wait_for_selector("#over:not([hidden])")
    ben.keyboard.press("u")
    shown(ben, "review")
    assert rows(served)[0].state == "submitted"
    ben.keyboard.press("e")
    ben.wait_for_function("() => document.activeElement.id === 'review-question'")
    ben.fill("#review-answer", "")
    ben.keyboard.press("Escape")
    ben.keyboard.press("a")
    assert ben.locator("#review-answer-fault").inner_text() == "This is needed."
    ben.fill("#review-answer", "In an old oak.")
    ben.keyboard.press("Escape")
    ben.keyboard.press("a")
    ben.wait_for_selector("#over:not([hidden])")
    (row,) = rows(served)
    assert row.state == "accepted" and row.fields["answer"] == "In an old oak." and row.reviewer == "Ben"


def test_by_mouse_sent_back_and_mended_by_the_writer(visit, served):
    ann, ben = visit("Ann"), visit("Ben")
    fill(ann)
    ann.click("#submit")
    wait_saved(ann, "Submitted")
    ben.click("#tab-review")
    shown(ben, "review")
    assert ben.locator("#review-fields .given").first.inner_text() == "Where do the owls sleep?"
    ben.fill("#comment", "Which oak?\nSay more.")
    ben.click("#back")
    ben.wait_for_selector("#over:not([hidden])")
    ann.click("#tab-mine")
    shown(ann, "mine")
    assert ann.locator("#count-mine").inner_text() == "1"
    ann.click("#mine li button")
    shown(ann, "write")
    assert ann.locator("#returned-text").inner_text() == "Which oak?\nSay more."
    ann.fill("#field-answer", "In the oak by the mill.")
    ann.click("#submit")
    wait_saved(ann, "Submitted")
    ben.click("#tab-review")
    shown(ben, "review")
    ben.click("#past summary")
    assert [text.split(": ", 1)[1] for text in ben.locator("#past-list li").all_inner_texts()] == [
        "submitted",
        "sent back: Which oak?\nSay more.",
        "submitted",
    ]
    ben.click("#accept")
    ben.wait_for_selector("#over:not([hidden])")
    assert [(row.state, row.fields["answer"]) for row in rows(served)] == [("accepted", "In the oak by the mill.")]
    ann.click("#tab-mine")
    ann.wait_for_selector("#mine .state.accepted")
    assert ann.locator("#mine li button").is_disabled()


def test_counters_limits_choices_numbers_and_lists(visit, served):
    page = visit()
    page.fill("#field-question", "two words")
    assert page.locator("#field-question-count").inner_text() == "2 words (3 to 12)"
    page.fill("#field-answer", "😀" * 31)
    assert page.locator("#field-answer-count").inner_text() == "31 characters (up to 30)"
    assert page.locator("#field-answer-fault").inner_text() == "At most 30 characters: there are 31.", "while one types"
    page.fill("#field-answer", "Fine.")
    assert page.locator("#field-answer-fault").inner_text() == ""
    page.fill("#field-score", "7")
    page.click("#submit")
    assert page.locator("#field-question-fault").inner_text() == "At least 3 words: there are 2."
    assert page.locator("#field-tone-fault").inner_text() == "This is needed."
    assert page.locator("#field-score-fault").inner_text() == "1 to 5, please."
    assert page.evaluate("document.activeElement.id") == "field-question"
    page.fill("#field-question", "now there are five words")
    page.check("input[value=no]")
    page.fill("#field-score", "2.5")
    page.fill("#field-others", "one other")
    page.click("#fields [data-name=others] .more-of")
    page.keyboard.type("a second")
    page.click("#fields [data-name=others] .more-of")
    page.keyboard.type("a third")
    assert page.locator("#fields [data-name=others] .more-of").is_disabled()
    page.click("[aria-label='Take answer 2 away']")
    page.click("#submit")
    wait_saved(page, "Submitted")
    fields = rows(served)[0].fields
    assert fields["others"] == ["one other", "a third"] and fields["score"] == "2.5" and fields["tone"] == "no"


def test_a_conversation_and_its_turns(visit, tmp_path, browser):
    with serving(tmp_path, "--write", "chat") as server:
        server.folder = tmp_path
        page = browser.new_context().new_page()
        page.goto(server.address + "?as=Ann")
        shown(page, "write")
        page.fill("#field-messages", "A word for tired?")
        page.fill("#field-messages-1", "Weary.")
        page.click(".more-of")
        page.keyboard.type("Shorter?")
        page.click("#submit")
        assert page.locator("#field-messages-fault").inner_text() == "The assistant has the last word."
        page.click(".more-of")
        page.keyboard.type("Worn.")
        page.click("#submit")
        wait_saved(page, "Submitted")
        turns = rows(server)[0].fields["messages"]
        assert [turn["role"] for turn in turns] == ["user", "assistant"] * 2 and turns[-1]["content"] == "Worn."
        page.context.close()


@pytest.mark.parametrize(("settings", "value", "fault"), RULES)
def test_the_page_and_the_server_have_the_same_rules(rules, settings, value, fault):
    assert rules.evaluate("([one, value]) => faultOf(one, value)", [asdict(field(**settings)), value]) == fault


@pytest.fixture(scope="module")
def rules(browser):
    page = browser.new_page()
    page.add_script_tag(path=Path(__file__).parents[2] / "tunesmith/serving/pages/write-form.js")
    yield page
    page.close()


def test_what_is_much_like_another_row_is_told(visit):
    ann, ben = visit("Ann"), visit("Ben")
    fill(ann)
    ann.click("#submit")
    wait_saved(ann, "Submitted")
    ben.fill("#field-question", "Where do the young owls sleep?")
    ben.wait_for_selector("#fields [data-name=question] .near:not([hidden])")
    told = ben.locator("#fields [data-name=question] .near").text_content()
    assert told == "Much like one that stands (91 %): Where do the owls sleep?"
    ben.fill("#field-question", "What is the colour of a jay?")
    ben.wait_for_selector("#fields [data-name=question] .near", state="hidden")


def typing(page, seconds, seen, say=lambda n: f"w{n:04d} "):
    """Type a word now and then, and write down when each was there."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        page.keyboard.insert_text(say(len(seen)))
        seen.append(time.monotonic())
        time.sleep(0.04)


def lost(served, seen, killed):
    """Seconds before the kill at which the first word was typed that is not on the disk."""
    with kept(served) as writing:
        assert writing.connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        (row,) = writing.every()
    words = row.fields["answer"].split()
    assert words == [f"w{n:04d}" for n in range(len(words))]
    return killed - seen[len(words)] if len(words) < len(seen) else 0.0


def test_a_kill_of_the_server_loses_less_than_a_second_and_the_page_nothing(visit, tmp_path, served):
    visit.expected += ["net::ERR", "Failed to load"]
    page = visit()
    page.click("#field-answer")
    seen = []
    typing(page, 2.5, seen)
    served.process.kill()
    killed = time.monotonic()
    served.process.wait(timeout=30)
    assert served.process.returncode == -signal.SIGKILL and len(seen) > 20
    assert lost(served, seen, killed) < 1.0
    typing(page, 0.5, seen)
    page.wait_for_selector("#trouble:not([hidden])")
    assert "is sent again" in page.locator("#trouble").inner_text()
    port = served.address.split(":")[2].partition("/")[0]
    with serving(tmp_path, "--write", "shape.yaml", "--port", port):
        wait_saved(page)
        assert page.locator("#trouble").is_hidden()
        assert lost(served, seen, killed) == 0.0
        assert page.evaluate("Object.keys(localStorage).filter(key => key.includes('unsent'))") == []


def test_a_kill_of_the_browser_loses_less_than_a_second(browser, tmp_path, served):
    profile = [f"--user-data-dir={tmp_path / 'profile'}", "--remote-debugging-port=0", "--no-first-run", "about:blank"]
    process = subprocess.Popen([str(CHROMIUM), *ARGUMENTS, *profile], stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        address = next(line.split()[-1] for line in process.stderr if "DevTools listening on" in line)
        page = browser.browser_type.connect_over_cdp(address).contexts[0].new_page()
        page.goto(served.address + "?as=Ann")
        shown(page, "write")
        page.click("#field-answer")
        seen = []
        typing(page, 2.5, seen)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        killed = time.monotonic()
        process.wait(timeout=30)
        process.stderr.close()
    time.sleep(0.3)
    assert len(seen) > 20 and lost(served, seen, killed) < 1.0
    again = browser.new_context().new_page()
    again.goto(served.address + "?as=Ann")
    shown(again, "write")
    assert again.input_value("#field-answer").startswith("w0000 w0001 "), "the draft is there again, in any browser"
    again.context.close()


def test_what_could_not_be_sent_is_sent_when_the_page_is_opened_again(visit, served):
    visit.expected += ["net::ERR", "Failed to load"]
    page = visit()
    page.fill("#field-question", "Where do owls sleep?")
    wait_saved(page)
    page.route("**/api/write/save", lambda route: route.abort())
    page.fill("#field-answer", "In the old oak.")
    page.wait_for_selector("#trouble:not([hidden])")
    page.unroute("**/api/write/save")
    page.evaluate("addEventListener('pagehide', event => event.stopImmediatePropagation(), true)")
    context = page.context
    page.close()
    page = visit(context=context)
    assert page.input_value("#field-answer") == "In the old oak."
    assert rows(served)[0].fields["answer"] == "In the old oak."


def test_two_tabs_with_one_draft(visit, served):
    visit.expected.append("409")
    one = visit()
    one.fill("#field-answer", "of the first tab")
    wait_saved(one)
    two = visit(context=one.context)
    assert two.input_value("#field-answer") == "of the first tab"
    two.fill("#field-answer", "of the second tab")
    wait_saved(two)
    one.fill("#field-answer", "of the first again")
    one.wait_for_selector("#trouble:not([hidden])")
    assert "changed elsewhere" in one.locator("#trouble").inner_text()
    assert rows(served)[0].fields["answer"] == "of the second tab"
    one.click("text=Keep what stands here")
    wait_saved(one)
    assert rows(served)[0].fields["answer"] == "of the first again" and one.locator("#trouble").is_hidden()


def test_two_reviewers_do_not_collide(visit, served):
    visit.expected.append("409")
    ann, ben, cy = visit("Ann"), visit("Ben"), visit("Cy")
    for n in range(2):
        fill(ann, question=f"Where do owls number {n} sleep?")
        ann.click("#submit")
        wait_saved(ann, "Submitted")
    for page in (ben, cy):
        page.click("#tab-review")
        shown(page, "review")
    texts = {page.locator("#review-fields .given").first.inner_text() for page in (ben, cy)}
    assert len(texts) == 2
    with kept(served) as writing:
        row = next(
            row for row in writing.every() if row.fields["question"] == ben.locator("#review-fields .given").first.inner_text()
        )
    body = {"row": row.id, "version": row.version, "verdict": "accepted", "id": "elsewhere"}
    served.ask("/api/review/judge", person="Dee", tab="d", **body)
    ben.fill("#comment", "no")
    ben.click("#back")
    ben.wait_for_selector("#trouble:not([hidden])")
    assert "Somebody else has reviewed this row" in ben.locator("#trouble").inner_text()
    assert sorted(row.state for row in rows(served)) == ["accepted", "submitted"]


def test_seeds_are_given_and_end(tmp_path, browser):
    (tmp_path / "seeds.csv").write_text("instruction\nName a bird.\nName a tree.\n")
    with serving(tmp_path, "--write", "triplet", "--seeds", "seeds.csv") as server:
        server.folder = tmp_path
        page = browser.new_context().new_page()
        page.goto(server.address + "?as=Ann")
        shown(page, "write")
        assert page.locator("#fields [data-name=instruction] .given").inner_text() == "Name a bird."
        assert page.locator("#field-instruction").count() == 0
        page.click("#discard")
        page.wait_for_selector("#fields .given:text('Name a tree.')")
        page.fill("#field-output", "An oak.")
        page.click("#submit")
        page.wait_for_selector("#over:not([hidden])")
        assert "nothing left" in page.locator("#over-title").inner_text()
        assert [row.fields["instruction"] for row in rows(server) if row.state == "submitted"] == ["Name a tree."]
        page.context.close()


def test_what_people_and_guidelines_say_is_shown_and_never_run(visit):
    ann, ben = visit("Ann"), visit("Ben")
    assert "<script>alert(1)</script>" in ann.locator("#guide").text_content() and ann.locator("#guide script").count() == 0
    assert ann.locator("#guide .do li").all_inner_texts() == ["ask one thing"]
    assert ann.locator("#guide .dont li").all_inner_texts() == ["copy"]
    ann.fill("#field-question", HOSTILE)
    ann.fill("#field-answer", "<b>bold</b>")
    ann.check("input[value=plain]")
    ann.click("#submit")
    wait_saved(ann, "Submitted")
    ann.click("#tab-mine")
    ann.wait_for_selector("#mine li")
    assert "<script>" in ann.locator("#mine").inner_text() and ann.locator("#mine img, #mine script").count() == 0
    ben.fill("#field-question", HOSTILE)
    ben.wait_for_selector("#fields [data-name=question] .near:not([hidden])")
    ben.click("#tab-review")
    shown(ben, "review")
    assert ben.locator("#review-fields .given").first.inner_text() == HOSTILE
    assert ben.locator("#review-fields img, #review-fields script, .near img").count() == 0
    assert ann.title() != "owned" and ben.title() != "owned"


def test_it_can_be_used_without_eyes(visit):
    page = visit()
    shown(page, "write")
    named = page.evaluate(
        "[...document.querySelectorAll('button, input, textarea, select, aside')].filter(e => e.offsetParent)"
        ".map(e => (e.ariaLabel || e.innerText || e.labels?.[0]?.innerText || '').trim())"
    )
    assert len(named) > 14 and all(named)
    assert page.locator("#said").get_attribute("aria-live") == "polite"
    described = page.locator("#field-question").get_attribute("aria-describedby").split()
    assert all(page.locator(f"#{one}").count() == 1 for one in described)
    page.click("#submit")
    assert page.locator("#field-question").get_attribute("aria-invalid") == "true"
    assert page.locator("#said").text_content() == "Some fields need another look."
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert page.evaluate("document.getElementById('help').open")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    assert page.locator("#guide").is_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_can_be_read(visit, scheme):
    page = visit(scheme=scheme)
    fill(page)
    page.click("#submit")
    page.click("#submit")
    faint = (
        "label",
        ".field .note",
        "#field-question",
        ".count",
        ".fault",
        "#submit",
        "#tab-mine",
        "#guide li",
        ".do h3",
        ".dont h3",
    )
    for selector in faint:
        assert contrast(page, selector) >= 4.5, selector
    other = visit("Ben", scheme=scheme)
    other.fill("#field-question", "Where do the owls sleep now?")
    other.wait_for_selector("#fields .near:not([hidden])")
    assert contrast(other, ".near b") >= 4.5 and contrast(other, ".badge:not(:empty)") >= 4.5


def test_it_fits_a_phone(visit, served):
    page = visit(wide=360, high=740)
    shown(page, "write")
    assert page.locator("#guide").is_hidden() and page.evaluate("document.documentElement.scrollWidth") <= 360
    box = page.locator("#submit").bounding_box()
    assert box["height"] >= 40 and box["y"] + box["height"] <= 740, "within reach without scrolling"
    fill(page)
    page.click("#submit")
    wait_saved(page, "Submitted")
    assert len(rows(served)) == 1
    other = visit("Ben", wide=360, high=740)
    other.click("#tab-review")
    shown(other, "review")
    assert other.evaluate("document.documentElement.scrollWidth") <= 360


def test_pictures_for_a_person_to_look_at(visit, served):
    """Written where TUNESMITH_PICTURES says; else only taken."""
    folder = Path(os.environ.get("TUNESMITH_PICTURES") or served.folder)
    for name, given in (("light", {}), ("dark", {"scheme": "dark"}), ("phone", {"wide": 390, "high": 844})):
        page = visit(**given)
        fill(page)
        page.screenshot(path=folder / f"write-{name}.png")
        assert (folder / f"write-{name}.png").stat().st_size > 10_000
