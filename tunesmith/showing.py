"""What would be learnt, before anything runs: examples with learnt tokens marked, lengths, and what the window would cut.

Only the tokenizer and the config of the model are read, never its weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tunesmith import settings
from tunesmith.errors import UserError
from tunesmith.experiment import own
from tunesmith.methods.method import Method
from tunesmith.models.load import ModelSettings, load_renderer
from tunesmith.objectives.objective import Objective, Placed
from tunesmith.settings import Tree
from tunesmith.tasks.own import task_from
from tunesmith.tokens.lengths import Lengths, lengths
from tunesmith.tokens.renderer import marked
from tunesmith.training.plan import Plan
from tunesmith.verbs import default_recipe


@dataclass(frozen=True)
class ShownExample:
    """An example as the network reads it: (piece, weight) a token; weight 0 is read and not learnt."""

    id: str
    source: tuple[str, ...]
    pieces: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class ShownTask:
    """One task of a recipe: examples, and how long all of its training examples are."""

    name: str
    examples: tuple[ShownExample, ...]
    lengths: Lengths


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
    tree = settings.override(tree, overrides)
    if not tree.get("tasks"):
        raise UserError("there are no `tasks` to show", "name a recipe, or `--data`")
    chosen = settings.build(ModelSettings, tree.get("model", {}), "model.")
    plan = settings.build(Plan, tree.get("plan", {}), "plan.")
    objective = settings.plugin(tree.get("objective", "sft"), "tunesmith.objectives", Objective, "objective.")
    virtual = virtual_tokens(tree)
    renderer, window = load_renderer(chosen)
    limit = min(filter(None, (plan.window, window)), default=None)
    shown = []
    for name, setting in tree["tasks"].items():
        task = task_from(own(name, setting))
        found = list(task.examples("train", None))
        rendered = [objective.render(Placed(example, place), renderer) for place, example in enumerate(found)]
        first = [
            ShownExample(example.id, tuple(renderer.pieces(tokens.source)), tuple(marked(tokens, renderer)))
            for example, sequences in zip(found[:examples], rendered[:examples], strict=True)
            for tokens in sequences
        ]
        flat = [tokens for sequences in rendered for tokens in sequences]
        shown.append(ShownTask(task.name, tuple(first), lengths(flat, limit, virtual)))
    return shown


def virtual_tokens(tree: Tree) -> int:
    """The most virtual tokens that any method of the recipe puts before a sequence."""
    methods: list[Any] = [tree.get("method"), *(own.get("method") for own in tree.get("systems", {}).values())]
    named = [method for method in methods if method not in (None, "none")]
    return max((settings.plugin(method, "tunesmith.methods", Method, "method.").virtual_tokens for method in named), default=0)


def rendered(shown: Sequence[ShownTask]) -> RenderableType:
    """For a terminal: what is learnt is underlined and bold."""
    parts: list[RenderableType] = []
    for task in shown:
        parts += [Panel(_text(example), title=example.id, title_align="left") for example in task.examples]
        parts.append(_table(task))
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
