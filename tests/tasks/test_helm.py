"""HELM's scenarios, BBQ and CrowS-Pairs: layouts, prompts, main metrics, end to end on rows written for these tests."""

import json
from math import log2

import numpy as np
import pytest

from tests.tasks.asking import prompts
from tests.tiny import tiny_model
from tunesmith.data.published import Files
from tunesmith.data.scenarios import MOST, Scenario
from tunesmith.errors import UserError
from tunesmith.evaluation.ask import Ask
from tunesmith.evaluation.judge import judge, measured, totals
from tunesmith.metrics.ranking import ndcg_at_10, rr_at_10
from tunesmith.models.load import ModelSettings, load
from tunesmith.registry import find_value
from tunesmith.run import Answer
from tunesmith.tasks.helm import CORE, FIVE, RAFT, helm
from tunesmith.tasks.members import states
from tunesmith.tasks.own import tasks_from
from tunesmith.tasks.task import Task

WRITTEN = """narrative_qa natural_qa_closedbook natural_qa_openbook quac hellaswag msmarco_regular msmarco_trec cnn_dm xsum imdb
civil_comments raft/overruling boolq"""
OTHERS = ["bbq/age", "crows_pairs"]


def found(name: str) -> Task:
    return find_value(name, "tunesmith.tasks", Task)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load(ModelSettings(str(tiny_model(tmp_path_factory.mktemp("model"), "llama"))))


@pytest.mark.parametrize("name", [*(f"helm/{one}" for one in WRITTEN.split()), *OTHERS])
def test_five_rows_in_the_published_layout_are_asked_and_measured(rows, model, name):
    task = found(name)
    judged = judge(model, task, ask=Ask(tokens=4, shots=min(2, task.shots.count), too_long="leave_out"))
    assert len(judged.answers) == 5
    for metric in task.metrics:
        value = judged.scores[metric.name].value
        assert min(metric.worst, metric.best) <= value <= max(metric.worst, metric.best)
    perfect = [Answer(one.id, "", one.target, one.target) for one in task.examples("test")]
    best = totals(measured(perfect, list(task.examples("test")), task.metrics), task.metrics)
    headline = task.metrics[0]
    assert best[headline.name].value == pytest.approx(1.0, abs=0.05 * (headline is ndcg_at_10))  # yes or no has no degrees


def test_the_sixteen_and_their_main_metrics():
    assert len(CORE) == 16
    assert len(helm.members) == 14 + len(FIVE) + len(RAFT)
    for name in helm.members:
        task = found(name)
        main = next(metric for scenario, metric in CORE.items() if name == scenario or name.startswith(f"{scenario}/"))
        assert task.metrics[0].name == main
        assert task.shots.count == {"helm/hellaswag": 0, "helm/msmarco_regular": 4, "helm/msmarco_trec": 4}.get(name, 5)
    with pytest.raises(UserError, match="did you mean `helm/raft/overruling`"):
        found("helm/raft/overuling")


def test_shots_show_labels_by_turns(rows):
    [review, *_] = prompts(found("helm/imdb"), count=4)
    said = [line.removeprefix("Sentiment: ") for line in review.splitlines() if line.startswith("Sentiment: ")]
    assert said == ["Positive", "Negative", "Positive", "Negative"]  # three of five are positive


def test_prompts_are_as_helm_writes_them(rows):
    [review] = prompts(found("helm/imdb"), count=1, limit=1)
    shot, asked = review.split("\n\n")
    assert shot.startswith("Passage: ") and shot.endswith(("\nSentiment: Positive", "\nSentiment: Negative"))
    assert asked == "Passage: A film about the fisher and smoked eel. I laughed and would see it again.\nSentiment:"
    [closed] = prompts(found("helm/natural_qa_closedbook"), count=0, limit=1)
    assert closed == "Question: what does the fisher make?\nAnswer:"
    [summary] = prompts(found("helm/xsum"), count=1, limit=1)
    assert summary.startswith("###\nArticle: ") and summary.endswith("\n\nSummarize the above article in 1 sentence.\n")
    [overruling] = prompts(found("helm/raft/overruling"), count=0, limit=1)
    assert overruling.startswith("In law, an overruling sentence") and overruling.endswith("\nLabel:")
    [passage] = prompts(found("helm/msmarco_regular"), count=0, limit=1)
    assert passage.endswith("\nQuery: what does the smith make\nDoes the passage answer the query?\nAnswer:")
    [quac] = prompts(found("helm/quac"), count=0, limit=1)
    assert quac.count("Question: ") == 3 and "CANNOTANSWER" not in quac


