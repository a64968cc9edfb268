"""promptsource's own files and its own code: every template of every file renders, and as promptsource renders it."""

import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.data.schemas import ROWS, Row
from tunesmith import registry
from tunesmith.data.formats import held
from tunesmith.data.jinja import Dice
from tunesmith.data.scenarios import openbook_qa
from tunesmith.data.template import Template, load_templates
from tunesmith.data.usable import is_empty
from tunesmith.errors import UserError
from tunesmith.tasks.task import Task

FOLDER = "data/promptsource_templates"
OWN = Path(__file__).with_name("promptsource.yaml")  # written for this test, in promptsource's layout
GOLDEN = Path(__file__).with_name("promptsource.json")  # what it renders to
OWN_ROWS: list[Row] = [
    {
        **{"text": " One ||| two {{label}} ", "label": label, "choices": {"text": ["a ||| b", "c"], "label": ["A", "B"]}},
        **{"answers": ["x", "y", "x"], "score": 2.5, "empty": "", "words": ["to", "be", "to"]},
    }
    for label in (0, 1)
]
TASKS = {
    **{f"glue/{name}": f"glue/{name}" for name in ("ax", "cola", "mnli", "mrpc", "qnli", "qqp", "rte", "sst2", "stsb", "wnli")},
    **{f"super_glue/{name}": f"superglue/{name}" for name in ("axb", "axg", "boolq", "cb", "copa", "multirc", "record")},
    **{"super_glue/rte": "superglue/rte", "super_glue/wic": "superglue/wic", "super_glue/wsc.fixed": "superglue/wsc"},
}
SHARED = 20  # rows of each data set that is there


def written(folder: str) -> list[Row]:
    return next(rows for name, rows in ROWS.items() if folder.startswith(name))


def published(folder: str, data: Path) -> Iterator[Row]:
    """Rows of the real data set, in the hub's columns; none where it is not there."""
    if folder.startswith("openbookqa"):
        for row in islice(openbook_qa(data / "openbookqa/Main/test.tsv"), SHARED):
            options = list(row["options"])
            yield {
                **{"id": row["id"], "question_stem": row["question"], "answerKey": row["answer"]},
                **{"choices": {"text": options, "label": list("ABCD")}, "fact1": "", "humanScore": 1.0, "clarity": 1.0},
            }
    elif folder.startswith("samsum"):
        yield from islice(held(data / "dialogsum/dialogsum_test.csv"), SHARED)
    elif (name := TASKS.get(folder)) is not None:
        source = registry.find_value(name, "tunesmith.tasks", Task).source
        try:
            splits = [split for split in source.splits() if split != "unlabelled"]
            yield from (dict(row) for row in islice(source.rows(splits[-1]), SHARED))
        except UserError:
            return


@pytest.fixture(scope="module")
def cases(shared: Callable[[str], Path]) -> list[tuple[str, Template, Row]]:
    """(folder, template, row): every template of every file, on written rows and on shared ones."""
    top, data = shared(FOLDER), shared("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNESMITH_DATA", str(data))
        found = {path: str(path.parent.relative_to(top)) for path in sorted(top.rglob("templates.yaml"))}
        rows = {folder: [*written(folder), *published(folder, data)] for folder in found.values()}
    return [(folder, one, row) for path, folder in found.items() for one in load_templates(path) for row in rows[folder]]


def test_every_template_of_every_file_renders(cases: list[tuple[str, Template, Row]]) -> None:
    spoken = set()
    for folder, template, row in cases:
        example = template.apply(row)
        assert example.messages or example.target == ""
        if not is_empty(example) and example.target:
            spoken.add((folder, template.name))
    assert len({(folder, template.name) for folder, template, _ in cases}) == len(spoken) == 338
    assert len(cases) > 3000  # 338 templates, and shared rows besides the written ones


def by_promptsource(template: Template, row: Row) -> tuple[list[str], list[str] | None]:
    """What promptsource's own code says, with its first draw for `choice`."""
    theirs = pytest.importorskip("promptsource.templates")
    theirs.env.filters["choice"] = lambda items: items[0]
    made = theirs.Template(template.name, template.jinja, "", None, template.choices)
    return made.apply(row, truncate=False), made.get_answer_choices_list(row)


