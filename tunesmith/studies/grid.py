"""What a study varies: dotted settings with several values, ranges to search in, systems, seeds; and the recipes of it all."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from tunesmith import settings
from tunesmith.errors import UserError, did_you_mean
from tunesmith.recipe import Recipe
from tunesmith.settings import Tree
from tunesmith.studies.sizes import ALL, EXAMPLES, SAME, Same, Sizes, axis_of_sizes, refuse_other_sets
from tunesmith.sweep import ComparisonRecipe, overlay

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
RANGE = re.compile(rf"({NUMBER})\.\.({NUMBER})(:log)?")
NEARLY = re.compile(rf"({NUMBER})\.\.({NUMBER})\s*[^\d\s,.].*")  # a range with something else behind it
DIGITS = 4  # of a number that is drawn from a range


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high` to search in, drawn evenly, or evenly in their logarithms; whole where both ends are."""

    low: float
    high: float
    log: bool = False

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)


Axis = tuple[Any, ...] | Range


@dataclass(frozen=True)
class Space:
    """A recipe with the settings that a study varies.

    tree:   the recipe, without what is varied.
    axes:   dotted setting -> its values; `seed` is none of them.
    seeds:  each arm is run with every one.
    same:   what every arm makes as many of where the number of examples is varied: `steps` or `epochs`.
    sizes:  what these arms share.
    """

    tree: Tree
    axes: Mapping[str, Axis]
    seeds: tuple[int, ...]
    same: Same = "steps"
    sizes: Sizes | None = None

    @property
    def ranges(self) -> list[str]:
        return [name for name, axis in self.axes.items() if isinstance(axis, Range)]


Values = dict[str, Any]  # dotted setting -> value; `system` -> the name of a system


@dataclass(frozen=True)
class Arm:
    """One choice of everything that is varied but the seed, and its recipes by seed."""

    name: str
    values: Values
    recipes: Mapping[int, Recipe]


def space(recipe: str | Any, given: Sequence[str], examples: Sequence[int | str] = ()) -> Space:
    """The space of a recipe with a `sweep`, and of `name=value` words: those with several values, or a range, are varied.

    examples: sizes of a curve, instead of values of `limit.examples`.

    Raises:
        UserError: nothing is varied, a setting twice in different ways, or a value that is no value.
    """
    tree = settings.load(recipe, ())
    swept = dict(settings.build(ComparisonRecipe, tree).sweep)
    if (same := swept.pop("same", "steps")) not in SAME:
        raise UserError(f"`sweep.same` is `{same}`", did_you_mean(str(same), SAME))
    axes = {name: axis_of(name, value) for name, value in swept.items()}
    plain = []
    for word in given:
        name, sign, text = word.partition("=")
        axis = several(name.strip(), text) if sign else None
        if axis is None:
            plain.append(word)
            axes.pop(name.strip(), None)
        else:
            axes[name.strip()] = axis
    tree = settings.override({key: value for key, value in tree.items() if key != "sweep"}, plain)
    if examples:
        axes[EXAMPLES] = tuple(examples)
    if EXAMPLES in axes:
        if isinstance(axes[EXAMPLES], Range):
            raise UserError("the number of examples is swept over a range", "name the numbers: `--examples 50,100,250,all`")
        axes = {**axes, EXAMPLES: axis_of_sizes(axes[EXAMPLES])}  # type: ignore[arg-type]
        refuse_other_sets(tree, list(axes))
    seeds = axes.pop("seed", (tree.get("seed", 0),))
    if isinstance(seeds, Range):
        raise UserError("`seed` is swept over a range", "name the seeds: `seed=0,1,2`")
    if not axes and not tree.get("systems") and len(seeds) < 2:
        raise UserError("nothing is swept", "give a setting several values: `method.rank=2,4,8` or `seed=0,1,2`")
    refuse_other_questions(tree, axes)
    return Space(tree, axes, seeds, same)


