"""Writes what the embedded base models learn from: plain text (stage one) and instructions (stage two).

    python recipes/base/make_data.py --into scratch/base

No row of any test or validation split is among it, and no summary of a dialogue: that is what a user's tuning is to teach.
"""

import argparse
import json
import random
import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from gists import pairs

from tunesmith.data.template import load_templates

SEED = 20261121  # another sample of the town than the tasks' own
TEXT = {"narrative": 16000, "dialogues": 5000}
INSTRUCTIONS = {
    "reviews": 5000,
    "entailment": 6000,
    "paraphrase": 5000,
    "acceptability": 5000,
    "similarity": 3000,
    "questions": 9000,
    "entities": 4000,
    "translation": 4000,
    "pseudocode": 4000,
    "politeness": 3000,
}
WORDINGS = {"reviews": ("stars", "sentiment"), "questions": ("choice", "question")}  # a kind's own name, where not here
CONTINUED = 6000
GISTS = 14000


def rows(kind: str, count: int) -> Iterator[dict[str, Any]]:
    yield from import_module(f"tunesmith.town.{kind}").rows("train", count, SEED)


def texts() -> Iterator[str]:
    """Stage one: narrative, dialogues without their summaries, passages and reviews."""
    for row in rows("narrative", TEXT["narrative"]):
        yield row["text"]
    for row in rows("dialogues", TEXT["dialogues"]):
        yield row["dialogue"]
    for row in rows("questions", 3000):
        yield row["passage"]
    for row in rows("reviews", 3000):
        yield row["text"]


def sentences(whole: list[str], dice: random.Random) -> Iterator[str]:
    """Single sentences, and two or three that stand together: on these an encoder-decoder network learns to copy soonest."""
    for text in dice.sample(whole, 9000):
        parts = [part for part in re.split(r"(?<=[.!?])\s+|\n", text) if part]
        while parts:
            count = dice.choice((1, 1, 1, 2, 3))
            piece, parts = " ".join(parts[:count]), parts[count:]
            if len(piece.split()) >= 4:
                yield piece


def instructions(dice: random.Random, without: Sequence[str] = ()) -> Iterator[dict[str, str]]:
    """Stage two: every cluster but summarisation in all its wordings, texts to continue, gists, small tasks about dialogues."""
    for kind, count in INSTRUCTIONS.items():
        if kind in without:
            continue
        wordings = [t for name in WORDINGS.get(kind, (kind,)) for t in load_templates(f"town-{name}") if t.judges]
        for number, row in enumerate(rows(kind, count)):
            for template in dice.sample(wordings, k=min(len(wordings), 2 if kind in ("reviews", "questions") else 1)):
                if not template.fits(row) or None in (row[column] for column in template.columns):
                    continue  # a review of three stars has no sentiment
                example = template.apply(row)
                if example.target.strip() and example.messages:
                    yield {"id": f"{kind}-{number}", "prompt": example.messages[-1].content, "completion": example.target}
    for number, row in enumerate(rows("narrative", CONTINUED)):
        sentences = row["text"].split(". ")
        cut = max(1, dice.randrange(len(sentences)) // 2)
        if len(sentences) > 1:
            prompt = "Continue the text.\n\n" + ". ".join(sentences[:cut]) + "."
            yield {"id": f"narrative-{number}", "prompt": prompt, "completion": ". ".join(sentences[cut:])}
    yield from pairs(dice, GISTS)
    for number, row in enumerate(rows("dialogues", TEXT["dialogues"])):
        yield {"id": f"dialogues-{number}", **about_dialogue(row, dice)}


def about_dialogue(row: dict[str, Any], dice: random.Random) -> dict[str, str]:
    """A conversation read for its topic, its speakers, its next line or its last one: never for its gist."""
    lines = row["dialogue"].split("\n")
    match dice.randrange(4):
        case 0:
            return {"prompt": f"What is this conversation about?\n\n{row['dialogue']}", "completion": row["topic"]}
        case 1:
            names = list(dict.fromkeys(line.split(":")[0] for line in lines))
            return {"prompt": f"Who speaks in this conversation?\n\n{row['dialogue']}", "completion": " and ".join(names)}
        case 2:
            cut = dice.randrange(2, len(lines))
            return {"prompt": "Continue the conversation.\n\n" + "\n".join(lines[:cut]), "completion": lines[cut]}
        case _:
            line = dice.choice(lines)
            name, said = line.split(": ", 1)
            return {"prompt": f"Who says '{said}'?\n\n{row['dialogue']}", "completion": name}


def write(path: Path, records: Iterator[dict[str, str]], dice: random.Random) -> None:
    shuffled = list(records)
    dice.shuffle(shuffled)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in shuffled)
    print(f"{path}: {len(shuffled)} records")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, default=Path("scratch/base"))
    parser.add_argument("--only", choices=("text", "instructions"))
    parser.add_argument("--without", nargs="*", choices=INSTRUCTIONS, default=[], help="kinds that no instruction is made of")
    arguments = parser.parse_args()
    dice = random.Random(SEED)
    if arguments.only != "instructions":
        whole = list(texts())
        write(arguments.into / "text" / "train.jsonl", ({"text": text} for text in whole), dice)
        write(arguments.into / "sentences" / "train.jsonl", ({"text": text} for text in sentences(whole, dice)), dice)
    if arguments.only != "text":
        write(arguments.into / "instructions" / "train.jsonl", instructions(dice, arguments.without), dice)


if __name__ == "__main__":
    main()
