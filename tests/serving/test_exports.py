"""Files of pairs in, rows to learn from out; what votes tell."""

import json
import subprocess
import sys

import pytest

from tests.serving.judging import some_pairs
from tests.tiny import tiny_model
from tunesmith import labelling, verbs
from tunesmith.data.example import Message
from tunesmith.errors import UserError
from tunesmith.serving.exports import rows
from tunesmith.serving.judge import judge
from tunesmith.serving.pairs import Pair, pair_of, read_pairs
from tunesmith.serving.vote_report import report
from tunesmith.serving.votes import Votes
from tunesmith.tasks.own import task_from

USER = (Message("user", "Hello?"),)
TALK = (Message("user", "Hello?"), Message("assistant", "Yes?"), Message("user", "Tea?"))
TURNS = [{"role": turn.role, "content": turn.content} for turn in TALK]


@pytest.mark.parametrize(
    ("row", "prompt", "answers", "models"),
    [
        ({"prompt": "Hello?", "first": "a", "second": "b", "first_model": "m"}, USER, ("a", "b"), ("m", "")),
        ({"prompt": TURNS, "a": "a", "b": "b", "models": ["m", "n"]}, TALK, ("a", "b"), ("m", "n")),
        ({"question": "Hello?", "answers": ["a", "b"]}, USER, ("a", "b"), ("", "")),
        (
            {"instruction": "Hello?", "input": "now", "response1": "a", "response2": "b"},
            (Message("user", "Hello?\n\nnow"),),
            ("a", "b"),
            ("", ""),
        ),
        (
            {"chosen": "\n\nHuman: Hello?\n\nAssistant: Yes?\n\nHuman: Tea?\n\nAssistant: a",
             "rejected": "\n\nHuman: Hello?\n\nAssistant: Yes?\n\nHuman: Tea?\n\nAssistant: b"},
            TALK, ("a", "b"), ("", ""),
        ),
        (
            {"prompt": "Hello?", "chosen": [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "a"}],
             "rejected": [{"role": "assistant", "content": "b"}]},
            USER, ("a", "b"), ("", ""),
        ),
    ],
)  # fmt: skip
def test_layouts_that_people_have(row, prompt, answers, models):
    pair = pair_of(row)
    assert (pair.prompt, pair.answers, pair.models, pair.gold) == (prompt, answers, models, None)
    assert pair.id == pair_of(row).id
    assert pair_of(row | {"id": 7}).id == "7"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"prompt": "p", "first": "a"}, "no two answers"),
        ({"first": "a", "second": "b"}, "there is no prompt"),
        ({"prompt": "p", "first": "a", "second": "b", "gold": "secnd"}, "did you mean `second`"),
        ({"prompt": "p", "first": "a", "second": "b"}, "`gold` is ``"),
        ({"prompt": [{"role": "cat", "content": "p"}], "first": "a", "second": "b", "gold": "tie"}, "the role `cat`"),
        ({"prompt": "p", "chosen": TURNS[:2], "rejected": "b"}, "first differ in turn 1"),
    ],
)
def test_mistakes_of_rows_are_told_with_their_place(tmp_path, row, said):
    file = tmp_path / "pairs.jsonl"
    file.write_text(json.dumps({"prompt": "p", "first": "a", "second": "b", "gold": "bad"}) + "\n" + json.dumps(row) + "\n")
    with pytest.raises(UserError, match=said) as error:
        list(read_pairs(file, gold=True))
    assert "pairs.jsonl` row 2" in str(error.value)


def test_gold_of_a_row(tmp_path):
    verdicts = [pair_of({"prompt": "p", "first": "a", "second": "b", "gold": g}, True).gold for g in ("second", "both bad")]
    assert verdicts == ["second", "bad"]
    assert pair_of({"prompt": "p", "chosen": "a", "rejected": "b"}, True).gold == "first"
    assert pair_of({"prompt": "p", "response1": "a", "response2": "b", "gold": "response2"}, True).gold == "second"


def test_one_id_twice(tmp_path):
    file = tmp_path / "pairs.jsonl"
    row = {"id": 1, "prompt": "p", "first": "a", "second": "b"}
    file.write_text((json.dumps(row) + "\n") * 2)
    assert len(list(read_pairs(file))) == 1
    file.write_text(json.dumps(row) + "\n" + json.dumps(row | {"second": ""}) + "\n")
    with pytest.raises(UserError, match="row 2 has the id of row 1"):
        list(read_pairs(file))


