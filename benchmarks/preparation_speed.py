"""Preparing data beside TRL: rows of a file through wording, tokens and packing; rows a second and peak memory.

    pip install -e '.[bench]'
    python benchmarks/preparation_speed.py [--brief] [--rounds 3] [--rows 1000000] [--peer-rows 50000]

Rows: the dialogues of DialogSum's training set with their summaries, as prompt and completion in JSON lines, repeated up to the
count; in each repetition one word in fifty is replaced by one that stands nowhere else. Tokenizer: `tokenizers/dialogsum-8k`.

Ours: what `tunesmith run` does with such a file, by the same calls: open it as a task, hold every row against the window, then
one epoch in its shuffled order, step by step, into the tensors of packed batches. TRL: `datasets.load_dataset` and what
`SFTTrainer` does before training (end of sequence, tokens of prompt and of whole row, completion mask, labels, packing by best
fit), in one process and in two; it makes no tensors. Neither has a cache to start from. Each side runs in a process of its own;
peak memory is that of the process (of the largest of them), less what it held when its packages were loaded.

Compared before: ids and learnt tokens of 500 rows, those with new words among them. All ids of a row are equal, `<eos>` at its
end included; learnt are the tokens behind the prompt and `<eos>` on both sides.

`equal_work`: rounds of all sides on the same rows. `all_rows`: ours once on all of `--rows`, and on a tenth, for memory.
"""

import argparse
import csv
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from record import OURS, SHARED, arguments, keep, paired

ROWS, PEER_ROWS, EXAMPLES, WINDOW, COMPARED = 1_000_000, 50_000, 16, 2048, 500
ONE, TWO = "TRL, one process", "TRL, two processes"
SIDES = (OURS, ONE, TWO)
MIDDLE = 12_460 - COMPARED // 2  # in the middle of the compared rows the repetitions begin


