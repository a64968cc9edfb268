"""One run, from its recipe to its folder. Read this first: `run` is the whole house in about forty lines."""

import dataclasses
import platform
import random
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field

import tunesmith
from tunesmith import settings
from tunesmith.data.example import Example
from tunesmith.data.mixture import ByLength, Mixture
from tunesmith.errors import UserError
from tunesmith.evaluation.ask import Ask
from tunesmith.evaluation.judge import judge
from tunesmith.methods.lora import LoRA
from tunesmith.methods.method import Method
from tunesmith.models.load import ModelSettings, load
from tunesmith.models.memory import Memory
from tunesmith.models.model import Model
from tunesmith.models.weights import save_adapter
from tunesmith.objectives.objective import Objective, Placed
from tunesmith.objectives.sft import SFT
from tunesmith.run import Run
from tunesmith.tasks.own import task_from
from tunesmith.tasks.task import Task
from tunesmith.tokens.lengths import fit
from tunesmith.training.learning import Learning
from tunesmith.training.plan import Plan
from tunesmith.training.progress import Reporter

Named = str | Mapping[str, Any]


@dataclass(frozen=True)
class Recipe:
    """Everything that makes a run.

    tasks:      what is learnt from: a name or a file -> its weight, or a mapping (`weight`, `template`, `limit` ...).
    judged_by:  what the result is asked: names, files or mappings; empty: the test splits of `tasks`.
    forgetting: further tasks that tell what was forgotten; `auto`: the other clusters of the town.
    method:     `none`, or `{kind: lora, rank: 8}`.
    limit:      most examples of each of: training, validation, test, and each forgetting task.
    """

    name: str = "run"
    model: ModelSettings = ModelSettings()
    method: Method | Literal["none"] = LoRA()
    objective: Objective = SFT()
    tasks: Mapping[str, Any] = field(default_factory=dict)
    judged_by: Sequence[Named] = ()
    forgetting: str | Sequence[Named] = "auto"
    ask: Ask = Ask()
    plan: Plan = Plan()
    limit: "Limit" = field(default_factory=lambda: Limit())
    seed: int = 0


@dataclass(frozen=True)
class Limit:
    """Most examples of each split; null: all of them."""

    train: Annotated[int, Field(gt=0)] | None = None
    validation: Annotated[int, Field(gt=0)] | None = 200
    test: Annotated[int, Field(gt=0)] | None = None
    forgetting: Annotated[int, Field(gt=0)] | None = 60


def run(recipe: Recipe, folder: Path, quiet: bool = False) -> Run:
    """Learn, save, answer, measure: everything into `folder`. A folder with a half-done run of the same recipe goes on."""
    record = Run(folder)
    check(recipe)
    begin(record, recipe)
    if record.world().get("ended"):
        return record
    with Reporter(recipe.name, quiet) as reporter:
        torch.manual_seed(recipe.seed)
        random.seed(recipe.seed)
        model = load(recipe.model, recipe.objective.outputs)
        memory = Memory(model.device)
        record.keep_world(**facts(recipe, model))
        if recipe.method != "none":
            recipe = learn(record, recipe, model, reporter, memory)
        answer(record, recipe, model, reporter, memory)
    shutil.rmtree(folder / "state", ignore_errors=True)  # what was learnt stands in adapter/ or model/
    record.keep_world(ended=True)
    return record


def learn(record: Run, recipe: Recipe, model: Model, reporter: Reporter, memory: Memory) -> Recipe:
    """Attach the method, train, keep what was learnt; returns the recipe with presets resolved."""
    assert isinstance(recipe.method, Method)
    learning = Learning(record, recipe.plan, recipe.seed, reporter, memory)
    recipe = dataclasses.replace(recipe, plan=learning.with_presets(recipe.method, model))
    record.keep_recipe(settings.dump(recipe))
    adapter = model.attach(recipe.name, recipe.method)
    sources = [learnable(name, setting, "train", recipe, model) for name, setting in recipe.tasks.items()]
    validation = [
        example for name, setting in recipe.tasks.items() for example in learnable(name, setting, "validation", recipe, model)
    ]
    mixture = Mixture(sources, [weight_of(setting) for setting in recipe.tasks.values()], recipe.seed)
    stream = ByLength(mixture, recipe.plan.examples) if recipe.plan.order == "by_length" else mixture
    learning.learn(model, adapter, recipe.objective, stream, validation)
    saved = save_adapter(record.folder, adapter, model)
    record.keep_world(
        disk_bytes=sum(path.stat().st_size for path in saved.rglob("*") if path.is_file()),
        trained_parameters=adapter.count(),
        total_parameters=sum(p.numel() for p in model.network.parameters()),
    )
    return recipe


