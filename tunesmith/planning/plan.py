"""What a run will take, told before it runs: memory by part, time, disk, what would be cut, what would fit, who can serve it.

No weights are read: sizes come from the network's config, its rows and its tokenizer. With a probe, three real steps are made
in a process of its own, and what they took corrects the rest.
"""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from tunesmith import settings
from tunesmith.data.rates import Portion, cautions
from tunesmith.errors import UserError
from tunesmith.methods.full import Full
from tunesmith.methods.lora import LoRA
from tunesmith.methods.method import Method
from tunesmith.models.families import Family
from tunesmith.models.load import dtype_of
from tunesmith.models.memory import Memory
from tunesmith.models.products import ALWAYS, product
from tunesmith.models.shapes import config_of
from tunesmith.objectives.headed import Headed
from tunesmith.objectives.objective import Objective
from tunesmith.planning.ahead import Ahead, laid_out, weight
from tunesmith.planning.fits import QUANTISED, Fit, experts, fits
from tunesmith.planning.once import Spared, once, spared
from tunesmith.planning.probe import Probed, probe
from tunesmith.planning.served import served
from tunesmith.planning.step import Case, Counted, Held, counted, held
from tunesmith.recipe import Recipe
from tunesmith.settings import Tree
from tunesmith.sweep import recipes
from tunesmith.tasks.own import told
from tunesmith.training.guard import Guard
from tunesmith.training.space import LINE, moments, stored
from tunesmith.work import prepared

# Of a CPU's heap, beside what is counted: blocks of a step do not fit where those of another, of other lengths, were freed (a
# share of what a step allocates and frees), and oneDNN keeps what it compiled for products of the last few lengths (bytes a
# step, as long as it grows: `models/memory.py`). Measured over runs of 3 to 96 steps.
SPARE, COMPILED, FULL = 0.38, 10e6 if ALWAYS else 4e6, 8
SHARE = 0.6  # of the speed of one large product alone, what a step's products reach
REHEARSED = 2  # batches of a step that are gone through: the second finds all gradients there


@dataclass(frozen=True)
class Choice:
    """What one way of tuning takes.

    trained, weights: numbers; `weights`: of all, with what is added.
    memory:     bytes by part when most is held; `peak_bytes`: their sum.
    kept_bytes: on disk when the run has ended; `state_bytes`: more while it runs.
    """

    method: str
    trained: int
    weights: int
    memory: Mapping[str, int]
    kept_bytes: int
    state_bytes: int

    @property
    def peak_bytes(self) -> int:
        return sum(self.memory.values())


@dataclass(frozen=True)
class Maps:
    """Low-rank matrices beside maps of one form: `count` of them, `trained` numbers each instead of `whole`."""

    inputs: int
    outputs: int
    rank: int
    count: int

    @property
    def trained(self) -> int:
        return self.rank * (self.inputs + self.outputs)

    @property
    def whole(self) -> int:
        return self.inputs * self.outputs


@dataclass(frozen=True)
class Planned:
    """What was told.

    choices: the recipe's own method first, then `full`, `lora` and `qlora`.
    seconds: of training and validating.
    portions: what each task is of the run.
    spared:  what keeping frozen states (`plan.keep`) changes; None where nothing is kept.
    shapes:  what rows were recognised as, a line a task.
    probed:  what a probe measured; `before`: (bytes, seconds) that were told before it.
    """

    name: str
    model: str
    family: str
    device: str
    weights: int
    steps: int = 0
    examples: int = 0
    tokens: int = 0
    learnt: int = 0
    seconds: float = 0.0
    choices: tuple[Choice, ...] = ()
    low_rank: tuple[Maps, ...] = ()
    lengths: tuple[str, ...] = ()
    portions: tuple[Portion, ...] = ()
    served: Mapping[str, str] = dataclasses.field(default_factory=dict)
    fits: tuple[Fit, ...] = ()
    notes: tuple[str, ...] = ()
    spared: Spared | None = None
    shapes: tuple[str, ...] = ()
    probed: Probed | None = None
    before: tuple[int, float] = (0, 0.0)

    @property
    def peak_bytes(self) -> int:
        """Most memory of the recipe's own method; 0 where no recipe is given."""
        return self.choices[0].peak_bytes if self.choices else 0

    def tree(self) -> dict[str, Any]:
        """All of it, for JSON."""
        choices = [{**asdict(choice), "peak_bytes": choice.peak_bytes} for choice in self.choices]
        maps = [{**asdict(one), "trained": one.trained, "whole": one.whole} for one in self.low_rank]
        return {**asdict(self), "choices": choices, "low_rank": maps, "peak_bytes": self.peak_bytes}


