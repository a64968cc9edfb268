"""The studio in a real browser: a thousand runs, a curve that grows, a comparison, two adapters that speak, rows as read."""

import json
import re
import shutil

import openai
import pytest

from tests.browser.conftest import contrast
from tests.serving.judging import HOSTILE, serving
from tests.serving.studio_runs import made_run, speaking_run, step_of
from tests.tiny import rows, tiny_model

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """One studio for all tests that look at runs; a run of its own for the one that lets it go on."""
    folder = tmp_path_factory.mktemp("studio")
    for number, right in enumerate((2, 9, 5)):
        made_run(folder / "runs" / f"run-{number}", right=right, rank=2**number, age=200 + number)
    comparison = folder / "comparisons" / "one"
    comparison.mkdir(parents=True)
    (comparison / "report.html").write_text(
        "<!doctype html><title>x</title><p id=p>as it is</p><script>document.title='ran'</script>"
    )
    with serving(folder, verb="studio") as server:
        server.folder, server.home = folder, server.address.rsplit("/", 1)[0]
        yield server


@pytest.fixture
def many(served):
    """A thousand runs, for one test."""
    folder = served.folder / "runs" / "many"
    for number in range(997):
        (folder / f"many-{number}").mkdir(parents=True)
        (folder / f"many-{number}" / "recipe.yaml").write_text("name: x\nmethod: ia3\n")
        (folder / f"many-{number}" / "world.json").write_text(
            '{"method": "ia3", "model": "m", "main_task": "t", "ended": true}'
        )
    yield
    shutil.rmtree(folder)


@pytest.fixture
def going(served):
    yield made_run(served.folder / "runs" / "going", ended=False, steps=3, planned=40)
    shutil.rmtree(served.folder / "runs" / "going")


def listed(page, text):
    page.wait_for_function("text => document.querySelector('#states button')?.textContent === text", arg=text)


def shown(page):
    return page.locator("#rows .named a").all_inner_texts()


def test_a_thousand_runs_by_keys_and_words(visit, served, many):
    page = visit(name="")
    listed(page, "All 1,000")
    assert len(shown(page)) == 100
    page.keyboard.press("/")
    page.keyboard.type("lora run-")
    page.wait_for_function("() => document.querySelectorAll('#rows tr').length === 3")
    page.keyboard.press("Escape")
    page.click("th[data-sort=score]")
    page.wait_for_function("() => document.querySelector('#rows .named a').textContent === 'run-1'")
    assert shown(page) == ["run-1", "run-2", "run-0"]
    for key in ("j", "x", "j", "x", "c"):
        page.keyboard.press(key)
    page.wait_for_url(re.compile("/compare"))
    page.wait_for_selector("#scores tbody tr")
    page.goto(served.address)
    listed(page, "All 1,000")
    page.click("#on")
    page.wait_for_function("() => document.getElementById('range').textContent.startsWith('101 to 200')")


def test_a_curve_grows_while_it_is_written(visit, served, going):
    page = visit(name="")
    page.click("text=going")
    page.wait_for_selector("#state.running")
    page.wait_for_function("() => document.querySelector('#going span').textContent.startsWith('step 3 of 40')")
    path = "document.querySelectorAll('#plots .plot path').length"
    page.wait_for_function(f"() => {path} > 0")
    before = page.locator("#plots .first path:not(.raw)").first.get_attribute("d").count("L")
    for step in range(4, 9):
        going.log(step_of(step))
    page.wait_for_function("() => document.querySelector('#going span').textContent.startsWith('step 8 of 40')")
    page.wait_for_function(
        f"() => document.querySelector('#plots .first path:not(.raw)').getAttribute('d').split('L').length === {before + 6}"
    )
    page.locator("#plots .first svg").focus()
    page.keyboard.press("ArrowLeft")
    assert "step 8" in page.locator("#plots .first .tip").inner_text()
    going.keep_world(ended=True)
    page.wait_for_selector("#state.ended", timeout=20_000)


def test_answers_are_shown_and_never_run(visit, served):
    page = visit(name="")
    page.click("text=run-0")
    page.wait_for_selector("#said-rows li")
    assert page.locator("#score-table td").nth(2).inner_text() == "0.200"
    page.fill("#find", "owned")
    page.wait_for_function("() => document.getElementById('count').textContent === '8 of 10 answers'")
    assert HOSTILE in page.locator("#said-rows .text").nth(1).inner_text()
    assert "run-0" in page.title()
    page.fill("#setting", "rank")
    assert page.locator("#setting-list dt").all_inner_texts() == ["method.rank"]


