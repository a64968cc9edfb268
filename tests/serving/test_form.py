"""Forms: what may stand in a row, files of forms with every fault told by line, guidelines, seeds."""

import json

import pytest

from tests.conftest import ROOT
from tunesmith.errors import UserError
from tunesmith.serving.form import LONGEST, Field, Form, form_of
from tunesmith.serving.form_file import SHAPES, read_shape, shape_of
from tunesmith.serving.guidelines import as_html
from tunesmith.serving.people import RefusedError
from tunesmith.serving.seeds import read_seeds

TALK = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
# (field, value, the fault): the browser's rules are held against the same table in tests/browser/test_write_page.py
RULES = [
    ({"kind": "text"}, "", "This is needed."),
    ({"kind": "text"}, " \u00a0\u3000\ufeff\n", "This is needed."),
    ({"kind": "text", "required": False}, "  ", ""),
    ({"kind": "text", "minimum": 3, "unit": "words"}, "two words", "At least 3 words: there are 2."),
    ({"kind": "text", "minimum": 3, "unit": "words"}, " now\u00a0three\u2003words ", ""),
    ({"kind": "text", "maximum": 2, "unit": "words"}, "a-b c,d e", "At most 2 words: there are 3."),
    ({"kind": "text", "maximum": 3}, "😀😀😀", ""),
    ({"kind": "text", "maximum": 3}, "  four  ", "At most 3 characters: there are 4."),
    ({"kind": "line"}, "one\ntwo", "This is one line."),
    ({"kind": "line"}, "one\u2028two", "This is one line."),
    ({"kind": "choice", "choices": ["no", "yes"]}, "no", ""),
    ({"kind": "choice", "choices": ["no", "yes"]}, "maybe", "Choose one of these."),
    ({"kind": "number"}, "1,5", "This is not a number."),
    ({"kind": "number"}, "nan", "This is not a number."),
    ({"kind": "number"}, "1_0", "This is not a number."),
    ({"kind": "number", "minimum": 1, "maximum": 5}, "5.5", "1 to 5, please."),
    ({"kind": "number", "minimum": 0.5}, " .25 ", "0.5 or more, please."),
    ({"kind": "number", "maximum": 1000000}, "1e7", "1000000 or less, please."),
    ({"kind": "number", "minimum": 1, "maximum": 5}, "+3", ""),
    ({"kind": "references", "least": 2}, ["one", " "], "2 to 20 of these, please."),
    ({"kind": "references", "maximum": 3}, ["one", "four"], "At most 3 characters: there are 4."),
    ({"kind": "references"}, ["one", ""], ""),
    ({"kind": "turns"}, [], "This is needed."),
    ({"kind": "turns"}, TALK, ""),
    ({"kind": "turns"}, [{"role": "system", "content": "Be kind."}, *TALK], ""),
    ({"kind": "turns"}, TALK[:1], "The assistant has the last word."),
    ({"kind": "turns"}, TALK[::-1], "The assistant has the last word."),
    ({"kind": "turns"}, [TALK[0], TALK[0], TALK[1]], "User and assistant take turns, and the user begins."),
    ({"kind": "turns"}, [TALK[1], TALK[0], TALK[1]], "User and assistant take turns, and the user begins."),
    ({"kind": "turns"}, [{"role": "system", "content": "Be kind."}], "The assistant has the last word."),
    ({"kind": "turns", "most": 2}, [*TALK, *TALK], "1 to 2 of these, please."),
]


def field(**settings):
    return Field("answer", "Answer", **{**settings, "choices": tuple(settings.get("choices", ()))})


@pytest.mark.parametrize(("settings", "value", "fault"), RULES)
def test_what_may_stand_in_a_field(settings, value, fault):
    one = field(**settings)
    assert one.fault(one.read(value)) == fault


def test_rows_have_the_types_that_a_file_wants():
    assert [field(kind="number").row(text) for text in ("3", " 2.5 ", "1e3", "")] == [3, 2.5, 1000.0, None]
    assert field(kind="references").row([" a ", " ", "b"]) == ["a", "b"]
    assert field(kind="turns").row([*TALK, {"role": "user", "content": " "}]) == TALK
    assert field(kind="text").row(" \u3000a\nb \n") == "a\nb"


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("text", ["a"]),
        ("text", {"a": 1}),
        ("text", True),
        ("references", "a"),
        ("references", [1]),
        ("turns", ["a"]),
        ("turns", [{"role": "root", "content": "a"}]),
        ("turns", [{"role": "user", "content": 1}]),
    ],
)
def test_what_a_field_cannot_hold_is_refused(kind, wrong):
    with pytest.raises(RefusedError):
        field(kind=kind).read(wrong)


