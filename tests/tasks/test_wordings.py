"""Several wordings of a task: which row is learnt in which, what is turned round, and what is asked."""

import json
from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.data.inversion import inverse
from tunesmith.data.shapes import guess
from tunesmith.data.template import Template, others
from tunesmith.errors import UserError
from tunesmith.spreading import ways
from tunesmith.tasks import town
from tunesmith.tasks.own import task_from
from tunesmith.tasks.task import Task

FILE = """
templates:
  aside:
    jinja: "Aside. {{question}} ||| {{answer}}"
    metadata: {original_task: false}
  plain:
    jinja: "{{question}} ||| {{answer}}"
  long way:
    jinja: "{% if question != 'q3' %}Long: {{question}} ||| {{answer}}{% endif %}"
  back:
    jinja: "Ask for {{answer}} ||| {{question}}"
    metadata: {inverted: true, original_task: false}
"""


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"question": f"q{n}", "answer": f"a{n}"}) + "\n" for n in range(200)))
    path.with_name("file.yaml").write_text(FILE)
    return path


def own(rows: Path, **how: object) -> Task:
    return task_from({"data": str(rows), "template": str(rows.with_name("file.yaml")), **how})


def wording_of(example: object) -> str:
    said = example.messages[0].content  # type: ignore[attr-defined]
    return {"Aside.": "aside", "Long:": "long way", "Ask": "back"}.get(said.split(" ")[0], "plain")


def test_wordings_are_taken_in_turn_and_what_asks_something_else_never_judges(rows: Path) -> None:
    task = own(rows)
    assert [one.name for one in task.templates] == ["plain", "long way", "aside", "back"]
    assert [one.name for one in task.asked] == ["plain", "long way"]
    assert [wording_of(example) for example in list(task.examples("train", None))[:3]] == ["plain", "long way", "aside"]
    for split in ("validation", "test"):
        assert {wording_of(example) for example in task.examples(split)} == {"plain"}
    assert {wording for wording, _, _ in ways(task, (0,), (0,))} == {"plain", "long way"}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("", ["plain", "long way", "aside", "back"]),
        (":plain", ["plain"]),
        (":original", ["plain", "long way"]),
        (":*a*", ["plain", "long way", "aside", "back"]),
        (":l*", ["long way"]),
        (":aside", ["aside"]),
    ],
)
def test_names_patterns_and_original(rows: Path, name: str, found: list[str]) -> None:
    task = task_from({"data": str(rows), "template": f"{rows.with_name('file.yaml')}{name}"})
    assert [one.name for one in task.templates] == found
    assert task.asked[0].name == found[0]  # named alone, it judges too


def test_a_list_of_names_has_none_of_them_twice(rows: Path) -> None:
    file = rows.with_name("file.yaml")
    task = task_from({"data": str(rows), "template": [f"{file}:plain", f"{file}:original", "{{question}}! ||| {{answer}}"]})
    assert [one.name for one in task.templates] == ["plain", "long way", "inline"]


def test_a_registered_task_s_own_wordings_by_pattern_and_original() -> None:
    assert [one.name for one in task_from({"data": "town/dialogues", "template": "in *"}).templates] == ["in short"]
    assert task_from({"data": "town/dialogues", "template": "original"}).templates == town.dialogues.asked
    with pytest.raises(UserError, match="no template `sumarize`"):
        task_from({"data": "town/dialogues", "template": "sumarize"})


