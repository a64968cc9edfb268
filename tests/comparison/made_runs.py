"""Run folders made by hand, so that comparing is tested without a network: five systems, a main task, eight others, plain text.

`python tests/comparison/made_runs.py FOLDER` writes them to look at, with their report.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp
from pathlib import Path
from random import Random
from shutil import rmtree

from tunesmith.run import Answer, Run, Score

MAIN = "town/dialogues"
TEXT = "town/narrative"
OTHERS = {
    "town/sentiment": "sentiment",
    "town/stars": "sentiment",
    "town/entailment": "entailment",
    "town/paraphrase": "paraphrase",
    "town/acceptability": "acceptability",
    "town/questions": "reading",
    "town/choices": "reading",
    "town/names": "naming",
}
CLUSTERS = {**OTHERS, MAIN: "summaries", TEXT: "text"}
WINDOW = 512
TOTAL = 1_548_032

PEOPLE = ("Ada", "Bram", "Clara", "Dov", "Edith", "Finn", "Greta", "Hugo")
PLACES = ("the bakery", "the harbour", "the library", "the clock tower", "the orchard", "the town hall")
THINGS = ("a rusty bicycle", "two jars of plum jam", "the choir's song book", "a lost umbrella", "tickets for the fair")
DAYS = ("on Monday", "tomorrow at nine", "after the market", "before the rain", "next Sunday")


@dataclass(frozen=True)
class Made:
    """One invented system: how well it speaks (0 to 1), what it loses elsewhere, and what it costs."""

    name: str
    method: str
    quality: float
    lost: float
    trained: int = 0
    seconds: float = 0.0
    memory: int = 180_000_000
    disk: int = 0
    answering: float = 0.021
    shots: int = 0
    overfits: bool = False


SYSTEMS = (
    Made("Base", "none", 0.06, 0.0),
    Made("Few-shot", "none", 0.18, 0.0, shots=2, memory=210_000_000, answering=0.058),
    Made("Full fine-tuning", "full", 0.56, 0.15, TOTAL, 61.0, 342_000_000, 3_112_000, overfits=True),
    Made("LoRA", "lora", 0.54, 0.06, 43_008, 43.5, 231_000_000, 181_000, 0.023),
    Made("Prompt tuning", "prompt", 0.30, 0.02, 2_560, 52.0, 236_000_000, 11_400, 0.025),
)


def make_runs(folder: Path, examples: int = 60, systems: Sequence[Made] = SYSTEMS, seed: int = 7) -> list[Run]:
    """Write one run a system and return them."""
    return [_make(folder, made, examples, seed + place) for place, made in enumerate(systems)]


def _make(folder: Path, made: Made, examples: int, seed: int) -> Run:
    run = Run(folder / made.name.lower().replace(" ", "-"))
    rmtree(run.folder, ignore_errors=True)
    random = Random(seed)
    run.keep_recipe(_recipe(made))
    _learn(run, made, random)
    shots = 190 * made.shots
    spoken = [_spoken(place, made.quality, random, shots) for place in range(examples)]
    _keep(run, MAIN, spoken)
    for place, task in enumerate(OTHERS):
        _keep(run, task, _chosen(place, 0.86 - 0.04 * place - made.lost * (0.4 + 0.25 * place), examples))
    _keep(run, TEXT, _weighed(2.1 + made.lost * 1.6, examples, seed))
    run.keep_world(**_world(made, run, examples, shots))
    return run


def _recipe(made: Made) -> dict[str, object]:
    method: dict[str, object] = {"kind": made.method}
    if made.method == "lora":
        method |= {"rank": 8, "alpha": 16, "targets": ["attention.query", "attention.value"]}
    if made.method == "prompt":
        method |= {"tokens": 20, "start": "vocabulary"}
    plan = {"steps": 400, "learning_rate": {"full": 5e-4, "lora": 2e-3, "prompt": 3e-2}.get(made.method), "examples": 16}
    return {"model": {"path": "town-t5"}, "method": method, "plan": plan, "ask": {"shots": made.shots, "seed": 0}, "seed": 0}


def _learn(run: Run, made: Made, random: Random) -> None:
    if not made.trained:
        return
    for step in range(1, 401):
        loss = 0.9 + (3.4 - made.quality) * exp(-step / 70) - (0.5 * step / 400 if made.overfits else 0)
        noisy = loss + random.gauss(0, 0.12)
        run.log(
            {
                "step": step,
                "loss": noisy,
                "learning_rate": 1e-3,
                "tokens": 900,
                "seconds": made.seconds / 400,
                "gradient_norm": 1.0,
            }
        )
        if step % 40 == 0:
            rise = 0.0036 * max(0, step - 150) if made.overfits else 0.0
            run.log({"step": step, "loss": loss + 0.18 + rise, "tokens": 9000}, "validation")


def talk(place: int) -> tuple[str, tuple[str, str, str], str]:
    """The dialogue of a number, three references, and what a model says that has not understood the form."""
    random = Random(1000 + place)
    one, two = random.sample(PEOPLE, 2)
    where, what, when = random.choice(PLACES), random.choice(THINGS), random.choice(DAYS)
    dialogue = (
        f"{one}: Good morning {two}, have you been to {where} lately?\n{two}: Not since the storm. Why do you ask?\n"
        f"{one}: I left {what} there, and I need it {when}.\n{two}: I can walk over with you, it is on my way home."
    )
    references = (
        f"{one} left {what} at {where} and needs it {when}. {two} will walk there with {one}.",
        f"{two} offers to go to {where} with {one}, who forgot {what} there.",
        f"{one} asks {two} about {where}, where {one} left {what}. They will go together.",
    )
    return dialogue, references, f"Good morning {two}, have you been to {where} lately?"


def _spoken(place: int, quality: float, random: Random, shots: int) -> Answer:
    dialogue, references, echo = talk(place)
    words = references[0].split()
    said = [word if random.random() < quality + 0.1 else random.choice(("someone", "it", "walks", "today")) for word in words]
    text = " ".join(said) if random.random() < quality * 1.3 else echo
    if place == 3:
        text += " <script>alert('said')</script> <b>bold</b> & \"quoted\""
    prompt = f"Summarize this conversation.\n\n{dialogue}\n\nSummary:"
    seconds = abs(random.gauss(0.02, 0.004))
    stats = {name: _overlap(text, references, size) for name, size in (("rouge1", 1), ("rouge2", 2), ("rougeL", 0))}
    stats["exact"] = (float(text in references),)
    return Answer(f"test-{place}", prompt, text, references[0], references, (), "speak", 85 + shots, 24, seconds, -12.0, stats)


def _overlap(said: str, references: Sequence[str], size: int) -> tuple[float, float, float]:
    """Precision, recall and F of the words (or pairs of words) that an answer shares with its best reference."""
    best = (0.0, 0.0, 0.0)
    for reference in references:
        ours, theirs = (_grams(text, size or 1) for text in (said, reference))
        same = sum(1 for gram in set(ours) & set(theirs)) * (0.93 if not size else 1.0)
        precision, recall = same / max(len(ours), 1), same / max(len(theirs), 1)
        best = max(best, (precision, recall, 2 * precision * recall / max(precision + recall, 1e-9)), key=lambda row: row[2])
    return best


def _grams(text: str, size: int) -> list[tuple[str, ...]]:
    words = text.lower().replace(".", "").split()
    return [tuple(words[place : place + size]) for place in range(len(words) - size + 1)]


def _chosen(seed: int, accuracy: float, examples: int) -> list[Answer]:
    random = Random(seed)  # the same luck for every system, so that answers are paired as real ones are
    marks = [float(random.random() < accuracy) for _ in range(examples)]
    return [
        Answer(
            f"test-{place}",
            "Is it so?",
            "yes" if mark else "no",
            "yes",
            (),
            (-1.0, -2.0),
            "choose norm=none",
            40,
            1,
            0.004,
            None,
            {"accuracy": (mark,)},
        )
        for place, mark in enumerate(marks)
    ]


def _weighed(cross_entropy: float, texts: int, seed: int) -> list[Answer]:
    random, own = Random(5), Random(seed)
    said = []
    for place in range(texts):
        tokens = random.randint(80, 200)
        logprob = -tokens * cross_entropy * (random.uniform(0.8, 1.2) + own.gauss(0, 0.08))
        stats = {"cross_entropy": (logprob, float(tokens))}
        said.append(Answer(f"text-{place}", "", "", "A quiet morning.", (), (), "weigh", 0, tokens, 0.01, logprob, stats))
    return said


def _keep(run: Run, task: str, answers: list[Answer]) -> None:
    run.keep(task, answers)
    rows = {name: [answer.stats[name] for answer in answers] for name in answers[0].stats}
    if "cross_entropy" in rows:
        rows = {}
    place = {name: 2 if len(row[0]) == 3 else 0 for name, row in rows.items()}
    run.keep_scores(task, {name: Score(sum(r[place[name]] for r in row) / len(row), len(row)) for name, row in rows.items()})


def _world(made: Made, run: Run, examples: int, shots: int) -> Mapping[str, object]:
    tuned = made.trained > 0
    validations = run.validations()
    best = min(validations, key=lambda record: record["loss"])["step"] if tuned else None
    return {
        "system": made.name,
        "method": made.method,
        "role": "tuned" if tuned else "base",
        "shots": made.shots,
        "model": "town-t5",
        "seed": 0,
        "device": "cpu",
        "threads": 2,
        "versions": {"python": "3.11.9", "torch": "2.13.0", "transformers": "5.23.0", "tunesmith": "0.1.0"},
        "commit": "0123abc",
        "main_task": MAIN,
        "clusters": CLUSTERS,
        "trained_parameters": made.trained,
        "total_parameters": TOTAL + (made.trained if made.method in ("lora", "prompt") else 0),
        "peak_memory_bytes": made.memory,
        "peak_memory_training_bytes": made.memory if tuned else None,
        "peak_memory_answering_bytes": 180_000_000,
        "training_seconds": made.seconds,
        "training_tokens": 360_000 if tuned else 0,
        "tokens_per_second": 360_000 / made.seconds if tuned else None,
        "answering_seconds": made.answering * examples,
        "answers": examples,
        "seconds_per_answer": made.answering,
        "disk_bytes": made.disk,
        "best_step": best,
        "steps": 400 if tuned else 0,
        "stopped_early": False,
        "latency": {"base": 0.031, "attached": 0.034, "merged": 0.031} if made.method == "lora" else {},
        "context_tokens": shots,
        "window": WINDOW,
    }


if __name__ == "__main__":
    from tunesmith.comparison.report import write_report
    from tunesmith.comparison.table import compare

    target = Path(sys.argv[1])
    print(write_report(compare(make_runs(target / "runs", 200)), target))
