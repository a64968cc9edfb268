"""One run, from its recipe to its folder. Read this first: `run` is the whole house in about forty lines."""

import dataclasses
import platform
import random
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import torch

import tunesmith
from tunesmith import settings
from tunesmith.card import complete, keep_card
from tunesmith.comparison.seven_table import write_seven
from tunesmith.data.mixture import ByLength, of_tasks
from tunesmith.evaluation.harms import ask_harms
from tunesmith.evaluation.heads import temperature
from tunesmith.evaluation.judge import Judged, NothingFitsError, judge
from tunesmith.evaluation.kept_answers import KeptAnswers, cache_folder
from tunesmith.evaluation.latency import latency
from tunesmith.evaluation.seven import Asking, ask_seven
from tunesmith.methods.method import Method
from tunesmith.models import identity
from tunesmith.models.adapter import Adapter
from tunesmith.models.alone import telling
from tunesmith.models.further import train_further
from tunesmith.models.head import HeadPlan
from tunesmith.models.load import ModelSettings, best_device, load
from tunesmith.models.memory import Memory
from tunesmith.models.model import Model
from tunesmith.models.quantize import count
from tunesmith.models.weights import save_adapter
from tunesmith.objectives.headed import Headed
from tunesmith.preparation import drawn_sets, keep_bad_rows, learnable, learnable_sets
from tunesmith.recipe import Recipe, mixed
from tunesmith.resume import begin, fingerprints, keep_resolved, lasting, refuse_foreign
from tunesmith.run import Run
from tunesmith.tasks.own import told
from tunesmith.tasks.task import Task
from tunesmith.trackers.feed import following
from tunesmith.training.feed import Look
from tunesmith.training.joining import follow, own_folder, telling_others, together
from tunesmith.training.learning import Learning, Scores
from tunesmith.training.portions import distinct, portioned, tell
from tunesmith.training.progress import Reporter
from tunesmith.training.sharding import at_hand, shard, unite, wait, waits
from tunesmith.training.world import World
from tunesmith.work import Work, prepared, refuse_together, training
from tunesmith.workers.share import beside

PROMPTS = 16  # of the main task, from whose lengths that of the timed prompt is taken

Load = Callable[[ModelSettings, HeadPlan | None], Model]


def run(
    recipe: Recipe,
    folder: Path,
    quiet: bool = False,
    cached: bool = False,
    load_model: Load | None = None,
    telling: bool = True,
) -> Run:
    """Learn, save, answer, measure: everything into `folder`. A folder with a half-done run of the same recipe goes on.

    cached: take answers that other runs were given to the same, and keep these for others (`evaluation/kept_answers.py`).
    telling: say what rows were recognised as, where nobody said how they are put.
    load_model: instead of `load`; for several runs on one base (`models/one_base.py`).
    """
    with together() as world, own_folder(world, folder) as own:
        reporter = Reporter(recipe.name, quiet or not world.first)
        live(own, recipe, world, reporter, cached, load_model or load, telling)
    return Run(folder)


