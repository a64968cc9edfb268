"""How many examples are enough: a study in which `limit.examples` is varied, from none (the network as it comes) up to all."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

from tunesmith import settings
from tunesmith.data.subset import shares
from tunesmith.errors import UserError
from tunesmith.preparation import examples_of
from tunesmith.recipe import Recipe, mixed
from tunesmith.run import write_text
from tunesmith.settings import Tree
from tunesmith.work import prepared

EXAMPLES, ALL = "limit.examples", "all"
Same = Literal["steps", "epochs"]
SAME: tuple[str, ...] = get_args(Same)
Size = int | Literal["all"]


@dataclass(frozen=True)
class Sizes:
    """What the arms of a curve share.

    there:  examples that there are to learn from.
    same:   what every arm makes as many of: `steps`, or `epochs`.
    places: places in an epoch of the largest size, from which the number of steps follows.
    """

    there: int
    same: Same
    places: int

    def number(self, size: Size) -> int:
        return self.there if size == ALL else int(size)

    def recipe(self, recipe: Recipe) -> Recipe:
        """The recipe of an arm, as long as all others are."""
        if self.same == "epochs":
            return recipe
        steps = recipe.plan.total_steps(self.places)
        return dataclasses.replace(recipe, plan=dataclasses.replace(recipe.plan, steps=steps, epochs=None))


def axis_of_sizes(values: Sequence[Any]) -> tuple[Size, ...]:
    """Sizes in order, with none before them and `all` behind.

    Raises:
        UserError: what is no size, or a size twice.
    """
    found: list[Size] = []
    for value in values:
        size = ALL if value is None or str(value).strip() == ALL else value
        if isinstance(size, str) and size != ALL and size.strip().isdigit():
            size = int(size)
        if isinstance(size, bool) or not (size == ALL or (isinstance(size, int) and size >= 0)):
            raise UserError(f"`{value}` is no number of examples", "write whole numbers, or `all`: `50,100,250,all`")
        found.append(cast("Size", size))
    if len(set(found)) < len(found):
        raise UserError(f"a number of examples stands twice: {', '.join(map(str, values))}", "keep one")
    return tuple(sorted({0, *found}, key=lambda size: float("inf") if size == ALL else float(size)))


def refuse_other_sets(tree: Tree, axes: Sequence[str]) -> None:
    """What would make a number of examples mean something else in each arm."""
    systems = tree.get("systems") or {}
    inner = [
        f"systems.{name}.{key}" for name, own in systems.items() for key in own or {} if key in ("tasks", "limit", "replay")
    ]
    for name in (*axes, *inner):
        setting = name.split(".", 2)[-1] if name.startswith("systems.") else name
        if name != EXAMPLES and setting.partition(".")[0] in ("tasks", "limit", "replay"):
            raise UserError(f"`{name}` is varied beside the number of examples", "give it one value, for all arms")


def sizes_of(tree: Tree, sizes: Sequence[Size], same: Same, folder: Path) -> Sizes:
    """The examples that there are, and how long every arm is to learn.

    The length of a study that was begun stays, so that a larger size can join it: it is kept in `sizes.json`.

    Raises:
        UserError: a size beyond what there is, or `same` that the plan contradicts.
    """
    recipe = settings.build(Recipe, {key: value for key, value in tree.items() if key not in ("systems", "baseline")})
    if same == "epochs" and recipe.plan.steps is not None:
        raise UserError(
            "the arms are to make the same epochs, and `plan.steps` is set", "set `plan.epochs`, and `plan.steps: null`"
        )
    work = prepared(dataclasses.replace(recipe, method="none", name=recipe.name or "sweep"))
    sets = [examples_of(task, "train", recipe) for task in work.learnt]
    there = sum(map(len, sets))
    largest = there if ALL in sizes else max(int(size) for size in sizes)
    if largest > there:
        raise UserError(
            f"{largest:,} examples are asked for, and there are {there:,} to learn from", "name no more, or say `all`"
        )
    given = shares([len(examples) for examples in sets], largest)
    counts: list[Any] = [range(share) for share in given]
    replayed: list[Any] = [range(len(examples_of(task, "train", recipe))) for task in work.replayed]
    places = mixed(recipe, counts, replayed).epoch
    return Sizes(there, same, kept_places(folder / "sizes.json", same, places))


def kept_places(file: Path, same: Same, places: int) -> int:
    """The length with which a study began; from now on this one, where it begins."""
    if file.is_file() and (before := json.loads(file.read_text(encoding="utf-8"))).get("same") == same:
        return int(before["places"])
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, json.dumps({"same": same, "places": places}) + "\n")
    return places


def told(made: Sizes, best: str) -> str:
    """What every arm shares, in words. best: which weights the runs keep (`plan.best`)."""
    drawn = (
        "A smaller number of examples is a part of a larger one, drawn by a hash of their words and the run's seed: another "
        "seed draws others, so the intervals over seeds hold that choice too. Of several tasks each gives a share by its size. "
        "Validation and test rows are the same for all. 0 is the network as it comes. "
    )
    if made.same == "steps":
        kept = "the last ones" if best == "last" else "those of the best validation, before it overfits"
        return drawn + (
            "Every arm makes the same number of steps, so a small one sees its examples more often; the weights that are kept "
            f"are {kept}."
        )
    return drawn + "Every arm makes the same epochs, so a small one makes fewer steps: what it lacks is partly training."