def refuse_other_questions(tree: Tree, axes: Mapping[str, Axis]) -> None:
    """Arms that are asked different examples could not be held against each other, which would be found out at the end."""
    for name in axes:
        setting = re.sub(r"^systems\.[^.]+\.", "", name)
        if setting == "limit.validation":
            raise UserError(f"`{name}` is varied: the arms would be validated on different examples", "give it one value")
        if setting == "limit.test" or setting.startswith("judged_by"):
            raise UserError(f"`{name}` is varied: the arms would be asked different examples", "give it one value")
        if setting.startswith("tasks") and not tree.get("judged_by"):
            raise UserError(
                f"`{name}` is varied, and each arm would be judged by its own tasks",
                "name under `judged_by` what all arms are asked",
            )


def several(name: str, text: str) -> Axis | None:
    """The axis that `name=TEXT` means: values with commas between them, or a range; None for a single value."""
    if RANGE.fullmatch(text.strip()):
        return axis_of(name, text)
    if found := NEARLY.fullmatch(text.strip()):
        near = f"{found[1]}..{found[2]}"
        raise UserError(
            f"`{name}={text}` is no range: nothing but `:log` may stand behind it", f"write `{near}` or `{near}:log`"
        )
    values = settings.load({}, ())
    try:
        values = settings.override({}, [f"values=[{text}]"])["values"]
    except UserError:
        return None  # a single value that is no part of a list; said when it is laid over the recipe
    return axis_of(name, values) if len(values) > 1 else None


def axis_of(name: str, value: Any) -> Axis:
    """An axis from its value in a recipe: a list, or the text of a range."""
    if isinstance(value, str) and (found := RANGE.fullmatch(value.strip())):
        low, high = (settings.override({}, [f"end={end}"])["end"] for end in found.groups()[:2])
        if not low < high or (found[3] and low <= 0):
            raise UserError(f"`{name}={value}` is no range", "write LOW..HIGH, or LOW..HIGH:log with both above nought")
        return Range(low, high, bool(found[3]))
    if not isinstance(value, list) or not value:
        raise UserError(
            f"`sweep.{name}`: found `{value}`, expected a list of values", "write `[1, 2, 3]`, or a range `1e-5..1e-3:log`"
        )
    if len({json.dumps(one, sort_keys=True, default=str) for one in value}) < len(value):
        raise UserError(f"`{name}` has a value twice: `{value}`", "keep one")
    return tuple(value)


def grid(made: Space) -> list[Values]:
    """Every choice of values, the first axis slowest; for each system those that are its own.

    What learns from no example is one arm, whatever else is varied in how others learn.
    """
    found: list[Values] = []
    for system, own in by_system(made):
        sized = EXAMPLES in own
        learns = not sized or not is_untuned(made, system)
        if learns:
            axes = {**own, EXAMPLES: own[EXAMPLES][1:]} if sized else own  # type: ignore[index]
            some = [{**system, **dict(zip(axes, values, strict=True))} for values in product(*_lists(axes))]
            found += [one for one in some if not (sized and one.get("method") == "none")]
        if sized:
            asked = {**{name: axis for name, axis in own.items() if _asks(name)}, EXAMPLES: (0,)}
            other = system and any(map(_asks, made.tree["systems"][system["system"]] or {}))
            named = system if other else {}
            found += [{**named, **dict(zip(asked, values, strict=True))} for values in product(*_lists(asked))]
    return sorted({repr(one): one for one in found}.values(), key=lambda one: one.get(EXAMPLES) != 0)


def _lists(axes: Mapping[str, Axis]) -> list[tuple[Any, ...]]:
    return [axis for axis in axes.values() if not isinstance(axis, Range)]


def _asks(name: str) -> bool:
    """Whether a setting changes what a network says that learnt nothing."""
    return name.partition(".")[0] in ("model", "ask")


def is_untuned(made: Space, system: Values) -> bool:
    tree = overlay(made.tree, made.tree["systems"][system["system"]] or {}) if system else made.tree
    return tree.get("method") == "none" and "method" not in made.axes


