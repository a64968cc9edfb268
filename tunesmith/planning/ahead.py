"""What a run will read: its steps, its tokens, and the batches that take most memory. Only rows and a tokenizer are read."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from tunesmith.data.mixture import ByLength
from tunesmith.data.rates import Portion
from tunesmith.data.rows import Chosen, Joined
from tunesmith.methods.method import Method
from tunesmith.models.families import PACKS, branches
from tunesmith.models.footprint import imagined, network_of
from tunesmith.models.load import best_device, dtype_of, load_config, load_renderer
from tunesmith.objectives.objective import Placed
from tunesmith.planning.step import Case
from tunesmith.preparation import learnable, learnable_sets
from tunesmith.recipe import Recipe, mixed
from tunesmith.tokens.batch import Batch
from tunesmith.tokens.lengths import Lengths, lengths
from tunesmith.tokens.packing import Room, pack
from tunesmith.tokens.renderer import Renderer
from tunesmith.tokens.sequence import Tokens
from tunesmith.tokens.tally import REPLAYED, marked
from tunesmith.training.portions import portioned
from tunesmith.work import Work

SAMPLE = 2000  # examples that are looked at; of longer runs, steps spread evenly
FIRST = 3  # steps of a probe


@dataclass(frozen=True)
class Ahead:
    """Steps to come.

    steps:      of the whole run; `looked`: how many of them were laid out.
    examples:   of one epoch.
    tokens:     that the network reads in the whole run, without padding; told by the steps looked at.
    learnt:     of them, those that are learnt.
    validation: examples of each validation.
    portions:   what each task is of it.
    lengths:    of the rows looked at, held against the window.
    heaviest:   the batches of the step whose largest batch is the largest of all; `first`: those of the first steps.
    """

    steps: int
    looked: int
    examples: int
    tokens: int
    learnt: int
    validation: int
    lengths: Lengths
    heaviest: tuple[Batch, ...]
    first: tuple[tuple[Batch, ...], ...]
    portions: tuple[Portion, ...] = ()


def laid_out(recipe: Recipe, work: Work) -> tuple[Case, Ahead]:
    """What a run's memory depends on beside its method, and the steps to come. The recipe's objective is that of `work`."""
    config, family = load_config(recipe.model)
    renderer, window = load_renderer(recipe.model)
    device = best_device().type
    packs = family == "causal" and config.model_type in PACKS and _packed(recipe, device == "cuda")
    dtype = dtype_of(recipe.model.dtype, config, device)
    case = Case(config, family, renderer, dtype, recipe.model.attention, recipe.objective, recipe.plan, device, recipe.guard)
    forks = device == "cpu" and family == "causal" and not recipe.plan.compile
    if forks:
        with imagined():
            forks = branches(network_of(config, family, dtype, recipe.model.attention), family)
    return case, ahead(recipe, work, renderer, window, packs, forks)


def _packed(recipe: Recipe, gpu: bool) -> bool:
    return recipe.plan.room.layout == "packed" or (recipe.plan.room.layout == "auto" and gpu)


def ahead(recipe: Recipe, work: Work, renderer: Renderer, window: int | None, packs: bool, forks: bool = False) -> Ahead:
    """Lay out the steps of a run as the run will.

    Args:
        window: most tokens of a row, None for no limit.
        packs: whether sequences share rows, which is laid out here as one long sequence a row: attention keeps no more of it.
        forks: whether two answers to a prompt are read behind it in one row.
    """
    assert isinstance(recipe.method, Method), "there is something to learn"
    virtual = recipe.method.virtual_tokens
    sources, replayed, validation = _sources(recipe, work, renderer, window, virtual)
    limit = min(filter(None, (recipe.plan.window, window)), default=None)
    cuts = any(isinstance(source, Chosen) for source in sources)
    mixture = mixed(recipe, sources, replayed)
    stream = ByLength(mixture, recipe.plan.examples) if recipe.plan.order == "by_length" else mixture
    total, each = recipe.plan.total_steps(len(mixture)), recipe.plan.examples
    portions = portioned(mixture, work.names(recipe), total * each, recipe.objective, renderer)
    numbers = spread(total, max(1, SAMPLE // each))
    steps = []
    for number in numbers:
        places = range(number * each, (number + 1) * each)
        examples = [stream(place) for place in places]
        groups = [
            recipe.objective.render(Placed(one, place, recipe.seed), renderer)
            for one, place in zip(examples, places, strict=True)
        ]
        steps.append([tuple(group) for group in marked(groups, examples)])
    foreseen = [recipe.objective.foreseen(groups, forks and not virtual) for groups in steps]
    laid = [_laid(groups, recipe, virtual, packs) for groups in foreseen]
    rows = [tokens for groups in steps for group in groups for tokens in group]
    read = [tokens for groups in foreseen for group in groups for tokens in group]
    share = total / len(steps)
    return Ahead(
        steps=total,
        looked=len(steps),
        examples=len(mixture),
        tokens=round(share * sum(tokens.size + virtual for tokens in read)),
        learnt=round(share * sum(tokens.learnt + bool(tokens.prefix) for tokens in read)),  # a branch opens behind the prompt
        validation=len(validation),
        portions=portions,
        lengths=(
            lengths(rows, limit, virtual) if limit is None or not cuts else _untouched(recipe, work, renderer, limit, virtual)
        ),
        heaviest=tuple(max(laid, key=lambda step: max(map(weight, step)))),
        first=tuple(map(tuple, laid[:FIRST])),
    )


def spread(total: int, most: int) -> Sequence[int]:
    """As many of the numbers below `total`, evenly spread and with the first."""
    return range(total) if total <= most else [number * total // most for number in range(most)]


def weight(batch: Batch) -> float:
    """What a batch takes, roughly: its tokens and, where attention keeps its weights, their pairs."""
    return batch.input_ids.numel() + float(sum(length**2 for length in batch.lengths.tolist())) / 1000 + _source(batch)


def _source(batch: Batch) -> float:
    if batch.source_lengths is None or batch.source_ids is None:
        return 0.0
    return batch.source_ids.numel() + float(sum(length**2 for length in batch.source_lengths.tolist())) / 1000


def _sources(
    recipe: Recipe, work: Work, renderer: Renderer, window: int | None, virtual: int
) -> tuple[list[Sequence[Any]], list[Sequence[Any]], Sequence[Any]]:
    """The examples that will be learnt, a set a task; those that are replayed, likewise; and those of validation. Where the run
    would refuse, as if it dropped."""
    if (recipe.plan.too_long or recipe.objective.too_long) == "refuse":
        recipe = dataclasses.replace(recipe, plan=dataclasses.replace(recipe.plan, too_long="drop"))
    reader: Any = SimpleNamespace(renderer=renderer, window=window, virtual_tokens=virtual)
    sources = learnable_sets(work.learnt, recipe, reader)
    replayed = [learnable(task, "train", recipe, reader) for task in work.replayed]
    return sources, replayed, Joined(learnable(task, "validation", recipe, reader) for task in work.learnt)


def _untouched(recipe: Recipe, work: Work, renderer: Renderer, window: int | None, virtual: int) -> Lengths:
    """Lengths of rows as they come, before any is cut or left out."""
    found: list[Tokens] = []
    for task in work.learnt:
        examples = task.sequence("train", None, recipe.limit.train)
        for number in spread(len(examples), SAMPLE // len(work.learnt)):
            found += recipe.objective.render(Placed(examples[number], number, recipe.seed), renderer)
    return lengths(found, window, virtual)


def _laid(groups: Sequence[Sequence[Tokens]], recipe: Recipe, virtual: int, packs: bool) -> list[Batch]:
    packs = packs and not recipe.objective.carries  # the rows of a pair stay apart, each with its numbers
    batches = list(pack(groups, recipe.plan.room, virtual, packs))
    return [one_a_row(batch, virtual) for batch in batches] if packs else batches


def one_a_row(batch: Batch, virtual: int) -> Batch:
    """A batch whose rows are one sequence each, as long as those that shared it."""
    rows = []
    for row in batch.origin.rows:
        first, *others = row
        whole = Tokens(
            tuple(first.inputs) + tuple(id_ for tokens in others for id_ in (0,) * virtual + tuple(tokens.inputs)),
            tuple(first.targets) + tuple(id_ for tokens in others for id_ in (-100,) * virtual + tuple(tokens.targets)),
            extras={REPLAYED: max(tokens.extras[REPLAYED] for tokens in row)} if REPLAYED in first.extras else {},
        )
        rows.append((whole,))
    return next(pack(rows, Room(rows=len(rows), tokens=2**40), virtual))