def written(folder: Path, count: int) -> Path:
    """A folder with `count` rows to train on, and a few of the other splits."""
    path = SHARED / "data/dialogsum/dialogsum_train.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = [(row["dialogue"], row["summary"]) for row in csv.DictReader(file)]
    folder.mkdir(parents=True)
    for split, number in (("train", count), ("validation", 20), ("test", 20)):
        with (folder / f"{split}.jsonl").open("w", encoding="utf-8") as file:
            for place in range(number):
                dialogue, summary = varied(rows[place % len(rows)], place, place // len(rows))
                file.write(json.dumps({"prompt": f"{dialogue}\nSummary:", "completion": f" {summary}"}) + "\n")
    return folder


def varied(row: tuple[str, str], place: int, repetition: int) -> tuple[str, str]:
    if not repetition:
        return row
    dice = random.Random(place)
    words = row[0].split(" ")
    for _ in range(max(1, len(words) // 50)):
        words[dice.randrange(len(words))] = "".join(dice.choices("abcdefghijklmnopqrstuvwxyz", k=8))
    return " ".join(words), row[1]


def tiny() -> Any:
    """The smallest network there is, since both sides want one."""
    import transformers

    shape = transformers.LlamaConfig(
        vocab_size=8192,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        max_position_embeddings=WINDOW,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
    )
    return transformers.AutoModelForCausalLM.from_config(shape)


def tokenizer() -> Any:
    import transformers

    return transformers.AutoTokenizer.from_pretrained(SHARED / "models/tokenizers/dialogsum-8k")


def ours(folder: Path, compared: bool) -> dict[str, Any]:
    import torch

    from tunesmith.data.mixture import Mixture
    from tunesmith.models.memory import Memory
    from tunesmith.models.model import Model
    from tunesmith.objectives.objective import Placed
    from tunesmith.preparation import learnable
    from tunesmith.recipe import Recipe
    from tunesmith.tasks.own import task_from
    from tunesmith.tokens.packing import Room
    from tunesmith.tokens.renderer import Renderer

    network, recipe, memory = tiny(), Recipe(), Memory(torch.device("cpu"))
    model = Model(network, Renderer.of(tokenizer(), "causal", network.config), "causal")
    room = Room(layout="packed", width=WINDOW)
    memory.start()
    held, began = memory.now(), time.perf_counter()
    examples = learnable(task_from(str(folder)), "train", recipe, model)
    fitted = time.perf_counter() - began
    if compared:
        found = [recipe.objective.render(Placed(example), model.renderer)[0] for example in examples[MIDDLE:]]
        return {"rows": [[[*one.inputs, one.targets[-1]], [-100, *one.targets]] for one in found]}
    mixture = Mixture([examples], [1.0])
    tokens = 0
    for start in range(0, len(mixture), EXAMPLES):
        placed = [Placed(mixture(place), place) for place in range(start, min(start + EXAMPLES, len(mixture)))]
        for batches in recipe.objective.updates(placed, model, room):
            tokens += sum(batch.tokens for batch in batches)
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "fitting": fitted, "bytes": memory.peak() - held, "tokens": tokens, "count": len(mixture)}


def theirs(folder: Path, processes: int | None, compared: bool) -> dict[str, Any]:
    import datasets
    import torch
    import transformers
    from trl import SFTConfig, SFTTrainer

    from tunesmith.models.memory import Memory

    transformers.logging.set_verbosity_error()
    datasets.disable_progress_bars()
    network, speller, memory = tiny(), tokenizer(), Memory(torch.device("cpu"))
    with tempfile.TemporaryDirectory() as cache:
        settings = SFTConfig(
            output_dir=cache,
            packing=not compared,
            max_length=WINDOW,
            dataset_num_proc=processes,
            report_to=[],
            use_cpu=True,
            bf16=False,
        )
        memory.start()
        held, began = memory.now(), time.perf_counter()
        files = str(folder / "train.jsonl")
        rows = datasets.load_dataset("json", data_files=files, split="train", cache_dir=cache)
        if compared:
            rows = rows.select(range(MIDDLE, len(rows)))
        made = SFTTrainer(model=network, args=settings, train_dataset=rows, processing_class=speller).train_dataset
        seconds = time.perf_counter() - began
        if compared:
            return {"rows": [[row["input_ids"], row["labels"]] for row in made]}
        tokens = sum(sum(row["seq_lengths"]) for row in made.select_columns("seq_lengths"))
    peak = max(memory.peak(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
    return {"seconds": seconds, "bytes": peak - held, "tokens": tokens, "count": len(rows)}


def side(name: str, folder: Path, compared: bool = False) -> dict[str, Any]:
    """One side's figures, from a process of its own."""
    command = [sys.executable, __file__, "--side", name, "--folder", str(folder), *["--compared"] * compared]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    made: dict[str, Any] = json.loads(done.stdout.decode().splitlines()[-1])
    return made


def compare(folder: Path) -> int:
    """How many rows were compared; all of them are equal."""
    written(folder, MIDDLE + COMPARED)
    rows = {name: side(name, folder, compared=True)["rows"] for name in (OURS, ONE)}
    wrong = [place for place, (our, their) in enumerate(zip(rows[OURS], rows[ONE], strict=True)) if our != their]
    if wrong:
        raise SystemExit(f"{len(wrong)} of {len(rows[OURS])} rows differ; the first is row {MIDDLE + wrong[0]}")
    return len(rows[OURS])


def equal_work(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    written(folder, given.peer_rows)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in SIDES}

    def seconds(name: str) -> float:
        found[name].append(side(name, folder))
        return float(found[name][-1]["seconds"])

    timed = paired({name: lambda n=name: seconds(n) for name in SIDES}, given.rounds)
    return {
        **timed,
        "rows": {name: taken[0]["count"] for name, taken in found.items()},
        "tokens": {name: taken[0]["tokens"] for name, taken in found.items()},
        "rows_per_second": {name: round(given.peer_rows / taken) for name, taken in timed["median"].items()},
        "peak_megabytes": {name: round(max(one["bytes"] for one in taken) / 1e6) for name, taken in found.items()},
    }


def all_rows(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    made = {rows: side(OURS, written(folder / str(rows), rows)) for rows in (given.rows // 10, given.rows)}
    return {
        "rows": list(made),
        "seconds": [round(one["seconds"], 1) for one in made.values()],
        "seconds_of_holding_against_the_window": [round(one["fitting"], 1) for one in made.values()],
        "rows_per_second": [round(one["count"] / one["seconds"]) for one in made.values()],
        "tokens": [one["tokens"] for one in made.values()],
        "peak_megabytes": [round(one["bytes"] / 1e6) for one in made.values()],
    }


def main() -> None:
    parser = arguments(__doc__, rounds=3, device=False)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--peer-rows", type=int, default=PEER_ROWS)
    parser.add_argument("--only", nargs="*", choices=("equal_work", "all_rows"))
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--compared", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        one = ours(given.folder, given.compared) if given.side == OURS else None
        print(json.dumps(one or theirs(given.folder, 2 if given.side == TWO else None, given.compared)))
        return
    if not (SHARED / "data/dialogsum").is_dir():
        raise SystemExit(f"there is no DialogSum in `{SHARED}`; name its place with TUNESMITH_SHARED")
    if given.brief:
        given.rows, given.peer_rows, given.rounds = 2000, 1000, 2
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        settings = {"compared_rows": compare(folder / "compared"), "examples_a_step": EXAMPLES, "window": WINDOW}
        pairs = {
            pair.__name__: pair(folder / pair.__name__, given)
            for pair in (equal_work, all_rows)
            if not given.only or pair.__name__ in given.only
        }
    keep("preparation_speed", given, settings, pairs)


if __name__ == "__main__":
    main()
