"""DPO of a causal network beside TRL: tokens a second, peak memory and loss, each side in a process of its own.

    pip install -e '.[bench]'
    python benchmarks/preference_training.py [--brief] [--rounds 3] [--only lora]

Pairs: the first 96 dialogues of DialogSum's validation set; a dialogue's own summary is chosen, that of the next one rejected.
The loss held out is that of the next 16. Network: the Llama shape of `causal_training.py`, 8 layers x 512 with random weights,
vocabulary 32,000, float32, 4 pairs a step, no dropout. Sides: ours, whose seconds hold the reference's log-probabilities,
computed once; TRL's DPOTrainer as it comes (checkpointing on, the reference read in every step); TRL with
`precompute_ref_log_probs` and without checkpointing, whose seconds hold that too. `steps` are seconds without the reference's
on any side that computes it beforehand. `equal`: both are fed the same batches in one order, and the losses are compared.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from apart import RATE, TRAINER, Figures, examples, main, pair, renderer, trained
from causal_training import RANK, network, same_start, shape
from record import OURS

from tunesmith.data.example import Example
from tunesmith.data.mixture import ByLength, Mixture
from tunesmith.methods.full import Full
from tunesmith.methods.lora import LoRA
from tunesmith.models.memory import Memory
from tunesmith.models.model import Model
from tunesmith.objectives.dpo import DPO
from tunesmith.objectives.objective import Placed
from tunesmith.tokens.sequence import IGNORED
from tunesmith.training.loop import train, validate
from tunesmith.training.plan import Plan
from tunesmith.training.state import State

ROWS, HELD_OUT, PAIRS, BETA, VOCABULARY = 96, 16, 4, 0.1, 32_000
PLAIN, BEST = "TRL as it comes", "TRL, reference precomputed"
SIDES = (OURS, PLAIN, BEST)
KINDS = ("lora", "full")
OBJECTIVE = DPO(beta=BETA)


def pairs(count: int, start: int = 0) -> list[Example]:
    rows = examples(count + 1, start)
    return [replace(row, rejected=other.target) for row, other in pairwise(rows)]


def ours(kind: str, given: argparse.Namespace) -> Figures:
    made = network(VOCABULARY)
    memory = Memory(torch.device("cpu"))
    model = Model(made, renderer(made.config, "causal"), "causal")
    adapter = model.attach("a", LoRA(rank=RANK, alpha=2 * RANK, on=("query", "value")) if kind == "lora" else Full())
    if kind == "lora":
        same_start(adapter.trained())
    rows = pairs(given.rows)
    steps = -(-len(rows) // PAIRS)
    plan = Plan(steps=steps, examples=PAIRS, learning_rate=RATE, warmup=0.0, schedule="linear", floor=0.0, clip=1.0)
    state = State.new(adapter, plan)
    stream: Any = rows.__getitem__ if given.equal else ByLength(Mixture([rows], [1.0]), PAIRS)
    memory.start()
    began = time.perf_counter()
    OBJECTIVE.begin(model, [*rows, *pairs(HELD_OUT, ROWS)] if kind == "full" else rows, plan.room, None)
    told = time.perf_counter()
    losses = [step.loss for step in train(model, adapter, OBJECTIVE, stream, plan, state, steps)]
    ended = time.perf_counter()
    figures = {"seconds": ended - began, "steps": ended - told, "peak_bytes": memory.peak(), "losses": losses}
    return {**figures, "held_out": held_out(model)}


def held_out(model: Model) -> float:
    """Our loss on the validation pairs, whoever trained."""
    return validate(model, OBJECTIVE, pairs(HELD_OUT, ROWS), Plan())[0]


def spelt(rows: Sequence[Example], speller: Any) -> Any:
    """Pairs as TRL's collator wants them: the same ids as ours."""
    from datasets import Dataset

    made = []
    for row in rows:
        both = OBJECTIVE.render(Placed(row), speller)
        prompt = [*both[0].inputs[: len(both[0].inputs) + 1 - both[0].learnt]]
        said = [[t for t in tokens.targets if t != IGNORED] for tokens in both]
        made.append({"prompt_ids": prompt, "chosen_ids": said[0], "rejected_ids": said[1]})
    return Dataset.from_list(made)


def theirs(kind: str, given: argparse.Namespace, best: bool) -> Figures:
    import datasets
    from peft import LoraConfig
    from trl import DPOConfig, DPOTrainer

    datasets.disable_caching()
    made = network(VOCABULARY)
    speller = renderer(made.config, "causal")
    computing: list[float] = []

    class Given(DPOTrainer):  # type: ignore[misc]
        """The trainer with rows that are spelled, and a clock."""

        def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
            return dataset

        def _precompute_ref_logps(self, *args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            found = super()._precompute_ref_logps(*args, **kwargs)
            computing.append(time.perf_counter() - began)
            return found

    targets = LoraConfig(
        r=RANK, lora_alpha=2 * RANK, lora_dropout=0.0, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"
    )
    memory = Memory(torch.device("cpu"))
    with tempfile.TemporaryDirectory() as folder:
        changed: dict[str, Any] = {"precompute_ref_log_probs": True, "gradient_checkpointing": False} if best else {}
        if given.equal:
            changed["train_sampling_strategy"] = "sequential"
        settings = DPOConfig(
            output_dir=str(Path(folder)),
            num_train_epochs=1,
            per_device_train_batch_size=PAIRS,
            learning_rate=RATE,
            beta=BETA,
            **TRAINER,
            bf16=False,
            max_length=None,
            **changed,
        )
        memory.start()
        trainer = Given(
            model=made,
            args=settings,
            train_dataset=spelt(pairs(given.rows), speller),
            processing_class=speller.tokenizer,
            peft_config=targets if kind == "lora" else None,
        )
        if kind == "lora":
            same_start({name: p for name, p in trainer.model.named_parameters() if p.requires_grad})
        figures = trained(trainer, memory)
        steps = figures["seconds"]
        figures |= {"seconds": steps + sum(computing), "steps": steps}
        return {**figures, "held_out": taken(trainer.model.merge_and_unload() if kind == "lora" else made, speller)}


def taken(tuned: Any, speller: Any) -> float:
    """The held out loss of what they have tuned, measured from where it started."""
    first = network(VOCABULARY)
    model = Model(first, speller, "causal")
    model.attach("a", Full())
    OBJECTIVE.begin(model, pairs(HELD_OUT, ROWS), Plan().room, None)
    first.load_state_dict(tuned.state_dict())
    return held_out(model)


def one(kind: str, given: argparse.Namespace) -> Figures:
    return ours(kind, given) if given.side == OURS else theirs(kind, given, given.side == BEST)


def compared(kind: str, given: argparse.Namespace) -> dict[str, Any]:
    speller = renderer(shape(VOCABULARY), "causal")
    rows = [tokens for row in pairs(given.rows) for tokens in OBJECTIVE.render(Placed(row), speller)]
    return pair(kind, given, SIDES, sum(row.size + 1 for row in rows))


if __name__ == "__main__":
    main("preference_training", __doc__, ROWS, SIDES, KINDS, one, compared, {"rank": RANK, "pairs": PAIRS}, brief=2 * PAIRS)