def live(own: Run, recipe: Recipe, world: World, reporter: Reporter, cached: bool, load_model: Load, telling: bool) -> None:
    """A run, by one of the processes that make it together; `own` is the run's folder, and another one of those that follow."""
    refuse_together(recipe, world.size)
    work = prepared(recipe)
    if world.first:
        refuse_foreign(own.folder)
    with own.writing(), reporter, following(own, recipe.track if world.first else (), reporter.say) as record:
        if world.first:
            begin(record, recipe, work.all)
        with record.failing(), telling_others():
            follow(record, world, {"the recipe": partial(settings.dump, recipe), "the rows": partial(fingerprints, work.all)})
            if record.world().get("ended"):
                if world.first:  # where a kill came between the end and this
                    shutil.rmtree(record.folder / "state", ignore_errors=True)
                    if not timed_again(record, recipe, work):
                        reporter.say(f"finished before, nothing is repeated: {record.folder}")
                return
            left_out = keep_bad_rows(record, work.all)
            for line in [*(told(work.all).values() if telling else ()), *left_out]:
                reporter.say(line)
            torch.manual_seed(recipe.seed)
            random.seed(recipe.seed)
            whole = not waits(recipe.plan.processes, world)
            model = (load_model if whole else wait)(pinned(record, recipe.model), work.objective.head())
            memory = Memory(model.device if whole else best_device())
            together_with = max(beside(), record.world().get("beside", 1))
            record.keep_world(**facts(recipe, model), beside=together_with, processes=world.size)
            untaught(record, recipe, work, model)
            if isinstance(recipe.method, Method):
                learnt = learn(record, recipe, recipe.method, work, model, reporter, memory, world)
                if not learnt or recipe.plan.stop_after is not None:
                    return
            model.forget_values()
            answer(record, recipe, work, model, reporter, memory, cache_folder() if cached else None, world)
            if world.first:
                keep_card(record, model.family)
            record.keep_world(ended=True)
            for line in left_out:
                reporter.say(line)
            if world.first:
                shutil.rmtree(record.folder / "state", ignore_errors=True)  # what was learnt stands in adapter/ or model/


def learn(
    record: Run, recipe: Recipe, method: Method, work: Work, model: Model, reporter: Reporter, memory: Memory, world: World
) -> bool:
    """Attach the method, or go on with an adapter of it, train, and save. False where `plan.stop_after` stopped it before."""
    names = work.names(recipe)
    learning = Learning(record, recipe.plan, recipe.seed, reporter, memory, recipe.guard, tasks=names, where=work.where)
    plan = learning.with_presets(method, work.objective, model)
    keep_resolved(record, dataclasses.replace(recipe, plan=plan))
    lasts = lasting(dataclasses.replace(recipe, plan=plan)) | {f"base {name}": one for name, one in identity.of(model).items()}
    learning = dataclasses.replace(learning, belongs=lasts, answers=answers(recipe, work))
    recipe = dataclasses.replace(recipe, objective=work.objective)
    adapter = train_further(model, recipe.name, method) if model.active else model.attach(recipe.name, method)
    world.same([*adapter.trained().values(), *adapter.remembered().values()])
    world = shard(model, adapter, recipe.objective, plan, recipe.guard, world)
    if world.sharded:
        reporter.say(f"each of {world.size} processes holds its part of the network's weights")
    asked = partial(on_validation, model, recipe, work.learnt, adapter, world)
    learning = dataclasses.replace(learning, scores=asked, world=world)
    looks: list[Look] = []
    sources = learnable_sets(work.learnt, recipe, model, looks)
    tell_wordings(record, recipe, work.learnt, [len(source) for source in sources], reporter)
    validation = of_tasks([learnable(task, "validation", recipe, model) for task in work.learnt])
    mixture = mixed(recipe, sources, [learnable(task, "train", recipe, model) for task in work.replayed])
    stream = ByLength(mixture, plan.examples) if plan.order == "by_length" else mixture
    places = plan.examples * plan.total_steps(len(mixture))
    found = portioned(mixture, learning.tasks, places, recipe.objective, model.renderer)
    tell(record, reporter, recipe.mixture, len(mixture), found)
    if not learning.learn(model, adapter, recipe.objective, stream, validation, looks):
        return False
    asking = recipe.plan.stop_after is None
    unite(model, adapter, world, asking)
    if not asking and not world.first:
        return True
    model.forget_values()
    if model.head is not None:
        model.head.plan = dataclasses.replace(model.head.plan, temperature=temperature(model, validation, recipe.ask.room))
    if not world.first:
        return True
    with telling(model):
        saved = save_adapter(record.folder, adapter, model)
    record.keep_world(
        disk_bytes=sum(path.stat().st_size for path in saved.rglob("*") if path.is_file()),
        trained_parameters=adapter.count(),
        total_parameters=count(model.network) + added(adapter),
    )
    complete(saved, model, recipe.model.chat, work.learnt)
    return True


def answers(recipe: Recipe, work: Work) -> int:
    """How many will be given in the end, about: where no limit is set, a thousand to a task."""
    judged, forgetting = recipe.limit.test or 1000, recipe.limit.forgetting or 1000
    return len(work.judged) * judged + len(work.forgetting) * forgetting