def answer(record: Run, recipe: Recipe, model: Model, reporter: Reporter, memory: Memory) -> None:
    """Ask the model everything it is judged by, and keep answers, scores and what they took."""
    memory.start()
    main = judges(recipe)
    for number, task in enumerate([*main, *forgetting(recipe, main)]):
        if task.name in record.answered() and task.name in record.scores():
            continue
        limit = recipe.limit.test if number < len(main) else recipe.limit.forgetting
        ask = recipe.ask if number < len(main) else dataclasses.replace(recipe.ask, shots=0)
        began = time.perf_counter()
        judged = judge(
            model, task, "test", ask, limit=limit, on_progress=lambda d, t, n=task.name: reporter.count(f"answering {n}", d, t)
        )
        record.keep(task.name, judged.answers)
        record.keep_scores(task.name, judged.scores)
        record.keep_world(notes=[*record.world().get("notes", []), *judged.notes])
        for note in judged.notes:
            reporter.say(note)
        if number == 0:
            seconds = time.perf_counter() - began
            record.keep_world(
                main_task=task.name,
                answering_seconds=seconds,
                answers=len(judged.answers),
                seconds_per_answer=seconds / max(1, len(judged.answers)),
                context_tokens=judged.context_tokens,
            )
            headline = next(iter(judged.scores.items()))
            reporter.say(f"{task.name}: {headline[0]} {headline[1].value:.4f}")
    record.keep_world(peak_memory_answering_bytes=memory.peak())
    world = record.world()
    peaks = [world.get(f"peak_memory_{part}_bytes", 0) for part in ("training", "answering")]
    record.keep_world(peak_memory_bytes=max(peaks))


def check(recipe: Recipe) -> None:
    """Refuse what no single setting can tell."""
    if not recipe.tasks and not recipe.judged_by:
        raise UserError("the recipe has neither `tasks` nor `judged_by`", "name a task or a file under `tasks`")
    if recipe.method != "none" and not recipe.tasks:
        raise UserError("`tasks` is empty: there is nothing to learn from", "name a task or a file, or set `method: none`")


def begin(record: Run, recipe: Recipe) -> None:
    """Write the recipe; refuse a folder that holds a run of another one."""
    tree = settings.dump(recipe)
    if record.exists():
        before = record.recipe()
        differing = [key for key in tree if comparable(before.get(key), key) != comparable(tree[key], key)]
        if differing:
            raise UserError(
                f"`{record.folder}` holds a run of another recipe: `{differing[0]}` differs",
                "choose another folder with `--into`, or remove this one",
            )
        return
    record.keep_recipe(tree)


def comparable(value: Any, key: str) -> Any:
    """Settings that presets fill in later don't count as a difference."""
    if key == "plan" and isinstance(value, Mapping):
        return {k: v for k, v in value.items() if k not in ("learning_rate", "validate_every", "save_every")}
    return value


def judges(recipe: Recipe) -> list[Task]:
    """The tasks that the result is judged by; the first is the main one."""
    named: Sequence[Named] = recipe.judged_by or [own(name, setting) for name, setting in recipe.tasks.items()]
    return [task_from(setting) for setting in named]


def forgetting(recipe: Recipe, main: Sequence[Task]) -> list[Task]:
    """The tasks of other clusters that tell what was forgotten."""
    if recipe.forgetting == "auto":
        from tunesmith.tasks.town import FORGETTING

        clusters = {task.cluster for task in main}
        learnt = {task_from(own(name, setting)).name for name, setting in recipe.tasks.items()}
        found = [task_from(name) for name in FORGETTING]
        return [task for task in found if task.cluster not in clusters and task.name not in learnt]
    if isinstance(recipe.forgetting, str):
        return [] if recipe.forgetting == "none" else [task_from(recipe.forgetting)]
    return [task_from(setting) for setting in recipe.forgetting]


def own(name: str, setting: Any) -> Named:
    """A task of the mixture as `task_from` reads it."""
    if isinstance(setting, Mapping):
        rest = {key: value for key, value in setting.items() if key != "weight"}
        return {"data": name, **rest} if rest else name
    return name


def weight_of(setting: Any) -> float:
    return float(setting.get("weight", 1.0) if isinstance(setting, Mapping) else setting)


def learnable(
    name: str, setting: Any, split: str, recipe: Recipe, model: Model
) -> list[Example]:
    """The examples of a split that fit the network's window, under the plan's policy."""
    task = task_from(own(name, setting))
    if split not in task.source.splits():
        if split == "train":
            raise UserError(f"task `{task.name}` has no training split", f"it has: {', '.join(task.source.splits())}")
        return []
    limit = getattr(recipe.limit, split)
    examples = list(task.examples(split, None if split == "train" else 0))[:limit]
    window = min(filter(None, (recipe.plan.window, model.window)), default=None)

    def render(example: Example) -> Any:
        return recipe.objective.render(Placed(example), model.renderer)

    return fit(examples, render, window, recipe.plan.too_long, model.virtual_tokens, f"task `{task.name}`")


def facts(recipe: Recipe, model: Model) -> dict[str, Any]:
    """Where a run happens and what it starts from."""
    return {
        "system": recipe.name,
        "method": recipe.method if isinstance(recipe.method, str) else settings.kind_of(type(recipe.method)),
        "role": "base" if recipe.method == "none" else "tuned",
        "shots": recipe.ask.shots,
        "model": recipe.model.path,
        "seed": recipe.seed,
        "device": torch.cuda.get_device_name() if model.device.type == "cuda" else f"{model.device.type} {platform.machine()}",
        "threads": torch.get_num_threads(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": version("transformers"),
            "tunesmith": tunesmith.__version__,
        },
        "commit": commit(),
        "window": model.window,
        "total_parameters": sum(p.numel() for p in model.network.parameters()),
        "trained_parameters": 0,
        "disk_bytes": 0,
    }


def commit() -> str:
    """The commit of a source checkout, or an empty string."""
    done = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