def plan(
    recipe: str | Path | Tree | None = None, *, model: str | None = None, probing: bool = False, overrides: Sequence[str] = ()
) -> Planned:
    """What a run will take, before it runs. Command: `tunesmith plan`.

    Args:
        recipe: a recipe, of a comparison the first system that learns. None: only `model` is looked at.
        model: a well-known shape (`Qwen3-8B`), a folder with a `config.json`, or a hub name; in a recipe, instead of its own.
        probing: make three real steps in a process of its own, and correct what is told by them.
        overrides: `plan.epochs=2` ...

    Raises:
        UserError: for whatever is wrong in the recipe or its data, or a model that is not known.
    """
    if recipe is None:
        if model is None:
            raise UserError("there is nothing to plan", "name a recipe, or `--model`: a folder, or a name like `Qwen3-8B`")
        return of_model(model)
    tree = settings.override(settings.load(recipe, ()), overrides)
    if model is not None:
        tree["model"] = {**tree.get("model", {}), "path": model}
    return of_recipe(learning(tree), probing)


def learning(tree: Tree) -> Recipe:
    """The recipe, or the first system of a comparison that learns something."""
    every = list(recipes(tree).values()) if tree.get("systems") else [settings.build(Recipe, tree)]
    found = next((one for one in every if isinstance(one.method, Method)), None)
    if found is None:
        raise UserError("nothing is learnt: `method` is `none`", "name a method, such as `method=lora`")
    return found


def of_model(name: str) -> Planned:
    """What would fit, for a network of which only the config is known."""
    config, family, full = config_of(name)
    case = fits_case(config, family)
    sizes = counted(case, LoRA())
    made = Planned(full, full, family, "cuda", sizes.weights, low_rank=maps(sizes, LoRA().rank), fits=fits(case, LoRA()))
    return dataclasses.replace(made, notes=experts(sizes))


def fits_case(
    config: Any, family: Family, objective: Objective | None = None, recompute: bool = True, guard: Guard = Guard()
) -> Case:
    """A network as it is kept and computed on a GPU."""
    from tunesmith.objectives.sft import SFT
    from tunesmith.training.plan import Plan

    chosen = Plan(precision="bfloat16", recompute=recompute)
    reader: Any = None  # nothing is spelled
    if objective is None or isinstance(objective, Headed):  # rows of a head depend on what is asked; those of words are known
        objective = SFT()
    guard = dataclasses.replace(guard, over="all")  # of made-up rows none is replayed
    return Case(config, family, reader, dtype_of("auto", config, "cuda"), None, objective, chosen, "cuda", guard)