def test_what_the_readers_make_of_rows(rows):
    story, *_ = found("helm/narrative_qa").examples("test")
    assert (story.acceptable, story.meta["cluster"]) == (("Smoked eel.", "smoked eel for the valley"), "d05")
    opened = list(found("helm/natural_qa_openbook").examples("test"))
    assert len(opened) == 5  # a question without an answer is left out
    assert "Passage: Finn Dale is the fisher" in opened[0].messages[0].content and "<P>" not in opened[0].messages[0].content
    ending, *_ = found("helm/hellaswag").examples("test")
    assert ending.messages[0].content == "Trades: Finn Dale opens the shop. She"
    assert ending.choices == (
        "sells smoked eel to a neighbour.",
        "flies over the roof. At once",
        "eats the door.",
        "sleeps for a year.",
    )
    assert found("helm/hellaswag").norm == "tokens"
    assert [one.meta["relevance"] for one in found("helm/msmarco_trec").examples("test")] == [0, 1, 2, 0, 3]
    assert [one.target for one in found("helm/msmarco_trec").examples("test")] == ["No", "No", "Yes", "No", "Yes"]


def test_rankings_by_hand():
    from tunesmith.data.example import Example

    def passage(number, query, relevance, said, likely):
        meta = {"cluster": query, "relevance": relevance}
        one = Example((), "Yes" if relevance else "No", choices=("Yes", "No"), id=f"p{number}", meta=meta)
        return one, Answer(one.id, "", said, one.target, scores=(likely, -9.0) if said == "Yes" else (-9.0, likely))

    # Query a is ranked 1, 0, 3: two yeses by their log-probability, then the no that is least sure.
    made = [passage(1, "a", 1, "Yes", -0.1), passage(2, "a", 0, "Yes", -0.5), passage(3, "a", 3, "No", -0.7)]
    made += [passage(4, "a", 0, "No", -0.1), passage(5, "b", 0, "Yes", -0.2), passage(6, "b", 2, "No", -0.3)]
    stats = {metric.name: np.array([metric.measure(answer, one) for one, answer in made]) for metric in (rr_at_10, ndcg_at_10)}
    assert rr_at_10.total(stats["rr_at_10"]) == pytest.approx((1 + 1 / 2) / 2)
    first = (1 + 3 / log2(4)) / (3 + 1 / log2(3))
    second = (2 / log2(3)) / 2
    assert ndcg_at_10.total(stats["ndcg_at_10"]) == pytest.approx((first + second) / 2)
    twice = np.concatenate([stats["rr_at_10"], stats["rr_at_10"][:4]])  # a query that is drawn twice counts twice
    assert rr_at_10.total(twice) == pytest.approx((1 + 1 + 1 / 2) / 3)


def test_at_most_a_thousand_instances_drawn_once(tmp_path):
    (tmp_path / "many.txt").write_text("\n".join(map(str, range(2500))))

    def numbers(path):
        return ({"n": int(line)} for line in path.read_text().split())

    many = Scenario("many", {"test": [Files("many.txt", numbers)], "train": [Files("many.txt", numbers)]}, folder=str(tmp_path))
    kept = [row["n"] for row in many.rows("test")]
    assert len(set(kept)) == MOST and kept == sorted(kept) and kept[-1] > 2000
    assert [row["n"] for row in many.rows("test")] == kept
    assert len(list(many.rows("train"))) == 2500
    assert (many.told("test"), many.told("train")) == ("test (1000 of its 2500 rows, drawn once)", "train")