def tell_wordings(record: Run, recipe: Recipe, tasks: Sequence[Task], sizes: Sequence[int], reporter: Reporter) -> None:
    """Say in which wordings the examples of each task are learnt, and how many are turned round; kept in `world.json`."""
    if isinstance(recipe.objective, Headed):
        return
    found = {task.name: task.counts(size) for task, size in zip(tasks, sizes, strict=True)}
    for task, size in zip(tasks, sizes, strict=True):
        if len(found[task.name]) > 1:
            reporter.say(told_wordings(task, size, found[task.name]))
    record.keep_world(wordings=found)


def told_wordings(task: Task, size: int, counts: Mapping[str, int]) -> str:
    """`town/dialogues: 1,200 examples in 4 wordings by turns: ...`."""
    backward = {one.name for one in task.backward}
    order = {"turn": "by turns", "random": "drawn by the seed", "first": "the first alone"}[task.wordings]
    forward = ", ".join(f"{name} {count:,}" for name, count in counts.items() if name not in backward)
    told = f"{task.name}: {size:,} examples in {len(counts)} wordings, {order}: {forward}"
    turned = ", ".join(f"{name} {count:,}" for name, count in counts.items() if name in backward)
    return f"{told}; inverted: {turned}" if turned else told


def on_validation(model: Model, recipe: Recipe, tasks: Sequence[Task], adapter: Adapter, world: World) -> Scores:
    """The scores of each task on its validation examples."""
    ask = dataclasses.replace(recipe.ask, too_long="leave_out")
    names = distinct([task.name for task in tasks], list(recipe.tasks))
    with at_hand(model, adapter, world):
        judged = [judge(model, task, "validation", ask, limit=recipe.limit.validation, others=world) for task in tasks]
    return {name: one.scores for name, one in zip(names, judged, strict=True)}


def answer(
    record: Run,
    recipe: Recipe,
    work: Work,
    model: Model,
    reporter: Reporter,
    memory: Memory,
    cache: Path | None = None,
    world: World = World(),
) -> None:
    """Ask the model everything it is judged by, and keep answers, scores and what they took.

    cache: folder of answers that are kept for other runs; None: for this run alone, until it has ended.
    """
    kept, again = KeptAnswers(cache or record.folder / "state" / "answers", model), 0
    memory.start()
    tasks = [*work.judged, *(() if model.wordless else work.forgetting)]  # it never had words to forget
    record.keep_world(main_task=tasks[0].name, clusters={task.name: task.cluster for task in tasks})
    for number, task in enumerate(tasks):
        if task.name in record.scores():  # answered before an interruption
            continue
        judging = number < len(work.judged)
        limit = recipe.limit.test if judging else recipe.limit.forgetting
        ask = recipe.ask if judging else dataclasses.replace(recipe.ask, shots=0)
        told = partial(reporter.count, f"answering {task.name}")
        try:
            judged = judge(model, task, "test", ask, limit=limit, on_progress=told, head=judging, kept=kept, others=world)
        except NothingFitsError as error:
            if number == 0:
                raise
            reporter.say(f"{error.problem}: the task is left out")
            continue
        again += judged.kept
        keep(record, task, judged, main=number == 0)
        for note in judged.notes:
            reporter.say(note)
        metric, score = next(iter(judged.scores.items()))
        reporter.say(f"{task.name}: {metric} {score.value:.4f}")
    if not world.first:  # what is left is short, or asked by one process alone
        world.wait()
        return
    facts = record.world()
    if cache is None or not again:  # else this was not what answering takes
        answering = max(memory.peak(), facts.get("peak_memory_answering_bytes", 0))
        peak = max(answering, facts.get("peak_memory_training_bytes", 0))
        record.keep_world(peak_memory_answering_bytes=answering, peak_memory_bytes=peak)
        record.keep_world(latency=timed(model, tasks[0]), latency_beside=beside())
    besides(record, recipe, work, Asking(model, recipe.ask, reporter.count, kept))
    world.wait()


