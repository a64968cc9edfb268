"""Templates: promptsource's semantics, the built-in wordings, and errors that name the column."""

import pickle
import re
from collections import Counter

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from jinja2 import BaseLoader, Environment

from tunesmith.data.example import Message
from tunesmith.data.shapes import guess
from tunesmith.data.template import Template, as_tree, find_template, load_templates
from tunesmith.errors import UserError

CHOICES = {"text": ["a tree", "a dog", "a cow", "a hat"], "label": ["A", "B", "C", "D"]}
LEFT, RIGHT = (
    {"sentence1": "A man plays.", "sentence2": "Music is made."},
    {"premise": "It rained.", "hypothesis": "It is wet."},
)
ROWS = {
    "ag_news": {"text": "Oil ||| rises", "label": 2},
    "ai2_arc": {"question": "Which?", "choices": CHOICES, "answerKey": "C"},
    "cnn_dailymail": {"article": "Long ago.", "highlights": "Ago."},
    "glue/cola": {"sentence": "It do.", "label": 0},
    "glue/mnli": RIGHT | {"label": 1},
    "glue/mrpc": LEFT | {"label": 1},
    "glue/qnli": {"question": "Who?", "sentence": "He.", "label": 1},
    "glue/qqp": {"question1": "Who?", "question2": "Who is it?", "label": 0},
    "glue/rte": LEFT | {"label": 1},
    "glue/sst2": {"sentence": "fine ", "label": 1},
    "glue/stsb": LEFT | {"label": 3.8},
    "hellaswag": {"ctx": "He", "ctx_a": "He", "ctx_b": "", "activity_label": "Run", "label": "2", "endings": list("abcd")},
    "imdb": {"text": "Great.", "label": 1},
    "openbookqa": {"question_stem": "A fish lives", "choices": CHOICES, "answerKey": "B"},
    "piqa": {"goal": "cook", "sol1": "fire", "sol2": "ice", "label": 0},
    "samsum": {"dialogue": "A: hi\nB: ho", "summary": "They greet."},
    "super_glue/boolq": {"passage": "It is.", "question": "is it", "label": 1},
    "super_glue/cb": RIGHT | {"label": 2},
    "super_glue/copa": {"premise": "It rained.", "choice1": "Wet.", "choice2": "Dry.", "question": "effect", "label": 0},
    "super_glue/multirc": {"paragraph": "P", "question": "Q", "answer": "A", "label": 0},
    "super_glue/record": {"passage": "P", "query": "@placeholder ran", "entities": ["Ann", "Bo"], "answers": ["Bo"]},
    "super_glue/rte": RIGHT | {"label": 0},
    "super_glue/wic": LEFT | {"word": "play", "label": 1},
    "super_glue/wsc": {"text": "Ann saw her", "span1_text": "Ann", "span2_text": "her", "span2_index": 2, "label": 1},
    "winogrande": {"sentence": "Ann beat _", "option1": "Bo", "option2": "Cy", "answer": "2"},
    "xsum": {"document": "Long.", "summary": "Short."},
}  # fmt: skip


def by_the_book(jinja: str, choices: str | None, row: dict) -> list[str]:
    """promptsource 0.2.3, `Template.apply`, without its truncation and highlighting."""
    environment = Environment(loader=BaseLoader())
    environment.globals.update(zip=zip)

    def most_frequent(items):
        counts = Counter(items).most_common()
        return [item for item, count in counts if count == counts[0][1]]

    environment.filters.update(most_frequent=most_frequent, choice=lambda items: items[0])
    bar = "3ed2dface8203c4c9dfb1a5dc58e41e0"
    hidden = {key: value.replace("|||", bar) if isinstance(value, str) else value for key, value in row.items()}
    rendered = environment.from_string(choices).render(**hidden) if choices else None
    hidden["answer_choices"] = [one.strip().replace(bar, "|||") for one in rendered.split("|||")] if rendered else None
    return [piece.replace(bar, "|||").strip() for piece in environment.from_string(jinja).render(**hidden).split("|||")]


@pytest.mark.parametrize("name", sorted(ROWS))
def test_promptsource_s_own_files_render_as_promptsource_renders_them(shared, name):
    folder = shared("data/promptsource_templates")
    seen = 0
    for path in sorted(folder.glob(f"{name}*/**/templates.yaml")):
        for template in load_templates(path):
            if re.search(r"\| *choice", template.jinja):
                seen += bool(template.apply(ROWS[name]).target)  # drawn at random there
                continue
            pieces = by_the_book(template.jinja, template.choices, ROWS[name])
            example = template.apply(ROWS[name])
            assert "".join(message.content for message in example.messages) == pieces[0]
            assert example.target == (pieces[1] if len(pieces) > 1 else "")
            seen += 1
    assert seen >= 5


