"""Reward models: the loss by hand, rewards that depend on nothing but their text, and runs that judge and answer."""

import json
import math
from dataclasses import replace

import pytest
import torch

from tests.tiny import tiny_model
from tunesmith import answering, experiment, settings
from tunesmith.data.example import Example, Message
from tunesmith.errors import UserError
from tunesmith.evaluation.heads import classify, rewards
from tunesmith.models.load import ModelSettings, load
from tunesmith.objectives.objective import Placed
from tunesmith.objectives.regress import Regress
from tunesmith.objectives.reward import Reward
from tunesmith.recipe import Recipe
from tunesmith.tokens.packing import Room

FAMILIES = ("llama", "t5", "bert")
PAIRS = [
    Example((Message("user", "Good morning."),), "Good morning to you!", "Go away.", id="1", meta={"margin": 0.5}),
    Example((Message("user", "May I sit here?"),), "Yes.", "No, this whole house is mine, and so is the street.", id="2"),
    Example((Message("user", "Hello"), Message("assistant", "Hi"), Message("user", "Well?")), "Yes?", "", id="3"),
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {kind: str(tiny_model(tmp_path_factory.mktemp(kind), kind)) for kind in FAMILIES}


def reward_model(folder, **changed):
    torch.manual_seed(1)
    model = load(ModelSettings(path=folder), Reward(**changed).head(), "cpu")
    with torch.no_grad():
        model.head.weight.normal_()
    return model


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_is_that_of_the_rewards(folders, family):
    model, objective = reward_model(folders[family]), Reward(centre=0.1)
    [batches] = objective.updates([Placed(pair) for pair in PAIRS], model, Room())
    [batch] = batches
    loss = objective.loss(model, batch)
    chosen = rewards(model, PAIRS, [pair.target for pair in PAIRS])
    rejected = rewards(model, PAIRS, [pair.rejected for pair in PAIRS])
    by_hand = 0.0
    for c, r, margin in zip(chosen, rejected, (0.5, 0.0, 0.0), strict=True):
        by_hand += math.log(1 + math.exp(-(c - r - margin))) + 0.1 * (c + r) ** 2
    assert batch.count(objective.per) == 3
    assert float(loss.total) == pytest.approx(by_hand, rel=1e-5)
    assert float(loss.shown["chosen"]) == pytest.approx(sum(chosen), rel=1e-4, abs=1e-4)
    assert float(loss.shown["accuracy"]) == sum(c > r for c, r in zip(chosen, rejected, strict=True))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_reward_depends_on_its_text_alone(folders, family):
    model = reward_model(folders[family])
    examples, answers = [*PAIRS, *PAIRS], [p.target for p in PAIRS] + [p.rejected for p in PAIRS]
    together = rewards(model, examples, answers)
    for room in (Room(rows=1), Room(rows=2), Room(tokens=64), *[Room(layout="packed", width=90)] * (family == "llama")):
        assert rewards(model, examples, answers, room) == pytest.approx(together, abs=1e-5)
    backwards = rewards(model, examples[::-1], answers[::-1])
    assert backwards[::-1] == pytest.approx(together, abs=1e-5)
    assert len({round(value, 4) for value in together}) == 6, "each text has its own"


@pytest.mark.parametrize("family", FAMILIES)
def test_the_probability_of_an_answer_is_by_the_difference_of_rewards(folders, family):
    model = reward_model(folders[family])
    for pair in PAIRS:
        [answer] = classify(model, [replace(pair, choices=(pair.rejected, pair.target))])
        worse, better = rewards(model, [pair, pair], [pair.rejected, pair.target])
        assert math.exp(answer.scores[1]) == pytest.approx(1 / (1 + math.exp(worse - better)), rel=1e-4)
        assert answer.said == (pair.target if better > worse else pair.rejected)


def test_what_is_no_reward_model_or_no_pair_is_refused(folders):
    model = load(ModelSettings(path=folders["bert"]), Regress().head(), "cpu")
    with pytest.raises(UserError, match="head of the kind `number`"):
        rewards(model, PAIRS[:1], ["yes"])
    with pytest.raises(UserError, match="no preference pair"):
        Reward().render(Placed(Example((), "a", id="1")), model.renderer)
    model = reward_model(folders["bert"])
    with pytest.raises(UserError, match="reads at most"):
        rewards(model, PAIRS[:1], ["far too long " * 1000])


def test_a_run_learns_judges_and_answers(tmp_path):
    tiny_model(tmp_path / "bert", "bert")
    tree = {
        "model": {"path": str(tmp_path / "bert")},
        "objective": {"kind": "reward", "centre": 0.01},
        "tasks": {"town/politeness": 1.0},
        "forgetting": "none",
        "plan": {"steps": 2, "examples": 4},
        "limit": {"validation": 4, "test": 6},
    }
    run = experiment.run(settings.build(Recipe, tree), tmp_path / "run", quiet=True)
    first = run.steps()[0]
    assert first["count"] == 4 and set(first["shown"]) == {"chosen", "rejected", "margin", "accuracy"}
    assert run.scores()["town/politeness"]["accuracy"].answers == 6
    folder = str(run.folder)
    polite, rude = (float(answering.answer(folder, "Hello", second=said)) for said in ("Hello!", "Go away."))
    assert polite != rude
    with pytest.raises(UserError, match="--second"):
        answering.answer(folder, "Hello")
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"request": "Hello", "polite": "Hello!", "rude": "Go away."}) + "\n", encoding="utf-8")
    said = json.loads(answering.predict(folder, rows).read_text(encoding="utf-8"))
    assert said["answer"] in ("Hello!", "Go away.") and sum(said["probabilities"].values()) == pytest.approx(1)
    rows.write_text(json.dumps({"prompt": "Hello", "completion": "Hello!"}) + "\n", encoding="utf-8")
    said = json.loads(answering.predict(folder, rows, template="pairs").read_text(encoding="utf-8"))
    assert float(said["answer"]) == pytest.approx(polite, rel=1e-4)


def test_without_learning_both_answers_are_alike(tmp_path):
    tiny_model(tmp_path / "bert", "bert")
    tree = {
        "model": {"path": str(tmp_path / "bert")},
        "objective": "reward",
        "method": "none",
        "tasks": {"town/politeness": 1.0},
        "forgetting": "none",
        "limit": {"test": 60},
    }
    run = experiment.run(settings.build(Recipe, tree), tmp_path / "run", quiet=True)
    assert 0.25 < run.scores()["town/politeness"]["accuracy"].value < 0.75
