"""How soon a command answers: processes from start to end, beside a peer's command of the same environment.

    python benchmarks/start_speed.py [--brief] [--runs 20] [--rounds 9]

`tunesmith --help` stands beside `trl --help`, in turns. The report of finished runs (`tunesmith compare RUN ...`: page,
Markdown, JSON and plots) has no peer: it stands alone, with the seconds of the processor that it took. Neither may load torch,
which is checked. The runs are written here: the sizes of the embedded main job, with made-up answers.
"""

import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from record import OURS, arguments, keep, paired

from tunesmith.run import Answer, Run, Score

PEER = "trl"
MAIN = "lab/summaries"
OTHERS = [f"lab/task-{number}" for number in range(11)]
WORDS = [f"word{number}" for number in range(300)]


def make_run(folder: Path, number: int) -> Path:
    """A tuned run (the first: the untuned model) with 150 answers to its task and 40 to each of eleven others."""
    run, draw = Run(folder / f"run{number:02}"), random.Random(number)
    method = "lora" if number else "none"
    run.folder.mkdir(parents=True)
    plan = {f"setting-{place}": place * (number + 1) for place in range(60)}
    run.keep_recipe({"model": "tunesmith/llama", "data": {"task": MAIN}, "method": {"kind": method}, "plan": plan})
    cost = {"trained_parameters": 1000 * number, "total_parameters": 10**6, "peak_memory_bytes": 10**8 + number * 10**6}
    cost |= {"training_seconds": 20.0 + number, "seconds_per_answer": 0.01 + number / 1000, "disk_bytes": 10**5 * number}
    run.keep_world(system=f"system-{number}", method=method, model="llama", main_task=MAIN, **cost)
    for task, count in [(MAIN, 150), *((task, 40) for task in OTHERS)]:
        names = ("rouge1", "rouge2", "rougeL", "rougeLsum") if task == MAIN else ("accuracy",)
        answers = [answer(place, draw, names) for place in range(count)]
        run.keep(task, answers)
        column = 2 if task == MAIN else 0
        run.keep_scores(task, {n: Score(sum(a.stats[n][column] for a in answers) / count, count) for n in names})
    if number:
        losses = [3 + 4 * 0.97**step + draw.random() / 5 for step in range(125)]
        steps = [{"step": step + 1, "loss": loss, "tokens": 3000, "seconds": 0.2} for step, loss in enumerate(losses)]
        (run.folder / "steps.jsonl").write_text("".join(json.dumps(step) + "\n" for step in steps))
        validations = [{"step": step, "loss": losses[step - 1] + 0.1} for step in range(12, 125, 12)]
        (run.folder / "validation.jsonl").write_text("".join(json.dumps(one) + "\n" for one in validations))
    return run.folder


def answer(place: int, draw: random.Random, names: tuple[str, ...]) -> Answer:
    text = [" ".join(random.Random(f"{side} {place}").choices(WORDS, k=count)) for side, count in (("p", 130), ("t", 20))]
    said = " ".join(draw.choices(WORDS, k=20))
    stats = {
        name: tuple(draw.random() for _ in range(3)) if "rouge" in name else (float(draw.random() < 0.6),) for name in names
    }
    return Answer(f"example-{place}", text[0], said, text[1], prompt_tokens=200, tokens=30, seconds=0.01, stats=stats)


def clock(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def processor(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def check_loads_no_torch(given: list[str]) -> None:
    code = "import sys; from tunesmith.cli import main\ntry: main(sys.argv[1:])\nfinally: assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, *given], check=True, capture_output=True)


def main() -> None:
    parser = arguments(__doc__, rounds=9, device=False)
    parser.add_argument("--runs", type=int, default=20)
    given = parser.parse_args()
    count, rounds = (3, 2) if given.brief else (given.runs, given.rounds)
    ours = [sys.executable, "-m", "tunesmith"]
    peer = Path(sys.executable).parent / PEER
    with tempfile.TemporaryDirectory() as folder:
        runs = [str(make_run(Path(folder), number)) for number in range(count)]
        report = ["compare", *runs, "--no-open", "--into", f"{folder}/page"]
        check_loads_no_torch(["--help"])
        check_loads_no_torch(report)
        sides = {OURS: lambda: clock([*ours, "--help"])}
        if peer.exists() or shutil.which(PEER):
            command = str(peer if peer.exists() else PEER)
            sides[PEER] = lambda: clock([command, "--help"])
        pairs = {"--help": paired(sides, rounds)}
        pairs[f"report of {count} runs"] = paired({OURS: lambda: clock([*ours, *report])}, rounds)
        pairs[f"report of {count} runs, seconds of the processor"] = paired({OURS: lambda: processor([*ours, *report])}, rounds)
    keep("start_speed", given, {"runs": count, "answers": 150, "other tasks": len(OTHERS)}, pairs)


if __name__ == "__main__":
    main()