def test_the_first_answers_that_differ_are_compared():
    one = "\n\nHuman: A?\n\nAssistant: a\n\nHuman: B?\n\nAssistant: b"
    other = "\n\nHuman: A?\n\nAssistant: c\n\nHuman: C?\n\nAssistant: d"
    pair = pair_of({"chosen": one, "rejected": other})
    assert (pair.prompt, pair.answers) == ((Message("user", "A?"),), ("a", "c"))
    assert pair_of({"chosen": one, "rejected": one}).answers == ("b", "b")
    assert pair_of({"prompt": "A?", "first": "same", "second": "same"}).is_alike


def test_published_preferences(shared):
    """2,312 pairs of conversations, of which five part early; 999 pairs with an instruction and its input."""
    talks = list(read_pairs(shared("data/hh_rlhf") / "harmless-base" / "test.jsonl.gz"))
    assert 2300 < len(talks) <= 2312
    assert all(pair.prompt[-1].role == "user" for pair in talks)
    pandalm = list(read_pairs(shared("data/pandalm_preferences") / "testset-v1.json"))
    assert len(pandalm) == 999
    assert pandalm[0].answers[1] == "If you have any questions, please let me know."


def voted(path, said, pairs=None, overlap=3):
    """A file of votes: pair number -> {person: verdict}."""
    votes = Votes(path, overlap=overlap)
    votes.add(pairs or some_pairs(len(said)))
    for pair, people in zip(votes.pairs(), said, strict=True):
        for name, verdict in people.items():
            kept = None if verdict == "skip" else verdict
            votes.record(f"{name}-{pair.id}", pair.id, name, kept, note=f"by {name}", seconds=4.0)
    return votes


SAID = [
    {"ann": "first", "ben": "first", "cy": "first"},
    {"ann": "second", "ben": "second", "cy": "first"},
    {"ann": "first", "ben": "second"},
    {"ann": "tie", "ben": "tie"},
    {"ann": "bad", "ben": "bad"},
    {"ann": "skip"},
    {},
]


@pytest.fixture
def votes(tmp_path):
    made = voted(tmp_path / "labels.sqlite", SAID)
    yield made
    made.close()


def test_majority(votes):
    first, second = rows(votes)
    assert first["prompt"] == "Question 0?"
    assert (first["chosen"], first["rejected"]) == ("the first says 0", "the second says 0")
    assert (first["chosen_model"], first["rejected_model"]) == ("model-alpha", "model-beta")
    assert (first["margin"], first["votes"], first["tie"], first["annotator"]) == (1.0, 3, False, "ann, ben, cy")
    assert first["note"] == "by ann\nby ben\nby cy"
    left = [votes.side("alpha-vs-beta-0", name) == "first" for name in ("ann", "ben", "cy")]
    assert first["side"] == ", ".join("left" if is_left else "right" for is_left in left)
    assert second["chosen"] == "the second says 1" and second["margin"] == pytest.approx(1 / 3)
    assert (first["share"], second["share"]) == (1.0, pytest.approx(2 / 3))
    assert set(first) == {
        "id", "prompt", "chosen", "rejected", "chosen_model", "rejected_model", "margin", "share", "annotator", "votes", "tie",
        "side",
        "ts", "note",
    }  # fmt: skip


def test_ties(votes):
    """A split vote is a tie, as is a pair that was found equally good; one of which both are bad is neither."""
    both = [row for row in rows(votes, ties="both") if row["tie"]]
    assert [row["chosen"] for row in both] == [
        "the first says 2", "the second says 2", "the first says 3", "the second says 3",
    ]  # fmt: skip
    assert {row["margin"] for row in both} == {0.0}
    once = [row for row in rows(votes, ties="margin0") if row["tie"]]
    assert [row["chosen"] for row in once] == ["the first says 2", "the first says 3"]


def test_all_and_agreed(votes):
    every = rows(votes, policy="all")
    assert [(row["annotator"], row["chosen"][4:9], row["margin"]) for row in every] == [
        ("ann", "first", 1.0), ("ben", "first", 1.0), ("cy", "first", 1.0),
        ("ann", "secon", 1.0), ("ben", "secon", 1.0), ("cy", "first", 1.0),
        ("ann", "first", 1.0), ("ben", "secon", 1.0),
    ]  # fmt: skip
    assert all(row["side"] in ("left", "right") for row in every)
    assert [row["id"] for row in rows(votes, policy="agreed")] == ["alpha-vs-beta-0"]