def timed(model: Model, task: Task) -> dict[str, float]:
    """How long a request takes that is as long as those of a task."""
    asked = [model.renderer.prompt(example) for example in task.sequence("test", 0, PROMPTS) if example.messages]
    return latency(model, [] if model.head is not None else asked)


def timed_again(record: Run, recipe: Recipe, work: Work) -> bool:
    """Where a finished run was timed beside others and now is alone, time it again. Whether that was so."""
    before = record.world()
    if not before.get("latency") or beside() >= before.get("latency_beside", 1):
        return False
    model = load(dataclasses.replace(recipe.model, path=str(record.folder)))
    record.keep_world(latency=timed(model, work.judged[0]), latency_beside=beside())
    return True


def besides(record: Run, recipe: Recipe, work: Work, asking: Asking) -> None:
    """What the seven metrics ask, and what tells of bias and toxicity."""
    if recipe.helm:
        ask_seven(record, asking, work.judged, recipe.seven, recipe.limit.test)
        write_seven(record)
    if recipe.harms:
        learnt = drawn_sets(work.learnt, recipe) if recipe.method != "none" else []
        targets = (one.target for examples in learnt for one in examples)
        ask_harms(record, asking, work.judged[0].name, targets, recipe.seven)


def keep(record: Run, task: Task, judged: Judged, main: bool) -> None:
    """What came of a task. The scores are written last: a task that has them is done."""
    record.keep(task.name, judged.answers)
    notes = dict.fromkeys([*record.world().get("notes", []), *judged.notes])
    left_out = {**record.world().get("left_out", {}), **({task.name: judged.left_out} if judged.left_out else {})}
    record.keep_world(notes=list(notes), left_out=left_out)
    if main:
        record.keep_world(
            answering_seconds=judged.seconds,
            answers=len(judged.answers),
            seconds_per_answer=median(answer.seconds for answer in judged.answers),
            context_tokens=judged.context_tokens,
        )
    record.keep_scores(task.name, judged.scores)


def untaught(record: Run, recipe: Recipe, work: Work, model: Model) -> None:
    """Without learning a new head says what is best without reading anything: the labels as often as they stand in training."""
    objective = work.objective
    if recipe.method != "none" or not isinstance(objective, Headed) or model.head is None or model.head.saved:
        return
    model.head.hold(objective.constants(training(recipe, objective, work.learnt)))
    record.keep_world(notes=["no head was learnt: the answer is the same to everything, the best one without reading it"])


def added(adapter: Adapter) -> int:
    """Numbers that stand beside the network's own."""
    own = {id(p) for p in adapter.freed.values()}
    return sum(p.numel() for p in {id(p): p for p in adapter.trained().values() if id(p) not in own}.values())


def pinned(record: Run, source: ModelSettings) -> ModelSettings:
    """A network of the hub at the commit that the run began with, whatever the hub has by now."""
    begun = record.world().get("revision")
    return dataclasses.replace(source, revision=begun) if begun else source


def facts(recipe: Recipe, model: Model) -> dict[str, Any]:
    """Where a run happens and what it starts from."""
    return {
        "system": recipe.name,
        "method": recipe.method if isinstance(recipe.method, str) else settings.kind_of(type(recipe.method)),
        "role": "base" if recipe.method == "none" else "tuned",
        "shots": recipe.ask.shots or 0,
        "model": recipe.model.path,
        "revision": model.revision,
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
        "total_parameters": count(model.network),
        "base_bytes": sum(file.stat().st_size for file in model.folder.glob("*.safetensors")) if model.folder else 0,
        "base_hash": identity.of(model).get("weights", ""),
        "trained_parameters": 0,
        "disk_bytes": 0,
    }


def commit() -> str:
    """The commit of a source checkout, or an empty text."""
    root = Path(__file__).parent.parent
    if not (root / ".git").exists():  # installed, maybe inside somebody's own checkout
        return ""
    with suppress(OSError):
        done = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
        )
        return done.stdout.strip()
    return ""
