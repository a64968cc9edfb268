"""Only what the runs asked for differently: the recipes, flattened, less everything they share."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tunesmith.run import Run


@dataclass(frozen=True, slots=True)
class Setting:
    """A dotted setting and its value in each run, as written; an empty text where a run has no such setting."""

    name: str
    values: tuple[str, ...]


def settings_apart(runs: Sequence[Run]) -> tuple[Setting, ...]:
    """The settings whose values differ, in the order they first appear; its name and its trackers are none of them."""
    recipes = [dict(flattened(run.recipe())) for run in runs]
    names = list(dict.fromkeys(name for recipe in recipes for name in recipe))
    rows = (Setting(name, tuple(recipe.get(name, "") for recipe in recipes)) for name in names)
    return tuple(row for row in rows if len(set(row.values)) > 1 and row.name not in ("name", "track"))


def flattened(recipe: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(dotted name, value as written) of every setting."""
    return list(_flat(recipe))


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
