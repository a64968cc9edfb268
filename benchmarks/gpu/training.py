"""Tuning Llama shapes of 1B and 8B on a GPU beside TRL: tokens a second, peak memory, share of the device's bfloat16 peak.

    pip install -e '.[bench]'
    python benchmarks/gpu/training.py [--minutes 9] [--only 8B-lora] [--sides tunesmith 'TRL flex'] [--out FILE]
    python benchmarks/gpu/training.py --brief --device cpu      # tries the script

Rows of 2,048 or 8,192 tokens are filled with made-up sequences of unlike lengths, the same for all sides, 8,192 tokens a step;
every token but the first of a sequence is learnt. Weights are random, of the device's own stream, in bfloat16. Sides, each in
a process of its own: ours with compiled layers and without; TRL with packed rows without padding, fused AdamW, no
checkpointing unless the pair says so (`again`), and Liger's kernels where they are installed, with three kinds of attention:
`flash` (where flash-attn is installed), `flex` and `sdpa`; and TRL with `torch_compile`. Who runs out of memory says so.
The arithmetic is counted from the shapes: no gradient of a frozen weight, and nothing that is computed again. Peak: 2 n^3 over
the seconds of the fastest product of two n x n matrices.

After every side the result is written; sides that stand in `--out` are not run again, and none is begun that `--minutes` would
cut off: the same command goes on where it stopped.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import transformers

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from record import OURS, RESULTS, arguments, machine

from tunesmith.data.example import Example
from tunesmith.methods.full import Full
from tunesmith.methods.lora import ATTENTION_AND_MLP, LoRA
from tunesmith.models.model import Model
from tunesmith.objectives.objective import Loss, Objective, Placed
from tunesmith.tokens.batch import Batch
from tunesmith.tokens.packing import Room
from tunesmith.tokens.sequence import IGNORED, Tokens
from tunesmith.training.loop import train
from tunesmith.training.plan import Plan
from tunesmith.training.state import State

WARM, STEPS, TOKENS, RATE, RANK = 3, 10, 8192, 1e-5, 16
EAGER, FLASH, FLEX, SDPA, COMPILED = f"{OURS} eager", "TRL flash", "TRL flex", "TRL sdpa", "TRL compiled"
SIDES = (OURS, FLASH, FLEX, SDPA, EAGER, COMPILED)
ATTENTION = {FLASH: "flash_attention_2", FLEX: "flex_attention", SDPA: "sdpa", COMPILED: "sdpa"}
LINEAR = {
    "lora-qv": ("query", "value"),
    "lora-all": ATTENTION_AND_MLP,
}
PEFT = {"lora-qv": ["q_proj", "v_proj"], "lora-all": "all-linear"}
LLAMA = {
    "vocab_size": 128_256,
    "num_key_value_heads": 8,
    "max_position_embeddings": 131_072,
    "rms_norm_eps": 1e-5,
    "bos_token_id": 128_000,
    "eos_token_id": 128_001,
    "pad_token_id": 128_004,
}
ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500_000.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
SHAPES: dict[str, dict[str, Any]] = {
    "1B": {  # Llama 3.2 1B
        **LLAMA,
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "head_dim": 64,
        "tie_word_embeddings": True,
        "rope_parameters": {**ROPE, "factor": 32.0},
    },
    "8B": {  # Llama 3.1 8B
        **LLAMA,
        "hidden_size": 4096,
        "intermediate_size": 14_336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "head_dim": 128,
        "tie_word_embeddings": False,
        "rope_parameters": {**ROPE, "factor": 8.0},
    },
}
BRIEF = {
    "vocab_size": 512,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}


@dataclass(frozen=True)
class Pair:
    """What all sides train: a shape, a method, tokens a row, and whether activations are computed again."""

    shape: str
    method: str
    width: int
    again: bool = False

    @property
    def name(self) -> str:
        return f"{self.shape}-{self.method}-{self.width // 1024}k{'-again' * self.again}"


# What tells most comes first. Full tuning of 8B holds 64 GB in weights, gradients and two moments; what its layers keep of
# 8,192 tokens is as much again, so it runs only with activations computed again.
PAIRS = {
    pair.name: pair
    for pair in (
        Pair("8B", "lora-all", 8192),
        Pair("1B", "full", 8192),
        Pair("1B", "lora-all", 8192),
        Pair("8B", "lora-all", 2048),
        Pair("8B", "full", 8192, again=True),
        Pair("8B", "lora-all", 8192, again=True),
        Pair("1B", "full", 2048),
        Pair("1B", "lora-all", 2048),
        Pair("8B", "lora-qv", 8192),
        Pair("1B", "lora-qv", 8192),
        Pair("8B", "lora-qv", 2048),
        Pair("1B", "lora-qv", 2048),
        Pair("8B", "full", 2048, again=True),
    )
}


def config(pair: Pair, brief: bool) -> Any:
    return transformers.LlamaConfig(**{**SHAPES[pair.shape], **(BRIEF if brief else {})})


def network(pair: Pair, given: argparse.Namespace, attention: str = "sdpa") -> Any:
    """Random weights, made on the device."""
    torch.manual_seed(0)
    with torch.device(given.device):
        made = transformers.AutoModelForCausalLM.from_config(
            config(pair, given.brief), dtype=torch.bfloat16, attn_implementation=attention
        )
    return made.train()


def rows(pair: Pair, given: argparse.Namespace) -> list[list[list[int]]]:
    """The sequences of each row: lengths from 32 to a row's, most of them a few hundred, until the row is full."""
    dice = random.Random(0)
    vocabulary = config(pair, given.brief).vocab_size
    width, made = wide(pair, given), []
    for _ in range(given.steps * (tokens(given) // width)):
        row: list[list[int]] = []
        while (left := width - sum(map(len, row))) > 0:
            drawn = max(32, min(width, round(dice.lognormvariate(6, 1))))
            length = left if left - drawn < 32 else drawn
            row.append([dice.randrange(vocabulary) for _ in range(length)])
        made.append(row)
    return made


def wide(pair: Pair, given: argparse.Namespace) -> int:
    return pair.width // 16 if given.brief else pair.width


def tokens(given: argparse.Namespace) -> int:
    """Of a step."""
    return TOKENS // 16 if given.brief else TOKENS


class Clock:
    """Seconds and peak memory behind the warm-up."""

    def __init__(self, device: str) -> None:
        self.on_gpu = device.startswith("cuda")
        self.began = self.ended = 0.0
        self.warm = 0

    def step(self, number: int) -> None:
        """After each step; the first is 1."""
        if self.on_gpu:
            torch.cuda.synchronize()
        self.ended = time.perf_counter()
        if number == WARM:
            self.began = self.ended
            if self.on_gpu:
                self.warm = torch.cuda.max_memory_allocated()
                torch.cuda.reset_peak_memory_stats()

    def figures(self, losses: Sequence[float]) -> dict[str, Any]:
        peak = torch.cuda.max_memory_allocated() if self.on_gpu else 0
        return {
            "seconds": self.ended - self.began,
            "peak_bytes": peak,
            "peak_bytes_of_warm_up": self.warm,
            "first_loss": losses[0],
            "last_loss": losses[-1],
        }


@dataclass(frozen=True)
class Filled(Objective):
    """Next-token loss of rows that are filled already: an example is a row, by its number."""

    rows: Sequence[Sequence[Sequence[int]]] = ()

    def render(self, placed: Placed, renderer: Any) -> Sequence[Tokens]:
        # All tokens are read, as TRL does, though nothing is learnt at the last.
        return tuple(Tokens(tuple(ids), (*ids[1:], IGNORED)) for ids in self.rows[placed.place])

    def loss(self, model: Model, batch: Batch) -> Loss:
        return Loss(-(model(batch).logprobs() * batch.weight).sum())


def ours(pair: Pair, given: argparse.Namespace) -> dict[str, Any]:
    model = Model(network(pair, given), SimpleNamespace(text=lambda text: ()), "causal")  # type: ignore[arg-type]
    method = Full() if pair.method == "full" else LoRA(rank=RANK, on=LINEAR[pair.method])
    adapter = model.attach("a", method)
    model.checkpointing(pair.again)
    if given.side == OURS:
        model.compiling(True, "inductor" if given.device.startswith("cuda") else "aot_eager")
    width = wide(pair, given)
    count = tokens(given) // width
    room = Room(rows=count, tokens=tokens(given), layout="packed", width=width)
    plan = Plan(examples=count, learning_rate=RATE, warmup=0.0, schedule="constant", room=room)
    state = State.new(adapter, plan)
    nothing = Example((), "")
    clock, losses = Clock(given.device), []
    for step in train(model, adapter, Filled(rows=rows(pair, given)), lambda place: nothing, plan, state, given.steps):
        clock.step(step.step)
        losses.append(step.loss)
    return clock.figures(losses)


def theirs(pair: Pair, given: argparse.Namespace) -> dict[str, Any]:
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    if given.side == FLASH and not find_spec("flash_attn"):
        return {"left_out": "flash-attn is not installed"}
    clock, on_gpu = Clock(given.device), given.device.startswith("cuda")

    class Steps(transformers.TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            clock.step(state.global_step)

    filled = [
        {"input_ids": (line := [*chain.from_iterable(row)]), "labels": line, "seq_lengths": [len(ids) for ids in row]}
        for row in rows(pair, given)
    ]
    vocabulary = {"a": 0, **{f"t{n}": n for n in range(1, 4)}}  # a tokenizer, which nothing is spelled with
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel

    speller = transformers.PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel(vocabulary, unk_token="a")), pad_token="a", eos_token="t1"
    )
    with tempfile.TemporaryDirectory() as folder:
        settings = SFTConfig(
            output_dir=folder,
            max_steps=given.steps,
            per_device_train_batch_size=tokens(given) // wide(pair, given),
            learning_rate=RATE,
            lr_scheduler_type="constant",
            optim="adamw_torch_fused",
            packing=True,
            max_length=wide(pair, given),
            dataset_kwargs={"skip_prepare_dataset": True},
            gradient_checkpointing=pair.again,
            torch_compile=given.side == COMPILED,
            use_liger_kernel=bool(find_spec("liger_kernel")),
            train_sampling_strategy="sequential",
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=not on_gpu,
            bf16=True,
        )
        targets = LoraConfig(
            r=RANK, lora_alpha=2 * RANK, lora_dropout=0.0, target_modules=PEFT.get(pair.method), task_type="CAUSAL_LM"
        )
        trainer = SFTTrainer(
            model=network(pair, given, ATTENTION[given.side]),
            args=settings,
            train_dataset=Dataset.from_list(filled),
            processing_class=speller,
            peft_config=None if pair.method == "full" else targets,
            callbacks=[Steps()],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    return clock.figures([line["loss"] for line in trainer.state.log_history if "loss" in line])


def arithmetic(pair: Pair, given: argparse.Namespace) -> float:
    """Operations of the timed steps: forward, gradients of states, and of the weights that are trained."""
    shape = config(pair, given.brief)
    size, heads, groups = shape.head_dim, shape.num_attention_heads, shape.num_key_value_heads
    attention = 2 * shape.hidden_size * size * (heads + groups)
    weights = shape.num_hidden_layers * (attention + 3 * shape.hidden_size * shape.intermediate_size)
    head = shape.vocab_size * shape.hidden_size
    timed = rows(pair, given)[WARM * (tokens(given) // wide(pair, given)) :]
    lengths = [len(ids) for row in timed for ids in row]
    pairs = sum(length * (length + 1) / 2 for length in lengths)  # each token meets those before it, and itself
    meeting = 3 * 2 * 2 * pairs * heads * size * shape.num_hidden_layers
    passes = 3 if pair.method == "full" else 2
    return float(passes * 2 * (weights * sum(lengths) + head * sum(length - 1 for length in lengths)) + meeting)


def peak(given: argparse.Namespace) -> float:
    """Operations a second of the fastest product of two large bfloat16 matrices."""
    size = 512 if given.brief else 8192
    a = torch.randn(size, size, device=given.device, dtype=torch.bfloat16)
    times = []
    for _ in range(20):
        clock = Clock(given.device)
        clock.step(WARM)
        a @ a
        clock.step(0)
        times.append(clock.ended - clock.began)
    return 2 * size**3 / min(times)


def one(pair: Pair, given: argparse.Namespace) -> dict[str, Any]:
    """One side's figures."""
    try:
        return ours(pair, given) if given.side in (OURS, EAGER) else theirs(pair, given)
    except torch.cuda.OutOfMemoryError as error:
        return {"left_out": "out of memory", "error": str(error)[:200]}


def side(name: str, pair: Pair, given: argparse.Namespace, seconds: float) -> dict[str, Any]:
    """The same from a process of its own, which may take so many seconds."""
    command = [sys.executable, __file__, "--side", name, "--pair", pair.name, "--device", given.device]
    environment = os.environ | {"PYTORCH_ALLOC_CONF": "expandable_segments:True", "TOKENIZERS_PARALLELISM": "false"}
    began = time.perf_counter()
    try:
        done = subprocess.run(
            [*command, *["--brief"] * given.brief],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        return {"left_out": f"not done in {seconds:.0f} seconds"}
    if done.returncode:
        return {"left_out": "it failed", "error": done.stderr.strip()[-1500:]}
    return {**json.loads(done.stdout.splitlines()[-1]), "process_seconds": round(time.perf_counter() - began, 1)}


def told(found: dict[str, Any], pair: Pair, given: argparse.Namespace, rate: float) -> dict[str, Any]:
    """What is worked out from the sides' figures."""
    work, count = arithmetic(pair, given), STEPS * TOKENS if not given.brief else (given.steps - WARM) * tokens(given)
    whole = {name: figures for name, figures in found.items() if figures.get("seconds")}
    peers = [figures for name, figures in whole.items() if name not in (OURS, EAGER)]
    result: dict[str, Any] = {
        "sides": found,
        "tokens_per_second": {name: round(count / figures["seconds"]) for name, figures in whole.items()},
        "peak_gigabytes": {name: round(figures["peak_bytes"] / 1e9, 2) for name, figures in whole.items()},
        "share_of_peak": {name: round(work / figures["seconds"] / rate, 3) for name, figures in whole.items()},
    }
    if OURS in whole and peers:
        least = min(figures["peak_bytes"] for figures in peers)
        result["times_the_fastest_peer"] = round(min(f["seconds"] for f in peers) / whole[OURS]["seconds"], 3)
        result["share_of_the_leanest_peers_memory"] = round(whole[OURS]["peak_bytes"] / least, 3) if least else None
    return result


def main() -> None:
    parser = arguments(__doc__, rounds=1)
    parser.set_defaults(device="cuda")
    parser.add_argument("--minutes", type=float, default=9.0, help="no side is begun that would end later")
    parser.add_argument("--sides", nargs="*", choices=SIDES, default=list(SIDES))
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--pair", choices=list(PAIRS), help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.steps = WARM + (2 if given.brief else STEPS)
    transformers.logging.set_verbosity_error()
    if given.device.startswith("cuda") and not torch.cuda.is_available():
        raise SystemExit("there is no CUDA device here; `--device cpu --brief` tries the script itself")
    if given.side:
        print(json.dumps(one(PAIRS[given.pair], given)))
        return
    ends = time.perf_counter() + 60 * given.minutes
    about = machine(given.device)
    out = given.out or RESULTS / f"training_gpu_{str(about['device']).replace(' ', '_')}.json"
    made: dict[str, Any] = json.loads(out.read_text(encoding="utf-8")) if out.is_file() and not given.brief else {"pairs": {}}
    rate = peak(given)
    made |= {"benchmark": "training_gpu", "brief": given.brief, "machine": about}
    made["settings"] = {"warm_up": WARM, "steps": given.steps - WARM, "tokens_a_step": tokens(given), "rank": RANK}
    made["settings"]["teraflops_of_bfloat16"] = round(rate / 1e12, 1)
    longest: dict[str, float] = {}  # seconds of a process, by shape
    # All pairs with the sides that tell most, then the rest.
    for names in (SIDES[:4], SIDES[4:]):
        for pair in PAIRS.values():
            if given.only and not any(part in pair.name for part in given.only):
                continue
            found = made["pairs"].get(pair.name, {}).get("sides", {})
            for name in names:
                if name in found or name not in given.sides:
                    continue
                left = ends - time.perf_counter()
                if left < longest.get(pair.shape, 60.0):
                    print(f"{pair.name}, {name}: left for the next run of this command", file=sys.stderr)
                    continue
                began = time.perf_counter()
                found[name] = side(name, pair, given, left)
                longest[pair.shape] = max(longest.get(pair.shape, 0.0), time.perf_counter() - began)
                if "not done" in found[name].get("left_out", ""):
                    del found[name]
                    continue
                made["pairs"][pair.name] = told(found, pair, given, rate)
                print(f"{pair.name}, {name}: {json.dumps(found[name])}", file=sys.stderr)
                if not given.brief or given.out:
                    out.parent.mkdir(parents=True, exist_ok=True)
                    out.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(made, indent=2))


if __name__ == "__main__":
    main()
