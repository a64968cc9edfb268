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
import csv
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import torch
import transformers
from record import OURS, SHARED, arguments, keep, paired
from training_speed import columns

from tunesmith.data.example import Example, Message
from tunesmith.data.mixture import ByLength, Mixture
from tunesmith.methods.full import Full
from tunesmith.methods.lora import LoRA
from tunesmith.models.memory import Memory
from tunesmith.models.model import Model
from tunesmith.objectives.objective import Placed
from tunesmith.objectives.sft import SFT
from tunesmith.tokens.renderer import Renderer
from tunesmith.tokens.sequence import Tokens
from tunesmith.training.loop import train, validate
from tunesmith.training.plan import Plan
from tunesmith.training.state import State

ROWS, HELD_OUT, EXAMPLES, RATE = 200, 40, 8, 1e-4
BEST, PLAIN = "TRL at its best", "TRL as it comes"
SIDES = (OURS, PLAIN, BEST)
KINDS = {"lora": ("lora", 32_000), "full": ("full", 32_000), "wide": ("lora", 150_000)}
RANK = 16


def shape(vocabulary: int) -> Any:
    return transformers.LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=512,
        intermediate_size=1376,
        num_hidden_layers=8,
        num_attention_heads=8,
        num_key_value_heads=8,
        max_position_embeddings=2048,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=0,
        tie_word_embeddings=False,
    )


def network(vocabulary: int) -> Any:
    torch.manual_seed(0)
    return transformers.AutoModelForCausalLM.from_config(shape(vocabulary)).train()


def examples(count: int, start: int = 0) -> list[Example]:
    path = SHARED / "data/dialogsum/dialogsum_validation.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[start : start + count]
    return [Example((Message("user", f"{row['dialogue']}\nSummary:"),), row["summary"], id=row["id"]) for row in rows]


def renderer(config: Any) -> Renderer:
    tokenizer = transformers.AutoTokenizer.from_pretrained(SHARED / "models/tokenizers/dialogsum-8k")
    return Renderer.of(tokenizer, "causal", config)


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
    model = Model(made, renderer(made.config), "causal")
    adapter = model.attach("a", LoRA(rank=RANK, alpha=2 * RANK, on=("query", "value")) if method == "lora" else Full())
    if method == "lora":
        same_start(adapter.trained())
    rows = examples(given.rows)
    steps = -(-len(rows) // EXAMPLES)
    plan = Plan(steps=steps, examples=EXAMPLES, learning_rate=RATE, warmup=0.0, schedule="linear", floor=0.0, clip=1.0)
    state = State.new(adapter.trained(), plan)
    stream: Any = rows.__getitem__ if given.equal else ByLength(Mixture([rows], [1.0]), EXAMPLES)
    memory.start()
    began = time.perf_counter()
    losses = [step.loss for step in train(model, adapter, SFT(), stream, plan, state, steps)]
    seconds = time.perf_counter() - began
    peak = memory.peak()
    held_out = validate(model, SFT(), examples(HELD_OUT, ROWS), plan)[0]
    return {"seconds": seconds, "peak_bytes": peak, "losses": losses, "held_out": held_out}


def same_start(trained: dict[str, torch.nn.Parameter]) -> None:
    """Initial values that depend on a tensor's shape alone, for both sides."""
    for parameter in trained.values():
        if bool(parameter.any()):
            torch.manual_seed(parameter.shape[-1])
            parameter.data.uniform_(-0.04, 0.04)


def theirs(kind: str, given: argparse.Namespace, best: bool) -> dict[str, Any]:
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    method, vocabulary = KINDS[kind]
    made = network(vocabulary)
    speller = renderer(made.config)

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
            lr_scheduler_type="linear",
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
            bf16=False,
            max_length=None,
            **tuned,
        )
        targets = LoraConfig(
            r=RANK, lora_alpha=2 * RANK, lora_dropout=0.0, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"
        )
        trainer = SFTTrainer(
            model=made,
            args=settings,
            train_dataset=spelt(examples(given.rows)),
            processing_class=speller.tokenizer,
            peft_config=targets if method == "lora" else None,
        )
        trainer.remove_callback(transformers.PrinterCallback)
        if method == "lora":
            same_start({name: p for name, p in trainer.model.named_parameters() if p.requires_grad})
        memory.start()
        began = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - began
        peak = memory.peak()
        losses = [line["loss"] for line in trainer.state.log_history if "loss" in line]
    trained = trainer.model.merge_and_unload() if method == "lora" else made
    held_out = validate(Model(trained, speller, "causal"), SFT(), examples(HELD_OUT, ROWS), Plan())[0]
    return {"seconds": seconds, "peak_bytes": peak, "losses": losses, "held_out": held_out}


def side(name: str, kind: str, given: argparse.Namespace) -> dict[str, Any]:
    """One side's figures, from a process of its own."""
    command = [sys.executable, __file__, "--side", name, "--kind", kind, "--rows", str(given.rows)]
    command += ["--equal"] if given.equal else []
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    made: dict[str, Any] = json.loads(done.stdout.decode().splitlines()[-1])
    return made


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


def pair(kind: str, given: argparse.Namespace) -> dict[str, Any]:
    rows = [SFT().render(Placed(row), renderer(shape(KINDS[kind][1])))[0] for row in examples(given.rows)]
    tokens = sum(row.size + 1 for row in rows)
    given.equal = True
    equal = {name: side(name, kind, given) for name in (OURS, BEST)}
    gap = max(abs(a - b) for a, b in zip(equal[OURS]["losses"], equal[BEST]["losses"], strict=True))
    given.equal = False
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in SIDES}
    rate = 0.0

    def seconds(name: str) -> float:
        nonlocal rate
        rate = max(rate, peak_rate())
        found[name].append(side(name, kind, given))
        return float(found[name][-1]["seconds"])

    timed = paired({name: lambda n=name: seconds(n) for name in SIDES}, given.rounds)
    work = arithmetic(rows, kind, KINDS[kind][1]) / 1e9
    return {
        **timed,
        "tokens": tokens,
        "tokens_per_second": {who: round(tokens / taken) for who, taken in timed["median"].items()},
        "peak_gigabytes": {name: round(max(one["peak_bytes"] for one in taken) / 1e9, 3) for name, taken in found.items()},
        "held_out_loss": {name: round(taken[-1]["held_out"], 4) for name, taken in found.items()},
        "largest_gap_of_losses_on_equal_batches": gap,
        "gigaflop": round(work),
        "machine_gigaflops": round(rate, 1),
        "share_of_machine": {who: round(work / taken / rate, 3) for who, taken in timed["median"].items()},
    }


def chosen(given: argparse.Namespace) -> Iterator[str]:
    yield from (kind for kind in KINDS if not given.only or kind in given.only)


def main() -> None:
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--kind", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--equal", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, default=ROWS)
    given = parser.parse_args()
    transformers.logging.set_verbosity_error()
    if given.side:
        made = ours(given.kind, given) if given.side == OURS else theirs(given.kind, given, given.side == BEST)
        print(json.dumps(made))
        return
    if not (SHARED / "data/dialogsum").is_dir():
        raise SystemExit(f"there is no DialogSum in `{SHARED}`; name its place with TUNESMITH_SHARED")
    if given.brief:
        given.rows, given.rounds = 2 * EXAMPLES, 1
    pairs = {kind: pair(kind, given) for kind in chosen(given)}
    keep("causal_training", given, {"rows": given.rows, "examples": EXAMPLES, "rank": RANK}, pairs)


if __name__ == "__main__":
    main()
