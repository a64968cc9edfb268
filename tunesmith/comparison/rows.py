"""The tables of a report as text, the same for page, Markdown and terminal."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from tunesmith.comparison import words
from tunesmith.comparison.colours import places
from tunesmith.comparison.forgetting import Forgetting, TaskChange
from tunesmith.comparison.harms import Harm
from tunesmith.comparison.significance import Interval
from tunesmith.comparison.system import System
from tunesmith.comparison.table import Comparison

TASKS = (1, 5, 100)  # of which the storage is told
SIDES = {"base": "base alone", "attached": "adapter attached", "merged": "adapter merged"}  # of which the latency is told


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure, its small print, and its tone: `good`, `bad`, `sure` (bold) or none."""

    text: str
    small: str = ""
    tone: str = ""


def ends(interval: Interval) -> str:
    return f"{words.score(interval.low)} to {words.score(interval.high)}"


def columns(made: Comparison) -> list[tuple[str, str]]:
    """Heading and small print of each column of the main table, the system's name aside."""
    cost = [
        ("Forgetting", "score lost"),
        ("Trained", "parameters"),
        ("Peak memory", ""),
        ("Training", "tokens/s"),
        ("Per answer", "median"),
        ("On disk", ""),
        ("Context", "shot tokens"),
    ]
    return [(words.label(made.headline.name), ""), (f"Against {made.baseline}", ""), *cost]


def main_row(made: Comparison, system: System) -> list[Cell]:
    """One system's row: quality first, then what it cost."""
    score, cost = made.scores[system.name][made.headline.name], system.cost
    speed = f"{words.count(cost.tokens_per_second)} tok/s" if cost.tokens_per_second else ""
    return [
        Cell(words.score(score.value), ends(score)),
        against(made, system),
        lost(made, system),
        Cell(words.count(cost.trained_parameters), words.percent(cost.share) if cost.trained_parameters else ""),
        Cell(words.size(cost.peak_memory_bytes)),
        Cell(words.seconds(cost.training_seconds) if system.tuned else words.MISSING, speed),
        Cell(words.seconds(cost.seconds_per_answer)),
        Cell(words.size(cost.disk_bytes) if cost.disk_bytes else words.MISSING),
        context(system),
    ]


def cost_tables(made: Comparison) -> list[tuple[list[str], list[tuple[str, list[str]]]]]:
    """Heads and rows of the smaller tables of cost; those that have rows."""
    disk = ["On disk, network and all", *(f"{count} task{'s' if count > 1 else ''}" for count in TASKS)]
    found = [(disk, storage(made)), (["One request, 16 tokens said", *SIDES.values()], latency(made))]
    return [(heads, body) for heads, body in found if body]


def storage(made: Comparison) -> list[tuple[str, list[str]]]:
    """What 1, 5, 100 tasks would take on the disk under each tuned system: a copy of the network each, or one and adapters.

    The size of a copy is that of a run of the method `full` on the same model; systems without such a run are left out. The
    network beside adapters is as large as its own files, which may be in half the precision.
    """
    copies = {s.model: s.cost.disk_bytes for s in made.systems if s.method == "full" and s.cost.disk_bytes}
    found = []
    for system in made.systems:
        own, copy = system.cost.disk_bytes, copies.get(system.model)
        if own and copy:
            beside = 0 if own > 0.9 * copy else int(system.world.get("base_bytes") or copy)  # a copy needs no network beside it
            found.append((system.name, [words.size(beside + count * own) for count in TASKS]))
    return found if len(found) > 1 else []


def latency(made: Comparison) -> list[tuple[str, list[str]]]:
    """How long one short request takes under each adapter: without it, with it beside the network, merged into it."""
    found = [(system.name, system.world.get("latency") or {}) for system in made.systems]
    return [(name, [words.seconds(taken.get(side)) for side in SIDES]) for name, taken in found if taken]


def against(made: Comparison, system: System) -> Cell:
    difference = made.difference(system.name)
    if difference is None:
        return Cell(words.MISSING, "the baseline")
    tone = "sure" if difference.significant else ""
    return Cell(words.signed(difference.value.value), f"{ends(difference.value)}, p {words.chance(difference.corrected)}", tone)


def lost(made: Comparison, system: System) -> Cell:
    found = next(lost for lost in made.forgetting if lost.system == system.name)
    if found.overall is None:
        return Cell(words.MISSING, "unchanged" if not system.tuned else found.reason)
    return Cell(words.score(found.overall.value), ends(found.overall), tone(found.overall))


def tone(loss: Interval) -> str:
    """A loss whose interval lies above nought is bad, one below it a gain."""
    return "bad" if loss.low > 0 else "good" if loss.high < 0 else ""


def context(system: System) -> Cell:
    spent = system.cost.context_tokens
    if not spent:
        return Cell(words.MISSING)
    return Cell(
        words.count(spent),
        f"{words.percent(spent / system.cost.window)} of window" if system.cost.window else "",
    )