def test_kto_and_reward(votes):
    found = [(row["completion"][4:], row["label"]) for row in rows(votes, "kto")]
    assert found == [
        ("first says 0", True), ("second says 0", False), ("first says 1", False), ("second says 1", True),
        ("first says 4", False), ("second says 4", False),
    ]  # fmt: skip
    assert [row["label"] for row in rows(votes, "kto", ties="both")].count(True) == 6
    assert [set(row) for row in rows(votes, "reward")] == [{"id", "prompt", "chosen", "rejected", "margin", "share"}] * 2


def test_conversations(tmp_path, votes):
    row = rows(votes, "conversational")[0]
    assert row["prompt"] == [{"role": "user", "content": "Question 0?"}]
    assert row["chosen"] == [{"role": "assistant", "content": "the first says 0"}]
    pairs = [Pair("a", USER, ("x", "y")), Pair("b", TALK, ("x", "y"))]
    talk = voted(tmp_path / "talk.sqlite", [{"ann": "first"}, {"ann": "second"}], pairs)
    for layout in ("dpo", "kto", "reward"):
        found = rows(talk, layout)
        assert {type(row["prompt"]) for row in found} == {list}, "one kind of column in one file"
        assert found[-1]["prompt"] == TURNS
    talk.close()


def test_control_items_are_no_rows_and_make_no_agreement(tmp_path):
    pairs = [Pair("gold a", USER, ("x", "y"), gold="first"), Pair("b", USER, ("x", "y"), ("m", "n"))]
    votes = voted(tmp_path / "g.sqlite", [{"ann": "first", "ben": "second"}, {"ann": "first", "ben": "first"}], pairs)
    assert [row["id"] for row in rows(votes)] == ["b"]
    made = report(votes)
    assert made.raw.value == 1 and made.pairs == 1
    assert {person.name: person.gold.value for person in made.people} == {"ann": 1.0, "ben": 0.0}
    assert "controls" in made.people[1].flags and "controls" not in made.people[0].flags
    votes.close()


def test_the_report(votes):
    made = report(votes)
    assert (made.pairs, made.judged, made.votes, made.skips) == (7, 5, 12, 1)
    assert made.verdicts == {"first": 5, "second": 3, "tie": 2, "bad": 2}
    assert made.raw.value == pytest.approx((3 + 1 + 0 + 1 + 1) / (3 + 3 + 1 + 1 + 1))
    assert set(made.cohen) == {("ann", "ben"), ("ann", "cy"), ("ben", "cy")}
    [contest] = made.contests
    assert (contest.model, contest.wins, contest.losses, contest.ties, contest.bad) == ("model-alpha", 5, 3, 2, 2)
    assert contest.rate.value == pytest.approx((5 + 4 / 2) / 12)
    assert contest.rate.low < contest.rate.value < contest.rate.high
    json.dumps(made.tree(), allow_nan=False)


def test_models_are_told_apart_whichever_stands_first(tmp_path):
    pairs = [Pair("a", USER, ("x", "y"), ("m", "n")), Pair("b", USER, ("x", "y"), ("n", "m"))]
    votes = voted(tmp_path / "m.sqlite", [{"ann": "first"}, {"ann": "second"}], pairs)
    [contest] = report(votes).contests
    assert (contest.model, contest.wins, contest.losses, contest.rate.value) == ("m", 2, 0, 1.0)
    votes.close()


def test_a_rule_stands_in_for_people_and_is_named(tmp_path):
    answers = (("aa", "b"), ("a", "bb"), ("a", "b"), ("a", "a"))
    votes = Votes(tmp_path / "rule.sqlite")
    votes.add([Pair(str(n), USER, both, ("m", "n")) for n, both in enumerate(answers)])
    votes.add([Pair("later", USER, (None, None))])

    def longer(examples, answers):
        assert [example.messages for example in examples] == [USER] * len(answers)
        return [len(answer) for answer in answers]

    assert judge(votes, longer, "rule of length") == 3
    assert judge(votes, longer, "rule of length") == 0, "what is judged is not judged again"
    assert [(event.pair, event.verdict) for event in votes.standing()] == [("0", "first"), ("1", "second"), ("2", "tie")]
    assert {row["annotator"] for row in rows(votes)} == {"rule of length"}
    votes.fill("later", "first", "long")
    votes.fill("later", "second", "s")
    assert judge(votes, longer, "rule of length") == 1
    assert votes.undo("back", "rule of length", "t") and judge(votes, longer, "rule of length") == 1
    votes.close()


