"""The loss of every objective with a head is that of transformers' own classes on the same weights."""

import pytest
import torch

from tests.models.networks import NETWORKS, network
from tests.models.rows import laid, sequences
from tunesmith.data.example import Example, Message
from tunesmith.models.head import HeadPlan
from tunesmith.models.model import Model
from tunesmith.objectives.classify import Classify
from tunesmith.objectives.multilabel import MultiLabel
from tunesmith.objectives.multiple_choice import MultipleChoice
from tunesmith.objectives.regress import Regress
from tunesmith.objectives.tag import Tag
from tunesmith.tokens.sequence import IGNORED, Tokens

LABELS = ("a", "b", "c")


def both(name, peer_class, objective, **changed):
    """Our model with the objective's head, and transformers' class on the same body, with the same weights in both heads."""
    import transformers

    own = network(name)
    config = transformers.AutoConfig.for_model(NETWORKS[name][1], **{**NETWORKS[name][2], **changed})
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    torch.manual_seed(5)
    peer = getattr(transformers, peer_class)(config).eval()
    missing = peer.base_model.load_state_dict(own.base_model.state_dict(), strict=False).missing_keys
    assert all("pooler" in key for key in missing)
    made = Model(own, None, "masked", objective.head()).eval()
    with torch.no_grad():
        parts = {"inner": getattr(peer.base_model.pooler, "dense", None) if made.head.inner is not None else None}
        parts[""] = peer.classifier
        if peer_class == "RobertaForSequenceClassification":
            parts = {"inner": peer.classifier.dense, "": peer.classifier.out_proj}
        for ours, theirs in parts.items():
            if theirs is not None:
                part = getattr(made.head, ours) if ours else made.head
                theirs.weight.normal_(std=0.3)
                theirs.bias.normal_(std=0.3)
                part.weight.copy_(theirs.weight)
                part.bias.copy_(theirs.bias)
    return made, peer


def example(target, choices=()):
    return Example((Message("user", "w"),), target, choices=choices)


def read(tokens):
    bare = Tokens(tokens.inputs, (IGNORED,) * len(tokens.inputs))
    return [(bare, (len(bare.inputs) - 1,))]


def mean_loss(objective, made, rows):
    batch = laid(rows)
    return objective.loss(made, batch).total / batch.count(objective.per), batch


def ids(batch):
    return {"input_ids": batch.input_ids, "attention_mask": batch.mask.long()}


TARGETS = ["b", "a", "c", "b"]
SEVERAL = ["a, c", "none", "b", "a, b, c"]
NUMBERS = ["0.5", "-1.25", "3", "2"]
POOLER = {"pooling": "first", "hidden": True}


@pytest.mark.parametrize("peer_class", ["BertForSequenceClassification", "RobertaForSequenceClassification"])
@pytest.mark.parametrize(
    ("problem", "objective", "targets"),
    [
        ("single_label_classification", Classify(labels=LABELS, **POOLER), TARGETS),
        ("multi_label_classification", MultiLabel(labels=LABELS, **POOLER), SEVERAL),
        ("regression", Regress(**POOLER), NUMBERS),
    ],
)
def test_a_sequence_costs_what_transformers_says(peer_class, problem, objective, targets):
    name = "bert" if peer_class.startswith("Bert") else "roberta"
    labels = 1 if problem == "regression" else 3
    made, peer = both(name, peer_class, objective, num_labels=labels, problem_type=problem)
    rows = [
        objective.answered(example(target), read(tokens))[0]
        for target, tokens in zip(targets, sequences("masked"), strict=True)
    ]
    loss, batch = mean_loss(objective, made, rows)
    given = {
        "single_label_classification": lambda: torch.tensor([LABELS.index(t) for t in TARGETS]),
        "multi_label_classification": lambda: torch.tensor(
            [[float(k in t) for k in LABELS] for t in SEVERAL[:1]] + [[0.0] * 3, [0.0, 1, 0], [1.0] * 3]
        ),
        "regression": lambda: torch.tensor([float(t) for t in NUMBERS]),
    }[problem]()
    wanted = peer(**ids(batch), labels=given)
    torch.testing.assert_close(loss, wanted.loss, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(made(batch).values(), wanted.logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_weights_of_classes_and_smoothing_are_torchs(smoothing):
    weights = {"a": 0.5, "b": 2.0}
    objective = Classify(labels=LABELS, class_weights=weights, label_smoothing=smoothing)
    made = Model(network("bert"), None, "masked", objective.head()).eval()
    rows = [
        objective.answered(example(target), read(tokens))[0]
        for target, tokens in zip(TARGETS, sequences("masked"), strict=True)
    ]
    loss, batch = mean_loss(objective, made, rows)
    torchs = torch.nn.CrossEntropyLoss(torch.tensor([0.5, 2.0, 1.0]), label_smoothing=smoothing)
    wanted = torchs(made(batch).values(), torch.tensor([LABELS.index(t) for t in TARGETS]))
    torch.testing.assert_close(loss, wanted, rtol=1e-6, atol=1e-6)


def test_tags_cost_what_transformers_says():
    objective = Tag(labels=LABELS)
    made, peer = both("bert", "BertForTokenClassification", objective, num_labels=3)
    rows, wanted = [], []
    for number, tokens in enumerate(sequences("masked")):
        places = tuple(range(number % 2, len(tokens.inputs), 2))  # first pieces
        tags = [LABELS[(place + number) % 3] for place in places]
        bare = Tokens(tokens.inputs, (IGNORED,) * len(tokens.inputs))
        rows += objective.answered(example(" ".join(tags)), [(bare, places)])
        given = dict(zip(places, tags, strict=True))
        wanted.append([LABELS.index(given[t]) if t in given else IGNORED for t in range(len(tokens.inputs))])
    loss, batch = mean_loss(objective, made, rows)
    width = batch.input_ids.shape[1]
    labels = torch.tensor([row + [IGNORED] * (width - len(row)) for row in wanted])
    torch.testing.assert_close(loss, peer(**ids(batch), labels=labels).loss, rtol=1e-5, atol=1e-6)


def test_choices_cost_what_transformers_says():
    objective = MultipleChoice(**POOLER)
    made, peer = both("bert", "BertForMultipleChoice", objective)
    first, second = sequences("masked", 3, seed=1), sequences("masked", 3, seed=2)
    choices = ("x", "y", "z")
    rows = []
    for target, group in (("z", first), ("x", second)):
        rows += objective.answered(example(target, choices), [read(tokens)[0] for tokens in group])
    loss, batch = mean_loss(objective, made, rows)
    by_example = {name: values.view(2, 3, -1) for name, values in ids(batch).items()}
    torch.testing.assert_close(loss, peer(**by_example, labels=torch.tensor([2, 0])).loss, rtol=1e-5, atol=1e-6)


def test_the_types_of_a_pair_are_what_the_network_reads():
    own = network("bert")
    made = Model(own, None, "masked", HeadPlan(labels=LABELS, pooling="mean")).eval()
    [one, other] = sequences("masked", 2)
    row = Tokens(one.inputs + other.inputs, (IGNORED,) * (len(one.inputs) + len(other.inputs)), second=len(one.inputs))
    types = torch.tensor([[0] * len(one.inputs) + [1] * len(other.inputs)])
    said = own.bert(torch.tensor([row.inputs]), token_type_ids=types).last_hidden_state
    short = Tokens(one.inputs[:3], (IGNORED,) * 3)
    pooled = made(laid([short, row])).pooled()
    torch.testing.assert_close(pooled[1:], said.mean(1), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(pooled[:1], made(laid([short])).pooled(), rtol=1e-5, atol=1e-6)
