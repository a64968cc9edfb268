"""Laws of every objective with a head on every family: rows and padding change nothing, saved = loaded, names come back."""

import math
from dataclasses import replace
from itertools import product

import pytest
import torch

from tests.tiny import tiny_model
from tunesmith.data.example import Example, Message
from tunesmith.errors import UserError
from tunesmith.evaluation.heads import classify, lowest, temperature
from tunesmith.methods.frozen import Frozen
from tunesmith.methods.full import Full
from tunesmith.methods.lora import LoRA
from tunesmith.methods.prompt import PromptTuning
from tunesmith.methods.selective import Selective
from tunesmith.models.load import ModelSettings, load
from tunesmith.models.weights import load_adapter, save_adapter
from tunesmith.objectives.classify import Classify
from tunesmith.objectives.multilabel import MultiLabel
from tunesmith.objectives.multiple_choice import MultipleChoice
from tunesmith.objectives.objective import Placed
from tunesmith.objectives.regress import Regress
from tunesmith.objectives.reward import Reward
from tunesmith.objectives.tag import Tag
from tunesmith.tokens.packing import Room

FAMILIES = ("llama", "t5", "bert")
POOLINGS = {"llama": ("last", "mean"), "t5": ("last",), "bert": ("mean", "first", "last")}
TEXTS = ("Anna Bell lives in Mill Lane.", "The dog ran.", "Was it cold on Monday, or was it warm?", "Yes, very.")


def examples(target, choices=()):
    return [
        Example((Message("user", text),), target(number, text), choices=choices, id=str(number))
        for number, text in enumerate(TEXTS)
    ]


