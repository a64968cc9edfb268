"""Shapes of rows: every layout of every shape, in every file format; what is ambiguous is refused, and nothing guessed."""

import csv
import gzip
import json

import pyarrow as arrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from tunesmith.data.example import Message
from tunesmith.data.formats import read
from tunesmith.data.shapes import SHAPES, guess, recognise
from tunesmith.data.template import find_template, load_templates
from tunesmith.errors import UserError
from tunesmith.tasks.own import own_task

ASKED, SAID = "What?", "This."
TURNS = [{"role": "user", "content": ASKED}, {"role": "assistant", "content": SAID}]
SHARED = [{"from": "human", "value": ASKED}, {"from": "gpt", "value": SAID}]
WORSE = {"role": "assistant", "content": "That."}
OPTIONS = ["one", "two", "three"]
PUT = "What?\n- one\n- two\n- three\nAnswer:"

# shape, row, prompt (None: not looked at), target
LAYOUTS = [
    ("prompt and completion", {"prompt": ASKED, "completion": SAID}, ASKED, SAID),
    ("prompt and completion", {"prompt": ASKED, "response": SAID}, ASKED, SAID),
    ("prompt and completion", {"inputs": ASKED, "targets": SAID}, ASKED, SAID),
    ("prompt and completion", {"input": ASKED, "output": SAID}, ASKED, SAID),
    ("prompt and completion", {"prompt": TURNS[:1], "completion": TURNS[1:]}, ASKED, SAID),
    ("instruction, input and output", {"instruction": ASKED, "input": "", "output": SAID}, None, SAID),
    ("instruction, input and output", {"instruction": ASKED, "input": "x", "output": SAID, "text": "all of it"}, None, SAID),
    ("instruction, input and output", {"instruction": ASKED, "context": "x", "response": SAID}, None, SAID),
    ("instruction, input and output", {"instruction": ASKED, "output": SAID}, None, SAID),
    ("instruction, input and output", {"instruction": ASKED, "instances": [{"input": "", "output": SAID}]}, None, SAID),
    ("conversations", {"messages": TURNS}, ASKED, SAID),
    ("conversations", {"conversations": SHARED}, ASKED, SAID),
    ("conversations", {"conversations": SHARED, "system": ""}, ASKED, SAID),
    ("conversations", {"conversation": TURNS, "id": "a"}, ASKED, SAID),
    ("conversations", {"messages": json.dumps(TURNS)}, ASKED, SAID),
    ("raw text", {"text": SAID}, "", SAID),
    ("raw text", {"content": SAID}, "", SAID),
    ("text and label", {"text": ASKED, "label": "good"}, ASKED, "good"),
    ("text and label", {"sentence": ASKED, "label": 1, "idx": 3}, ASKED, "1"),
    ("text and label", {"review": ASKED, "sentiment": "good"}, ASKED, "good"),
    ("two texts and a label", {"premise": "a", "hypothesis": "b", "label": "yes"}, "a\n\nb", "yes"),
    ("two texts and a label", {"sentence1": "a", "sentence2": "b", "label": "yes"}, "a\n\nb", "yes"),
    ("two texts and a label", {"question": "a", "sentence": "b", "label": "yes"}, "a\n\nb", "yes"),
    ("text and summary", {"article": ASKED, "highlights": SAID}, None, SAID),
    ("text and summary", {"document": ASKED, "summary": SAID, "id": "a"}, None, SAID),
    ("question and answer", {"question": ASKED, "answer": SAID}, ASKED, SAID),
    ("question and answer", {"problem": ASKED, "solution": SAID}, ASKED, SAID),
    ("question and answer", {"system_prompt": "", "question": ASKED, "response": SAID}, ASKED, SAID),
    ("question and answer", {"context": "c", "question": ASKED, "answers": {"text": [SAID], "answer_start": [0]}}, None, SAID),
    ("preference pairs", {"prompt": ASKED, "chosen": SAID, "rejected": "That."}, ASKED, SAID),
    ("preference pairs", {"question": ASKED, "chosen": SAID, "rejected": "That.", "system": ""}, ASKED, SAID),
    ("preference pairs", {"question": ASKED, "response_j": SAID, "response_k": "That."}, ASKED, SAID),
    ("preference pairs", {"instruction": ASKED, "chosen_response": SAID, "rejected_response": "That."}, ASKED, SAID),
    ("preference pairs", {"prompt": TURNS[:1], "chosen": TURNS[1:], "rejected": [WORSE]}, ASKED, SAID),
    ("preference pairs", {"prompt": ASKED, "chosen": TURNS, "rejected": [TURNS[0], WORSE], "messages": TURNS}, ASKED, SAID),
    (
        "preference pairs",
        {"conversations": SHARED[:1], "chosen": SHARED[1], "rejected": {"from": "gpt", "value": "That."}},
        ASKED,
        SAID,
    ),
    ("preference pairs, the prompt within them", {"chosen": TURNS, "rejected": [TURNS[0], WORSE]}, ASKED, SAID),
    ("preference pairs", {"prompt": ASKED, "response_0": "That.", "response_1": SAID, "better_response_id": 1}, ASKED, SAID),
    ("preference pairs", {"instruction": ASKED, "output_1": "That.", "output_2": SAID, "preference": 2}, ASKED, SAID),
    ("preference pairs", {"prompt": ASKED, "response1": SAID, "response2": "That.", "overall_preference": -2}, ASKED, SAID),
    ("preference pairs", {"history": ASKED, "human_ref_A": SAID, "human_ref_B": "That.", "labels": 1}, ASKED, SAID),
    ("preference pairs", {"prompt": ASKED, "response_a": SAID, "response_b": "That.", "winner": "model_a"}, ASKED, SAID),
    ("preference pairs", {"conversation_a": [TURNS[0], WORSE], "conversation_b": TURNS, "winner": "model_b"}, ASKED, SAID),
    (
        "preference pairs",
        {"prompt": ASKED, "response_a": "That.", "response_b": SAID}
        | {"winner_model_a": 0, "winner_model_b": 1, "winner_tie": 0},
        ASKED,
        SAID,
    ),
    (
        "preference pairs",
        {"question": ASKED, "answer_0": SAID, "answer_1": "That.", "score_0": 0.5, "score_1": -0.5},
        ASKED,
        SAID,
    ),
    ("question and choices", {"question": ASKED, "choices": OPTIONS, "answer": 1, "subject": "s"}, PUT, "two"),
    ("question and choices", {"question": ASKED, "options": OPTIONS, "answer": "B"}, PUT, "two"),
    ("question and choices", {"question": ASKED, "options": OPTIONS, "answer": "two"}, PUT, "two"),
    (
        "question and choices",
        {"question": ASKED, "choices": {"text": OPTIONS, "label": ["A", "B", "C"]}, "answerKey": "B"},
        PUT,
        "two",
    ),
    (
        "question and choices",
        {"question": ASKED, "choices": {"text": OPTIONS, "label": ["1", "2", "3"]}, "answerKey": "2"},
        PUT,
        "two",
    ),
    (
        "question and choices",
        {"question_stem": ASKED, "choices": {"label": list("ABC"), "text": OPTIONS}, "answerKey": "B"},
        PUT,
        "two",
    ),
    (
        "question and choices",
        {
            "question": {
                "stem": ASKED,
                "choices": [{"text": text, "label": mark} for text, mark in zip(OPTIONS, "ABC", strict=True)],
            },
            "answerKey": "B",
        },
        PUT,
        "two",
    ),
    ("question and choices", {"question": ASKED, "A": "one", "B": "two", "C": "three", "answer": "B"}, PUT, "two"),
    ("question and choices", {"question": ASKED, "opa": "one", "opb": "two", "opc": "three", "cop": 1}, PUT, "two"),
    (
        "question and choices",
        {"question": ASKED, "choice0": "one", "choice1": "two", "choice2": "three", "answer": 1},
        PUT,
        "two",
    ),
    ("question and choices", {"sentence": ASKED, "option1": "one", "option2": "two", "answer": "2"}, None, "two"),
    ("question and choices", {"goal": ASKED, "sol1": "one", "sol2": "two", "label": 0}, None, "one"),
    ("question and choices", {"ctx": ASKED, "endings": OPTIONS, "label": "1"}, PUT, "two"),
    ("question and choices", {"Question Stem": ASKED, "Choices": "(A) one (B) two (C) three", "Answer Key": "B"}, PUT, "two"),
    ("question and choices", {"question": ASKED, "options": "['one', 'two', 'three']", "answer": "B"}, PUT, "two"),
    ("question and choices", {"question": ASKED, "mc1_targets": {"choices": OPTIONS, "labels": [0, 1, 0]}}, PUT, "two"),
]


