"""A task asked in every wording, with several numbers of shots and seeds of them. Command: `tunesmith eval --spread`."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tunesmith.comparison.spread import Asked, Spread
from tunesmith.errors import UserError
from tunesmith.run import write_json
from tunesmith.settings import override
from tunesmith.verbs import RUNS, judging_tree, recipe_of

if TYPE_CHECKING:
    from tunesmith.tasks.task import Task

SHOTS = (0, 1, 5)
SEEDS = 3


def spread(
    model: str,
    tasks: Sequence[str],
    *,
    shots: Sequence[int] = SHOTS,
    seeds: int = SEEDS,
    into: str | Path | None = None,
    overrides: Sequence[str] = (),
    quiet: bool = False,
) -> Spread:
    """Ask a model some tasks in each of their wordings, with each number of shots, drawn by each seed.

    What was asked before in the same way is not asked again. Everything is kept in `spread.json`.

    Args:
        shots: examples shown before each question; 0 is asked once, whatever the seeds.
        seeds: so many draws of the shots, from `ask.seed` on.
        into: folder of `spread.json`; `runs/MODEL-spread` where None.
        overrides: `ask.norm=tokens`, `limit.test=200` ...

    Raises:
        UserError: a task is not there, or no number of shots is given.
    """
    from tunesmith.evaluation.judge import judge
    from tunesmith.evaluation.kept_answers import KeptAnswers, cache_folder
    from tunesmith.models.load import load
    from tunesmith.training.progress import Reporter
    from tunesmith.work import prepared

    if not tasks or not shots or min(shots) < 0:
        raise UserError("there is nothing to ask", "name tasks, and numbers of shots from 0: `--shots 0,1,5`")
    recipe = recipe_of(override(judging_tree(model, list(tasks)), overrides))
    wanted = prepared(recipe).judged
    network, cache = load(recipe.model), cache_folder()
    kept = KeptAnswers(cache, network) if cache else None
    rows, notes = [], [note for task in wanted for note in lacking(task, shots)]
    with Reporter(f"{Path(model).name}-spread", quiet) as reporter:
        for task in wanted:
            for wording, count, seed in ways(task, shots, range(recipe.ask.seed, recipe.ask.seed + seeds)):
                asked = replace(task, templates=(next(one for one in task.templates if one.name == wording),))
                told = partial(reporter.count, f"{task.name} `{wording}`, {count} shots")
                ask = replace(recipe.ask, shots=count, seed=recipe.ask.seed if seed is None else seed)
                judged = judge(network, asked, "test", ask, limit=recipe.limit.test, on_progress=told, kept=kept)
                scores = {name: score.value for name, score in judged.scores.items()}
                protocol = next(iter(judged.scores.values())).protocol
                rows.append(
                    Asked(task.name, wording, count, seed, scores, judged.context_tokens, len(judged.answers), protocol)
                )
                way = f"wording `{wording}`" + ("" if seed is None else f", shots of seed {seed}")
                notes += [f"{note} ({way})" for note in judged.notes if "kept from before" not in note]
    made = Spread(model, tuple(rows), tuple(dict.fromkeys(notes)))
    write_json(Path(into or RUNS / f"{Path(model).name}-spread") / "spread.json", made.tree())
    return made


def ways(task: "Task", shots: Sequence[int], seeds: Sequence[int]) -> Iterator[tuple[str, int, int | None]]:
    """(wording, shots, seed) of each way of asking a task; the seed is None where nothing is drawn."""
    for wording in task.asked:
        for count in shots:
            if count and task.shots.split not in task.source.splits():
                continue
            drawn = seeds if count and task.shots.pick != "first" else (None,)
            yield from ((wording.name, count, seed) for seed in drawn)


def lacking(task: "Task", shots: Sequence[int]) -> Iterator[str]:
    """What is not asked, for want of examples to show."""
    if max(shots) and task.shots.split not in task.source.splits():
        yield f"`{task.name}` has no {task.shots.split} rows to show: it is asked without shots only"
