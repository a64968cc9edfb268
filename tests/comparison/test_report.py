"""What a report says and writes: verdict, page, Markdown, JSON, plots, terminal."""

import io
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from tests.comparison.made_runs import SYSTEMS, make_runs
from tunesmith.comparison import plots, rows, words
from tunesmith.comparison.panels import front, groups
from tunesmith.comparison.plots import inline
from tunesmith.comparison.report import page, plain, terminal_table, write_report
from tunesmith.comparison.table import compare
from tunesmith.comparison.verdict import asides, verdict
from tunesmith.run import Run

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)> {{ 7 * 7 }} & <b>"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return make_runs(tmp_path_factory.mktemp("runs"), 40)


@pytest.fixture(scope="module")
def made(runs):
    return compare(runs, draws=200)


@pytest.fixture(scope="module")
def folder(made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "DPI", 30)  # drawing pixels takes the longest
        assert write_report(made, folder) == folder / "report.html"
    return folder


class Tags(HTMLParser):
    """The tags of a page, and whether each that opens is closed."""

    EMPTY = frozenset({"meta", "input", "br", "img", "link", "hr"})

    def __init__(self):
        super().__init__()
        self.tags, self.open, self.ids, self.addresses = [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.ids += [value for name, value in attributes if name == "id"]
        self.addresses += [v for n, v in attributes if n in ("src", "href", "action", "data") and not (v or "").startswith("#")]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.EMPTY:
            self.open.pop()


def tags(html):
    parser = Tags()
    parser.feed(html)
    return parser


def test_the_page_stands_alone_and_is_well_formed(folder):
    found = tags((folder / "report.html").read_text())
    assert found.open == []
    assert found.addresses == []
    assert len(found.ids) == len(set(found.ids))
    assert found.tags.count("h1") == 1
    assert "default-src 'none'" in (folder / "report.html").read_text()


def test_everything_is_written(folder):
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    wanted = {f"plots/{s}{e}" for s in ("quality", "cost", "learning", "forgetting") for e in (".svg", ".png", "-dark.png")}
    assert names == {"report.html", "report.md", "report.json"} | wanted


def test_json_is_strict_and_holds_the_comparison(made, folder):
    tree = json.loads((folder / "report.json").read_text(), parse_constant=pytest.fail)
    assert tree["verdict"] == verdict(made)
    assert tree["scores"]["LoRA"]["rouge1"]["value"] == made.scores["LoRA"]["rouge1"].value
    assert len(tree["rows"]) == 40
    assert tree["systems"][3]["cost"]["trained_parameters"] == 43_008


def test_markdown_has_a_row_for_every_system_and_no_html(folder):
    text = (folder / "report.md").read_text()
    for system in SYSTEMS:
        assert re.search(rf"^\| {system.name} \|", text, re.MULTILINE)
    assert "<script>" not in text
    assert "![cost](plots/cost.png)" in text


def test_nothing_that_is_said_can_run(runs, tmp_path):
    evil = []
    for run in runs[:2]:
        copy = Run(tmp_path / run.name)
        shutil.copytree(run.folder, copy.folder)
        task = "town/dialogues"
        copy.keep(task, [replace(a, said=EVIL, prompt=EVIL, references=(EVIL,), target=EVIL) for a in run.answers(task)])
        copy.keep_world(system=f"{run.name} $ {EVIL} $", model=EVIL, commit=EVIL + "$x_")
        evil.append(copy)
    made = compare(evil, draws=50)
    drawn = [inline(panel) for panels in groups(made).values() for panel in panels]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "inline", lambda panel, pictures=iter(drawn): next(pictures))
        html = page(made)
    found = tags(html)
    assert found.tags.count("script") == 2
    assert "img" not in found.tags
    assert "{{ 7 * 7 }}" in html and "49 &amp;" not in html
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert json.loads(data[1])["rows"][0]["s"][0] == EVIL
    assert "<img" not in "".join(drawn)


def test_the_verdict_says_no_more_than_the_test(made, runs):
    assert re.fullmatch(
        r"LoRA is 0\.\d+ ROUGE-1 above the base, .*full fine-tuning, with 2\.7 % of the parameters.*\.", verdict(made)
    )
    same = compare([runs[0], runs[1]], draws=100)
    if not same.difference("Few-shot").significant:
        assert verdict(same).startswith("No system is shown to be better than the base")
    told = " ".join(asides(made))
    assert "Full fine-tuning overfits from step" in told
    assert "Few-shot spends 380 tokens of every prompt on its examples, 74 % of the window." in told