def prompt(example) -> str:
    return example.messages[-1].content if example.messages else ""


@pytest.mark.parametrize(("shape", "row", "asked", "target"), LAYOUTS, ids=[" ".join(row) for _, row, _, _ in LAYOUTS])
def test_a_layout_is_recognised_and_put(shape, row, asked, target):
    found = recognise([row])
    example = found.template.apply(row)
    assert (found.name, example.target) == (shape, target)
    assert asked is None or prompt(example) == asked
    assert set(found.columns) | set(found.unread) <= set(row)
    assert set(found.answers) <= set(found.columns)
    if shape.startswith("preference"):
        assert example.rejected == "That."
    if shape == "question and choices":
        assert list(example.choices) == OPTIONS[: len(example.choices)]
        assert found.template.ask({k: v for k, v in row.items() if k not in ("answer", "answerKey", "label")}).choices


FORMATS = [
    "a.jsonl",
    "a.json",
    "a.parquet",
    "a.arrow",
    "stream.arrow",
    "a.jsonl.gz",
    "a.parquet.gz",
    "a.arrow.gz",
    "a.csv",
    "a.tsv.gz",
]


def write(path, rows):
    """The rows as a file of that name has them."""
    plain = path.with_name(path.name.removesuffix(".gz"))
    if plain.suffix == ".jsonl":
        plain.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif plain.suffix == ".json":
        plain.write_text(json.dumps(rows, indent=1))
    elif plain.suffix == ".parquet":
        parquet.write_table(arrow.Table.from_pylist(rows), plain)
    elif plain.suffix == ".arrow":
        table = arrow.Table.from_pylist(rows)
        stream = plain.name.startswith("stream")
        with (arrow.ipc.new_stream if stream else arrow.ipc.new_file)(plain, table.schema) as writer:
            writer.write_table(table)
    else:
        with plain.open("w", newline="") as file:
            cells = csv.DictWriter(file, list(rows[0]), delimiter="\t" if ".tsv" in plain.name else ",")
            cells.writeheader()
            cells.writerows(rows)
    if plain != path:
        path.write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_every_layout_of_every_shape_comes_through_every_format(name, tmp_path):
    nested = (dict, list)
    for number, (shape, row, _, target) in enumerate(LAYOUTS):
        if any(part in name for part in ("csv", "tsv")) and any(isinstance(value, nested) for value in row.values()):
            continue
        if "tsv" in name and len(row) == 1:
            continue  # a file without a tab does not tell that its quotes are quotes
        folder = tmp_path / str(number)
        folder.mkdir()
        rows = list(read(write(folder / name, [row, row])))
        assert len(rows) == 2
        found = recognise(rows)
        assert (found.name, found.template.apply(rows[1]).target) == (shape, target), row


