"""How near `tunesmith plan` comes: predicted and real peak memory of twelve short runs, each in a process of its own.

    python benchmarks/plan_accuracy.py [--brief] [--rounds 1] [--only causal-full ...] [--device cpu]

Networks are made on the fly with random weights, large enough that they matter beside Python itself. A run makes three steps,
validates, and answers two rows. Real is what its `world.json` says: the most resident memory of the process (of a GPU: the most
that was allocated there). A prediction without `--probe` reads no weights; with it, three real steps are made first.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
import yaml
from record import arguments, keep

ASSETS = Path(__file__).resolve().parents[1] / "tunesmith" / "assets"
CLASSES = {
    "llama": transformers.AutoModelForCausalLM,
    "t5": transformers.AutoModelForSeq2SeqLM,
    "bert": transformers.AutoModelForMaskedLM,
}
STEPS = 3


def llama(width: int, layers: int, vocabulary: int = 4096) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "intermediate_size": 43 * width // 16,
        "num_hidden_layers": layers,
        "num_attention_heads": width // 64,
        "num_key_value_heads": width // 64,
        "head_dim": 64,
        "vocab_size": vocabulary,
        "max_position_embeddings": 2048,
    }


def t5(width: int, layers: int, vocabulary: int = 4096) -> dict[str, Any]:
    return {
        "d_model": width,
        "d_kv": 64,
        "num_heads": width // 64,
        "d_ff": 4 * width,
        "num_layers": layers,
        "num_decoder_layers": layers,
        "vocab_size": vocabulary,
    }


def bert(width: int, layers: int, vocabulary: int = 4096) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": width // 64,
        "vocab_size": vocabulary,
        "max_position_embeddings": 1024,
    }


@dataclass(frozen=True)
class Case:
    """One run: a network, rows of about so many words of which the answer is a fifth, and settings of the recipe."""

    kind: str
    network: Mapping[str, Any]
    words: int
    method: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)
    objective: str = "sft"
    guard: Mapping[str, Any] = field(default_factory=dict)


LORA = {"kind": "lora", "rank": 16}
CASES = {
    "causal-full": Case("llama", llama(512, 8), 50, {"kind": "full"}),
    "causal-lora": Case("llama", llama(768, 6), 50, LORA),
    "causal-prompt-vocabulary": Case("llama", llama(512, 3, 64_000), 80, {"kind": "prompt", "virtual_tokens": 16}),
    "causal-full-vocabulary": Case("llama", llama(512, 2, 64_000), 40, {"kind": "full"}),
    "causal-lora-recompute": Case("llama", llama(768, 6), 80, LORA, {"recompute": True}),
    "causal-lora-bfloat16": Case("llama", llama(512, 4), 40, LORA, {"precision": "bfloat16"}),
    "causal-full-guarded": Case("llama", llama(512, 4), 50, {"kind": "full"}, guard={"divergence": 0.1, "distance": 0.1}),
    "causal-lora-guarded": Case("llama", llama(512, 2, 32_000), 50, LORA, guard={"divergence": 0.1}),
    "seq2seq-full": Case("t5", t5(512, 3), 60, {"kind": "full"}),
    "seq2seq-lora": Case("t5", t5(768, 3), 50, LORA),
    "masked-full": Case("bert", bert(512, 6), 40, {"kind": "full"}, objective="pretrain"),
    "masked-lora": Case("bert", bert(768, 4), 60, LORA, objective="pretrain"),
}


def prepared(case: Case, folder: Path) -> Path:
    """The recipe of a case, with its network and its rows beside it."""
    config = transformers.AutoConfig.from_pretrained(ASSETS / case.kind)
    config.update(dict(case.network))
    torch.manual_seed(0)
    CLASSES[case.kind].from_config(config).save_pretrained(folder / "network")
    transformers.AutoTokenizer.from_pretrained(ASSETS / case.kind).save_pretrained(folder / "network")
    dice = random.Random(0)
    for split, count in (("train", 48), ("validation", 8), ("test", 2)):
        lines = [json.dumps(row(dice, case.words)) for _ in range(count)]
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    recipe = {
        "name": "planned",
        "model": {"path": str(folder / "network")},
        "method": dict(case.method),
        "objective": case.objective,
        "tasks": {str(folder / "train.jsonl"): 1.0},
        "judged_by": [str(folder / "test.jsonl")],
        "forgetting": "none",
        "plan": {"steps": STEPS, "examples": 16, **case.settings},
        "guard": dict(case.guard),
        "ask": {"tokens": 8} if case.kind != "bert" else {"how": "weigh"},
        "limit": {"test": 2},
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return path


WORDS = [
    "the",
    "cat",
    "sat",
    "on",
    "a",
    "mat",
    "and",
    "said",
    "that",
    "it",
    "was",
    "warm",
    "there",
    "by",
    "the",
    "fire",
    "when",
    "rain",
    "came",
    "down",
]


def row(dice: random.Random, words: int) -> dict[str, str]:
    """Lengths are spread by half around the mean, as in real data."""
    count = max(8, round(words * dice.uniform(0.5, 1.5)))
    said = dice.choices(WORDS, k=count)
    return {"prompt": " ".join(said[count // 5 :]), "completion": " ".join(said[: count // 5])}


def real(recipe: Path, into: Path) -> dict[str, Any]:
    subprocess.run(
        [sys.executable, "-m", "tunesmith", "train", str(recipe), "--into", str(into), "--brief"], check=True, env=os.environ
    )
    world: dict[str, Any] = json.loads((into / "world.json").read_text(encoding="utf-8"))
    return world


def planned(recipe: Path, *options: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tunesmith", "plan", str(recipe), "--json", *options], check=True, capture_output=True, text=True
    )
    made: dict[str, Any] = json.loads(done.stdout)
    return made


def main() -> None:
    parser = arguments(__doc__, rounds=1)
    given = parser.parse_args()
    pairs = {}
    for name, case in CASES.items():
        if given.only and name not in given.only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            recipe = prepared(case, Path(folder))
            pairs[name] = compared(recipe, Path(folder))
        print(name, pairs[name], file=sys.stderr, flush=True)
        if given.brief:
            break
    keep("plan_accuracy", given, {"steps": STEPS}, pairs)


def compared(recipe: Path, folder: Path) -> dict[str, Any]:
    world = real(recipe, folder / "run")
    probed = planned(recipe, "--probe")
    told, told_seconds = probed["before"]
    most = world["peak_memory_bytes"]
    return {
        "real_megabytes": round(most / 1e6, 1),
        "training_megabytes": round(world["peak_memory_training_bytes"] / 1e6, 1),
        "answering_megabytes": round(world["peak_memory_answering_bytes"] / 1e6, 1),
        "predicted_megabytes": round(told / 1e6, 1),
        "probed_megabytes": round(probed["peak_bytes"] / 1e6, 1),
        "off": round(told / most - 1, 4),
        "off_probed": round(probed["peak_bytes"] / most - 1, 4),
        "real_seconds": round(world["training_seconds"], 2),
        "predicted_seconds": round(told_seconds, 2),
        "probed_seconds": round(probed["seconds"], 2),
        "parts": {part: round(size / 1e6, 1) for part, size in probed["choices"][0]["memory"].items()},
    }


if __name__ == "__main__":
    main()