def ours(template: Template, row: Row) -> list[str]:
    example = template.apply(row)
    return ["".join(message.content for message in example.messages), example.target]


@pytest.fixture
def first_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Dice, "draw", lambda self, size: 0)


@pytest.mark.usefixtures("first_draw")
def test_all_of_it_equals_promptsource_s_own_code(cases: list[tuple[str, Template, Row]]) -> None:
    pytest.importorskip("promptsource.templates")
    for folder, template, row in cases:
        theirs, choices = by_promptsource(template, row)
        assert ours(template, row) == [*theirs, ""][:2], (folder, template.name)
        assert template.ask(row).choices == tuple(choices or ()), (folder, template.name)


@pytest.mark.usefixtures("first_draw")
def test_metadata_is_promptsource_s_own(shared: Callable[[str], Path]) -> None:
    yaml = pytest.importorskip("yaml")
    pytest.importorskip("promptsource.templates")
    for path in shared(FOLDER).rglob("templates.yaml"):
        tree = yaml.load(path.read_text(encoding="utf-8"), yaml.Loader)["templates"]
        for one, theirs in zip(load_templates(path), tree.values(), strict=True):
            assert (one.name, one.jinja, one.choices) == (theirs.name, theirs.jinja, theirs.answer_choices or None)
            assert one.original == theirs.metadata.original_task
            assert one.choices_in_prompt == theirs.metadata.choices_in_prompt
            assert one.metrics == tuple(theirs.metadata.metrics or ())
            assert one.languages == tuple(theirs.metadata.languages or ())


def rendered() -> dict[str, list[list[str]]]:
    return {template.name: [ours(template, row) for row in OWN_ROWS] for template in load_templates(OWN)}


@pytest.mark.usefixtures("first_draw")
def test_a_file_of_ours_in_promptsource_s_layout_renders_as_it_was_read(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--rewrite-golden"):
        GOLDEN.write_text(json.dumps(rendered(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    assert rendered() == json.loads(GOLDEN.read_text(encoding="utf-8"))


@pytest.mark.usefixtures("first_draw")
def test_the_golden_file_is_what_promptsource_says_but_for_bars_in_lists() -> None:
    pytest.importorskip("promptsource.templates")
    for template in load_templates(OWN):
        for row in OWN_ROWS:
            theirs, _ = by_promptsource(template, row)
            same = ours(template, row) == [*theirs, ""][:2]
            assert same != template.name.startswith("bar in a list"), (template.name, theirs)


@pytest.mark.parametrize("column", ["text", "nested", "listed"])
@pytest.mark.parametrize("hostile", ["{{ 7 * 7 }}", "a ||| b", "{% if %}", "{#", "3ed2dface8203c4c9dfb1a5dc58e41e0", "|||"])
def test_a_row_s_text_is_never_taken_for_syntax(column: str, hostile: str) -> None:
    row: dict[str, Any] = {"text": "t", "nested": {"a": "n"}, "listed": ["l", "m"], "label": 0}
    row |= {"text": hostile} if column == "text" else {}
    row["nested"] = {"a": hostile} if column == "nested" else row["nested"]
    row["listed"] = [hostile, "m"] if column == "listed" else row["listed"]
    template = Template(
        "t", "<{{text}}> <{{nested.a}}> <{{answer_choices[0]}}> {{text | length}} ||| {{answer_choices[label]}}",
        "{{listed | join('|||')}}",
    )  # fmt: skip
    example = template.apply(row)
    text, nested, listed = row["text"], row["nested"]["a"], row["listed"][0]
    assert example.messages[0].content == f"<{text}> <{nested}> <{listed.strip()}> {len(text)}"
    assert example.target == listed.strip()
    assert example.choices == (listed.strip(), "m")


def test_promptsource_takes_a_bar_in_a_list_for_its_own() -> None:
    """Why nested texts are kept apart here: its `_escape_pipe` looks at texts that are columns, and at nothing below them."""
    template = Template("t", "{{listed[0]}} ||| {{listed[1]}}")
    row = {"listed": ["a ||| b", "c"]}
    assert ours(template, row) == ["a ||| b", "c"]
    assert by_promptsource(template, row)[0] == ["a", "b", "c"]
