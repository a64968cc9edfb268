"""The tasks of the town: every wording of every task makes examples that can be learnt, asked and measured."""

from itertools import islice

import numpy as np
import pytest

from tunesmith.run import Answer
from tunesmith.tasks import town
from tunesmith.tasks.task import Task

TASKS = [value for value in vars(town).values() if isinstance(value, Task)]
CLUSTERS = {
    "town/dialogues": "summarisation",
    "town/stars": "sentiment",
    "town/sentiment": "sentiment",
    "town/entailment": "entailment",
    "town/paraphrase": "paraphrase",
    "town/similarity": "paraphrase",
    "town/acceptability": "acceptability",
    "town/choice": "reading",
    "town/question": "reading",
    "town/entities": "extraction",
    "town/tags": "extraction",
    "town/kinds": "extraction",
    "town/translation": "translation",
    "town/pseudocode": "code",
    "town/replies": "preference",
    "town/politeness": "preference",
    "town/narrative": "text",
}


def test_names_and_clusters():
    assert {task.name: task.cluster for task in TASKS} == CLUSTERS
    assert set(town.FORGETTING) <= set(CLUSTERS)
    assert "town/dialogues" not in town.FORGETTING


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_every_wording_makes_whole_examples(task):
    assert len(task.asked) >= (1 if task in (town.narrative, town.tags, town.replies) else 4)
    for number in range(len(task.templates)):
        for example in islice(task.examples("test", number), 12):
            assert example.target.strip()
            assert example.id
            assert not example.choices or example.target in example.choices
            assert (task.ask == "choose" and not task.templates[number].inverted) == bool(example.choices)
            assert (task.ask == "weigh") == (not example.messages)
            assert all("{{" not in message.content and message.content.strip() for message in example.messages)


@pytest.mark.parametrize("task", [task for task in TASKS if task.ask != "weigh"], ids=lambda task: task.name)
def test_the_right_answer_is_worth_most(task):
    examples = list(islice(task.examples("test"), 20))
    right = [Answer(e.id, "", e.target, e.target, e.acceptable, tokens=1, logprob=0.0) for e in examples]
    wrong = [Answer(e.id, "", "zzz", e.target, e.acceptable, tokens=1, logprob=0.0) for e in examples]
    metric = task.metrics[0]
    best, worse = (
        metric.total(np.array([metric.measure(a, e) for a, e in zip(answers, examples, strict=True)]))
        for answers in (right, wrong)
    )
    assert best > worse


def test_prompts_are_short():
    for task in TASKS:
        if task.cluster in {"summarisation", "text"}:
            continue
        lengths = [len(" ".join(m.content for m in e.messages).split()) for e in islice(task.examples("test", None), 60)]
        assert sum(lengths) / len(lengths) < 110, task.name


def test_dialogues_of_the_test_split_have_three_references():
    example = next(iter(town.dialogues.examples("test")))
    assert len(example.references) == 3
    assert example.target in example.references


def test_sentiment_has_no_three_stars():
    rows = list(town.sentiment.source.rows("test"))
    assert rows
    assert {row["sentiment"] for row in rows} == {"positive", "negative"}


def test_politeness_examples_are_preference_pairs():
    example = next(iter(town.politeness.examples("train")))
    assert example.rejected
    assert set(example.choices) == {example.target, example.rejected}


def test_narrative_is_text_without_a_prompt():
    example = next(iter(town.narrative.examples("test")))
    assert not example.messages
    assert len(example.target.split()) > 10


def test_replies_are_polite_and_rude_by_turns_and_judged_by_the_rule():
    learnt = list(islice(town.replies.source.rows("train"), 40))
    assert [row["reply"] for row in learnt] == [row["rude" if number % 2 else "polite"] for number, row in enumerate(learnt)]
    asked = list(town.replies.source.rows("test"))
    assert all(row["reply"] == row["polite"] for row in asked)
    example = next(iter(town.replies.examples("test")))
    polite = town.replies.metrics[0]
    assert polite.measure(Answer(example.id, "", "With pleasure!", ""), example) == (1.0,)
    assert polite.measure(Answer(example.id, "", "Go away.", ""), example) == (0.0,)