def test_the_first_alone_and_at_random(rows: Path) -> None:
    first = own(rows, wordings="first")
    assert {wording_of(example) for example in first.examples("train", None)} == {"plain"}
    drawn = [
        [wording_of(one) for one in replace(own(rows, wordings="random"), seed=seed).examples("train", None)]
        for seed in (0, 0, 1)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    counts = Counter(drawn[0])
    assert set(counts) == {"plain", "long way", "aside"} and min(counts.values()) > 25


def test_guessed_columns_learn_the_first_wording_and_may_learn_more(rows: Path) -> None:
    task = task_from(str(rows))
    assert task.wordings == "first" and len(task.asked) == 4
    more = task_from({"data": str(rows), "wordings": "turn", "inverted": 0.25})
    counts = more.counts(100)
    assert counts["question"] == 19 and counts["write the question"] == 25 and sum(counts.values()) == 100


def test_a_share_is_turned_round_in_learning_and_nowhere_else(rows: Path) -> None:
    task = own(rows, inverted=0.1)
    size = sum(1 for _ in task.source.rows("train"))
    seen = Counter(wording_of(example) for example in task.examples("train", None))
    assert seen["back"] == int(size * 0.1 + 1e-9) == task.counts(size)["back"]
    assert list(task.sequence("train", None)) == list(task.examples("train", None))
    for split in ("validation", "test"):
        assert "back" not in {wording_of(example) for example in task.examples(split)}
    assert not any(wording_of(example) == "back" for example in own(rows).examples("train", None))


def test_a_row_that_a_wording_leaves_out_is_learnt_in_another(rows: Path) -> None:
    for order in ("turn", "random"):
        examples = list(own(rows, wordings=order).examples("train", None))
        assert len({example.target for example in examples}) == len(examples) == sum(1 for _ in own(rows).source.rows("train"))


@given(st.integers(0, 400), st.floats(0, 1), st.integers(1, 3), st.sampled_from(["turn", "random"]))
def test_counts_are_what_is_made_and_shares_are_exact(rows: int, share: float, wordings: int, order: str) -> None:
    templates = (*(Template(f"w{n}", f"{n} {{{{a}}}} ||| {{{{b}}}}") for n in range(wordings)),)
    task = Task("t", town.stars.source, templates, (), "c", wordings=order, inverted=share)  # type: ignore[arg-type]
    counts = task.counts(rows)
    made = Counter(task.worded(number).name for number in range(rows))
    assert {name: count for name, count in counts.items() if count} == dict(made)
    assert counts.get("w0, inverted", 0) == int(rows * share + 1e-9)
    if order == "turn":
        forward = [count for name, count in counts.items() if "inverted" not in name]
        assert max(forward) - min(forward) <= 1


def test_two_columns_are_turned_round_by_themselves() -> None:
    made = inverse(Template("t", "Put {{english}} into German. ||| {{german}}"))
    example = made.apply({"english": "He sees.", "german": "Er sieht."})
    assert example.messages[0].content == "Here is the german:\n\nEr sieht.\n\nWrite the english that belongs to it."
    assert example.target == "He sees." and made.inverted and not made.judges
    for jinja, choices in [
        ("{{a}} {{b}} ||| {{c}}", None),
        ("{{a}} ||| {{b}}!", None),
        ("{{a}} ||| {{b}}", "x ||| y"),
        ("{{a}}", None),
    ]:
        with pytest.raises(UserError, match="cannot be turned round"):
            inverse(Template("t", jinja, choices))
    with pytest.raises(UserError, match="`inverted`: template `stars`"):
        task_from({"data": "town/stars", "template": "stars", "inverted": 0.5})


@pytest.mark.parametrize("how", [{"wordings": "turns"}, {"inverted": 1.5}, {"inverted": True}, {"inverted": "much"}])
def test_wrong_settings_are_told(rows: Path, how: dict[str, object]) -> None:
    with pytest.raises(UserError, match=next(iter(how))):
        own(rows, **how)


def test_every_inverted_wording_of_the_town_makes_whole_examples() -> None:
    found = 0
    for task in vars(town).values():
        if isinstance(task, Task):
            turned = replace(task, inverted=1.0)
            some = islice(task.source.rows("train"), 8 if any(one.inverted for one in task.templates) else 0)
            for example in [turned.example("train", None, number, row) for number, row in enumerate(some)]:
                assert example.messages and example.target and not example.choices and not example.references
                found += 1
    assert found >= 12 * 8


@pytest.mark.parametrize(
    ("row", "forward", "backward"),
    [
        ({"dialogue": "A: hi", "summary": "s"}, 4, 1),
        ({"question": "q", "context": "k", "answer": "a"}, 4, 1),
        ({"question": "q", "answers": ["a", "b"]}, 4, 0),
        ({"question": "q", "options": ["x", "y"], "answer": 1}, 4, 0),
        ({"question": "q", "choices": {"text": ["x", "y"], "label": ["A", "B"]}, "answerKey": "B"}, 4, 0),
        ({"sentence": "s", "label": "good"}, 4, 1),
        ({"premise": "p", "hypothesis": "h", "label": "yes"}, 4, 1),
        ({"instruction": "Add.", "input": "1 2", "output": "3"}, 4, 1),
        ({"prompt": "p", "completion": "c"}, 1, 0),
        ({"text": "t"}, 1, 0),
    ],
)
def test_shapes_have_further_wordings_that_learn_the_same(row: dict[str, object], forward: int, backward: int) -> None:
    first = guess(row)
    every = (first, *others(first, row))
    assert [sum(one.inverted == turned for one in every) for turned in (False, True)] == [forward, backward]
    examples = [one.apply(row) for one in every]
    assert len({example.messages for example in examples}) == len(examples)
    for one, example in zip(every, examples, strict=True):
        prompt = example.messages[0].content if example.messages else ""
        assert "{{" not in prompt and "None" not in prompt
        assert one.inverted or (example.target, example.choices) == (examples[0].target, examples[0].choices)
        assert not one.inverted or examples[0].target in prompt
