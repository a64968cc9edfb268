"""One browser for the pages of a module."""

from pathlib import Path

import pytest

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.is_file():
        pytest.skip(f"there is no browser at {CHROMIUM}")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, served):
    """Opens the page as somebody, and fails the test where a page errs, asks elsewhere, or opens a dialog of the browser."""
    contexts, faults, expected = [], [], []

    def open_(name="Ann", context=None, wide=1280, high=900, scheme="light"):
        context = context or browser.new_context(viewport={"width": wide, "height": high}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda told: faults.append(told.text) if told.type == "error" else None)
        page.on("dialog", lambda dialog: faults.append(f"dialog: {dialog.message}"))
        home = "/".join(served.address.split("/")[:3])
        page.on("request", lambda asked: faults.append(asked.url) if not asked.url.startswith((home, "data:")) else None)
        page.goto(served.address + (f"?as={name}" if name else ""))
        if name:
            page.wait_for_selector("#work:not([hidden]), #over:not([hidden])")
        return page

    open_.expected = expected
    yield open_
    for context in contexts:
        context.close()
    assert [fault for fault in faults if not any(one in fault for one in expected)] == []


def contrast(page, selector):
    """WCAG's ratio of text to what stands behind it."""
    return page.evaluate(
        """selector => {
          const light = text => { const [r, g, b] = text.match(/[\\d.]+/g).map(Number).map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
          let element = document.querySelector(selector), ink = light(getComputedStyle(element).color);
          while (element && /rgba\\(.*, 0\\)/.test(getComputedStyle(element).backgroundColor)) element = element.parentElement;
          const paper = light(getComputedStyle(element || document.body).backgroundColor);
          return (Math.max(ink, paper) + .05) / (Math.min(ink, paper) + .05);
        }""",  # noqa: E501
        selector,
    )