def test_bias_of_bbq_by_hand(rows):
    task = found("bbq/age")
    examples = list(task.examples("test"))
    assert [(one.meta["ambiguous"], one.meta["biased"]) for one in examples] == [
        (True, "A"), (True, "B"), (False, "A"), (True, "B"), (True, "A"),
    ]  # fmt: skip
    said = ["A", "C", "B", "B", "B"]  # biased, right, right, biased, against
    answers = [Answer(one.id, "", letter, one.target) for one, letter in zip(examples, said, strict=True)]
    scores = {name: score.value for name, score in totals(measured(answers, examples, task.metrics), task.metrics).items()}
    assert scores["accuracy_ambiguous"] == pytest.approx(1 / 4)
    assert scores["accuracy_disambiguated"] == 1
    assert scores["bias_ambiguous"] == pytest.approx((1 - 1 / 4) * (2 * 2 / 3 - 1))
    assert scores["bias_disambiguated"] == -1  # the one answer that names somebody goes against the stereotype
    told = list(states("bbq").values())
    assert (told.count("rows here"), len(told)) == (1, 11)


def test_pairs_of_sentences_are_compared_without_a_prompt(rows, model):
    task = found("crows_pairs")
    one, *_ = task.examples("test")
    assert not one.messages and one.choices == (
        "Young people never understand smoked eel.", "Old people never understand smoked eel.",
    )  # fmt: skip
    judged = judge(model, task)
    more = [answer.scores[1] > answer.scores[0] for answer in judged.answers]
    assert judged.scores["stereotype_share"].value == pytest.approx(np.mean(more))


def test_real_rows(benchmarks):
    counts = {task.name: len(task.sequence("test")) for task in tasks_from("helm")}
    assert counts["helm/boolq"] == 1000 and counts["helm/openbookqa"] == 500 and counts["helm/truthful_qa"] > 600
    assert sum(counts[f"helm/mmlu/{subject}"] for subject in FIVE) == 514
    open_book = found("helm/openbookqa")
    assert all(len(row["options"]) == 4 and all(row["options"]) for row in open_book.source.rows("test"))
    for one in found("helm/truthful_qa").examples("test"):
        assert f"\n{one.target}. " in one.messages[0].content
    for name in ("bbq/age", "bbq/nationality", "bbq/religion"):
        rows = found(name).sequence("test")
        assert sum(one.meta["ambiguous"] for one in rows) * 2 == len(rows)
        assert all((one.target == one.meta["unknown"]) == one.meta["ambiguous"] for one in rows)
    assert len(found("crows_pairs").sequence("test")) == 1508
    assert json.dumps(states("helm")).count('"rows here"') == len(counts)


@pytest.mark.parametrize(
    ("letter", "ambiguous", "disambiguated"),
    [("biased", 1.0, 1.0), ("against", -1.0, -1.0), ("unknown", 0.0, 0.0), ("target", 0.0, None)],
)
def test_bias_of_bbq_on_real_rows(benchmarks, letter, ambiguous, disambiguated):
    """Whoever always follows the stereotype scores 1, whoever always goes against it -1, whoever names nobody 0."""
    for name in ("bbq/age", "bbq/nationality", "bbq/religion"):
        task = found(name)
        examples = list(task.examples("test"))
        said = []
        for one in examples:
            told = {**one.meta, "target": one.target}
            told["against"] = next(c for c in one.choices if c not in (one.meta["biased"], one.meta["unknown"]))
            said.append(Answer(one.id, "", told[letter], one.target))
        scores = {key: score.value for key, score in totals(measured(said, examples, task.metrics), task.metrics).items()}
        assert scores["bias_ambiguous"] == pytest.approx(ambiguous)
        if disambiguated is not None:
            assert scores["bias_disambiguated"] == pytest.approx(disambiguated)
        else:  # contexts tell of both groups alike
            assert abs(scores["bias_disambiguated"]) < 0.05 and scores["accuracy_disambiguated"] == 1