def test_somebody_who_always_takes_the_left_is_seen(tmp_path):
    votes = Votes(tmp_path / "left.sqlite")
    votes.add(some_pairs(30))
    for n in range(30):
        votes.vote(f"v{n}", "ann", votes.next("ann", "t").key, "left", "", "", 0.4)
    made = report(votes)
    assert made.left.value == 1 and made.left.low > 0.8
    assert made.people[0].flags == ["hasty", "leans left"]
    votes.close()


def test_export_and_report_from_the_command_line(tmp_path, votes, capsys):
    from tunesmith import cli

    out = tmp_path / "rows.jsonl"
    cli.main(["label", "--export", str(out), "--db", str(votes.path), "--as", "kto", "--ties", "both"])
    assert capsys.readouterr().out.strip() == str(out)
    assert [json.loads(line) for line in out.read_text().splitlines()] == rows(votes, "kto", "both")
    cli.main(["label", "--report", "--db", str(votes.path)])
    told = capsys.readouterr().out
    for word in ("model-alpha", "Krippendorff", "ann", "5 of 7 pairs judged"):
        assert word in told
    cli.main(["label", "--report", "--json", "--db", str(votes.path)])
    assert json.loads(capsys.readouterr().out)["votes"] == 12
    for words, said in (
        (["--report", "--db", str(tmp_path / "no.sqlite")], "there is no file of votes"),
        (["--db", str(tmp_path / "no.sqlite")], "there is nothing to label"),
        ([str(tmp_path / "no.jsonl"), "--db", str(tmp_path / "no.sqlite")], "there is no file"),
        (["--prompts", "town/politeness"], "go together"),
    ):
        with pytest.raises(SystemExit) as stop:
            cli.main(["label", *words])
        assert stop.value.code == 1
        assert said in capsys.readouterr().err


def test_report_and_page_need_no_torch(tmp_path, votes):
    code = (
        "import sys\nfrom tunesmith import cli\nimport tunesmith.serving.labels\n"
        f"cli.main(['label', '--report', '--db', {str(votes.path)!r}])\nassert 'torch' not in sys.modules"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("layout", ["dpo", "conversational", "reward"])
def test_rows_read_as_preferences_here(tmp_path, votes, layout):
    """The file is a task like any other: prompt, chosen and rejected come back as they were."""
    out = tmp_path / "votes.jsonl"
    labelling.export_labels(out, db=votes.path, layout=layout)
    found = {one.id: one for split in ("train", "validation", "test") for one in examples(out, split)}
    assert len(found) == 2
    first = found["alpha-vs-beta-0"]
    assert first.messages == (Message("user", "Question 0?"),)
    assert (first.target, first.rejected) == ("the first says 0", "the second says 0")


OBJECTIVES = {"dpo": "dpo", "conversational": "dpo", "reward": "reward", "kto": "kto"}


@pytest.mark.parametrize(("layout", "objective"), OBJECTIVES.items())
@pytest.mark.parametrize("prompt", [USER, TALK], ids=["prompts", "dialogues"])
def test_a_step_of_each_objective_is_learnt_from_votes(tmp_path, layout, objective, prompt):
    prompts = [(*prompt[:-1], Message("user", f"Question {n}?")) for n in range(40)]
    pairs = [Pair(str(n), one, (f"yes {n}", f"no {n} and no"), ("m", "n")) for n, one in enumerate(prompts)]
    votes = voted(tmp_path / "labels.sqlite", [{"ann": "first" if n % 3 else "second"} for n in range(40)], pairs)
    labelling.export_labels(tmp_path / "votes.jsonl", db=votes.path, layout=layout)
    votes.close()
    recipe = {
        "name": "mine",
        "model": {"path": str(tiny_model(tmp_path / "llama", "llama"))},
        "method": {"kind": "lora", "rank": 2},
        "objective": {"kind": objective},
        "tasks": {str(tmp_path / "votes.jsonl"): 1.0},
        "forgetting": "none",
        "plan": {"steps": 2, "examples": 4, "learning_rate": 1e-3},
        "limit": {"test": 2},
        "ask": {"tokens": 2},
    }
    run = verbs.train(recipe, into=tmp_path / "run", quiet=True)
    assert len(list(run.steps())) == 2


def examples(file, split):
    task = task_from(str(file))
    return list(task.examples(split)) if split in task.source.splits() else []


def test_nothing_to_export(tmp_path):
    votes = voted(tmp_path / "none.sqlite", [{"ann": "tie"}])
    with pytest.raises(UserError, match="make no rows"):
        labelling.export_labels(tmp_path / "rows.jsonl", db=votes.path)
    votes.close()
