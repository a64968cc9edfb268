"""The four plug-ins of CONTRIBUTING.md, run as they stand there: from outside the package, and dropped into its folders."""

import ast
import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.worlds import learner, stream
from tunesmith import registry, settings
from tunesmith.data.example import Example
from tunesmith.methods.method import Method
from tunesmith.metrics.metric import Metric
from tunesmith.objectives.objective import Objective, Placed
from tunesmith.run import Answer
from tunesmith.tasks.task import Task
from tunesmith.tokens.sequence import causal
from tunesmith.training.loop import train
from tunesmith.training.plan import Plan
from tunesmith.training.state import State

TEXT = (Path(__file__).resolve().parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```python\n# my_lab/(\w+\.py)\n(.*?)```", TEXT, re.DOTALL))
ROOMS = {"gain.py": "methods", "focal.py": "objectives", "word_recall.py": "metrics", "sums.py": "tasks"}
PLAN = Plan(examples=4, learning_rate=1e-2, warmup=0.0, schedule="constant")


class Numbers:
    """A renderer for tiny networks: an example's target is a list of token ids."""

    family = "causal"

    def render(self, example):
        ids = [int(word) for word in example.target.split()]
        return causal(ids, [0.0, *[1.0] * (len(ids) - 1)])


def counting(place):
    begin, length = (int(part) for part in stream(place).id.split("-"))
    return Example((), " ".join(str(3 + (begin + i) % 50) for i in range(length)), id=str(place))


@pytest.fixture
def my_lab(tmp_path, monkeypatch):
    """The four files in a folder `my_lab` beside where one works."""
    folder = tmp_path / "my_lab"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_lab"]:
        del sys.modules[name]


def test_there_is_one_of_each():
    assert set(FILES) == set(ROOMS)


@pytest.mark.parametrize("name", ROOMS)
def test_each_is_at_most_ten_lines_below_its_imports(name):
    body = ast.parse(FILES[name]).body[1:]
    code = [node for node in body if not isinstance(node, ast.Import | ast.ImportFrom)]
    first = min(node.lineno - len(getattr(node, "decorator_list", ())) for node in code)
    lines = [line for line in FILES[name].splitlines()[first - 1 :] if line.strip()]
    assert len(lines) <= 10


def test_the_method_learns_and_leaves_the_rest_alone(my_lab):
    method = settings.plugin({"kind": "my_lab.gain"}, "tunesmith.methods", Method, "method.")
    objective = settings.plugin({"kind": "my_lab.focal", "gamma": 0.0}, "tunesmith.objectives", Objective, "objective.")
    made, _, _ = learner("llama", PLAN)
    made.detach("a")
    made.renderer = Numbers()
    before = {name: p.detach().clone() for name, p in made.network.named_parameters()}
    adapter = made.attach("gain", method)
    state = State.new(adapter, PLAN)
    assert len(adapter.deltas) == 2  # one a layer
    steps = list(train(made, adapter, objective, counting, PLAN, state, 2))
    assert [step.step for step in steps] == [1, 2]
    assert all(bool((p != 1).any()) for p in adapter.trained().values())
    assert all(torch.equal(before[name], p) for name, p in made.network.named_parameters())


def test_the_objective_trains_and_is_the_formula(my_lab):
    objective = settings.plugin({"kind": "my_lab.focal", "gamma": 1.5}, "tunesmith.objectives", Objective, "objective.")
    made, adapter, state = learner("llama", PLAN)
    made.renderer = Numbers()
    [batch] = next(objective.updates([Placed(counting(1))], made, PLAN.room))
    probabilities = made(batch).logprobs().detach().double().exp()
    by_hand = sum(-((1 - p) ** 1.5) * np.log(p) for p in probabilities.tolist())
    assert float(objective.loss(made, batch).total.detach()) == pytest.approx(by_hand, rel=1e-5)
    losses = [step.loss for step in train(made, adapter, objective, counting, PLAN, state, 20)]
    assert losses[-1] < losses[0]


def test_a_misspelt_setting_of_the_objective_is_refused(my_lab):
    with pytest.raises(Exception, match="gama"):
        settings.plugin({"kind": "my_lab.focal", "gama": 1.5}, "tunesmith.objectives", Objective, "objective.")


def test_the_metric_is_found_and_totals(my_lab):
    metric = registry.find_value("word_recall", "my_lab", Metric)
    rows = [("a b", "a b c d"), ("x", "x y")]
    stats = [metric.measure(Answer("1", "", said, meant), Example((), meant)) for said, meant in rows]
    assert stats == [(2.0, 4.0), (1.0, 2.0)]
    assert metric.total(np.array(stats)) == 0.5
    assert metric.total(np.array([metric.measure(Answer("1", "", t, t), Example((), t)) for _, t in rows])) == metric.best


def test_the_task_gives_examples_of_each_split(my_lab):
    task = registry.find_value("sums", "my_lab", Task)
    examples = {split: list(task.examples(split)) for split in task.source.splits()}
    assert [len(found) for found in examples.values()] == [80, 10, 10]
    assert len({example.id for found in examples.values() for example in found}) == 100
    [first, *_] = examples["test"]
    assert (first.messages[0].content, first.target) == ("0 + 9 =", "9")


@pytest.mark.parametrize(("name", "room"), ROOMS.items())
def test_dropped_into_its_folder_it_is_known_by_its_name(name, room, my_lab, tmp_path):
    """As one new file in the package: the folder is lent to the package for the length of the test."""
    package = importlib.import_module(f"tunesmith.{room}")
    alone = tmp_path / room
    alone.mkdir()
    (alone / name).write_text(FILES[name], encoding="utf-8")
    kind = {"methods": Method, "objectives": Objective, "metrics": Metric, "tasks": Task}[room]
    plugin = name.removesuffix(".py")
    package.__path__.append(str(alone))
    importlib.invalidate_caches()
    try:
        assert plugin in registry.names(f"tunesmith.{room}")
        found = registry.find if room in ("methods", "objectives") else registry.find_value
        assert found(plugin, f"tunesmith.{room}", kind) is not None
    finally:
        package.__path__.remove(str(alone))
        sys.modules.pop(f"tunesmith.{room}.{plugin}", None)
        vars(package).pop(plugin, None)