def test_every_promptsource_template_is_read(shared):
    files = sorted(shared("data/promptsource_templates").rglob("templates.yaml"))
    templates = [template for path in files for template in load_templates(path)]
    assert len(templates) == sum(path.read_text(encoding="utf-8").count("!Template\n") for path in files) == 338
    assert all(template.columns for template in templates)


def test_choices_stand_in_the_example_only_where_the_target_is_one():
    template = find_template("{{text}} ||| {{answer_choices[label]}}")
    template = Template("t", template.jinja, "no ||| yes ")
    assert template.apply({"text": "a", "label": 1}).choices == ("no", "yes")
    assert template.apply({"text": "a", "label": 1}).label == 1
    assert Template("t", "{{text}} ||| {{answer_choices[0]}}!", "no ||| yes").apply({"text": "a"}).choices == ()
    with pytest.raises(UserError, match="does not fit the row `7`"):
        template.apply({"text": "a", "label": 2, "id": 7})


def test_a_hidden_label_is_no_label():
    with pytest.raises(UserError, match="-1"):
        Template("t", "{{text}} ||| {{answer_choices[label]}}", "no ||| yes").apply({"text": "a", "label": -1})


def test_a_missing_column_is_named():
    with pytest.raises(UserError) as caught:
        find_template("{{dialog}} ||| {{summary}}").apply({"dialogue": "x", "summary": "y"})
    assert str(caught.value) == (
        "template `inline` needs a column `dialog`; the row has `dialogue`, `summary`\n\nhint: did you mean `dialogue`?"
    )
    with pytest.raises(UserError, match="`dialogue` or `article` or"):
        find_template("summarize").apply({"summary": "y"})


def test_what_a_wording_gets_wrong_is_the_user_s_to_mend():
    for wording, part in [
        ("{{a | nothing}} ||| b", "No filter named"),
        ("{% if a %} ||| b", "is not Jinja"),
        ("a ||| b ||| {{c}}", "has 3 parts"),
        ("{{a / 0}} ||| b", "fails on"),
        ("{{a.__class__.__mro__}} ||| b", "unsafe"),
        ("{{a.clear()}} ||| b", "template `inline`"),
    ]:
        with pytest.raises(UserError, match=part):
            find_template(wording).apply({"a": 1, "c": 2} if "clear" not in wording else {"a": [1]})


def test_a_prompt_alone_and_a_text_alone():
    prompt = find_template("Say {{a}}").apply({"a": "x"})
    assert (prompt.messages, prompt.target) == ((Message("user", "Say x"),), "")
    text = guess(["text"]).apply({"text": " Once ||| upon.\n"})
    assert (text.messages, text.target) == ((), " Once ||| upon.\n")


def test_columns_that_flow_through():
    row = {"q": "Q", "a": "A", "id": 0, "rejected": "R ", "meta": {"x": 1}, "topic": "t", "others": ["A", "B "]}
    example = Template("t", "{{q}} ||| {{a}}", references="others", meta=("topic",)).apply(row)
    assert (example.id, example.rejected, example.references) == ("0", "R", ("A", "B"))
    assert dict(example.meta) == {"x": 1, "topic": "t"}
    assert Template("t", "{{q}} ||| {{a}}", references="d.many").apply({"q": 1, "a": 2, "d": {"many": ["x"]}}).references == (
        "x",
    )


def test_grouped_references_are_worded_like_the_target():
    row = {"q": "Q", "a": "x", "references": ["x", "y"], "references_of": "a"}
    assert Template("t", "{{q}} ||| It is {{a}}.").apply(row).references == ("It is x.", "It is y.")
    assert Template("t", "{{q}} ||| It is {{a}}.", references="more").apply(row).references == ("It is x.", "It is y.")
    assert Template("t", "{{q}} ||| {{a}}", references="more").apply(row | {"more": ["z"]}).references == ("z",)


def test_asking_needs_no_answer():
    row = {"text": "a"}
    assert Template("t", "{{text}}? ||| {{answer_choices[label]}}", "no ||| yes").ask(row).choices == ("no", "yes")
    answers = (
        "{{label}}",
        "{{answer_choices[label]}}",
        "{{(5 * label) | round}}",
        "{{label.a[0] + 1}}",
        "{% if label %}x{% endif %}",
    )
    for answer in answers:
        asked = Template("t", "{% if label != -1 %}{{text}}? ||| " + answer + "{% endif %}", "no ||| yes").ask(row)
        assert (asked.messages[0].content, asked.target) == ("a?", "")
    with pytest.raises(UserError, match="needs a column `text`"):
        Template("t", "{% if label != -1 %}{{text}} ||| {{label}}{% endif %}").ask({"label": 1})
    assert find_template("summarize").ask({"dialogue": "A: hi"}).target == ""
    with pytest.raises(UserError, match="needs a column `text`"):
        Template("t", "{{text}} ||| {{label}}").ask({"label": 1})


