"""Rewards: numbers of texts, which know nothing of tokens, batches or padding."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tiny import tiny_model
from tunesmith import registry, settings
from tunesmith.data.example import Example, Message
from tunesmith.errors import UserError
from tunesmith.methods.lora import LoRA
from tunesmith.models.head import HeadPlan
from tunesmith.models.load import ModelSettings, load
from tunesmith.models.weights import save_adapter
from tunesmith.objectives.objective import Objective
from tunesmith.objectives.ppo import PPO
from tunesmith.rewards.head import HeadReward, judge
from tunesmith.rewards.length import Length
from tunesmith.rewards.politeness import Politeness
from tunesmith.rewards.reward import Reward, scored

ASKED = [Example((Message("user", text),), "Forty two", id=text, references=("forty-two", "42")) for text in ("a?", "b or c?")]


def made(tree: Any) -> Reward:
    found: Reward = settings.plugin(tree, "tunesmith.rewards", Reward)
    return found


def test_the_folder_is_the_registry() -> None:
    assert set(registry.names("tunesmith.rewards")) == {"exact", "head", "length", "match", "politeness", "rule"}
    built = settings.build(PPO, {"rewards": ["politeness", {"kind": "length", "beyond": 8, "weight": -0.1}]})
    assert built.rewards == (Politeness(), Length(beyond=8, weight=-0.1))
    assert settings.plugin(settings.dump(built), "tunesmith.objectives", Objective) == built


@pytest.mark.parametrize(
    ("tree", "answers", "wanted"),
    [
        ("politeness", ["Certainly, please sit down.", "Go away!"], [1.0, 0.0]),
        ("length", ["one two three", ""], [3.0, 0.0]),
        ({"kind": "length", "beyond": 2}, ["one two three", "one"], [1.0, 0.0]),
        ({"kind": "match", "pattern": r"\d+"}, ["I have 3", "none"], [1.0, 0.0]),
        ({"kind": "match", "pattern": r"a.*b", "whole": True}, ["a\nb", "a b c"], [1.0, 0.0]),
        ("exact", [" 42 ", "Forty Two."], [1.0, 0.0]),
        ({"kind": "exact", "quasi": True}, ["the 42.", "43"], [1.0, 0.0]),
        ({"kind": "exact", "after": "is (.*)"}, ["6 is 6, so it is 42", "42"], [0.0, 0.0]),
        ({"kind": "exact", "after": r"is (\d+)"}, ["6 is 6, so it is 42", "42"], [1.0, 0.0]),
    ],
)
def test_what_each_gives(tree: Any, answers: list[str], wanted: list[float]) -> None:
    assert made(tree).score(ASKED, answers) == wanted


def test_a_sum_is_weighed() -> None:
    rewards = (Politeness(weight=2.0), Length(weight=-0.5))
    assert scored(rewards, ASKED, ["Thank you, yes", "So what?"]) == [0.5, -1.0]


def test_a_rule_takes_what_it_names(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "def score(answer, prompt, target, half=0.5):\n    return half * len(answer) + (prompt == 'a?') + target.count('o')\n"
        "def whole(example, **rest):\n    return example.id == 'a?'\n"
        "def wrong(question):\n    return 1\n"
        "def nothing(answer):\n    return None\n"
        "def never(answer):\n    return float('nan')\n"
    )
    assert made({"kind": "rule", "path": str(file)}).score(ASKED, ["four", ""]) == [5.0, 2.0]
    assert made({"kind": "rule", "path": str(file), "function": "whole"}).score(ASKED, ["", ""]) == [1.0, 0.0]
    for function, told in (("wrong", "takes `question`"), ("scored", "did you mean `score`")):
        with pytest.raises(UserError) as error:
            made({"kind": "rule", "path": str(file), "function": function})
        assert told in str(error.value) + error.value.hint
    with pytest.raises(UserError, match="stopped at an answer to example `a\\?`: TypeError"):
        made({"kind": "rule", "path": str(file), "function": "nothing"}).score(ASKED, ["", ""])
    with pytest.raises(UserError, match=r"the reward `Rule` of an answer to example `a\?` is nan"):
        scored((made({"kind": "rule", "path": str(file), "function": "never"}),), ASKED, ["", ""])


@pytest.mark.parametrize(
    ("tree", "told"),
    [
        ({"kind": "rule", "path": "nowhere.py"}, "there is no file `nowhere.py`"),
        ({"kind": "match", "pattern": "("}, "no regular expression"),
        ({"kind": "exact", "after": "it is"}, "no group"),
        ({"kind": "politness"}, "there is no reward `politness`"),
    ],
)
def test_what_cannot_be_is_refused(tree: Any, told: str) -> None:
    with pytest.raises(UserError, match=told):
        made(tree)


JUDGES = [
    ("bert", "number", {"reads": "pair"}),
    ("bert", "label", {"reads": "answer", "label": "b"}),
    ("llama", "reward", {}),
    ("bert", "reward", {}),
    ("t5", "reward", {}),
    ("llama", "labels", {"reads": "answer", "label": "a", "probability": True}),
    ("t5", "number", {"reads": "pair"}),
]
ANSWERS = ["Yes.", "No, certainly not; it was a long day and nobody came.", "", "Perhaps"]


@pytest.mark.parametrize(("kind", "head", "given"), JUDGES)
def test_a_head_judges_whatever_stands_beside(kind: str, head: Any, given: dict[str, Any], tmp_path: Path) -> None:
    """CORRECTNESS 22: no batch and no padding changes a reward; the judge spells for itself."""
    torch.manual_seed(0)
    plan = HeadPlan(head, ("a", "b") if "label" in given else (), dropout=0.0)
    model = load(ModelSettings(path=str(tiny_model(tmp_path / "base", kind))), plan, "cpu")
    adapter = model.attach("a", LoRA(rank=2))
    with torch.no_grad():
        for parameter in adapter.trained().values():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    folder = str(save_adapter(tmp_path, adapter, model))
    judge.cache_clear()
    asked = [ASKED[number % 2] for number in range(len(ANSWERS))]
    together = made({"kind": "head", "path": folder, **given}).score(asked, ANSWERS)
    alone = [
        made({"kind": "head", "path": folder, **given}).score([one], [said])[0]
        for one, said in zip(asked, ANSWERS, strict=True)
    ]
    turned = made({"kind": "head", "path": folder, "rows": 2, **given}).score(asked[::-1], ANSWERS[::-1])[::-1]
    assert len(set(together)) == len(ANSWERS)
    assert alone == pytest.approx(together, rel=1e-4) and turned == pytest.approx(together, rel=1e-4)
    if given.get("probability"):
        assert all(0 < value < 1 for value in together)
    elif head == "label":
        assert all(value < 0 for value in together)


def test_a_head_that_cannot_judge_so_is_refused(tmp_path: Path) -> None:
    plan = HeadPlan("label", ("a", "b"), dropout=0.0)
    model = load(ModelSettings(path=str(tiny_model(tmp_path / "base", "bert"))), plan, "cpu")
    folder = str(save_adapter(tmp_path, model.attach("a", LoRA(rank=2)), model))
    judge.cache_clear()
    with pytest.raises(UserError, match="tells labels, and `label` is `None`"):
        HeadReward(path=folder).score(ASKED, ["x", "y"])
    with pytest.raises(UserError, match="no head"):
        HeadReward(path=str(tmp_path / "base")).score(ASKED, ["x", "y"])
