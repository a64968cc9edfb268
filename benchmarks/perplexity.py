"""Perplexity of real dialogues as plain text, ours beside transformers' own loss, in the same windows of 512 tokens.

python benchmarks/perplexity.py [--dialogues 100]
"""

import argparse
import csv
import json
import math

import torch
from record import SHARED

from tunesmith.data.example import Example
from tunesmith.evaluation.ask import weigh
from tunesmith.models.load import ModelSettings, load
from tunesmith.models.model import Model

WINDOW = 512


def ours(model: Model, texts: list[str]) -> float:
    answers = weigh(model, [Example((), text) for text in texts])
    return math.exp(-sum(answer.logprob or 0.0 for answer in answers) / sum(answer.tokens for answer in answers))


@torch.no_grad()
def theirs(texts: list[str], path: str) -> float:
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    network = transformers.AutoModelForCausalLM.from_pretrained(path).eval()
    nats, count = 0.0, 0
    for text in texts:
        ids = tokenizer(text)["input_ids"]
        for start in range(0, len(ids) - 1, WINDOW):  # the last token of a window is also the first of the next to be predicted
            inputs, targets = ids[start : start + WINDOW], ids[start + 1 : start + WINDOW + 1]
            logits = network(torch.tensor([inputs[: len(targets)]])).logits[0]
            nats += float(torch.nn.functional.cross_entropy(logits, torch.tensor(targets), reduction="sum"))
            count += len(targets)
    return math.exp(nats / count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dialogues", type=int, default=100)
    given = parser.parse_args()
    folder, path = SHARED / "data/dialogsum", str(SHARED / "models/stories260K")
    if not folder.is_dir():
        raise SystemExit(f"there is no DialogSum in `{SHARED}`; name its place with TUNESMITH_SHARED")
    model = load(ModelSettings(path))
    for split in ("test", "validation"):
        with (folder / f"dialogsum_{split}.csv").open(encoding="utf-8", newline="") as file:
            texts = list(dict.fromkeys(row["dialogue"] for row in csv.DictReader(file)))[: given.dialogues]
        print(
            json.dumps(
                {"split": split, "dialogues": len(texts), "tunesmith": ours(model, texts), "transformers": theirs(texts, path)}
            )
        )


if __name__ == "__main__":
    main()
