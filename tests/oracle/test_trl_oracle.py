"""Losses of preferences are those of TRL's own trainers on the same batch and the same weights."""

import copy

import pytest
import torch

from tests.tiny import tiny_model
from tunesmith.models.head import HeadPlan
from tunesmith.models.load import ModelSettings, load
from tunesmith.objectives.cdpo import ConservativeDPO
from tunesmith.objectives.dpo import DPO
from tunesmith.objectives.dpo_by_length import DPOByLength
from tunesmith.objectives.ipo import IPO
from tunesmith.objectives.kto import KTO
from tunesmith.objectives.orpo import ORPO
from tunesmith.objectives.reward import Reward
from tunesmith.objectives.robust import RobustDPO
from tunesmith.objectives.simpo import SimPO
from tunesmith.tokens.batch import Rows, collate
from tunesmith.tokens.sequence import IGNORED, Tokens, answered

trl = pytest.importorskip("trl")
datasets = pytest.importorskip("datasets")
pytestmark = pytest.mark.filterwarnings("ignore")

PAIRS = [
    {"prompt": "Good morning", "chosen": " to you", "rejected": " go away now please"},
    {"prompt": "May I sit here", "chosen": " yes of course, sit down", "rejected": " no"},
    {"prompt": "It is cold", "chosen": " take my coat", "rejected": " so what"},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("oracle"), "llama")


def network(folder, seed):
    import transformers

    made = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return made.eval()


def ours(folder, theirs):
    """A model of ours with the weights of a network of theirs."""
    model = load(ModelSettings(path=str(folder)), None, "cpu")
    model.network.load_state_dict(theirs.state_dict())
    return model


def arguments(kind, folder, **changed):
    return kind(
        output_dir=str(folder / "out"), per_device_train_batch_size=3, report_to=[], use_cpu=True, bf16=False, **changed
    )


def tokens_of(ids, mask, answer):
    """A row of theirs as one of ours."""
    row = ids[mask.bool()].tolist()
    said = int(answer[mask.bool()].sum())
    return answered(row[:-said], row[-said:])


def sums(model, rows):
    batch = laid(rows)
    return batch.by_sequence(model(batch).logprobs()).detach()


def laid(rows, **extras):
    batch = collate(Rows(tuple((row,) for row in rows), tuple((n,) for n in range(len(rows)))))
    return batch.with_extras(**extras)


def mean(objective, model, batch):
    return float(objective.loss(model, batch).total.detach() / batch.count(objective.per))


@pytest.fixture(scope="module")
def paired(folder):
    """TRL's trainer, its batch, and the same of ours: chosen and rejected of each pair side by side."""
    import transformers

    trainer = trl.DPOTrainer(
        model=network(folder, 1),
        ref_model=network(folder, 2),
        args=arguments(trl.DPOConfig, folder, beta=0.3),
        train_dataset=datasets.Dataset.from_list(PAIRS),
        processing_class=transformers.AutoTokenizer.from_pretrained(folder),
    )
    inputs = next(iter(trainer.get_train_dataloader()))
    rows = [
        tokens_of(*row) for row in zip(*(inputs[k] for k in ("input_ids", "attention_mask", "completion_mask")), strict=True)
    ]
    both = [row for pair in zip(rows[:3], rows[3:], strict=True) for row in pair]
    policy, reference = ours(folder, trainer.model), ours(folder, trainer.ref_model)
    return trainer, inputs, policy, laid(both, reference=sums(reference, both))


@pytest.mark.parametrize(
    ("objective", "loss_type", "smoothing"),
    [
        (DPO(beta=0.3), "sigmoid", 0.0),
        (IPO(beta=0.3), "ipo", 0.0),
        (RobustDPO(beta=0.3, wrong=0.2), "robust", 0.2),
        (DPOByLength(beta=0.3), "sigmoid_norm", 0.0),
    ],
)
def test_pairs(paired, objective, loss_type, smoothing):
    trainer, inputs, policy, batch = paired
    trainer.loss_types, trainer.loss_weights, trainer.label_smoothing = [loss_type], [1.0], smoothing
    theirs = float(trainer._compute_loss(trainer.model, inputs, False).detach())
    assert mean(objective, policy, batch) == pytest.approx(theirs, rel=1e-5)
    found = objective.loss(policy, batch).shown
    logged = {name: values[-1] for name, values in trainer._metrics["eval"].items()}
    for name, key in {"chosen_logprob": "logps/chosen", "rejected_logprob": "logps/rejected"}.items():
        assert float(found[name]) / 3 == pytest.approx(logged[key], rel=1e-5)
    if loss_type == "sigmoid":
        assert float(found["margin"]) / 3 == pytest.approx(logged["rewards/margins"], rel=1e-4)
        assert float(found["accuracy"]) / 3 == pytest.approx(logged["rewards/accuracies"])