def test_what_was_recognised_is_told_in_a_line():
    found = recognise([{"id": 1, "text": "a", "label": "b", "date": "c"}])
    assert found.told("rows.csv") == (
        "rows.csv: text and label (columns `text`, `label`), put by the wording `classify`; not read: `date`. "
        "Otherwise: set `template`"
    )
    assert found.tree() == {
        "shape": "text and label",
        "columns": ["text", "label"],
        "answers": ["label"],
        "unread": ["date"],
        "wording": "classify",
    }


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"text": "a", "summary": "b", "label": "c"}, "`summarize` or `classify`"),
        ({"messages": TURNS, "prompt": "a", "completion": "b"}, "`chat` or `pairs`"),
        ({"instruction": "a", "output": "b", "prompt": "c", "completion": "d"}, "`triplet` or `pairs`"),
        ({"question": "q", "options": ["1", "2"], "answer": "1"}, "`choices_by_text` or `choices_from_0`"),
        ({"question": "q", "options": ["B", "A"], "answer": "A"}, "`choices_by_text` or `choices_by_letter`"),
        ({"prompt": "p", "response_a": "x", "response_b": "y", "preference": 1}, "`verdicts_from_0` or `verdicts_from_1`"),
        ({"question": "q", "answer1": "x", "answer2": "y", "label": 1}, "`verdicts_from_1` or `choices_from_1`"),
    ],
)
def test_rows_of_two_shapes_are_refused_with_the_remedy(row, told):
    with pytest.raises(UserError) as caught:
        recognise([row])
    assert told in caught.value.hint
    for name in told.replace("`", "").split(" or "):
        assert find_template(name).apply(row).target  # what the hint names works


