"""What each task of a mixture will be of a run, told before the first step and kept in its folder."""

from collections.abc import Sequence
from dataclasses import asdict

from tunesmith.data.example import Example
from tunesmith.data.mixture import Mixture
from tunesmith.data.rates import Mixing, Portion, cautions, portions, table
from tunesmith.objectives.objective import Objective, Placed
from tunesmith.run import Run, write_json
from tunesmith.tokens.renderer import Renderer
from tunesmith.training.progress import Reporter

LOOKED = 40  # examples of each task, evenly spread, whose tokens are counted


def portioned(
    mixture: Mixture, names: Sequence[str], places: int, objective: Objective, renderer: Renderer
) -> tuple[Portion, ...]:
    """The portions of the tasks of a mixture in its first so many places. `names`: of its sets, replayed ones last."""
    sizes = [len(source) for source in mixture.sources]
    tokens = [mean_tokens(source, objective, renderer, mixture.seed) for source in mixture.sources]
    replayed = sum(bool(source) and source[0].replayed for source in mixture.sources)
    return portions(names, sizes, mixture.shown(places), tokens, replayed)


def mean_tokens(source: Sequence[Example], objective: Objective, renderer: Renderer, seed: int = 0) -> float:
    """Tokens that an example is read as, on average over some."""
    looked = range(0, len(source), max(1, len(source) // LOOKED))[:LOOKED]
    sizes = [sum(row.size for row in objective.render(Placed(source[place], place, seed), renderer)) for place in looked]
    return sum(sizes) / max(1, len(sizes))


def tell(record: Run, reporter: Reporter, mixing: Mixing, epoch: int, found: Sequence[Portion]) -> None:
    """Write `mixture.json`, and say it where several tasks are mixed."""
    tree = {"mixture": asdict(mixing), "epoch": epoch, "tasks": [asdict(one) for one in found]}
    write_json(record.folder / "mixture.json", tree)
    if len(found) > 1:
        reporter.say(f"{len(found)} tasks are mixed; an epoch is {epoch:,} examples")
        for line in table(found):
            reporter.say(line)
        for line in cautions(found):
            reporter.say(f"note: {line}")


def distinct(names: Sequence[str], keys: Sequence[str]) -> tuple[str, ...]:
    """A name of its own for each task: where two are called alike, what the recipe calls them; then a number."""
    made: list[str] = []
    for name, key in zip(names, keys, strict=True):
        choices = [name, key, f"{key} (replayed)", *(f"{key} ({number})" for number in range(2, len(names) + 2))]
        wanted = choices if names.count(name) == 1 or name == key else choices[1:]
        made.append(next(one for one in wanted if one not in made))
    return tuple(made)