def of_recipe(recipe: Recipe, probing: bool = False) -> Planned:
    work = prepared(recipe)
    recipe = dataclasses.replace(recipe, objective=work.objective)
    assert isinstance(recipe.method, Method), "looked at before"
    case, coming = laid_out(recipe, work)
    config, family, device, gpu = case.config, case.family, case.device, case.device == "cuda"
    own = settings.kind_of(type(recipe.method))
    low = plain(recipe.method)
    methods: dict[str, Method] = {own: recipe.method, "full": Full(), "lora": low}
    sizes = {name: counted(case, method) for name, method in methods.items()}
    process = 0 if gpu else Memory(torch.device("cpu")).now()
    steps = {name: held(case, method, coming.heaviest[:REHEARSED]) for name, method in methods.items()}
    found = {name: choice(name, case, sizes[name], steps[name], process, coming.steps) for name in methods}
    found["qlora"] = quantised_choice(found["lora"], sizes["lora"], case, "qlora")
    probed = probe(recipe) if probing else None
    packed = recipe.model.quantize == "nf4"
    if packed:  # what is asked for is `qlora` then, and stands first
        bare, name = found["lora"], "qlora" if own == "lora" else own
        found[own] = quantised_choice(found[own], sizes[own], case, name)
        found |= {"qlora": bare} if own == "lora" else {}
    part = once(case, recipe.method)
    keeping = spared(part, coming, steps[own], recipe, validated(coming, recipe)) if part else None
    found[own] = with_states(found[own], keeping)
    before = found[own].peak_bytes, seconds(coming, steps[own], recipe, device, None, keeping)
    if probed is not None:
        largest = max(coming.first, key=lambda step: max(map(weight, step)))
        one = choice(own, case, sizes[own], held(case, recipe.method, largest[:REHEARSED]), process, len(coming.first))
        one = quantised_choice(one, sizes[own], case, own) if packed else one
        same = with_states(one, keeping)
        found = {name: corrected(one, same, probed) for name, one in found.items()}
    return Planned(
        name=recipe.name,
        model=recipe.model.path,
        family=family,
        device=device,
        weights=sizes[own].weights,
        steps=coming.steps,
        examples=coming.examples,
        tokens=coming.tokens,
        learnt=coming.learnt,
        seconds=seconds(coming, steps[own], recipe, device, probed, keeping) if probed else before[1],
        choices=tuple(found.values()),
        low_rank=maps(sizes["lora"], low.rank),
        lengths=tuple(coming.lengths.verdict()),
        portions=coming.portions,
        served=served(recipe.method, family, sizes[own]),
        fits=fits(fits_case(config, family, recipe.objective, recipe.plan.recompute, recipe.guard), low),
        notes=(*notes(recipe, coming, keeping), *experts(sizes[own]), *several(coming)),
        spared=keeping,
        shapes=tuple(told(work.all).values()),
        probed=probed,
        before=before,
    )


def plain(method: Method) -> LoRA:
    """LoRA, of the size and at the places of a method that is LoRA in another way (DoRA, PiSSA)."""
    own = dataclasses.fields(LoRA) if isinstance(method, LoRA) else ()
    return LoRA(**{one.name: getattr(method, one.name) for one in own})


def spare(passing: float, steps: int, gpu: bool) -> float:
    """What the heap holds beside what a step allocates and frees."""
    return 0.0 if gpu else SPARE * passing + COMPILED * min(steps, FULL)


def choice(name: str, case: Case, sizes: Counted, step: Held, process: int, steps: int) -> Choice:
    """One way of tuning: what stands all the time is counted exactly, what a step adds by its largest phase."""
    most = step.most
    passing = most.gradients + most.activations + most.logits + most.temporary
    standing = moments(case.plan, sizes.trained, sizes.trained_bytes)
    memory = {
        "process": process,
        "weights": sizes.weight_bytes,
        "reference": most.reference,
        "gradients": most.gradients,
        "moments": standing,
        "activations": most.activations,
        "logits": most.logits,
        "temporary": most.temporary,
        "spare": spare(passing, steps, case.device == "cuda"),
    }
    own = sizes.weights * sizes.weight_bytes // max(sizes.weights + sizes.added, 1)
    kept = own if name == "full" else sizes.trained_bytes  # a part of the network is kept as an adapter
    rounded = {part: round(size) for part, size in memory.items()}
    written = stored(case.plan, steps, weights=sizes.trained_bytes, moments=standing, result=kept, besides=steps * LINE)
    return Choice(name, sizes.trained, sizes.weights + sizes.added, rounded, kept, written.total - kept)


