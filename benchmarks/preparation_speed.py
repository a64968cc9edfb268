"""Preparing data beside TRL: rows of a file through wording, tokens and packing; rows a second and peak memory.

    pip install -e '.[bench]'
    python benchmarks/preparation_speed.py [--brief] [--case mixture] [--rounds 3] [--rows 1000000] [--peer-rows 50000]
        [--only equal_work two_processes all_rows first_step again]

Rows: the dialogues of DialogSum's training set with their summaries, as prompt and completion in JSON lines, repeated up to the
count; in each repetition one word in fifty is replaced by one that stands nowhere else. Tokenizer: `tokenizers/dialogsum-8k`.

Ours: what `tunesmith run` does with such a file, by the same calls: open it as a task, hold every row against the window, then
one epoch in its shuffled order, step by step, into the tensors of packed batches. TRL: `datasets.load_dataset` and what
`SFTTrainer` does before training (end of sequence, tokens of prompt and of whole row, completion mask, labels, packing by best
fit), in one process and in two; it makes no tensors. Neither has a cache to start from. Each side runs in a process of its own;
peak memory is that of the process (of the largest of them), less what it held when its packages were loaded.

`--case mixture`: two files of other columns, each through a Jinja template with a condition, the second with half its weight.
TRL gets the same wordings by `map`, with plain Jinja, and as many rows of each file, concatenated and shuffled.

Compared before: ids and learnt tokens of 500 rows, those with new words among them. All ids of a row are equal, `<eos>` at its
end included; learnt are the tokens behind the prompt and `<eos>` on both sides.

`equal_work`: rounds of all sides on the same rows, ours in one process. `two_processes`: ours with one process that spells
ahead, against TRL in two. `all_rows`: ours once on all of `--rows`, and on a tenth, for memory; in two processes. `first_step`:
seconds until the first step's tensors are there, while the pass over all rows goes on. `again`: a second run, with what the
first has kept on the disk; no other has a cache. To run in pieces, name one with `--only` and a file of its own with `--out`.
"""

import argparse
import csv
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from record import OURS, SHARED, arguments, keep, paired

ROWS, PEER_ROWS, EXAMPLES, WINDOW, COMPARED = 1_000_000, 50_000, 16, 2048, 500
ONE, TWO = "TRL, one process", "TRL, two processes"
BOTH = "tunesmith, two processes"
SIDES = (OURS, ONE, TWO)
CASES = ("plain", "mixture")
WORDINGS = {
    "summary": "Summarize this dialogue{% if topic %} about {{topic}}{% endif %}.\n\n{{dialogue}}\n\nSummary: ||| {{summary}}",
    "topic": "{{dialogue}}\n\nWhat was this about? ||| {{topic}}",
}
WEIGHTS = {"summary": 1.0, "topic": 0.5}
MIDDLE = 12_460 - COMPARED // 2  # in the middle of the compared rows the repetitions begin