def test_half_letters_are_mended_and_a_row_has_its_longest():
    form = Form("f", "F", (field(kind="text"),))
    assert form.read({"answer": "a\ud83d"}) == {"answer": "a\ufffd"}
    assert form.read({"answer": "x" * LONGEST, "other": "left out"})["answer"]
    with pytest.raises(RefusedError, match="at most 50,000 characters"):
        form.read({"answer": "x" * (LONGEST + 1)})


def test_a_worse_answer_is_another_than_the_better():
    form = read_shape("preference").form
    fields = form.read({"prompt": "Why is it so?", "chosen": "Because.", "rejected": " Because. "})
    assert form.faults(fields) == {"rejected": "This says the same as “Better answer”."}
    assert form.faults(fields, fixed=["rejected"]) == {}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_that_come_along(name):
    shape = read_shape(name)
    assert ", ".join(shape.form.names) == SHAPES[name]
    assert form_of(json.loads(json.dumps(shape.form.tree()))) == shape.form
    html = as_html(shape.guidelines)
    assert html.count('<section class="do">') == html.count('<section class="dont">') == 1
    assert '<section class="example">' in html
    assert all(one.help for one in shape.form.fields)


FAULTS = [
    ("fields:\n  - name: a\n   kind: text\n", "line 3 is not YAML", "indentation"),
    ("", "line 1: the file is empty", "fields:"),
    ("title: A\n", "line 1: there are no `fields`", "- name: question"),
    ("- a\n", "line 1: a form is no mapping", "name: value"),
    ("title: A\nfield:\n  - name: a\n", "line 2: a form has no setting `field`", "did you mean `fields`"),
    ("fields: a\n", "line 1: `fields` is no list", "- "),
    ("fields:\n  - name: a\n  - help: b\n", "line 3: a field has no `name`", "column"),
    ("fields:\n  - name: a\n    knd: text\n", "line 3: a field has no setting `knd`", "did you mean `kind`"),
    ("fields:\n  - name: a\n    kind: txt\n", "line 3: `kind` is `txt`", "did you mean `text`"),
    ("fields:\n  - name: a b\n", "line 2: a column cannot be called `a b`", "letters"),
    ("fields:\n  - name: meta\n", "line 2: a column cannot be called `meta`", "added by the export"),
    ("fields:\n  - name: a\n  - name: a\n", "line 3: there are two fields `a`", "once"),
    ("fields:\n  - name: a\n    name: b\n", "line 3: `name` stands twice", "keep one"),
    ("fields:\n  - name: a\n    minimum: few\n", "line 3: `minimum` is `few`", "whole number"),
    ("fields:\n  - name: a\n    minimum: -1\n", "line 3: `minimum` is `-1`", "whole number"),
    ("fields:\n  - name: a\n    minimum: 9\n    maximum: 5\n", "line 4: `minimum` is 9, above `maximum`, 5", "change"),
    ("fields:\n  - name: a\n    kind: references\n    most: 0\n", "line 4: `least` is 1, above `most`, 0", "change"),
    ("fields:\n  - name: a\n    kind: choice\n", "line 2: `a` needs two choices", "choices: [good, bad]"),
    ("fields:\n  - name: a\n    choices: [x, x]\n", "line 3: `a` needs two choices or more, each once", "write"),
    ("fields:\n  - name: a\n    kind: text\n    choices: [x, y]\n", "line 4: `choices` says nothing", "choice"),
    ("fields:\n  - name: a\n    required: maybe\n", "line 3: `required` is `maybe`", "true"),
    ("fields:\n  - name: a\n    unit: letters\n", "line 3: `unit` is `letters`", "words"),
    ("fields:\n  - name: a\n    differs_from: b\n  - name: b\n", "line 3: there is no field `b` before `a`", ""),
    ("fields:\n  - name: a\n    help: [x]\n", "line 3: `help` is no text", "quotes"),
    ("alike: 7\nfields:\n  - name: a\n", "line 1: `alike` is 7", "share"),
    ("guidelines: no.md\nfields:\n  - name: a\n", "line 1: there is no file", "Markdown beside"),
]


@pytest.mark.parametrize(("text", "problem", "hint"), FAULTS)
def test_every_fault_of_a_file_is_told_with_its_line_and_a_remedy(tmp_path, text, problem, hint):
    file = tmp_path / "shape.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as found:
        read_shape(str(file))
    assert f"`{file}`" in found.value.problem and problem in found.value.problem
    assert hint in found.value.hint and (found.value.hint or not hint)


