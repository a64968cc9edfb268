"""Tuning beside a trainer, each side in a process of its own, so that its peak memory is its own.

What `causal_training.py` and `encoder_decoder_training.py` share: rows, our side, the clock around a trainer, rounds, options.
"""

import argparse
import csv
import json
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

import transformers
from record import OURS, SHARED, arguments, keep, paired

from tunesmith.data.example import Example, Message
from tunesmith.data.mixture import ByLength, Mixture
from tunesmith.models.adapter import Adapter
from tunesmith.models.memory import Memory
from tunesmith.models.model import Model
from tunesmith.objectives.sft import SFT
from tunesmith.tokens.renderer import Family, Renderer
from tunesmith.training.loop import train, validate
from tunesmith.training.plan import Plan
from tunesmith.training.state import State

HELD_OUT, EXAMPLES, RATE = 40, 8, 1e-4

# Of a trainer on either side of a comparison: every step is logged, nothing else is written or shown.
TRAINER: dict[str, Any] = {
    "lr_scheduler_type": "linear",
    "logging_steps": 1,
    "save_strategy": "no",
    "report_to": [],
    "disable_tqdm": True,
    "use_cpu": True,
}

Figures = dict[str, Any]  # seconds, peak_bytes, losses; held_out and maybe a score, once the validation rows were read


def examples(count: int, start: int = 0) -> list[Example]:
    path = SHARED / "data/dialogsum/dialogsum_validation.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[start : start + count]
    return [Example((Message("user", f"{row['dialogue']}\nSummary:"),), row["summary"], id=row["id"]) for row in rows]


def renderer(config: Any, family: Family) -> Renderer:
    tokenizer = transformers.AutoTokenizer.from_pretrained(SHARED / "models/tokenizers/dialogsum-8k")
    return Renderer.of(tokenizer, family, config)


def tuned(model: Model, adapter: Adapter, memory: Memory, given: argparse.Namespace) -> Figures:
    """Our side: an epoch over the rows."""
    rows = examples(given.rows)
    steps = -(-len(rows) // EXAMPLES)
    plan = Plan(steps=steps, examples=EXAMPLES, learning_rate=RATE, warmup=0.0, schedule="linear", floor=0.0, clip=1.0)
    state = State.new(adapter, plan)
    stream: Any = rows.__getitem__ if given.equal else ByLength(Mixture([rows], [1.0]), EXAMPLES)
    memory.start()
    began = time.perf_counter()
    losses = [step.loss for step in train(model, adapter, SFT(), stream, plan, state, steps)]
    return {"seconds": time.perf_counter() - began, "peak_bytes": memory.peak(), "losses": losses}


def trained(trainer: Any, memory: Memory) -> Figures:
    """A trainer's side, which logs every step."""
    trainer.remove_callback(transformers.PrinterCallback)
    memory.start()
    began = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - began
    losses = [line["loss"] for line in trainer.state.log_history if "loss" in line]
    return {"seconds": seconds, "peak_bytes": memory.peak(), "losses": losses}


def held_out(model: Model, start: int) -> float:
    """Our loss on the validation rows, whoever trained."""
    return validate(model, SFT(), examples(HELD_OUT, start), Plan())[0]


def side(name: str, kind: str, given: argparse.Namespace, equal: bool = False) -> Figures:
    """One side's figures, from this script in a process of its own."""
    command = [sys.executable, sys.argv[0], "--side", name, "--kind", kind, "--rows", str(given.rows)]
    done = subprocess.run([*command, *["--equal"] * equal], stdout=subprocess.PIPE, check=True)
    made: Figures = json.loads(done.stdout.decode().splitlines()[-1])
    return made


def pair(
    kind: str, given: argparse.Namespace, sides: Sequence[str], tokens: int, before: Callable[[], object] = lambda: None
) -> dict[str, Any]:
    """All sides in turns, and the last of them on equal batches too. `before` is called before each turn."""
    equal = {name: side(name, kind, given, equal=True) for name in (OURS, sides[-1])}
    gap = max(abs(a - b) for a, b in zip(equal[OURS]["losses"], equal[sides[-1]]["losses"], strict=True))
    found: dict[str, list[Figures]] = {name: [] for name in sides}

    def seconds(name: str) -> float:
        before()
        found[name].append(side(name, kind, given))
        return float(found[name][-1]["seconds"])

    timed = paired({name: lambda n=name: seconds(n) for name in sides}, given.rounds)
    scored = {name: taken[-1]["score"] for name, taken in found.items() if "score" in taken[-1]}
    return {
        **timed,
        "tokens": tokens,
        "tokens_per_second": {who: round(tokens / taken) for who, taken in timed["median"].items()},
        "peak_gigabytes": {name: round(max(one["peak_bytes"] for one in taken) / 1e9, 3) for name, taken in found.items()},
        "held_out_loss": {name: round(taken[-1]["held_out"], 4) for name, taken in found.items()},
        "largest_gap_of_losses_on_equal_batches": gap,
        **({"held_out_score_and_interval": scored} if scored else {}),
    }


def main(
    name: str,
    doc: str,
    rows: int,
    sides: Sequence[str],
    kinds: Collection[str],
    one: Callable[[str, argparse.Namespace], Figures],
    compared: Callable[[str, argparse.Namespace], dict[str, Any]],
    settings: dict[str, Any],
    data: str = "data/dialogsum",
    brief: int = 2 * EXAMPLES,
) -> None:
    """Options; with `--side`, `one` side's figures on stdout, else every kind `compared` and kept as results."""
    parser = arguments(doc, rounds=3)
    parser.add_argument("--side", choices=sides, help=argparse.SUPPRESS)
    parser.add_argument("--kind", choices=list(kinds), help=argparse.SUPPRESS)
    parser.add_argument("--equal", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, default=rows)
    given = parser.parse_args()
    transformers.logging.set_verbosity_error()
    if given.side:
        print(json.dumps(one(given.kind, given)))
        return
    if not (SHARED / data).is_dir():
        raise SystemExit(f"there is no `{data}` in `{SHARED}`; name its place with TUNESMITH_SHARED")
    if given.brief:
        given.rows, given.rounds = brief, 1
    pairs = {kind: compared(kind, given) for kind in kinds if not given.only or kind in given.only}
    keep(name, given, {"rows": given.rows, "examples": EXAMPLES, **settings}, pairs)