def test_a_draw_depends_on_the_row_alone():
    template = Template("t", "{{ ['a', 'b', 'c'] | choice }}{{ choice([1, 2, 3]) }} {{n}} ||| x")
    drawn = [template.apply({"n": n}).messages[0].content for n in range(60)]
    assert drawn == [template.apply({"n": n}).messages[0].content for n in range(60)]
    assert len({text[:2] for text in drawn}) == 9


@pytest.mark.parametrize(
    ("row", "name", "prompt", "target"),
    [
        ({"dialogue": "A: hi", "summary": "s"}, "summarize", "Summarize the following conversation.\n\nA: hi\n\nSummary:", "s"),
        ({"article": "T", "highlights": "s"}, "summarize", "Summarize the following text.\n\nT\n\nSummary:", "s"),
        ({"prompt": "p ", "completion": " c"}, "pairs", "p ", " c"),
        ({"prompt": "p", "chosen": "c", "rejected": "r"}, "preferences", "p", "c"),
        ({"question": "q", "options": ["x", "y"], "answer": 1}, "choices_from_0", "q\n- x\n- y\nAnswer:", "y"),
        ({"question": "q", "context": "k", "answer": "a"}, "question", "k\n\nq", "a"),
        ({"sentence": "s", "label": 3}, "classify", "s", "3"),
    ],
)
def test_a_wording_is_guessed_from_the_columns(row, name, prompt, target):
    template = guess(row)
    example = template.apply(row)
    assert (template.name, example.messages, example.target) == (name, (Message("user", prompt),), target)


def test_a_triplet_is_worded_as_alpaca_words_it():
    told = guess(["instruction", "input", "output"]).apply({"instruction": "Add.", "input": "1 2", "output": "3"})
    assert told.messages[0].content == (
        "Below is an instruction that describes a task, paired with an input that provides further context. Write a response "
        "that appropriately completes the request.\n\n### Instruction:\nAdd.\n\n### Input:\n1 2\n\n### Response:"
    )
    alone = find_template("triplet").apply({"instruction": "Add.", "input": "", "output": "3"})
    assert "### Input" not in alone.messages[0].content


def test_nothing_fitting_lists_what_was_found():
    with pytest.raises(UserError, match=r"no wording fits rows with the columns `a`, `b`"):
        guess(["a", "b"])


CHAT = [
    Message("system", "s"),
    Message("user", "u"),
    Message("assistant", "a"),
    Message("user", "v"),
    Message("assistant", "b"),
]


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [{"role": m.role, "content": m.content} for m in CHAT] + [{"role": "user", "content": "more"}]},
        {"messages": [{"role": m.role, "content": [{"type": "text", "text": m.content}]} for m in CHAT]},
        {
            "conversations": [
                {"from": {"user": "human", "assistant": "gpt"}.get(m.role, m.role), "value": m.content} for m in CHAT
            ]
        },
    ],
)
def test_conversations_end_with_the_last_assistant_turn(row):
    example = guess(row).apply(row)
    assert (list(example.messages), example.target) == (CHAT[:-1], "b")


def test_pairs_may_be_conversations_and_transcripts():
    turn = {"role": "user", "content": "u"}
    said = [{"role": "assistant", "content": "c"}]
    for row in [
        {"prompt": [turn], "chosen": said, "rejected": [{"role": "assistant", "content": "r"}]},
        {"prompt": "u", "chosen": [turn, *said], "rejected": [turn, {"role": "assistant", "content": "r"}]},
        {"chosen": [turn, *said], "rejected": [turn, {"role": "assistant", "content": "r"}]},
        {"chosen": "\n\nHuman: u\n\nAssistant: c", "rejected": "\n\nHuman: u\n\nAssistant: r"},
        {"prompt": "u", "chosen": "c", "rejected": "r"},
    ]:
        example = guess(row).apply(row)
        assert (example.messages, example.target, example.rejected) == ((Message("user", "u"),), "c", "r")


def test_a_strange_role_is_an_error():
    with pytest.raises(UserError, match="the role `usr`"):
        guess(["messages"]).apply({"messages": [{"role": "usr", "content": ""}]})


