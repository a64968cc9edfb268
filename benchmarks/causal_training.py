"""Tuning a causal network beside TRL: tokens a second, peak memory and loss, each side in a process of its own.

    pip install -e '.[bench]'
    python benchmarks/causal_training.py [--brief] [--rounds 3] [--only lora]

Rows: the first 200 dialogues of DialogSum's validation set with their summaries (50,482 tokens of `tokenizers/dialogsum-8k`);
the validation loss is that of the next 40. Network: a Llama shape of 8 layers x 512 with random weights, vocabulary 32,000
(`wide`: 150,000), float32, batches of 8. Sides: ours; TRL's SFTTrainer as it comes (checkpointing on, rows shuffled); TRL at
its best (no checkpointing, rows of like length together). `equal`: both are fed the same batches in one order, and the losses
of every step are compared. The arithmetic is counted from the shapes: no gradient of a frozen weight is counted.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from typing import Any

import torch
import transformers
from apart import EXAMPLES, RATE, TRAINER, Figures, examples, held_out, main, pair, renderer, trained, tuned
from record import OURS
from training_speed import columns

from tunesmith.data.example import Example
from tunesmith.methods.full import Full
from tunesmith.methods.lora import LoRA
from tunesmith.models.memory import Memory
from tunesmith.models.model import Model
from tunesmith.objectives.objective import Placed
from tunesmith.objectives.sft import SFT
from tunesmith.tokens.sequence import Tokens

ROWS = 200
BEST, PLAIN = "TRL at its best", "TRL as it comes"
SIDES = (OURS, PLAIN, BEST)
KINDS = {"lora": ("lora", 32_000), "full": ("full", 32_000), "wide": ("lora", 150_000)}
RANK = 16


def shape(vocabulary: int, wide: int = 512, inner: int = 1376, heads: int = 8) -> Any:
    return transformers.LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=wide,
        intermediate_size=inner,
        num_hidden_layers=8,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=2048,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=0,
        tie_word_embeddings=False,
    )


def network(vocabulary: int) -> Any:
    torch.manual_seed(0)
    return transformers.AutoModelForCausalLM.from_config(shape(vocabulary)).train()


def arithmetic(rows: list[Tokens], kind: str, vocabulary: int) -> float:
    """Multiplications and additions of one epoch: forward, gradients of states, and of the weights that are trained."""
    method, _ = KINDS[kind]
    tokens, learnt = sum(row.size for row in rows), sum(sum(t != -100 for t in row.targets) for row in rows)
    weights = 8 * (4 * 512 * 512 + 3 * 512 * 1376)
    pairs = sum(row.size**2 for row in rows)  # attention: scores and sums over values, over the whole square
    attention = 8 * 2 * 2 * pairs * 512
    passes = 3 if method == "full" else 2
    return passes * 2 * (weights * tokens + vocabulary * 512 * learnt) + 3 * attention


def ours(kind: str, given: argparse.Namespace) -> dict[str, Any]:
    method, vocabulary = KINDS[kind]
    made = network(vocabulary)
    memory = Memory(torch.device("cpu"))
    model = Model(made, renderer(made.config, "causal"), "causal")
    adapter = model.attach("a", LoRA(rank=RANK, alpha=2 * RANK, on=("query", "value")) if method == "lora" else Full())
    if method == "lora":
        same_start(adapter.trained())
    figures = tuned(model, adapter, memory, given)
    return {**figures, "held_out": held_out(model, ROWS)}


def same_start(trained: dict[str, torch.nn.Parameter]) -> None:
    """Initial values that depend on a tensor's shape alone, for both sides."""
    for parameter in trained.values():
        if bool(parameter.any()):
            torch.manual_seed(parameter.shape[-1])
            parameter.data.uniform_(-0.04, 0.04)


def theirs(kind: str, given: argparse.Namespace, best: bool) -> dict[str, Any]:
    from peft import LoraConfig

    method, vocabulary = KINDS[kind]
    made = network(vocabulary)
    speller = renderer(made.config, "causal")
    targets = LoraConfig(
        r=RANK, lora_alpha=2 * RANK, lora_dropout=0.0, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"
    )
    figures, tuned = under_trl(made, given, best, targets if method == "lora" else None, same_start)
    network_of_it = tuned.merge_and_unload() if method == "lora" else made
    return {**figures, "held_out": held_out(Model(network_of_it, speller, "causal"), ROWS)}


def under_trl(
    made: Any, given: argparse.Namespace, best: bool, config: Any, start: Callable[[dict[str, Any]], None]
) -> tuple[Figures, Any]:
    """TRL's side on a network, with an adapter of PEFT's where a config is given; and what was trained."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    speller = renderer(made.config, "causal")

    def spelt(rows: list[Example]) -> Any:
        return Dataset.from_list([columns(SFT().render(Placed(row), speller)[0]) for row in rows])

    memory = Memory(torch.device("cpu"))
    with tempfile.TemporaryDirectory() as folder:
        tuned: dict[str, Any] = {"gradient_checkpointing": False, "train_sampling_strategy": "group_by_length"} if best else {}
        if given.equal:
            tuned = {"gradient_checkpointing": False, "train_sampling_strategy": "sequential"}
        settings = SFTConfig(
            output_dir=folder,
            num_train_epochs=1,
            per_device_train_batch_size=EXAMPLES,
            learning_rate=RATE,
            **TRAINER,
            bf16=False,
            max_length=None,
            **tuned,
        )
        trainer = SFTTrainer(
            model=made,
            args=settings,
            train_dataset=spelt(examples(given.rows)),
            processing_class=speller.tokenizer,
            peft_config=config,
        )
        if config is not None:
            start({name: p for name, p in trainer.model.named_parameters() if p.requires_grad})
        return trained(trainer, memory), trainer.model


def one(kind: str, given: argparse.Namespace) -> Figures:
    return ours(kind, given) if given.side == OURS else theirs(kind, given, given.side == BEST)


def peak_rate() -> float:
    """GFLOP/s of a large matrix product, the best of a few."""
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    torch.mm(a, b)
    times = []
    for _ in range(8):
        began = time.perf_counter()
        torch.mm(a, b)
        times.append(time.perf_counter() - began)
    return 2 * 2048**3 / min(times) / 1e9


def compared(kind: str, given: argparse.Namespace) -> dict[str, Any]:
    speller = renderer(shape(KINDS[kind][1]), "causal")
    rows = [SFT().render(Placed(row), speller)[0] for row in examples(given.rows)]
    rates: list[float] = []
    found = pair(kind, given, SIDES, sum(row.size + 1 for row in rows), before=lambda: rates.append(peak_rate()))
    work = arithmetic(rows, kind, KINDS[kind][1]) / 1e9
    return {
        **found,
        "gigaflop": round(work),
        "machine_gigaflops": round(max(rates), 1),
        "share_of_machine": {who: round(work / taken / max(rates), 3) for who, taken in found["median"].items()},
    }


if __name__ == "__main__":
    main("causal_training", __doc__, ROWS, SIDES, KINDS, one, compared, {"rank": RANK})
