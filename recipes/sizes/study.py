"""Does prompt tuning close on full fine-tuning as models grow? (Lester, Al-Rfou and Constant, 2021, figure 1, in small.)

    python recipes/sizes/study.py                    everything; goes on where it was stopped
    python recipes/sizes/study.py --sizes 0.3M 1M    some sizes; another process may do the others in the same folder
    python recipes/sizes/study.py --bases            the base models only
    python recipes/sizes/study.py --figure           nothing is trained: figures.json and the plot of what stands
    python recipes/sizes/study.py --brief            does it run? minutes; writes nothing outside its folder

Base models are made as `recipes/base` makes the town's T5, but see nothing of the tasks that are tuned for. docs/model-sizes.md
tells the rest.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from figures import write

from tunesmith import settings, verbs
from tunesmith.run import Run, write_json

ROOT = Path(__file__).resolve().parents[2]
ASSET = ROOT / "tunesmith" / "assets" / "t5"
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
TASKS = ("town/dialogues", "town/entities", "town/sentiment")
WITHOUT = ("entities", "reviews")  # kinds of rows that stage two leaves out; it never has summaries of dialogues
WIDTH = 192  # of `town/t5`, which the recipes' learning rate is for


@dataclass(frozen=True)
class Size:
    """A T5 of some width; `layers` of the encoder and of the decoder, `steps` of stage one and of stage two."""

    width: int
    heads: int
    inner: int  # numbers of a head
    hidden: int  # of the MLP
    layers: tuple[int, int] = (3, 2)
    steps: tuple[int, int] = (2200, 6000)

    def config(self) -> dict[str, Any]:
        """`town/t5` in this size."""
        encoder, decoder = self.layers
        own = {"d_model": self.width, "num_heads": self.heads, "d_kv": self.inner, "d_ff": self.hidden}
        tree: dict[str, Any] = json.loads((ASSET / "config.json").read_text(encoding="utf-8"))
        return tree | own | {"num_layers": encoder, "num_decoder_layers": decoder}


SIZES = {
    "0.3M": Size(48, 3, 16, 104),
    "1M": Size(112, 7, 16, 224),
    "3M": Size(192, 6, 32, 416),
    "10M": Size(320, 10, 32, 704, (4, 3)),
}


@dataclass(frozen=True)
class Amounts:
    """How much of everything.

    epochs:  of full tuning, and of prompt tuning, which learns more slowly.
    seeds:   how many runs of each kind.
    shots:   how many examples a prompt may show.
    judging: wordings and shots are chosen by so many validation examples.
    """

    epochs: tuple[float, float] = (3, 6)
    train: int = 800
    validation: int = 60
    test: int = 150
    seeds: int = 3
    shots: tuple[int, ...] = (0, 1, 2, 4)
    virtual: int = 16
    scale: float = 1.0  # of the base models' steps


BRIEF = Amounts((0.5, 0.5), 64, 8, 12, 2, (0, 2), 4, 0.004)


@dataclass(frozen=True)
class Study:
    """Where the runs of one size are, and how they are made."""

    folder: Path
    name: str
    size: Size
    amounts: Amounts

    @property
    def home(self) -> Path:
        return self.folder / self.name

    @property
    def base(self) -> Path:
        return self.home / "base"

    def make_base(self) -> None:
        """Stage one from random weights, and stage two."""
        random = self.home / "random"
        random.mkdir(parents=True, exist_ok=True)
        write_json(random / "config.json", self.size.config())
        for name in TOKENIZER:
            shutil.copyfile(ASSET / name, random / name)
        data = self.folder / "data"
        text = {str(data / "sentences"): 1.0, str(data / "text"): 0.4}
        told = {"template": "||| {{text}}", "weight": 0.15}
        self._stage("t5-text", 0, "text", {"path": str(random), "random": True}, text)
        taught = {str(data / "instructions"): 1.0, str(data / "text"): told}
        self._stage("t5-instruct", 1, "base", {"path": str(self.home / "text")}, taught)

    def _stage(self, recipe: str, number: int, name: str, model: dict[str, Any], tasks: dict[str, Any]) -> None:
        tree = settings.load(ROOT / "recipes" / "base" / f"{recipe}.yaml")
        steps = max(4, round(self.size.steps[number] * self.amounts.scale))
        rate = tree["plan"]["learning_rate"] * WIDTH / self.size.width
        every = {"validate_every": -(-steps // 8), "save_every": -(-steps // 40)}
        own = {"name": name, "model": model, "tasks": tasks, "judged_by": ["town/question"]}
        own["plan"] = tree["plan"] | {"steps": steps, "learning_rate": rate} | every
        own["limit"] = {"validation": self.amounts.validation, "test": self.amounts.test}
        verbs.train(tree | own, into=self.home / name)

    def runs(self) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
        """(way, task or `all`, seed, what differs) of everything that is tuned."""
        full, slow = self.amounts.epochs
        prompt = {"kind": "prompt", "virtual_tokens": self.amounts.virtual}
        for seed in range(self.amounts.seeds):
            for task in TASKS:
                yield "full", task, seed, {"method": "full", "tasks": {task: 1.0}, "plan": {"epochs": full}}
                yield "prompt", task, seed, {"method": prompt, "tasks": {task: 1.0}, "plan": {"epochs": slow}}
            together = {"method": "full", "tasks": dict.fromkeys(TASKS, 1.0), "plan": {"epochs": full}}
            yield "together", "all", seed, together

    def place(self, way: str, task: str, seed: int) -> Path:
        return self.home / f"{way}-{task.removeprefix('town/')}-{seed}"

    def tune(self) -> None:
        for way, task, seed, own in self.runs():
            amounts = self.amounts
            place = self.place(way, task, seed)
            tree = own | {"name": place.name, "model": {"path": str(self.base)}, "forgetting": "none", "seed": seed}
            tree["plan"] = own["plan"] | {"examples": 16, "order": "by_length", "beta2": 0.98}
            tree["limit"] = {"train": amounts.train, "validation": amounts.validation, "test": amounts.test}
            tree["ask"] = {"tokens": 48}
            verbs.train(tree, into=place)

    def word(self) -> None:
        """Prompts in words: of every wording with every number of shots, the one that does best on the validation split."""
        from tunesmith.evaluation.ask import Ask
        from tunesmith.evaluation.judge import judge
        from tunesmith.models.load import ModelSettings, load
        from tunesmith.tasks.own import task_from

        model = load(ModelSettings(str(self.base)))
        for task in map(task_from, TASKS):
            for seed in range(self.amounts.seeds):
                record = Run(self.place("words", task.name, seed))
                if record.scores():
                    continue
                found = []
                for number, wording in enumerate(task.learnt):
                    worded = replace(task, templates=(wording,))
                    for shots in self.amounts.shots:
                        ask = Ask(shots=shots, seed=seed, tokens=48, too_long="leave_out")
                        made = judge(model, worded, "validation", ask, limit=self.amounts.validation)
                        found.append((next(iter(made.scores.values())).value, -shots, -number, worded, ask))
                score, fewer, _, worded, ask = max(found, key=lambda one: one[:3])
                judged = judge(model, worded, "test", ask, limit=self.amounts.test)
                record.keep(task.name, judged.answers)
                record.keep_world(wording=worded.templates[0].name, shots=-fewer, validation=score, tried=len(found))
                record.keep_scores(task.name, judged.scores)


def make_data(folder: Path) -> None:
    if (folder / "instructions" / "train.jsonl").is_file():
        return
    script = ROOT / "recipes" / "base" / "make_data.py"
    subprocess.run([sys.executable, str(script), "--into", str(folder), "--without", *WITHOUT], check=True)


def gathered(studies: Sequence[Study]) -> dict[str, dict[str, Any]]:
    """Size -> what its base took, and way -> task -> its runs that have ended, a seed each."""
    found: dict[str, dict[str, Any]] = {}
    for study in studies:
        base = Run(study.base).world()
        if not base.get("ended"):
            continue
        seeds = range(study.amounts.seeds)
        ways = {
            way: {
                task: [run for seed in seeds if task in (run := Run(study.place(way, own, seed))).scores()]
                for task in TASKS
                for own in ["all" if way == "together" else task]
            }
            for way in ("full", "together", "prompt", "words")
        }
        stages = [Run(study.home / "text").world(), base]
        found[study.name] = {
            "parameters": base["total_parameters"],
            "steps": [stage["steps"] for stage in stages],
            "seconds": [round(stage["training_seconds"]) for stage in stages],
            "ways": ways,
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="default: scratch/sizes")
    parser.add_argument("--sizes", nargs="*", choices=SIZES, default=list(SIZES))
    parser.add_argument(
        "--steps", type=float, default=1.0, help="times the steps of the base models (stage one 2200, two 6000)"
    )
    parser.add_argument("--seeds", type=int, default=Amounts.seeds)
    parser.add_argument("--bases", action="store_true", help="only make the base models")
    parser.add_argument("--figure", action="store_true", help="only write what stands")
    parser.add_argument("--brief", action="store_true", help="a few steps of the two smallest sizes: does it run?")
    given = parser.parse_args()
    amounts = BRIEF if given.brief else replace(Amounts(), scale=given.steps, seeds=given.seeds)
    folder = given.folder or ROOT / "scratch" / ("sizes-brief" if given.brief else "sizes")
    studies = [Study(folder, name, size, amounts) for name, size in SIZES.items()]
    wanted = [s for s in studies if s.name in (given.sizes[:2] if given.brief else given.sizes)]
    if not given.figure:
        make_data(folder / "data")
        for study in wanted:
            study.make_base()
            if not given.bases:
                study.word()
                study.tune()
    places = (folder, folder) if given.brief else (Path(__file__).parent, ROOT / "docs")
    write(gathered(studies), TASKS, places[0] / "figures.json", places[1] / "model-sizes.svg")


if __name__ == "__main__":
    main()
