"""Full tuning of an encoder-decoder network beside transformers' Seq2SeqTrainer: tokens a second, peak memory and loss.

    pip install -e '.[bench]'
    python benchmarks/encoder_decoder_training.py [--brief] [--rounds 3] [--only t5]

Rows: the first dialogues of DialogSum's validation set with their summaries, spelled by `tokenizers/dialogsum-8k`; the
validation loss is that of the next 40. Networks with random weights, float32, no dropout, batches of 8: the shapes of T5-small
(6 + 6 layers x 512, vocabulary 32,128) and BART-base (6 + 6 x 768, vocabulary 50,265). Sides, each in a process of its own:
ours; Seq2SeqTrainer as it comes (rows shuffled); Seq2SeqTrainer at its best (rows of like length together). `equal`: both
are fed the same batches in one order, and the losses of every step are compared.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from typing import Any

import torch
import transformers
from causal_training import EXAMPLES, HELD_OUT, RATE, examples
from record import OURS, SHARED, arguments, keep, paired
from training_speed import columns

from tunesmith.data.mixture import ByLength, Mixture
from tunesmith.methods.full import Full
from tunesmith.models.memory import Memory
from tunesmith.models.model import Model
from tunesmith.objectives.objective import Placed
from tunesmith.objectives.sft import SFT
from tunesmith.tokens.renderer import Renderer
from tunesmith.training.loop import train, validate
from tunesmith.training.plan import Plan
from tunesmith.training.state import State

ROWS = 48
PLAIN, BEST = "Seq2SeqTrainer as it comes", "Seq2SeqTrainer at its best"
SIDES = (OURS, PLAIN, BEST)
SHAPES: dict[str, dict[str, Any]] = {
    "t5": {
        "vocab_size": 32_128,
        "d_model": 512,
        "d_kv": 64,
        "num_heads": 8,
        "d_ff": 2048,
        "num_layers": 6,
        "num_decoder_layers": 6,
        "dropout_rate": 0.0,
        "decoder_start_token_id": 0,
        "pad_token_id": 0,
        "eos_token_id": 1,
    },
    "bart": {
        "vocab_size": 50_265,
        "d_model": 768,
        "encoder_layers": 6,
        "decoder_layers": 6,
        "encoder_attention_heads": 12,
        "decoder_attention_heads": 12,
        "encoder_ffn_dim": 3072,
        "decoder_ffn_dim": 3072,
        "max_position_embeddings": 1024,
        "dropout": 0.0,
        "activation_dropout": 0.0,
        "attention_dropout": 0.0,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": 2,
        "decoder_start_token_id": 0,
        "forced_eos_token_id": None,
    },
}


def network(kind: str) -> Any:
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(kind, **SHAPES[kind])
    return transformers.AutoModelForSeq2SeqLM.from_config(config).train()


def renderer(config: Any) -> Renderer:
    tokenizer = transformers.AutoTokenizer.from_pretrained(SHARED / "models/tokenizers/dialogsum-8k")
    return Renderer.of(tokenizer, "seq2seq", config)


def ours(kind: str, given: argparse.Namespace) -> dict[str, Any]:
    made = network(kind)
    memory = Memory(torch.device("cpu"))
    model = Model(made, renderer(made.config), "seq2seq")
    adapter = model.attach("a", Full())
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


def theirs(kind: str, given: argparse.Namespace, best: bool) -> dict[str, Any]:
    made = network(kind)
    speller = renderer(made.config)

    memory = Memory(torch.device("cpu"))
    order = "sequential" if given.equal else "group_by_length" if best else "random"
    with tempfile.TemporaryDirectory() as folder:
        settings = transformers.Seq2SeqTrainingArguments(
            output_dir=folder,
            num_train_epochs=1,
            per_device_train_batch_size=EXAMPLES,
            learning_rate=RATE,
            lr_scheduler_type="linear",
            train_sampling_strategy=order,
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
        )
        trainer = transformers.Seq2SeqTrainer(
            model=made,
            args=settings,
            train_dataset=[columns(SFT().render(Placed(row), speller)[0]) for row in examples(given.rows)],
            data_collator=transformers.DataCollatorForSeq2Seq(speller.tokenizer, model=made),
        )
        trainer.remove_callback(transformers.PrinterCallback)
        memory.start()
        began = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - began
        peak = memory.peak()
        losses = [line["loss"] for line in trainer.state.log_history if "loss" in line]
    held_out = validate(Model(made, speller, "seq2seq"), SFT(), examples(HELD_OUT, ROWS), Plan())[0]
    return {"seconds": seconds, "peak_bytes": peak, "losses": losses, "held_out": held_out}


def side(name: str, kind: str, given: argparse.Namespace) -> dict[str, Any]:
    """One side's figures, from a process of its own."""
    command = [sys.executable, __file__, "--side", name, "--kind", kind, "--rows", str(given.rows)]
    command += ["--equal"] if given.equal else []
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    made: dict[str, Any] = json.loads(done.stdout.decode().splitlines()[-1])
    return made


def pair(kind: str, given: argparse.Namespace) -> dict[str, Any]:
    speller = renderer(transformers.AutoConfig.for_model(kind, **SHAPES[kind]))
    rows = [SFT().render(Placed(row), speller)[0] for row in examples(given.rows)]
    tokens = sum(len(row.source) + len(row.targets) for row in rows)
    given.equal = True
    equal = {name: side(name, kind, given) for name in (OURS, BEST)}
    gap = max(abs(a - b) for a, b in zip(equal[OURS]["losses"], equal[BEST]["losses"], strict=True))
    given.equal = False
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in SIDES}

    def seconds(name: str) -> float:
        found[name].append(side(name, kind, given))
        return float(found[name][-1]["seconds"])

    timed = paired({name: lambda n=name: seconds(n) for name in SIDES}, given.rounds)
    return {
        **timed,
        "tokens": tokens,
        "tokens_per_second": {who: round(tokens / taken) for who, taken in timed["median"].items()},
        "peak_gigabytes": {name: round(max(one["peak_bytes"] for one in taken) / 1e9, 3) for name, taken in found.items()},
        "held_out_loss": {name: round(taken[-1]["held_out"], 4) for name, taken in found.items()},
        "largest_gap_of_losses_on_equal_batches": gap,
    }


def main() -> None:
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--kind", choices=SHAPES, help=argparse.SUPPRESS)
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
    pairs = {kind: pair(kind, given) for kind in SHAPES if not given.only or kind in given.only}
    keep("encoder_decoder_training", given, {"rows": given.rows, "examples": EXAMPLES, "method": "full"}, pairs)


if __name__ == "__main__":
    main()