def test_a_file_says_its_fields_and_guidelines(tmp_path):
    (tmp_path / "guide.md").write_text("# Guide\n")
    (tmp_path / "shape.yaml").write_text(
        "title: Ask\nguidelines: guide.md\nfields:\n  - {name: is_it, choices: [no, yes]}\n"
        "  - {name: how_much, kind: number, minimum: -1.5, required: false, label: 'How much?'}\n"
    )
    shape = read_shape(str(tmp_path / "shape.yaml"))
    assert shape.guidelines == "# Guide\n" and shape.form.name == "shape" and shape.form.title == "Ask"
    assert shape.form["is_it"].choices == ("no", "yes"), "words that YAML takes for truth stay words"
    assert (shape.form["how_much"].minimum, shape.form["how_much"].required) == (-1.5, False)
    assert (shape.form["is_it"].label, shape.form["how_much"].label) == ("Is it", "How much?")
    (tmp_path / "shape.yaml").write_text("guidelines: |\n  # Do\n  - it\nfields:\n  - name: a\n")
    assert read_shape(str(tmp_path / "shape.yaml")).guidelines == "# Do\n- it"


def test_the_form_of_the_guide_can_be_read(tmp_path):
    text = (ROOT / "docs/writing.md").read_text(encoding="utf-8").partition("## A form\n\n```text\n")[2].partition("```")[0]
    (tmp_path / "shape.yaml").write_text(text)
    (tmp_path / "guide.md").write_text("# Guide\n")
    assert read_shape(str(tmp_path / "shape.yaml")).form.names == ["question", "answer", "tone", "answers"]


def test_names_and_files_together(tmp_path):
    (tmp_path / "guide.md").write_text("# Mine\n")
    (tmp_path / "empty.md").write_text(" \n")
    (tmp_path / "latin.md").write_bytes(b"# one\n\nd\xe9j\xe0\n")
    shape = shape_of([str(tmp_path / "guide.md")])
    assert (shape.form.name, shape.guidelines) == ("triplet", "# Mine\n")
    assert shape_of(["chat"], tmp_path / "guide.md").guidelines == "# Mine\n"
    label = shape_of(["label"], choices=["kind", "unkind"]).form["label"]
    assert (label.kind, label.choices) == ("choice", ("kind", "unkind"))
    for given, more, problem in (
        (["chat", "triplet"], {}, "several shapes"),
        ([str(tmp_path / "guide.md")], {"guidelines": "other.md"}, "several shapes or guidelines"),
        (["triplett"], {}, "there is no shape `triplett`"),
        (["no.yaml"], {}, "there is no file"),
        ([str(tmp_path / "empty.md")], {}, "is empty"),
        ([str(tmp_path / "latin.md")], {}, "line 3: byte 8 is not UTF-8"),
        (["label"], {"choices": ["one"]}, "`--choices` is `one`"),
        (["chat"], {"choices": ["a", "b"]}, "has no column `label`"),
    ):
        with pytest.raises(UserError, match=problem) as found:
            shape_of(given, **more)
        assert found.value.hint


def test_guidelines_hold_nothing_but_what_markdown_makes():
    html = as_html(
        "# Top\n\n<script>alert(1)</script> <b onclick=x>b</b> ![p](http://elsewhere/p.png) [j](javascript:alert(1)) [l](https://a.b)\n\n"
        "## DO:\n\n- this\n\n## Don’t\n\n- that\n\n### Bad example\n\n> so\n\n## After\n\nend"
    )
    assert "<script" not in html and "<b " not in html and "<img" not in html and 'href="javascript' not in html
    assert '<a href="https://a.b" target="_blank" rel="noopener noreferrer">' in html
    assert html.index('class="do"') < html.index("this") < html.index("</section>") < html.index('class="dont"')
    assert html.count("<section") == html.count("</section>") == 3
    assert html.rindex("</section>") < html.index("After")


def test_seeds_give_what_the_form_has(tmp_path):
    form = read_shape("triplet").form
    file = tmp_path / "seeds.jsonl"
    file.write_text(
        '{"id": 7, "instruction": "Sum up.", "input": " ", "more": 1}\n{"instruction": "Tell.", "input": "a text"}\n'
    )
    found = read_seeds(file, form)
    assert found.rows[0] == ("7", {"instruction": "Sum up."}) and found.rows[1][1] == {
        "instruction": "Tell.",
        "input": "a text",
    }
    assert found.left_out == ["more"]
    assert [given for _, given in read_seeds(file, form, ["instruction"]).rows][1] == {"instruction": "Tell."}


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([{"question": "a"}], "row 1 gives no field of the form; it has `question`"),
        ([{"instruction": "a"}, {"instruction": "a", "input": "b", "output": "c"}], "row 2 gives every field"),
        ([{"instruction": ["a"]}], "row 1, column `instruction`"),
        ([{"id": "x", "instruction": "a"}, {"id": "x", "instruction": "b"}], "row 2 has an id that another row has"),
        ([], "has no rows"),
    ],
)
def test_faults_of_seeds_are_told_with_their_row(tmp_path, rows, problem):
    file = tmp_path / "seeds.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(UserError, match=problem) as found:
        read_seeds(file, read_shape("triplet").form)
    assert found.value.hint
