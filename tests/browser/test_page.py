"""The page of a comparison in a real browser: it filters, marks, keeps its state in the address, and fetches nothing."""

import pytest

from tests.comparison.made_runs import make_runs
from tunesmith.comparison.report import page as report
from tunesmith.comparison.table import compare

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    file = folder / "report.html"
    file.write_text(report(compare(make_runs(folder / "runs", 40), draws=200)), encoding="utf-8")
    return file.as_uri()


@pytest.fixture
def opened(browser, address):
    """Opens the page, and fails the test where the page errs or asks for anything but itself."""
    pages, faults = [], []

    def visit(state="", wide=1280, scheme="light", script=True):
        context = browser.new_context(viewport={"width": wide, "height": 900}, color_scheme=scheme, java_script_enabled=script)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: faults.append(request.url) if request.url.split("#")[0] != address else None)
        page.on("dialog", lambda dialog: faults.append(f"dialog: {dialog.message}"))
        page.goto(address + state)
        pages.append(context)
        return page

    yield visit
    for context in pages:
        context.close()
    assert faults == []


def test_it_opens_without_a_fault_and_shows_the_first_answers(opened):
    page = opened()
    assert page.locator("h1").inner_text().startswith("LoRA is")
    assert page.locator(".example").count() == 8
    assert page.locator("#count").inner_text() == "40 of 40 examples"
    assert page.locator("figure.plot svg").count() >= 12


def test_what_answers_say_is_shown_and_never_run(opened):
    page = opened("#words=alert")
    assert page.locator("#count").inner_text() == "1 of 40 examples"
    assert "<script>alert('said')</script>" in page.locator(".said").inner_text()
    assert page.locator(".example script, .example b, .example img").count() == 0


def test_better_than_keeps_only_those_and_goes_into_the_address(opened):
    page = opened()
    page.select_option("#better", "LoRA")
    page.select_option("#worse", "Base")
    kept = int(page.locator("#count").inner_text().split()[0])
    assert 0 < kept < 40
    for row in page.locator(".said").all():
        worth = [float(text) for text in row.locator(".worth").all_inner_texts()]
        assert worth[3] > worth[0]
    assert "better=LoRA" in page.url and "worse=Base" in page.url
    again = opened("#" + page.url.split("#")[1])
    assert again.locator("#better").input_value() == "LoRA"
    assert again.locator("#count").inner_text() == page.locator("#count").inner_text()


def test_most_apart_comes_first(opened):
    page = opened("#better=LoRA&worse=Base&order=apart")
    apart = []
    for row in page.locator(".said").all():
        worth = [float(text) for text in row.locator(".worth").all_inner_texts()]
        apart.append(worth[3] - worth[0])
    assert apart == sorted(apart, reverse=True)


def test_pages_turn(opened):
    page = opened()
    first = page.locator(".example h3").first.inner_text()
    page.click("#next")
    assert page.locator(".example h3").first.inner_text() != first
    assert "page=2" in page.url
    page.click("#back")
    assert page.locator(".example h3").first.inner_text() == first
    assert page.locator("#back").is_disabled()


def test_marks_and_missing_words_spell_answer_and_reference(opened):
    """Without its marks an answer reads as before; unmarked words and missing words together spell the reference."""
    page = opened()
    page.uncheck("#marks")
    bare = page.locator(".example").nth(1).locator(".said .text").all_inner_texts()
    page.check("#marks")
    marked = page.locator(".example").nth(1).locator(".said .text")
    assert marked.all_inner_texts() == bare
    page.check("#missing")
    references = [text.split() for text in page.locator(".example").nth(1).locator(".references li").all_inner_texts()]
    spelt = marked.nth(3).evaluate(
        "p => [...p.childNodes].filter(n => n.nodeName !== 'MARK').map(n => n.textContent)"
        ".join(' ').split(/\\s+/).filter(Boolean)"
    )
    assert [w.lower().strip(".,") for w in spelt] in [[w.lower().strip(".,") for w in words] for words in references]


def test_light_and_dark_follow_the_reader_and_the_button(opened):
    ground = "getComputedStyle(document.body).backgroundColor"
    light, dark = opened(), opened(scheme="dark")
    assert light.evaluate(ground) != dark.evaluate(ground)
    light.click("#theme")
    assert light.evaluate(ground) == dark.evaluate(ground)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(opened, scheme):
    """WCAG AA: a contrast of 4.5 for every colour that text is written in."""
    page = opened(scheme=scheme)
    ratios = page.evaluate(
        """() => {
          const lightness = colour => {
            const parts = colour.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255);
            const [r, g, b] = parts.map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const probe = document.body.appendChild(document.createElement("i"));
          const value = name => { probe.style.color = `var(${name})`; return lightness(getComputedStyle(probe).color); };
          const pairs = [];
          for (const ground of ["--ground", "--card"])
            for (const ink of ["--ink", "--muted", "--link", "--good", "--bad", "--gone"])
              pairs.push([ink + " on " + ground, value(ink), value(ground)]);
          pairs.push(["mark", value("--extra-ink"), value("--extra")]);
          return pairs.map(([name, a, b]) => [name, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)]);
        }"""
    )
    assert [pair for pair in ratios if pair[1] < 4.5] == []


@pytest.mark.parametrize("wide", [360, 390, 768, 1280])
def test_it_never_scrolls_sideways(opened, wide):
    page = opened(wide=wide)
    assert page.evaluate("document.documentElement.scrollWidth") <= wide


def test_names_in_plots_cover_no_other_name(opened):
    covered = opened().evaluate(
        """() => [...document.querySelectorAll("#cost figure")].flatMap(figure => {
          const boxes = [...figure.querySelectorAll("svg text")].map(t => [t.textContent, t.getBoundingClientRect()]);
          const covers = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
            Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3;
          return boxes.flatMap(([name, a], i) =>
            boxes.slice(i + 1).filter(([, b]) => covers(a, b)).map(([other]) => `${name} / ${other}`));
        })"""
    )
    assert covered == []


def test_every_control_has_a_name_and_every_table_its_headers(opened):
    page = opened()
    unnamed = page.evaluate(
        "[...document.querySelectorAll('select, input, button')]"
        ".filter(c => !c.labels?.length && !c.ariaLabel && !c.textContent.trim()).length"
    )
    assert unnamed == 0
    assert page.evaluate("[...document.querySelectorAll('table')].every(t => t.querySelector('thead th[scope=col]'))")
    assert page.evaluate("[...document.querySelectorAll('figure')].every(f => f.ariaLabel)")


def test_without_javascript_everything_but_the_answers_can_be_read(opened):
    page = opened(script=False)
    assert page.locator("table.main tbody tr").count() == 5
    assert page.locator("noscript").is_visible() or "needs JavaScript" in page.content()