def about(system: System) -> str:
    """What a system is, beneath its name."""
    if system.shots:
        return f"{system.shots} examples in prompt"
    return "as it came" if not system.tuned else f"{system.method} tuning" if system.method not in system.name.lower() else ""


def learning(made: Comparison) -> list[dict[str, Any]]:
    at = places(made)
    return [
        {
            "name": name,
            "place": at[name],
            "verdict": curve.in_words(),
            "tone": "bad" if curve.verdict in ("overfits", "unstable") else "",
            "best_step": words.MISSING if curve.best_step is None else f"{curve.best_step:,}",
            "last": f"{curve.steps[-1]:,}",
            "best": words.score(curve.best),
            "gap_at_best": words.signed(curve.gap_at_best),
            "gap": words.signed(curve.gap),
        }
        for name, curve in made.curves.items()
        if curve.steps
    ]


def differences(made: Comparison) -> list[dict[str, Any]]:
    return [
        {
            "metric": words.label(made_one.metric),
            "system": made_one.system,
            "against": made_one.against,
            "value": words.signed(made_one.value.value),
            "ends": f"{words.signed(made_one.value.low)} to {words.signed(made_one.value.high)}",
            "test": made_one.test,
            "p": words.chance(made_one.p),
            "corrected": words.chance(made_one.corrected),
            "smallest": words.score(made_one.smallest),
            "wins": f"{words.score(made_one.wins.value)} ({ends(made_one.wins)})" if made_one.wins else words.MISSING,
            "sure": made_one.significant,
        }
        for made_one in made.differences
    ]


def forgotten(made: Comparison) -> Mapping[str, Any]:
    """A row a task, a column a tuned system; general text and the overall mean at the end; and why any system is missing."""
    at = places(made)
    shown = [lost for lost in made.forgetting if lost.tasks or lost.texts]
    tasks = list(dict.fromkeys((t.task, t.cluster, t.metric, t.before, t.counted) for lost in shown for t in lost.tasks))
    rows = [
        _line(
            words.task_name(task),
            cluster + ("" if counted else " (not counted)"),
            f"{words.score(before)} {words.label(metric)}",
        )
        | {"cells": [_loss(one, task) for one in shown]}
        for task, cluster, metric, before, counted in tasks
    ]
    if any(one.overall for one in shown):
        rows.append(_line("Mean over clusters", last=True) | {"cells": [_overall(one) for one in shown]})
    for task, unit, before in dict.fromkeys((text.task, text.unit, text.before) for one in shown for text in one.texts):
        line = _line(words.task_name(task), "text", f"{words.score(before)} {unit}")
        rows.append(line | {"cells": [_rise(one, task, unit) for one in shown]})
    reasons = [f"{one.system}: {one.reason}." for one in made.forgetting if one.reason]
    return {"systems": [(one.system, at[one.system]) for one in shown], "rows": rows, "reasons": reasons}


def harmed(made: Comparison) -> list[dict[str, Any]]:
    """A row a figure of bias or toxicity and tuned system."""
    at = places(made)
    return [
        {
            "system": one.system,
            "place": at[one.system],
            "where": words.task_name(one.where),
            "figure": one.figure,
            "before": Cell(words.score(one.before.value), _ends(one.before)),
            "after": Cell(words.score(one.after.value), _ends(one.after)),
            "learnt": Cell(words.score(one.learnt.value), _ends(one.learnt)),
            "change": Cell(words.signed(one.change.value), _ends(one.change), _direction(one)),
            "p": words.chance(one.corrected) if isfinite(one.corrected) else words.MISSING,
            "verdict": one.verdict,
        }
        for one in made.harms
    ]


def _ends(told: Interval) -> str:
    return ends(told) if isfinite(told.low) and isfinite(told.high) else ""


def _direction(one: Harm) -> str:
    return "" if not one.significant else "bad" if one.change.value > 0 else "good"


def _line(task: str, cluster: str = "", before: str = "", last: bool = False) -> dict[str, Any]:
    return {"task": task, "cluster": cluster, "before": before, "last": last}


def _overall(one: Forgetting) -> Cell:
    return Cell(words.score(one.overall.value), ends(one.overall), tone(one.overall)) if one.overall else Cell(words.MISSING)


def _loss(one: Forgetting, task: str) -> Cell:
    found: TaskChange | None = next((change for change in one.tasks if change.task == task), None)
    if found is None:
        return Cell(words.MISSING)
    return Cell(words.score(found.loss.value), f"{ends(found.loss)}, p {words.chance(found.corrected)}", tone(found.loss))


def _rise(one: Forgetting, task: str, unit: str) -> Cell:
    found = next((change for change in one.texts if (change.task, change.unit) == (task, unit)), None)
    if found is None:
        return Cell(words.MISSING)
    return Cell(words.signed(found.rise.value), f"{ends(found.rise)}, p {words.chance(found.corrected)}", tone(found.rise))
