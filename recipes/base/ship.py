"""Puts a trained base model into the package: half precision, with the tokenizer and config that are there already.

python recipes/base/ship.py t5 runs/t5-instruct
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

ASSETS = Path(__file__).parents[2] / "tunesmith" / "assets"
LIMIT = 6_000_000  # bytes, tokenizer included


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=("t5", "llama", "bert"))
    parser.add_argument("run", type=Path)
    arguments = parser.parse_args()
    weights = load_file(arguments.run / "model" / "model.safetensors")
    halves = {name: tensor.to(torch.float16).contiguous() for name, tensor in weights.items()}
    assert all(tensor.isfinite().all() for tensor in halves.values()), "a weight does not fit half precision"
    into = ASSETS / arguments.name
    save_file(halves, into / "model.safetensors", {"format": "pt"})
    log = Path(__file__).parent / "logs" / f"{arguments.run.name}.jsonl"
    log.parent.mkdir(exist_ok=True)
    lines = (arguments.run / "steps.jsonl").read_text(encoding="utf-8").splitlines()
    log.write_text("\n".join(lines[::25] + lines[-1:]) + "\n", encoding="utf-8")
    size = sum(path.stat().st_size for path in into.iterdir())
    print(json.dumps({"name": arguments.name, "parameters": sum(t.numel() for t in halves.values()), "bytes": size}))
    assert size <= LIMIT, f"{size} bytes are more than {LIMIT}"


if __name__ == "__main__":
    main()