def test_two_copies_have_no_winner(runs, tmp_path):
    copy = Run(tmp_path / "copy")
    shutil.copytree(runs[0].folder, copy.folder)
    made = compare([runs[0], copy], draws=50)
    assert verdict(made) == "No difference: no system scores above the base on ROUGE-1."
    assert page(made)


def test_many_systems_that_are_alike_share_a_sentence(runs, tmp_path):
    copies = [Run(tmp_path / f"copy-{number}") for number in range(4)]
    for copy in copies:
        shutil.copytree(runs[0].folder, copy.folder)
        copy.keep_world(system=copy.name)
    apart = [text for text in asides(compare(copies[:2], draws=20)) if "told apart" in text]
    assert len(apart) == 1 and "corrected p" in apart[0]
    (told,) = [text for text in asides(compare(copies, draws=20)) if "told apart" in text]
    pairs = "copy-1 from copy-0; copy-2 from copy-0, copy-1; copy-3 from copy-0, copy-1, copy-2."
    assert told == f"Not told apart on ROUGE-1 (corrected p): {pairs}"


def test_a_single_run_and_a_run_without_costs_have_a_page(runs, tmp_path):
    bare = Run(tmp_path / "bare")
    shutil.copytree(runs[0].folder, bare.folder)
    (bare.folder / "world.json").unlink()
    made = compare([bare], main="town/dialogues", draws=50)
    assert made.systems[0].name == "bare"
    assert "nothing to compare it with" in page(made)
    assert plain(made)["systems"][0]["cost"]["trained_parameters"] is None


def test_storage_of_many_tasks_by_hand(made, runs, folder, tmp_path):
    full, lora = 3_112_000, 181_000
    found = dict(rows.storage(made))
    assert found["Full fine-tuning"] == [words.size(count * full) for count in (1, 5, 100)]
    assert found["LoRA"] == [words.size(full + count * lora) for count in (1, 5, 100)] == ["3.29 MB", "4.02 MB", "21.2 MB"]
    assert list(found) == ["Full fine-tuning", "LoRA", "Prompt tuning"]
    halved = [replace(one, world={**one.world, "base_bytes": full // 2}) for one in made.systems]
    assert dict(rows.storage(replace(made, systems=tuple(halved))))["LoRA"][0] == words.size(full // 2 + lora)
    for name in ("report.html", "report.md"):
        assert "On disk, network and all" in (folder / name).read_text()
    without = compare([run for run in runs if run.name != "full-fine-tuning"], draws=20)
    assert rows.storage(without) == [] and "network and all" not in page(without)


def test_latency_of_base_attached_and_merged(made, folder):
    assert rows.latency(made) == [("LoRA", ["31 ms", "34 ms", "31 ms"])]
    assert "adapter attached" in (folder / "report.html").read_text()
    assert re.search(r"^\| LoRA \| 31 ms \| 34 ms \| 31 ms \|$", (folder / "report.md").read_text(), re.MULTILINE)


def test_front_by_hand():
    points = [(0, 0.2), (0, 0.3), (5, 0.5), (7, 0.4), (9, 0.5), (10, 0.6)]
    assert front(points) == [1, 2, 5]
    assert front([(0, 3.0), (1, 2.0), (2, 2.5)], higher_is_better=False) == [0, 1]


def test_a_system_keeps_its_colour_in_every_plot(made):
    for subject in ("learning", "forgetting"):
        panel = next(p for p in groups(made)[subject] if p.title == "LoRA")
        assert "var(--s3)" in inline(panel)
        assert "var(--s1)" not in inline(panel)


def test_plots_are_the_same_twice(made):
    panel = groups(made)["cost"][0]
    assert inline(panel) == inline(panel)


def test_the_terminal_table_fits_80_columns_and_honours_no_color(made, monkeypatch):
    from rich.console import Console

    monkeypatch.setenv("NO_COLOR", "1")
    file = io.StringIO()
    Console(file=file, width=80, force_terminal=True).print(terminal_table(made))
    text = file.getvalue()
    assert "\x1b[3" not in text
    assert max(map(len, re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines())) <= 80
    assert "…" not in text
    for system in SYSTEMS:
        assert system.name in text