def test_a_comparison_and_a_page_of_evidence(visit, served):
    page = visit(name="")
    for name in ("run-0", "run-1"):
        page.locator(f"tr:has-text('{name}') input").check()
    page.click("#compare")
    page.wait_for_selector("#scores .better, #scores .worse")
    assert page.locator("#settings tbody tr").all_inner_texts() == ["method.rank\t1\t2"]
    page.wait_for_function("() => document.querySelectorAll('#plots .first path:not(.raw)').length === 4")
    page.goto(served.address)
    visit.expected.append("sandbox")
    page.click("#pages a")
    page.wait_for_selector("#p")
    assert page.title() == "ran"
    assert (
        page.evaluate("(() => { try { return document.cookie, localStorage.length, 'open'; } catch { return 'shut'; } })()")
        == "shut"
    )


@pytest.fixture(scope="module")
def served_with_a_model(tmp_path_factory):
    """One studio for the playground and the rows."""
    folder = tmp_path_factory.mktemp("speaking")
    model = tiny_model(folder / "tiny", "llama")
    for seed, name in enumerate(("one", "other")):
        speaking_run(folder / "runs" / name, model, seed)
    rows(folder / "rows.jsonl")
    file = (folder / "rows.jsonl").read_text()
    (folder / "rows.jsonl").write_text(json.dumps({"prompt": HOSTILE, "completion": "refused"}) + "\n" + file)
    with serving(folder, "--model", "tiny", "--data", "rows.jsonl", verb="studio") as server:
        yield server


@pytest.fixture
def home(browser, served_with_a_model):
    context, faults = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark"), []
    page = context.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: faults.append(dialog.message))
    yield page, served_with_a_model.address.rsplit("/", 1)[0]
    context.close()
    assert faults == []


def test_two_adapters_and_their_base_answer_side_by_side(home):
    page, address = home
    page.goto(address + "/play")
    page.wait_for_selector("#standing.ready", timeout=90_000)
    for name in ("one", "other"):
        page.click(f"#runs button:has-text('{name}') >> nth=0")
    assert page.locator(".voice").count() == 3
    asked = []
    page.on("request", lambda one: asked.append((one.url, one.post_data_json)) if "/v1/" in one.url else None)
    page.fill("#prompt", "Ann asks Ben")
    page.fill("#tokens", "12")
    page.check("#shown")
    page.keyboard.press("Control+Enter")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.voice footer')].every(one => one.textContent.includes('tokens'))", timeout=60_000
    )
    said = dict(zip(page.locator(".voice h3").all_inner_texts(), page.locator(".voice .text").all_inner_texts(), strict=True))
    assert len(said) == len(set(said.values())) == 3
    assert {url for url, _ in asked} == {f"{address}/v1/chat/completions"}
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:  # the API that everybody asks
        names = {body["model"] for _, body in asked}
        assert {one.id for one in client.models.list()} == names
        called = {run["id"]: run["name"] for run in page.request.get(f"{address}/api/studio/play").json()["runs"]}
        turns = [{"role": "user", "content": "Ann asks Ben"}]
        for name in names:
            text = said[called.get(name, "tiny, untuned")].split()
            answer = client.chat.completions.create(model=name, messages=turns, max_tokens=12, temperature=0, logprobs=True)
            assert "".join(one.token for one in answer.choices[0].logprobs.content).split() == text
    page.locator(".voice .text span").first.focus()
    assert page.locator("#likely tr").count() >= 5
    assert "%" in page.locator("#likely").inner_text()
    page.fill("#tokens", "4096")
    page.fill("#temperature", "1")
    page.click("#send")
    page.click("#stop")
    page.wait_for_function("() => document.querySelectorAll('.voice.busy').length === 0")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_rows_as_the_model_reads_them(home):
    page, address = home
    page.goto(address + "/data")
    page.wait_for_selector("#rows li", timeout=60_000)
    first = page.locator("#rows li").first
    assert "refused" in first.locator(".learnt").first.inner_text()
    assert HOSTILE in first.inner_text()
    assert first.locator(".special").count() >= 1
    assert contrast(page, "#rows .learnt") > 4.5
    page.fill("#find", "refused")
    page.wait_for_function("() => document.getElementById('range').textContent.endsWith('of 1')")
    page.check("#edges")
    assert page.locator("#rows .piece").count() > 3
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