def written(folder: Path, count: int, case: str) -> Path:
    """A folder with `count` rows to train on in an epoch, and a few of the other splits; of a mixture a folder a file."""
    path = SHARED / "data/dialogsum/dialogsum_train.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = [(row["dialogue"], row["summary"], row["topic"]) for row in csv.DictReader(file)]
    if case == "plain":
        files = {folder: (count, lambda d, s, t: {"prompt": f"{d}\nSummary:", "completion": f" {s}"})}
    else:
        half = count // 2  # of an epoch; the second file has twice as many rows, of which an epoch shows half
        files = {
            folder / "summary": (count - half, lambda d, s, t: {"dialogue": d, "summary": s, "topic": t if len(t) % 2 else ""}),
            folder / "topic": (2 * half, lambda d, s, t: {"dialogue": d, "topic": t}),
        }
    for place, (number, row) in files.items():
        place.mkdir(parents=True)
        for split, many in (("train", number), ("validation", 20), ("test", 20)):
            with (place / f"{split}.jsonl").open("w", encoding="utf-8") as file:
                for at in range(many):
                    dialogue, summary, topic = rows[at % len(rows)]
                    dialogue, summary = varied((dialogue, summary), at, at // len(rows))
                    file.write(json.dumps(row(dialogue, summary, topic)) + "\n")
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


def ours(folder: Path, case: str, ahead: int, compared: bool, first: bool) -> dict[str, Any]:
    import torch

    from tunesmith.data.mixture import Mixture
    from tunesmith.models.memory import Memory
    from tunesmith.models.model import Model
    from tunesmith.objectives.objective import Placed
    from tunesmith.preparation import learnable_sets
    from tunesmith.recipe import Recipe
    from tunesmith.tasks.own import task_from
    from tunesmith.tokens.packing import Room
    from tunesmith.tokens.renderer import Renderer
    from tunesmith.training.feed import Look, feeding
    from tunesmith.training.plan import Plan

    room = Room(layout="packed", width=WINDOW)
    network, recipe, memory = tiny(), Recipe(plan=Plan(examples=EXAMPLES, ahead=ahead, room=room)), Memory(torch.device("cpu"))
    model = Model(network, Renderer.of(tokenizer(), "causal", network.config), "causal")
    memory.start()
    held, began = memory.now(), time.perf_counter()
    if case == "plain":
        tasks, weights = [task_from(str(folder))], [1.0]
    else:
        tasks = [task_from({"data": str(folder / name), "template": text}) for name, text in WORDINGS.items()]
        weights = list(WEIGHTS.values())
    looks: list[Look] = []
    sets = learnable_sets(tasks, recipe, model, looks if first else None)
    fitted = time.perf_counter() - began
    if compared:
        found = [
            recipe.objective.render(Placed(one), model.renderer)[0] for some in sets for one in some[len(some) - COMPARED :]
        ]
        return {"rows": [[[*one.inputs, one.targets[-1]], [-100, *one.targets]] for one in found]}
    mixture = Mixture(sets, weights)
    tokens = 0
    with feeding(mixture, recipe.objective, model, recipe.plan, 0, looks=looks) as take:
        for start in range(0, EXAMPLES if first else len(mixture), EXAMPLES):
            for batches in recipe.objective.updates(take(start)[: len(mixture) - start], model, room):
                tokens += sum(batch.tokens for batch in batches)
        seconds = time.perf_counter() - began
    peak = max(memory.peak(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 if ahead else 0)
    return {"seconds": seconds, "fitting": fitted, "bytes": peak - held, "tokens": tokens, "count": len(mixture)}


def put(row: dict[str, Any], wording: str) -> dict[str, str]:
    """A row in TRL's columns."""
    prompt, completion = halves(wording)
    return {"prompt": prompt.render(**row).strip(), "completion": " " + completion.render(**row).strip()}


@lru_cache
def halves(wording: str) -> tuple[Any, Any]:
    import jinja2

    prompt, completion = wording.split("|||")
    return jinja2.Template(prompt.strip()), jinja2.Template(completion.strip())


def worded(folder: Path, processes: int | None, cache: str, compared: bool) -> Any:
    """TRL's rows of a mixture: wordings by `map`, then as many rows of each file as our epoch has."""
    import datasets

    parts = []
    for name, text in WORDINGS.items():
        rows = datasets.load_dataset("json", data_files=str(folder / name / "train.jsonl"), split="train", cache_dir=cache)
        rows = rows.select(range(len(rows) - COMPARED, len(rows))) if compared else rows
        rows = rows.map(put, fn_kwargs={"wording": text}, remove_columns=rows.column_names, num_proc=processes)
        parts.append(rows if compared else rows.shuffle(0).select(range(round(len(rows) * WEIGHTS[name]))))
    whole = datasets.concatenate_datasets(parts)
    return whole if compared else whole.shuffle(0)


def theirs(folder: Path, case: str, processes: int | None, compared: bool) -> dict[str, Any]:
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
        if case == "mixture":
            rows = worded(folder, processes, cache, compared)
        else:
            files = str(folder / "train.jsonl")
            rows = datasets.load_dataset("json", data_files=files, split="train", cache_dir=cache)
            rows = rows.select(range(len(rows) - COMPARED, len(rows))) if compared else rows
        made = SFTTrainer(model=network, args=settings, train_dataset=rows, processing_class=speller).train_dataset
        seconds = time.perf_counter() - began
        if compared:
            return {"rows": [[row["input_ids"], row["labels"]] for row in made]}
        tokens = sum(sum(row["seq_lengths"]) for row in made.select_columns("seq_lengths"))
    peak = max(memory.peak(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
    return {"seconds": seconds, "bytes": peak - held, "tokens": tokens, "count": len(rows)}


def side(name: str, folder: Path, case: str, *more: str, cache: str = "off") -> dict[str, Any]:
    """One side's figures, from a process of its own."""
    command = [sys.executable, __file__, "--side", name, "--folder", str(folder), "--case", case, *more]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env={**os.environ, "TUNESMITH_CACHE": cache})
    made: dict[str, Any] = json.loads(done.stdout.decode().splitlines()[-1])
    return made


def compare(folder: Path, case: str) -> int:
    """How many rows were compared; all of them are equal."""
    written(folder, (2 if case == "mixture" else 1) * (MIDDLE + COMPARED), case)
    rows = {name: side(name, folder, case, "--compared")["rows"] for name in (OURS, ONE)}
    wrong = [place for place, (our, their) in enumerate(zip(rows[OURS], rows[ONE], strict=True)) if our != their]
    if wrong:
        raise SystemExit(f"{len(wrong)} of {len(rows[OURS])} rows differ; the first of those compared is number {wrong[0]}")
    return len(rows[OURS])


def beside(folder: Path, given: argparse.Namespace, sides: Mapping[str, str]) -> dict[str, Any]:
    """Rounds of sides on the same rows; `sides`: what they are called -> what is run."""
    written(folder, given.peer_rows, given.case)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}

    def seconds(name: str) -> float:
        found[name].append(side(sides[name], folder, given.case))
        return float(found[name][-1]["seconds"])

    timed = paired({name: lambda n=name: seconds(n) for name in sides}, given.rounds)
    return {
        **timed,
        "rows": {name: taken[0]["count"] for name, taken in found.items()},
        "tokens": {name: taken[0]["tokens"] for name, taken in found.items()},
        "rows_per_second": {name: round(given.peer_rows / taken) for name, taken in timed["median"].items()},
        "peak_megabytes": {name: round(max(one["bytes"] for one in taken) / 1e6) for name, taken in found.items()},
    }


def equal_work(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    return beside(folder, given, {name: name for name in SIDES})


def two_processes(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    return beside(folder, given, {OURS: BOTH, TWO: TWO})


def all_rows(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    folders = {rows: written(folder / str(rows), rows, given.case) for rows in (given.rows // 10, given.rows)}
    made = {(name, rows): side(name, place, given.case) for name in (OURS, BOTH) for rows, place in folders.items()}
    return {
        "sides": [name for name, _ in made],
        "rows": [rows for _, rows in made],
        "seconds": [round(one["seconds"], 1) for one in made.values()],
        "seconds_of_holding_against_the_window": [round(one["fitting"], 1) for one in made.values()],
        "rows_per_second": [round(one["count"] / one["seconds"]) for one in made.values()],
        "tokens": [one["tokens"] for one in made.values()],
        "peak_megabytes": [round(one["bytes"] / 1e6) for one in made.values()],
    }


def first_step(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    written(folder, given.rows, given.case)
    made = {name: side(OURS, folder, given.case, *more) for name, more in {"put off": ["--first"], "in front": []}.items()}
    return {
        "rows": given.rows,
        "seconds_until_the_first_step": round(made["put off"]["seconds"], 2),
        "seconds_of_the_passes_in_front": round(made["in front"]["fitting"], 2),
    }


def again(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    written(folder / "rows", given.rows, given.case)
    made = [side(OURS, folder / "rows", given.case, cache=str(folder / "cache")) for _ in range(2)]
    kept = sum(file.stat().st_size for file in (folder / "cache").rglob("*.npy"))
    return {
        "rows": given.rows,
        "seconds": [round(one["seconds"], 1) for one in made],
        "seconds_until_steps_begin": [round(one["fitting"], 2) for one in made],
        "megabytes_kept": round(kept / 1e6),
    }


PAIRS = (equal_work, two_processes, all_rows, first_step, again)


def main() -> None:
    parser = arguments(__doc__, rounds=3, device=False)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--peer-rows", type=int, default=PEER_ROWS)
    parser.add_argument("--case", choices=CASES, default="plain")
    parser.add_argument("--only", nargs="*", choices=[pair.__name__ for pair in PAIRS])
    parser.add_argument("--side", choices=(*SIDES, BOTH), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--compared", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--first", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side in (OURS, BOTH):
        print(json.dumps(ours(given.folder, given.case, int(given.side == BOTH), given.compared, given.first)))
        return
    if given.side:
        print(json.dumps(theirs(given.folder, given.case, 2 if given.side == TWO else None, given.compared)))
        return
    if not (SHARED / "data/dialogsum").is_dir():
        raise SystemExit(f"there is no DialogSum in `{SHARED}`; name its place with TUNESMITH_SHARED")
    if given.brief:
        given.rows, given.peer_rows, given.rounds = 2000, 1000, 2
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        settings = {
            "case": given.case,
            "compared_rows": compare(folder / "compared", given.case),
            "examples_a_step": EXAMPLES,
            "window": WINDOW,
        }
        pairs = {}
        for pair in PAIRS:
            if not given.only or pair.__name__ in given.only:
                pairs[pair.__name__] = pair(folder / pair.__name__, given)
                shutil.rmtree(folder / pair.__name__)  # a million rows are a gigabyte and more
    keep("preparation_speed" if given.case == "plain" else f"preparation_speed_{given.case}", given, settings, pairs)


if __name__ == "__main__":
    main()
