"""A folder that holds a run already: whether the same run may go on there."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tunesmith import settings
from tunesmith.data import standard_input
from tunesmith.data.sources import FileSource, HubSource
from tunesmith.errors import UserError
from tunesmith.models.load import start_hash
from tunesmith.recipe import Recipe, told
from tunesmith.run import Run
from tunesmith.tasks.own import shapes
from tunesmith.tasks.task import Task

# Settings that change no step: a run may go on with others.
FREE = (
    "plan.room",
    "plan.recompute",
    "plan.save_every",
    "plan.checkpoints",
    "plan.stop_after",
    "plan.ahead",
    "plan.processes",
    "ask.rows",
    "track",
)


def begin(record: Run, recipe: Recipe, tasks: Sequence[Task]) -> None:
    """Write the recipe; refuse a folder that holds a run of another one, or of other rows."""
    refuse_other(record, recipe)
    refuse_other_rows(record, tasks)
    if not started(record):
        record.keep_recipe(settings.dump(recipe))
        record.keep_world(rows=fingerprints(tasks), shapes=shapes(tasks), start_hash=start_hash(recipe.model))


def refuse_foreign(folder: Path) -> None:
    """Refuse to write a run among files that are no run's: a folder of somebody's own, a home, the folder above."""
    if not folder.is_dir() or any((folder / name).exists() for name in ("recipe.yaml", "world.json", "state", "tracking.json")):
        return
    others = sorted(one.name for one in folder.iterdir() if not one.name.startswith(".") and one.suffix != ".log")
    if others:
        raise UserError(
            f"`{folder}` holds no run, and other files (`{others[0]}`{' ...' if others[1:] else ''})",
            "name a folder of the run's own with `--into`",
        )


def started(record: Run) -> bool:
    """Whether anything was learnt or answered in a run's folder."""
    return any((record.folder / name).exists() for name in ("state", "steps.jsonl", "answers"))


def refuse_other(record: Run, recipe: Recipe) -> None:
    """Refuse to go on with, or to keep, a run of another recipe, or one that began with other weights of that name."""
    if not started(record):
        return
    before, now = resolved(record.recipe()), flat(settings.dump(recipe))
    for name in dict.fromkeys((*now, *before)):
        old, new = before.get(name), now.get(name)
        preset = name == "plan.learning_rate" and None in (old, new)  # filled in when the network is known
        if old != new and not preset and not any(name == free or name.startswith(f"{free}.") for free in FREE):
            name, old, new = apart(name, before, now)  # noqa: PLW2901
            raise UserError(
                f"`{record.folder}` holds a run of another recipe: `{name}` was `{told(old)}` and is now `{told(new)}`",
                "choose another folder with `--into`, take the change back, or remove the folder",
            )
    began = record.world().get("start_hash")
    if began and start_hash(recipe.model) not in ("", began):
        raise UserError(
            f"`{recipe.model.path}` has other weights than when the run in `{record.folder}` began",
            "choose another folder with `--into`, or remove the folder",
        )


def apart(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, Any, Any]:
    """The setting that is told of one in which two recipes differ, and its values: `method` and not `method.kind`, where one of
    them says `method: none`."""
    parts = name.split(".")
    above = (".".join(parts[:size]) for size in range(1, len(parts)))
    name = next((one for one in above if one in before or one in now), name)
    return name, whole(before, name), whole(now, name)


def whole(flat_tree: Mapping[str, Any], name: str) -> Any:
    """The value of a setting, or the kind of what stands below it, or all of that."""
    below = {key.removeprefix(f"{name}."): value for key, value in flat_tree.items() if key.startswith(f"{name}.")}
    return flat_tree[name] if name in flat_tree else below.get("kind", below or None)


def refuse_other_rows(record: Run, tasks: Sequence[Task]) -> None:
    """Refuse to go on with, or to keep, a run whose files have other rows by now."""
    before = record.world().get("rows", {}) if started(record) else {}
    if not before:
        return
    piped = [task.name for task in tasks if isinstance(task.source, FileSource) and task.source.path == standard_input.NAME]
    of_hub = [task.name for task in tasks if isinstance(task.source, HubSource)]
    for name, fingerprint in fingerprints(tasks).items():
        if before.get(name, fingerprint) != fingerprint:
            remedy = "choose another folder with `--into`, take the change back, or remove the folder"
            if name in piped:
                remedy = "pipe the same rows in again, or choose another folder with `--into`"
            elif name in of_hub:
                remedy = f"the hub has other rows by now: name commit {before[name]} behind an @, in another folder (`--into`)"
            raise UserError(f"the rows of task `{name}` have changed since the run in `{record.folder}` began", remedy)


def fingerprints(tasks: Sequence[Task]) -> dict[str, str]:
    """Task -> hash of its files, for tasks that read files."""
    named = {task.name: task.source for task in tasks}  # what is learnt from is mostly judged too: its files are read once
    hashed = {name: getattr(source, "fingerprint", None) for name, source in named.items()}
    return {name: fingerprint() for name, fingerprint in hashed.items() if fingerprint is not None}


def lasting(recipe: Recipe) -> dict[str, Any]:
    """The settings that a checkpoint belongs to, by dotted name: all that change what is learnt."""
    named = flat(settings.dump(recipe))
    return {name: value for name, value in named.items() if not any(f"{name}.".startswith(f"{free}.") for free in FREE)}


def keep_resolved(record: Run, recipe: Recipe) -> None:
    """Write the recipe again, with its presets."""
    refuse_other(record, recipe)
    record.keep_recipe(settings.dump(recipe))


def resolved(tree: Mapping[str, Any]) -> dict[str, Any]:
    """A kept recipe with the defaults of settings that it does not know yet."""
    with suppress(UserError):
        tree = settings.dump(settings.build(Recipe, tree))
    return flat(tree)


def flat(tree: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Dotted name -> value."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        found |= flat(value, f"{before}{name}.") if isinstance(value, Mapping) and value else {f"{before}{name}": value}
    return found