OBJECTIVES = {
    "label": (Classify(), examples(lambda n, _: ("no", "yes")[n % 2], ("no", "yes"))),
    "weighed": (Classify(class_weights="balanced", label_smoothing=0.1), examples(lambda n, _: ("b", "a", "a", "c")[n])),
    "pairs": (
        Classify(),
        [replace(e, texts=(e.messages[0].content, "It was dark.")) for e in examples(lambda n, _: "ab"[n % 2])],
    ),
    "labels": (MultiLabel(class_weights="balanced"), examples(lambda n, _: ("x, y", "none", "y", "z")[n])),
    "number": (Regress(), examples(lambda n, _: str(n / 2))),
    "tags": (Tag(), examples(lambda n, text: " ".join(("O", "B-x")[len(word) % 2] for word in text.split()))),
    "reward": (
        Reward(centre=0.05),
        [replace(e, rejected="no", choices=("no", e.target), meta={"margin": 0.5}) for e in examples(lambda n, _: f"see {n}")],
    ),
    "choice": (MultipleChoice(), examples(lambda n, _: ("red", "dark green", "blue")[n % 3], ("red", "dark green", "blue"))),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {kind: str(tiny_model(tmp_path_factory.mktemp(kind), kind)) for kind in FAMILIES}


def made_for(folders, family, kind, method, **settings):
    objective, rows = OBJECTIVES[kind]
    objective = replace(objective.fitted(rows), dropout=0.0, **settings)
    torch.manual_seed(3)
    model = load(ModelSettings(path=folders[family]), objective.head(), "cpu")
    adapter = model.attach("mine", method)
    with torch.no_grad():
        for parameter in adapter.trained().values():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model, objective, rows


def cost(model, objective, rows, room):
    [batches] = objective.updates([Placed(example, n) for n, example in enumerate(rows)], model, room)
    done = [(objective.loss(model, batch).total, batch.count(objective.per)) for batch in batches]
    return torch.stack([loss for loss, _ in done]).sum(), sum(count for _, count in done)


law = pytest.mark.parametrize(("family", "kind"), [(family, kind) for family in FAMILIES for kind in OBJECTIVES])


@law
def test_rows_and_padding_change_nothing(folders, family, kind):
    for pooling, method in product(POOLINGS[family], (LoRA(rank=2), PromptTuning(virtual_tokens=2))):
        model, objective, rows = made_for(folders, family, kind, method, pooling=pooling)
        loss, count = cost(model, objective, rows, Room(rows=1))
        for room in [Room(rows=8), Room(rows=2)] + [Room(layout="packed", width=80)] * (family == "llama"):
            other, counted = cost(model, objective, rows, room)
            torch.testing.assert_close(other, loss, rtol=1e-5, atol=1e-5)
            assert counted == pytest.approx(count)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_pooling_that_says_nothing_is_refused(folders, family):
    for pooling in {"mean", "first", "last"} - set(POOLINGS[family]):
        with pytest.raises(UserError, match=f"pooling` is `{pooling}`"):
            made_for(folders, family, "label", LoRA(rank=2), pooling=pooling)


@law
def test_saved_is_loaded_with_its_names(folders, family, kind, tmp_path):
    model, _, rows = made_for(folders, family, kind, LoRA(rank=2), hidden=True)
    model.head.plan = replace(model.head.plan, temperature=2.5)
    save_adapter(tmp_path, model.adapter(), model)
    again = load(ModelSettings(path=str(tmp_path)), None, "cpu")
    assert again.head.plan == model.head.plan
    for calibrated in (False, True):
        theirs, ours = (classify(one, rows, calibrated=calibrated) for one in (again, model))
        assert [a.said for a in theirs] == [a.said for a in ours]
        for one, other in zip(theirs, ours, strict=True):
            assert one.scores == pytest.approx(other.scores, abs=1e-5)
            assert one.labels == other.labels
    plain, tempered = classify(again, rows), classify(again, rows, calibrated=True)
    assert [a.said for a in plain] == [a.said for a in tempered]
    if kind not in ("number",):
        assert plain[0].scores != tempered[0].scores


@pytest.mark.parametrize("method", [Full(), Selective(last=1), Frozen()], ids=lambda method: type(method).__name__)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_way_of_training_keeps_its_head(folders, family, method, tmp_path):
    model, objective, rows = made_for(folders, family, "label", method)
    loss, _ = cost(model, objective, rows, Room())
    loss.backward()
    assert model.head.weight.grad is not None
    trained = model.adapter().trained()
    assert (len(trained) == len(list(model.head.parameters()))) == isinstance(method, Frozen)
    assert all(p.grad is None for p in model.parameters() if not any(p is one for one in trained.values()))
    save_adapter(tmp_path, model.adapter(), model)
    again = load(ModelSettings(path=str(tmp_path)), None, "cpu")
    ours, theirs = classify(model, rows), classify(again, rows)
    assert [a.scores for a in theirs] == [pytest.approx(a.scores, abs=1e-5) for a in ours]


def test_adapters_on_one_base_have_heads_of_their_own(folders, tmp_path):
    said = {}
    for kind in ("label", "tags"):
        model, _, rows = made_for(folders, "bert", kind, LoRA(rank=2))
        save_adapter(tmp_path / kind, model.adapter(), model)
        said[kind] = [answer.scores for answer in classify(model, rows)]
    both = load(ModelSettings(path=folders["bert"]), None, "cpu", headed=True)
    for kind in said:
        load_adapter(tmp_path / kind / "adapter", both, kind)
    for kind, wanted in said.items():
        both.active = kind
        found = [answer.scores for answer in classify(both, OBJECTIVES[kind][1])]
        assert found == [pytest.approx(one, abs=1e-5) for one in wanted]


def test_of_several_tasks_labels_each_example_has_its_own(folders):
    rows = OBJECTIVES["label"][1] + [replace(row, target="maybe", choices=("maybe", "never")) for row in OBJECTIVES["label"][1]]
    objective = Classify().fitted(rows)
    assert objective.labels == ("no", "yes", "maybe", "never")
    model = load(ModelSettings(path=folders["bert"]), objective.head(), "cpu")
    for row, answer in zip(rows, classify(model, rows), strict=True):
        assert answer.said in row.choices and answer.labels == row.choices
        assert sum(map(math.exp, answer.scores)) == pytest.approx(1)


def test_a_constant_head_says_what_stands_most_often(folders):
    rows = examples(lambda n, _: ("often", "often", "often", "seldom")[n])
    objective = Classify().fitted(rows)
    model = load(ModelSettings(path=folders["t5"]), objective.head(), "cpu")
    model.head.hold(objective.constants(rows))
    answers = classify(model, rows)
    assert {answer.said for answer in answers} == {"often"}
    assert answers[0].scores == pytest.approx([torch.tensor(0.75).log().item(), torch.tensor(0.25).log().item()], abs=1e-6)


def test_the_temperature_is_where_the_right_answers_are_likeliest(folders):
    model, _, rows = made_for(folders, "bert", "label", LoRA(rank=2))
    with torch.no_grad():
        model.head.weight.mul_(30)  # far too sure of itself: three answers of four are right
    said = [answer.said for answer in classify(model, rows)]
    rows = [replace(one, target=word) for one, word in zip(rows, [*said[:3], {"no": "yes", "yes": "no"}[said[3]]], strict=True)]
    found = temperature(model, rows)
    assert 1 < found < 20

    def loss(by):
        model.head.plan = replace(model.head.plan, temperature=by)
        answers = classify(model, rows, calibrated=True)
        return -sum(a.scores[a.labels.index(a.target)] for a in answers)

    assert loss(found) <= min(loss(found * 1.05), loss(found / 1.05)) + 1e-9
    assert lowest(lambda x: (x - 1.3) ** 2, -3, 3) == pytest.approx(1.3, abs=1e-6)


def test_bad_rows_are_told():
    objective, rows = OBJECTIVES["label"]
    with pytest.raises(UserError, match="label `maybe`, which no training example has"):
        objective.fitted(rows).number("maybe", rows[0])
    with pytest.raises(UserError, match="1 different labels"):
        objective.fitted([replace(rows[0], choices=())])
    with pytest.raises(UserError, match="names `x`, which is no label"):
        replace(objective, class_weights={"x": 1.0}).fitted(rows)
    with pytest.raises(UserError, match="is no number"):
        Regress().constants(rows)