def quantised_choice(lora: Choice, sizes: Counted, case: Case, name: str) -> Choice:
    """LoRA on maps of attention and MLP in four bits: one of them at a time is spelled out to compute with."""
    least = sizes.weight_bytes - sizes.linear_bytes + round(sizes.linear * QUANTISED / 8)
    spelled = sizes.largest * (2 if case.plan.precision == "bfloat16" else case.dtype.itemsize)
    memory = {**lora.memory, "weights": least, "temporary": lora.memory["temporary"] + spelled}
    return dataclasses.replace(lora, method=name, memory=memory)


def corrected(one: Choice, same: Choice, probed: Probed) -> Choice:
    """A choice in which the process is as the probe found it, and what passes is larger or smaller by as much as there."""
    passing = ("gradients", "activations", "logits", "temporary", "spare")
    told = sum(same.memory[part] for part in passing)
    stands = sum(same.memory[part] for part in ("weights", "reference", "moments"))
    real = probed.peak_bytes - probed.process_bytes - stands
    factor = max(real, 0) / max(told, 1)
    memory = {
        part: probed.process_bytes if part == "process" else round(size * factor) if part in passing else size
        for part, size in one.memory.items()
    }
    return dataclasses.replace(one, memory=memory)


def maps(sizes: Counted, rank: int) -> tuple[Maps, ...]:
    """The arithmetic of LoRA, a line for maps of one form."""
    forms: dict[tuple[int, int], int] = {}
    for _, inputs, outputs, _ in sizes.sites:
        forms[inputs, outputs] = forms.get((inputs, outputs), 0) + 1
    return tuple(Maps(inputs, outputs, rank, count) for (inputs, outputs), count in sorted(forms.items()))


def validated(coming: Ahead, recipe: Recipe) -> float:
    """Examples of all validations, as a share of those that are learnt from."""
    every = recipe.plan.validating_every(coming.steps)
    return (coming.steps // every + 1) * coming.validation / max(coming.steps * recipe.plan.examples, 1)


def seconds(
    coming: Ahead, step: Held, recipe: Recipe, device: str, probed: Probed | None, keeping: Spared | None = None
) -> float:
    """Of training and validating: products by the speed of one of them now, or by the probe's tokens a second."""
    share = 1 + validated(coming, recipe) / 3  # a third of the work, for nothing goes back
    share *= keeping.factor if keeping else 1.0
    if probed is not None:
        return share * coming.tokens / probed.tokens_per_second
    return share * coming.tokens * step.products / max(step.tokens, 1) / (SHARE * speed(device))


def speed(device: str) -> float:
    """Multiplications a second of one large product of matrices, in float32 or what a GPU is best at."""
    kind = torch.float32 if device == "cpu" else torch.bfloat16
    a, b = (torch.ones(1024, 1024, dtype=kind, device=device) for _ in range(2))
    took = []
    for _ in range(4):
        began = time.perf_counter()
        said = product(a, b)
        float(said[0, 0])
        took.append(time.perf_counter() - began)
    return float(1024**3 / min(took))


def with_states(one: Choice, keeping: Spared | None) -> Choice:
    """A choice with the frozen states of its largest batch, and those on the disk. In the first epoch all are computed."""
    if keeping is None:
        return one
    memory = {**one.memory, "activations": one.memory["activations"] + keeping.batch_bytes}
    return dataclasses.replace(one, memory=memory, state_bytes=one.state_bytes + keeping.disk_bytes)


def several(coming: Ahead) -> list[str]:
    """What is to be known of a mixture's tasks."""
    return list(cautions(coming.portions)) if len(coming.portions) > 1 else []


def notes(recipe: Recipe, coming: Ahead, keeping: Spared | None = None) -> list[str]:
    """What is to be known beside the figures."""
    found = ["answering is not in the time"]
    if keeping is not None:
        found.append(keeping.told(recipe.plan.keep.gigabytes))
    if coming.looked < coming.steps:
        found.append(f"told by {coming.looked:,} of {coming.steps:,} steps, evenly spread")
    if not recipe.objective.repeats:
        found.append(
            "the model's own answers are taken to be as long as they may be; speaking and judging them is not in the time"
        )
    if recipe.plan.compile:
        found.append("compiled layers keep less than this; the first steps take a minute longer")
    return found
