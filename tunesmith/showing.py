"""What would be learnt, before anything runs: examples with learnt tokens marked, lengths, and what the window would cut.

Only the tokenizer and the config of the model are read, never its weights.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tunesmith import settings
from tunesmith.comparison.confusion import tables
from tunesmith.data.example import Example
from tunesmith.data.rates import Portion, cautions, portions, table
from tunesmith.errors import UserError
from tunesmith.experiment import fitted, training, try_out
from tunesmith.methods.method import Method
from tunesmith.models.load import load_renderer
from tunesmith.objectives.headed import Headed
from tunesmith.objectives.objective import Placed
from tunesmith.recipe import Recipe, mixed, own
from tunesmith.settings import Tree
from tunesmith.sweep import recipes
from tunesmith.tasks.own import task_from
from tunesmith.tasks.task import Task
from tunesmith.tokens.lengths import Lengths, lengths
from tunesmith.tokens.renderer import Renderer, marked
from tunesmith.tokens.sequence import Tokens
from tunesmith.training.portions import distinct
from tunesmith.verbs import default_recipe, existing


@dataclass(frozen=True)
class ShownExample:
    """An example as the network reads it: (piece, weight) a token; weight 0 is read and not learnt."""

    id: str
    source: tuple[str, ...]
    pieces: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class ShownTask:
    """One task of a recipe: examples, and how long all of its training examples are.

    rows, tokens: how many they are, and what one is read as on average.
    portion:      what it is of the run, where several tasks are mixed; beside what is replayed.
    """

    name: str
    examples: tuple[ShownExample, ...]
    lengths: Lengths
    rows: int = 0
    tokens: float = 0.0
    portion: Portion | None = None


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
        shown_task(task_from(own(name, setting)), chosen, renderer, limit, virtual, examples)
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
        ShownExample(example.id, tuple(renderer.pieces(tokens.source)), pieces(example, tokens, recipe, renderer))
        for example, sequences in zip(found[:examples], rendered[:examples], strict=True)
        for tokens in sequences
    )
    flat = [tokens for sequences in rendered for tokens in sequences]
    return ShownTask(
        task.name, first, lengths(flat, window, virtual), len(found), sum(tokens.size for tokens in flat) / max(1, len(found))
    )


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


def rendered(shown: Sequence[ShownTask]) -> RenderableType:
    """For a terminal: what is learnt is underlined and bold."""
    parts: list[RenderableType] = []
    for task in shown:
        parts += [Panel(_text(example), title=example.id, title_align="left") for example in task.examples]
        parts += [_table(task), Text("\n".join(task.lengths.verdict()) + "\n")]
    told = [task.portion for task in shown if task.portion is not None]
    if told:
        parts.append(Text("\n".join(["Tasks of the mixture", *table(told), *cautions(told)]), no_wrap=True))
    return Group(*parts)


def _text(example: ShownExample) -> Text:
    text = Text()
    if example.source:
        text.append("".join(example.source), style="dim")
        text.append("\n⟶ ", style="cyan")
    for piece, weight in example.pieces:
        text.append(piece, style="bold underline green" if weight > 0 else "dim")
        if weight not in (0.0, 1.0):
            text.append(f"·{weight:g}", style="cyan")
    return text


def _table(task: ShownTask) -> Table:
    table = Table(title=f"{task.name}: tokens", title_justify="left")
    header, rows = task.lengths.table()
    for name in header:
        table.add_column(name, justify="left" if name == header[0] else "right")
    for row in rows:
        table.add_row(*row)
    return table
