"""What would be learnt, before anything runs: examples with learnt tokens marked, lengths, and what the window would cut.

Only the tokenizer and the config of the model are read, never its weights. How it looks in a terminal: `shown.py`.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from rich.table import Table

from tunesmith import settings
from tunesmith.comparison.confusion import tables
from tunesmith.data.example import Example
from tunesmith.data.rates import Portion, portions
from tunesmith.errors import UserError
from tunesmith.evaluation.protocol import shots_of
from tunesmith.evaluation.shots import Pool, with_shots
from tunesmith.methods.method import Method
from tunesmith.models.load import load_renderer
from tunesmith.objectives.headed import Headed
from tunesmith.objectives.objective import Placed
from tunesmith.recipe import Recipe, mixed, own
from tunesmith.settings import Tree
from tunesmith.sweep import recipes
from tunesmith.tasks.examples import told_bad
from tunesmith.tasks.own import told
from tunesmith.tasks.task import Task
from tunesmith.tokens.lengths import Lengths, lengths
from tunesmith.tokens.renderer import Renderer, marked
from tunesmith.tokens.sequence import Tokens
from tunesmith.training.portions import distinct
from tunesmith.verbs import default_recipe, existing
from tunesmith.work import fitted, task_of, training, try_out


@dataclass(frozen=True)
class ShownExample:
    """An example as the network reads it: (piece, weight) a token; weight 0 is read and not learnt.

    source: what an encoder reads.
    asked:  of a question as it will be asked, what is to be answered; None of an example to learn from.
    shots:  how many examples stand before that question.
    """

    id: str
    source: tuple[str, ...]
    pieces: tuple[tuple[str, float], ...]
    asked: str | None = None
    shots: int = 0


@dataclass(frozen=True)
class ShownTask:
    """One task of a recipe: examples, and how long all of its training examples are.

    told:     what its rows were recognised as, in a line; empty where somebody said how they are put.
    wordings: by which rows are put, in turn.
    model:    what reads them, in words.
    marks:    special tokens as pieces -> `special`, `unknown` or `added` (to the vocabulary, and plain text to the network).
    asked:    a question behind its shots, where it has any.
    rows, tokens: how many they are, and what one is read as on average.
    portion:      what it is of the run, where several tasks are mixed; beside what is replayed.
    left_out:     what is said of rows that cannot be used, where they are left out.
    """

    name: str
    examples: tuple[ShownExample, ...]
    lengths: Lengths
    told: str = ""
    wordings: tuple[str, ...] = ()
    model: str = ""
    marks: Mapping[str, str] = field(default_factory=dict)
    asked: tuple[ShownExample, ...] = ()
    rows: int = 0
    tokens: float = 0.0
    portion: Portion | None = None
    left_out: str = ""


def show(
    recipe: str | Path | Tree | None = None,
    *,
    model: str | None = None,
    data: str | None = None,
    template: str | None = None,
    overrides: Sequence[str] = (),
    examples: int = 3,
) -> list[ShownTask]:
    """Examples as the network would read them, and what the window would cut. Runs nothing. Command: `tunesmith show`."""
    tree = settings.load(recipe if recipe is not None else default_recipe(), ())
    if model is not None:
        tree["model"] = {**tree.get("model", {}), "path": model}
    if data is not None:
        tree["tasks"] = {data: {"template": template} if template else 1.0}
        tree["judged_by"] = []
    elif template is not None:
        raise UserError("`--template` is given without `--data`", "name the data that it is for")
    chosen, virtual = recipe_shown(settings.override(tree, overrides))
    if not chosen.tasks:
        raise UserError("there are no `tasks` to show", "name a recipe, or `--data`")
    renderer, window = load_renderer(chosen.model)
    limit = min(filter(None, (chosen.plan.window, window)), default=None)
    shown = [
        shown_task(task_of(chosen, own(name, setting)), chosen, renderer, limit, virtual, examples)
        for name, setting in chosen.tasks.items()
    ]
    return with_portions(shown, chosen) if len(shown) > 1 else shown


def with_portions(shown: Sequence[ShownTask], recipe: Recipe) -> list[ShownTask]:
    """The tasks with what each will be of the run."""
    places: list[Any] = [range(one.rows) for one in shown]
    mixture = mixed(dataclasses.replace(recipe, replay={}), places, [])
    counts = mixture.shown(recipe.plan.examples * recipe.plan.total_steps(len(mixture)))
    names = distinct([one.name for one in shown], list(recipe.tasks))
    found = portions(names, [one.rows for one in shown], counts, [one.tokens for one in shown])
    return [dataclasses.replace(one, portion=portion) for one, portion in zip(shown, found, strict=True)]


def mistaken(folders: Sequence[str]) -> list[Table]:
    """Which labels each of some runs took for which others, a table a task. Command: `tunesmith show RUN`."""
    found = [table for folder in folders for run in existing(folder) for table in tables(run)]
    if not found:
        raise UserError(
            f"`{folders[0]}` has no answers that are one of a few labels", "name a run that classifies, or a recipe"
        )
    return found


def shown_task(task: Task, recipe: Recipe, renderer: Renderer, window: int | None, virtual: int, examples: int) -> ShownTask:
    """Some training examples of a task, and the lengths of all of them."""
    try_out(task, "train")
    recipe = dataclasses.replace(recipe, objective=fitted(recipe, (task,)))
    found = list(training(recipe, recipe.objective, (task,)))
    rendered = [recipe.objective.render(Placed(example, place), renderer) for place, example in enumerate(found)]
    first = tuple(
        ShownExample(
            titled(example, number, len(sequences)),
            tuple(renderer.pieces(tokens.source)),
            pieces(example, tokens, recipe, renderer),
        )
        for example, sequences in zip(found[:examples], rendered[:examples], strict=True)
        for number, tokens in enumerate(sequences)
    )
    flat = [tokens for sequences in rendered for tokens in sequences]
    return ShownTask(
        name=task.name,
        examples=first,
        lengths=lengths(flat, window, virtual),
        told=told((task,)).get(task.name, ""),
        left_out=told_bad((task,)).get(task.name, ""),
        wordings=tuple(template.name for template in task.templates),
        model=read_as(recipe, renderer),
        marks=marks(renderer),
        asked=asked(task, recipe, renderer, examples),
        rows=len(found),
        tokens=sum(tokens.size for tokens in flat) / max(1, len(found)),
    )


def titled(example: Example, number: int, count: int) -> str:
    """The id of an example; of several sequences that it makes, which one."""
    if example.rejected is not None and count == 2:
        return f"{example.id}: {('chosen', 'rejected')[number]}"
    return example.id if count == 1 else f"{example.id}: {number + 1} of {count}"


def asked(task: Task, recipe: Recipe, renderer: Renderer, examples: int) -> tuple[ShownExample, ...]:
    """The first question of the test behind its shots, where any are shown."""
    pool = Pool(task, shots_of(task, recipe.ask), recipe.ask.seed, "test")
    if not pool.count or not examples or "test" not in task.source.splits() or isinstance(recipe.objective, Headed):
        return ()
    found = []
    for question in islice(task.examples("test"), 1):
        shown = with_shots(question, pool.before(question), renderer, task.shots)
        ids = tuple((piece, 0.0) for piece in renderer.pieces(renderer.prompt(shown)))
        found.append(ShownExample(question.id, (), ids, question.target, pool.count))
    return tuple(found)


def read_as(recipe: Recipe, renderer: Renderer) -> str:
    """What reads the tokens, and which of them have a meaning of their own, in words."""
    end, pad, *head = (f"`{piece}`" for piece in renderer.pieces([renderer.end, renderer.pad, *renderer.head]))
    put = "its chat template" if renderer.chat else "no chat template"
    begins = f"a text begins with {''.join(head)}, " if head and not renderer.chat else ""
    return (
        f"{recipe.model.path} ({renderer.family}), {put}; {begins}an answer ends with {end}, "
        f"shorter rows are filled with {pad}, which is never learnt"
    )


def marks(renderer: Renderer) -> dict[str, str]:
    """Special tokens as pieces -> what they are."""
    tokenizer = renderer.tokenizer
    added = dict.fromkeys(renderer.pieces(sorted(tokenizer.added_tokens_decoder)), "added")
    special = dict.fromkeys(renderer.pieces(sorted(renderer.specials)), "special")
    unknown = [] if tokenizer.unk_token_id is None else renderer.pieces([tokenizer.unk_token_id])
    return {**added, **special, **({} if tokenizer.unk_token_id == renderer.end else dict.fromkeys(unknown, "unknown"))}


def pieces(example: Example, tokens: Tokens, recipe: Recipe, renderer: Renderer) -> tuple[tuple[str, float], ...]:
    """(piece, weight) a token. Of a head: where it is asked, and behind all what it should say."""
    if not isinstance(recipe.objective, Headed):
        return tuple(marked(tokens, renderer))
    weights = tokens.weights or (0.0,) * len(tokens.inputs)
    said = (f" ⟶ {example.target}", 1.0) if any(weights) else ("", 0.0)
    return (*zip(renderer.pieces(tokens.inputs), weights, strict=True), said)


def recipe_shown(tree: Tree) -> tuple[Recipe, int]:
    """The recipe to show, and the most virtual tokens of any system; of a comparison its first system that learns."""
    if not tree.get("systems"):
        every = [settings.build(Recipe, {key: value for key, value in tree.items() if key != "systems"})]
    else:
        every = list(recipes(tree).values())
    learning = [recipe for recipe in every if recipe.method != "none"] or every
    virtual = max((recipe.method.virtual_tokens for recipe in every if isinstance(recipe.method, Method)), default=0)
    return learning[0], virtual