def by_system(made: Space) -> list[tuple[Values, dict[str, Axis]]]:
    """The axes that each system has: the common ones, and those named `systems.NAME.SETTING`."""
    systems = made.tree.get("systems") or {}
    if not systems:
        return [({}, dict(made.axes))]
    common = {name: axis for name, axis in made.axes.items() if name.partition(".")[0] != "systems"}
    tuned = [name for name, own in systems.items() if (own or {}).get("method") not in (None, "none")]
    for name in made.axes:
        first, _, rest = name.partition(".")
        if first == "method":
            hint = f"did you mean `systems.{next(iter([*tuned, *systems]))}.{name}`?"
            raise UserError(f"`{name}` belongs to no system of the comparison", hint)
        if first == "systems" and rest.partition(".")[0] not in systems:
            raise UserError(f"`{name}` names no system", did_you_mean(rest.partition(".")[0], systems))
    found = []
    for system in systems:
        before = f"systems.{system}."
        own = {name: axis for name, axis in made.axes.items() if name.startswith(before)}
        found.append(({"system": system}, {**common, **own}))
    return found


def arm(made: Space, values: Values) -> Arm:
    """The recipes of a choice of values, one a seed.

    Raises:
        UserError: a setting that does not exist, or a value that it cannot have.
    """
    name = named(values)
    tree = {key: value for key, value in made.tree.items() if key not in ("systems", "baseline")}
    before = ""
    if "system" in values:
        tree = overlay(tree, made.tree["systems"][values["system"]])
        before = f"systems.{values['system']}."
    for setting, value in values.items():
        if setting != "system":
            tree = laid(tree, setting.removeprefix(before), value)
    recipes = {}
    for seed in made.seeds[:1] if values.get(EXAMPLES) == 0 else made.seeds:  # which says the same under every seed
        label = "-".join(filter(None, [name, f"seed-{seed}"]))
        recipe = settings.build(Recipe, {**tree, "name": slug(label), "seed": seed})
        recipes[seed] = made.sizes.recipe(recipe) if made.sizes and values.get(EXAMPLES) else recipe
    if made.sizes and EXAMPLES in values:
        values = {**values, EXAMPLES: made.sizes.number(values[EXAMPLES])}
    return Arm(name or "all seeds", values, recipes)


def laid(tree: Tree, name: str, value: Any) -> Tree:
    """A recipe with one setting changed; the name of a method leaves the settings of a method of the same kind."""
    if name == EXAMPLES:
        tree = {**tree, "method": "none"} if value == 0 else tree
        return settings.override(tree, [f"{name}={json.dumps(None if value in (0, ALL) else value)}"])
    if name in ("method", "objective") and isinstance(value, str) and value != "none":
        return {**tree, name: overlay(tree.get(name, {}), {"kind": value})}
    return settings.override(tree, [f"{name}={json.dumps(value)}"])


def named(values: Mapping[str, Any]) -> str:
    """What an arm is called: `rank 4`, `lora, rank 4`, `learning_rate 0.001, prompt`."""
    if values.get(EXAMPLES) == 0:
        values = {name: value for name, value in values.items() if name != EXAMPLES} or {"system": "base"}
    short = short_names([name for name in values if name != "system"])
    return ", ".join(
        shown(value) if name in ("system", "method", "objective") else f"{short[name]} {shown(value)}"
        for name, value in values.items()
    )


def short_names(names: Sequence[str]) -> dict[str, str]:
    """The last word of each dotted name, or all of it where two end alike."""
    last = [name.rpartition(".")[2] for name in names]
    return {name: name if last.count(end) > 1 else end for name, end in zip(names, last, strict=True)}


def shown(value: Any) -> str:
    """A value in a name: `4`, `0.0003`, `query+value`, `null`."""
    if isinstance(value, list | tuple):
        return "+".join(shown(one) for one in value)
    if isinstance(value, Mapping):
        kind = [str(value["kind"])] if "kind" in value else []
        return " ".join([*kind, *(f"{name} {shown(one)}" for name, one in value.items() if name != "kind")])
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value)


def slug(text: str) -> str:
    """A name of a folder: `rank-4-seed-0`."""
    return re.sub(r"[^\w.+-]+", "-", text).strip("-.")