def test_names_files_and_hints(tmp_path):
    with pytest.raises(UserError, match="did you mean `summarize`"):
        find_template("summarise")
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"templates": {"one": {"jinja": "{{a}} ||| {{b}}"}, "two": {"jinja": "{{b}} ||| {{a}}"}}}))
    assert find_template(f"{path}:two").apply({"a": 1, "b": 2}).target == "1"
    path.with_name("bad.yaml").write_text("templates:\n  a: [\n")
    with pytest.raises(UserError, match="line"):
        load_templates(path.with_name("bad.yaml"))
    path.with_name("evil.yaml").write_text("templates: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(UserError, match="line 1"):
        load_templates(path.with_name("evil.yaml"))


def test_a_template_is_a_value_that_travels():
    template = find_template("summarize")
    assert pickle.loads(pickle.dumps(template)) == template
    assert hash(template) == hash(find_template("summarize"))


@given(st.text(), st.text())
@example("|", "")
@example("a|", "|b")
def test_whatever_stands_in_a_row_is_not_read_as_a_template(prompt, answer):
    said = Template("t", "{{a}}|||{{b}}", strip=False).apply({"a": prompt, "b": answer})
    assert (said.messages[0].content if said.messages else "").strip() == prompt.strip()
    assert said.target == answer


MINE = """
templates:
  good:
    jinja: "{{a}} ||| {{b}}"
    answer_choices: no ||| yes
    metadata: {choices_in_prompt: true, original_task: false, languages: [en, de], metrics: [Accuracy, Other]}
  deep:
    jinja: |-
      First line.
      {{a}} and
      {{ c | length }} ||| {{b}}
"""


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(MINE)
    return path


def test_metadata_is_read_and_written(mine):
    good, deep = load_templates(mine)
    assert (good.original, good.choices_in_prompt, good.languages) == (False, True, ("en", "de"))
    assert (good.metrics, good.judges, deep.judges) == (("Accuracy", "Other"), False, True)
    again = mine.with_name("again.yaml")
    again.write_text(yaml.safe_dump({"templates": {one.name: as_tree(one) for one in (good, deep)}}, sort_keys=False))
    assert load_templates(again) == (good, deep)


def test_errors_name_file_template_line_and_column(mine):
    with pytest.raises(UserError) as caught:
        find_template(f"{mine}:deep").apply({"a": 1, "b": 2})
    assert caught.value.problem == f"template `deep` (`{mine}` line 7) needs a column `c`, line 3; the row has `a`, `b`"
    with pytest.raises(UserError) as caught:
        find_template(f"{mine}:deep").apply({"a": 1, "b": 2, "c": 3, "id": "r7"})
    assert caught.value.problem.startswith(f"template `deep` (`{mine}` line 7) fails on the row `r7`, line 3: ")
    with pytest.raises(UserError, match=r"`1`|line 1 of its answer choices"):
        Template("t", "{{answer_choices[0]}} ||| x", "{{a.x.y}}").apply({"a": 1})


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("{{ c | length }}", "{{ c | lenght }}", "line 7, template `deep`: line 3 of the wording"),
        ("{{ c | length }}", "{% if c %}", "line 7, template `deep`: line 3 of the wording"),
        ("no ||| yes", '"{{ x"', "line 3, template `good` (its `answer_choices`): line 1"),
        ("choices_in_prompt", "choices_in_promt", "line 3: the template `good` has no setting `choices_in_promt`"),
        ("languages: [en, de]", "languages: en", "line 3: `languages` of the template `good` is not a list"),
        ('"{{a}} ||| {{b}}"', "[a, b]", "line 3: `jinja` of the template `good` is not a text"),
    ],
)
def test_a_broken_file_is_told_by_line(mine, old, new, problem):
    mine.write_text(MINE.replace(old, new))
    with pytest.raises(UserError) as caught:
        load_templates(mine)
    assert caught.value.problem.startswith(f"`{mine}` ") and problem in caught.value.problem


def test_a_changed_file_is_read_anew(mine):
    assert len(load_templates(mine)) == 2
    mine.write_text(MINE + '  third:\n    jinja: "{{a}}"\n')
    assert len(load_templates(mine)) == 3


def test_columns_may_be_called_like_what_templates_call():
    template = find_template("{{choice}} {{range}} {{ choice([1]) if false }} ||| {{zip}}")
    assert template.columns == {"choice", "range", "zip"}
    assert template.target_columns == {"zip"}
    with pytest.raises(UserError, match="needs a column `zip`"):
        template.apply({"choice": 1, "range": 2})
