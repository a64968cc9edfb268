"""Runs beside each other: how many there is memory for, told before the first begins."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from tunesmith import settings
from tunesmith.comparison import words
from tunesmith.errors import UserError, did_you_mean
from tunesmith.methods.lora import LoRA
from tunesmith.methods.method import Method
from tunesmith.models.load import best_device, dtype_of, load_config
from tunesmith.models.memory import Memory
from tunesmith.planning.ahead import laid_out
from tunesmith.planning.once import once, spared
from tunesmith.planning.plan import REHEARSED, choice, fits_case, quantised_choice, validated, with_states
from tunesmith.planning.step import counted, held
from tunesmith.recipe import Recipe
from tunesmith.work import prepared
from tunesmith.workers.job import Place, Say
from tunesmith.workers.pool import Pool
from tunesmith.workers.processes import Processes
from tunesmith.workers.share import devices, free_memory, free_on_gpus

On = Literal["here", "ray"]
LOOKED = 4  # kinds of runs of which memory is told; of more, evenly spread ones
ANSWERING = 1.5  # times its weights, what a run takes that only answers
CONTEXT = 600 * 2**20  # bytes of CUDA's own, of each run
ALIKE = ("name", "seed", "plan.learning_rate", "plan.warmup", "plan.stop_after", "plan.epochs", "plan.steps", "ask.shots")


def pool_for(
    runs: Callable[[], Iterable[Recipe]], *, on: str, parallel: int | None, logs: Path, say: Say = lambda text: None
) -> Pool:
    """Whoever makes runs, as many at a time as were asked for and as there is memory for.

    Args:
        runs: the recipes, looked at only where several runs are made at once.
        on: `here`, or `ray`.
        parallel: runs at a time; None: one here; on a cluster one a GPU or, where there are none, one a machine.
        logs: folder for what runs say.

    Raises:
        UserError: another place, Ray is not installed or has no cluster, or no machine of it has the memory for one run.
    """
    if on not in get_args(On):
        raise UserError(f"`--on {on}`: runs are made `here` or on `ray`", did_you_mean(on, get_args(On)))
    if on == "ray":
        from tunesmith.workers.cluster import Cluster, connected

        connected()  # a cluster that is not there is told at once
        needs = most_needed(runs())
        cluster = Cluster(parallel or 0, logs, needs)
        say(told_of_cluster(cluster.parallel, cluster.cpus, cluster.gpus, cluster.needs))
        return Pool(cluster, logs, say)
    parallel = parallel or 1
    if parallel > 1:
        say("looking at the memory that a run takes")
        needs = most_needed(runs())
        parallel = lowered(parallel, needs, say)
    place: Place = Processes(parallel, logs)
    return Pool(place, logs, say)


def lowered(parallel: int, needs: int, say: Say) -> int:
    """As many runs at a time as there is memory for, at least one; what they take is said."""
    gpus = devices()
    free = free_on_gpus(gpus) if gpus else [free_memory()]
    if not needs or not sum(free):
        return parallel
    what = f"of {len(gpus)} GPU{'s' if len(gpus) > 1 else ''}" if gpus else "of this machine"
    takes = f"a run takes up to about {words.size(needs)}, and {words.size(sum(free))} {what} are free"
    fits = room(free, needs + (CONTEXT if gpus else 0))
    if fits >= parallel:
        say(f"{parallel} runs at a time take up to about {words.size(parallel * needs)}: {takes}")
        return parallel
    say(f"{parallel} runs at a time do not fit: {takes}; {fits} {'are' if fits > 1 else 'is'} made at a time")
    return fits


def room(free: Sequence[int], needs: int) -> int:
    """How many runs fit, at least one: they are dealt out to the GPUs in turn, so the fullest of them counts for all."""
    return max(1, len(free) * (min(free) // needs))


def told_of_cluster(parallel: int, cpus: int, gpus: int, needs: int) -> str:
    """What was asked of the cluster, in words."""
    each = f"{cpus} core{'s' if cpus > 1 else ''}" + (" and a GPU" if gpus else "")
    memory = f", and about {words.size(needs)} of memory" if needs else ""
    return f"on Ray: up to {parallel} run{'s' if parallel > 1 else ''} at a time, each with {each}{memory}"


def most_needed(runs: Iterable[Recipe]) -> int:
    """Most bytes that one of several runs takes, by what is told before it runs; of a GPU's memory where there is one."""
    kinds = list({repr(alike(recipe)): recipe for recipe in runs}.values())
    looked = kinds if len(kinds) <= LOOKED else [kinds[number * (len(kinds) - 1) // (LOOKED - 1)] for number in range(LOOKED)]
    return max((needed(recipe) for recipe in looked), default=0)


def alike(recipe: Recipe) -> dict[str, Any]:
    """What of a recipe its memory depends on."""
    tree: dict[str, Any] = settings.dump(recipe)
    for name in ALIKE:
        first, _, second = name.partition(".")
        (tree.get(first, {}) if second else tree).pop(second or first, None)
    return tree


def needed(recipe: Recipe) -> int:
    """Bytes at most. Of a run that learns, those of learning; of another those of its weights, and some for answering."""
    if isinstance(recipe.method, Method):
        return peak(dataclasses.replace(recipe, plan=dataclasses.replace(recipe.plan, stop_after=None)))
    config, family = load_config(recipe.model)
    device = best_device().type
    case = dataclasses.replace(fits_case(config, family), dtype=dtype_of(recipe.model.dtype, config, device), device=device)
    process = 0 if device == "cuda" else Memory(torch.device("cpu")).now()
    return process + round(ANSWERING * counted(case, LoRA()).weight_bytes)


def peak(recipe: Recipe) -> int:
    """Most bytes that a run that learns takes, as `tunesmith plan` tells it of the recipe's own method, and nothing besides."""
    work = prepared(recipe)
    recipe = dataclasses.replace(recipe, objective=work.objective)
    assert isinstance(recipe.method, Method), "looked at before"
    case, coming = laid_out(recipe, work)
    sizes, step = counted(case, recipe.method), held(case, recipe.method, coming.heaviest[:REHEARSED])
    process = 0 if case.device == "cuda" else Memory(torch.device("cpu")).now()
    found = choice("own", case, sizes, step, process, coming.steps)
    if recipe.model.quantize == "nf4":
        found = quantised_choice(found, sizes, case, "own")
    part = once(case, recipe.method)
    keeping = spared(part, coming, step, recipe, validated(coming, recipe)) if part else None
    return with_states(found, keeping).peak_bytes