def test_rows_tell_from_where_numbers_count():
    base = {"question": "q", "option1": "x", "option2": "y", "option3": "z"}
    assert guess(base | {"answer": 1}).reads == "choices from 1"
    assert recognise([base | {"answer": n} for n in (0, 1)]).template.reads == "choices from 0"
    plain = {"question": "q", "options": ["x", "y", "z"]}
    assert recognise([plain | {"answer": n} for n in (1, 3)]).template.reads == "choices from 1"
    pair = {"prompt": "p", "response_a": "x", "response_b": "y"}
    assert recognise([pair | {"preference": n} for n in (1, 0)]).template.reads == "verdicts from 0"
    assert recognise([pair | {"preference": n} for n in (1, 2)]).template.reads == "verdicts from 1"


def test_a_tie_is_no_example_and_a_strange_answer_is_an_error(tmp_path):
    rows = [{"prompt": f"p{n}", "response_a": "x", "response_b": "y", "winner": ["model_a", "tie"][n % 2]} for n in range(40)]
    task = own_task(str(write(tmp_path / "a.jsonl", rows)))
    assert sum(len(list(task.examples(split))) for split in task.source.splits()) == 20
    with pytest.raises(UserError, match="the answer in `answer` is `D`, and is read by letter"):
        find_template("choices_by_letter").apply({"question": "q", "options": ["x", "y"], "answer": "D"})
    with pytest.raises(UserError, match=r"no choice|-1"):
        find_template("choices_from_0").apply({"question": "q", "options": ["x", "y"], "answer": -1})


def test_a_system_column_and_earlier_turns_stand_before_the_prompt():
    row = {"instruction": "Add.", "output": "3", "system": "Be brief.", "history": [["Hi.", "Hello."]]}
    before = guess(row).apply(row).messages[:-1]
    assert before == (Message("system", "Be brief."), Message("user", "Hi."), Message("assistant", "Hello."))
    with pytest.raises(UserError, match="`history`"):
        guess(row).apply(row | {"history": ["Hi."]})
    row = {"system": "Be brief.", "conversations": SHARED}
    assert guess(row).apply(row).messages == (Message("system", "Be brief."), Message("user", ASKED))


def test_every_shape_has_a_wording_and_every_wording_of_a_shape_a_name():
    names = {template.name for template in load_templates("generic")}
    assert set(SHAPES) - names == {"definition_and_2", "verdicts", "choices"}
    assert {name for name in names - set(SHAPES) if not name.startswith(("choices_", "verdicts_"))} == set()


COLUMNS = sorted({column for _, row, _, _ in LAYOUTS for column in row})
VALUES = st.one_of(
    st.none(),
    st.text(max_size=8),
    st.integers(-2, 3),
    st.booleans(),
    st.lists(st.text(max_size=3), max_size=3),
    st.sampled_from([row[column] for _, row, _, _ in LAYOUTS for column in row]),
)


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(COLUMNS), VALUES, min_size=1, max_size=6), st.randoms())
def test_any_row_is_recognised_the_same_in_any_order_or_refused_in_words(row, dice):
    def told(one):
        try:
            found = recognise([one])
        except UserError as error:
            assert error.problem
            assert error.hint
            return None
        assert set(found.columns) | set(found.unread) <= set(one)
        assert not set(found.columns) & set(found.unread)
        try:
            found.template.apply(one)
        except UserError as error:
            assert error.problem
        return found.name, frozenset(found.columns), found.template.name

    mixed = list(row.items())
    dice.shuffle(mixed)
    assert told(row) == told(dict(mixed))