def test_conservative_pairs(paired):
    """TRL has the conservative loss in its trainer of CPO; it is DPO's formula there, so the log-ratios are put in."""
    from trl.experimental.cpo import CPOTrainer

    _, _, policy, batch = paired
    answers = DPO().answers(policy, batch)
    trainer = StandIn(loss_type="sigmoid", beta=0.3, label_smoothing=0.2)
    losses, *_ = CPOTrainer.cpo_loss(trainer, answers.ratios[::2], answers.ratios[1::2])
    assert mean(ConservativeDPO(beta=0.3, wrong=0.2), policy, batch) == pytest.approx(float(losses.mean()), rel=1e-5)


def test_without_a_reference(paired):
    from trl.experimental.cpo import CPOTrainer
    from trl.experimental.orpo import ORPOTrainer

    _, _, policy, batch = paired
    answers = SimPO().answers(policy, batch)
    means = answers.logprobs / answers.tokens
    trainer = StandIn(loss_type="simpo", beta=2.0, simpo_gamma=0.7, label_smoothing=0.0)
    losses, *_ = CPOTrainer.cpo_loss(trainer, means[::2], means[1::2])
    assert mean(SimPO(beta=2.0, gamma=0.7), policy, batch) == pytest.approx(float(losses.mean()), rel=1e-5)
    # Its likelihood part is a mean over all tokens of the batch, prompts too; here stands the paper's, of each chosen answer.
    losses, *_ = ORPOTrainer.odds_ratio_loss(StandIn(beta=0.3), means[::2], means[1::2])
    assert mean(ORPO(beta=0.3), policy, batch) == pytest.approx(float((-means[::2] - losses).mean()), rel=1e-5)


class StandIn:
    """As much of a trainer as a loss asks for."""

    alpha = 0.0
    accelerator = type("device", (), {"device": "cpu"})

    def __init__(self, **settings):
        vars(self).update(settings)


def test_single_answers(folder):
    import transformers

    rows = [{"prompt": pair["prompt"], "completion": pair["chosen"], "label": n != 1} for n, pair in enumerate(PAIRS)]
    trainer = trl.KTOTrainer(
        model=network(folder, 1),
        ref_model=network(folder, 2),
        args=arguments(trl.KTOConfig, folder, beta=0.3, desirable_weight=1.0, undesirable_weight=1.5),
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=transformers.AutoTokenizer.from_pretrained(folder),
    )
    inputs = next(iter(trainer.get_train_dataloader()))
    theirs = float(trainer._compute_loss(trainer.model, inputs, False).detach())
    apart = trainer._metrics["eval"]["kl"][-1]
    policy, reference = ours(folder, trainer.model), ours(folder, trainer.ref_model)

    def read(prefix):
        named = (inputs[f"{prefix}{k}"] for k in ("input_ids", "attention_mask", "completion_mask"))
        return [tokens_of(*row) for row in zip(*named, strict=True)]

    crossed = read("KL_")
    found = (sums(policy, crossed) - sums(reference, crossed)).mean().clamp(min=0)
    assert float(found) == pytest.approx(apart, rel=1e-5)
    own = read("")
    good = torch.tensor([float(label) for label in inputs["label"]])
    batch = laid(own, reference=sums(reference, own), good=good, divergence=torch.full((3,), float(found)))
    assert mean(KTO(beta=0.3, bad=1.5), policy, batch) == pytest.approx(theirs, rel=1e-5)


@pytest.mark.parametrize(("centre", "margins"), [(0.0, False), (0.05, False), (0.0, True)])
def test_rewards(folder, centre, margins):
    import transformers

    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1, dtype=torch.float32)
    with torch.no_grad():
        theirs.score.weight.normal_()
    rows = [{**pair, **({"margin": 0.5 * n} if margins else {})} for n, pair in enumerate(PAIRS)]
    trainer = trl.RewardTrainer(
        model=theirs,
        args=arguments(trl.RewardConfig, folder, center_rewards_coefficient=centre or None),
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=transformers.AutoTokenizer.from_pretrained(folder),
    )
    inputs = next(iter(trainer.get_train_dataloader()))
    wanted = float(trainer.compute_loss(trainer.model, copy.copy(inputs)).detach())
    model = load(ModelSettings(path=str(folder)), HeadPlan("reward"), "cpu")
    model.network.model.load_state_dict(trainer.model.model.state_dict())
    with torch.no_grad():
        model.head.weight.copy_(trainer.model.score.weight)
    ids = [row[mask.bool()].tolist() for row, mask in zip(inputs["input_ids"], inputs["attention_mask"], strict=True)]
    both = [row for pair in zip(ids[:3], ids[3:], strict=True) for row in pair]
    margin = [value for value in inputs["margin"].tolist() for _ in range(2)] if margins else [0.0] * 6
    batch = laid([Tokens(tuple(row), (IGNORED,) * len(row)) for row in both], margin=torch.tensor(margin))
    assert mean(Reward(centre=centre), model, batch) == pytest.approx(wanted, rel=1e-5)
