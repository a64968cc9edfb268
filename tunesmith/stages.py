"""Several runs in a row from one recipe: each stage starts from what the one before it has learnt.

stages:
  sft: {objective: sft, tasks: {chats.jsonl: 1}}
  votes: {label: {prompts: chats.jsonl, judge: {kind: rule, path: taste.py}}}
  dpo: {objective: dpo, tasks: {stage:votes: 1}}
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from tunesmith import settings
from tunesmith.errors import UserError, did_you_mean
from tunesmith.experiment import run
from tunesmith.generation.sampling import Sampling
from tunesmith.recipe import Recipe, refuse_name
from tunesmith.rewards.reward import Reward
from tunesmith.run import Run, read_json, write_json
from tunesmith.serving.drawn import Draw, prompts_from
from tunesmith.serving.exports import rows, write_rows
from tunesmith.serving.judge import judge
from tunesmith.serving.votes import Votes
from tunesmith.settings import Tree
from tunesmith.sweep import overlay
from tunesmith.training.joining import several
from tunesmith.training.progress import Reporter
from tunesmith.work import prepared

EARLIER = "stage:"  # before a stage's name: the folder of its run, or the file of its votes


@dataclass(frozen=True)
class Labelling:
    """A stage that makes preference pairs: models answer, and a reward stands in for people, its kind named beside each vote.

    People label by `tunesmith label`, and what that exports is a task like any file.

    prompts:  task or file whose prompts are answered, each once.
    judge:    the reward whose higher number is the better answer; equal numbers are a tie, which is left out.
    models:   one, which answers twice, or two; empty: the stage before this one.
    limit:    most prompts.
    sampling: how answers are drawn.
    """

    prompts: str
    judge: Reward
    models: tuple[str, ...] = ()
    limit: Annotated[int, Field(gt=0)] | None = None
    sampling: Sampling = Sampling(tokens=128, temperature=0.7)


@dataclass(frozen=True)
class StagedRecipe(Recipe):
    """A recipe with stages: each names the settings in which it differs from the rest.

    stages: name -> settings laid over the common ones, or `label: {...}` (`Labelling`). A stage without a `model.path` of its
        own starts from the run before it. Any text `stage:NAME` in it means the folder of that earlier stage, or its votes.
    """

    stages: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


Stages = dict[str, Recipe | Labelling]


def recipes(tree: Tree, into: Path) -> Stages:
    """What each stage does, in order; every mistake of a setting is found before anything runs."""
    common = settings.build(StagedRecipe, tree)
    if not common.stages:
        raise UserError("`stages` is empty", "name some, or leave it out")
    shared = {key: value for key, value in tree.items() if key != "stages"}
    made: Stages = {}
    for name, own in common.stages.items():
        runs = [stage for stage, one in made.items() if isinstance(one, Recipe)]
        refuse_name(name)
        if "label" in own:
            began: Tree = {"models": [EARLIER + runs[-1]]} if runs else {}
            given = placed({**began, **own["label"]}, _results(made, into))
            made[name] = settings.build(Labelling, given, f"stages.{name}.label.")
            continue
        began = {"model": {"path": EARLIER + runs[-1]}} if runs else {}
        whole = overlay(overlay(shared, began), {**own, "name": name})
        made[name] = settings.build(Recipe, placed(whole, _results(made, into)), f"stages.{name}.")
    return made


def run_stages(tree: Tree, into: Path, quiet: bool = False) -> Run:
    """Every stage's run below `into`, the last of which is given; finished ones are kept, half-done ones go on."""
    chosen = recipes(tree, into)
    votes = [str(_result(name, one, into)) for name, one in chosen.items() if isinstance(one, Labelling)]
    if votes and several():
        raise UserError(
            "a stage that labels is for one process, and several were started", "run it alone up to that stage first"
        )
    for recipe in chosen.values():
        if isinstance(recipe, Recipe) and not any(file in recipe.tasks or file in recipe.judged_by for file in votes):
            prepared(recipe)
    last = Run(into)
    for name, stage in chosen.items():
        if isinstance(stage, Labelling):
            vote(stage, into, name, quiet)
            continue
        last = run(stage, into / name, quiet)
        if not last.world().get("ended"):  # `plan.stop_after`
            break
    return last


def before_systems(tree: Tree, into: Path) -> Tree:
    """Run the stages of a comparison's recipe; what is left of it names their results."""
    rest = without_stages(tree, into)
    if not run_stages(_common(tree), into).world().get("ended"):
        raise UserError("a stage was stopped before its end", "the same command goes on where it stopped")
    return rest


def without_stages(tree: Tree, into: Path) -> Tree:
    """A comparison's recipe as it is once its stages have run."""
    results = _results(recipes(_common(tree), into), into)
    return dict(placed({key: value for key, value in tree.items() if key != "stages"}, results))


def _common(tree: Tree) -> Tree:
    return {key: value for key, value in tree.items() if key not in ("systems", "baseline")}


def vote(stage: Labelling, into: Path, name: str, quiet: bool = False) -> Path:
    """Draw answers, let the judge vote, and write the pairs; what is done already is kept."""
    out, kept, now = into / f"{name}.jsonl", into / f"{name}.json", settings.dump(stage)
    if read_json(kept, now) != now:
        raise UserError(
            f"`{kept}` tells of votes made by other settings than those of stage `{name}`",
            f"choose another folder with `--into`, take the change back, or remove `{name}.*` there",
        )
    if out.is_file():
        return out
    write_json(kept, now)
    votes, draw = Votes(into / f"{name}.sqlite"), Draw(stage.models, stage.sampling)
    with Reporter(name, quiet) as reporter:
        pairs = draw.pairs(prompts_from(stage.prompts, limit=stage.limit))
        votes.add(pairs)
        draw.run(votes, pairs, lambda done, total: reporter.count("drawing answers", done, total))
        judge(votes, stage.judge.score, type(stage.judge).__name__)
        found = rows(votes)
        reporter.say(f"{len(found)} pairs of {len(pairs)} prompts; the others are ties")
    votes.close()
    if not found:
        raise UserError(
            f"stage `{name}`: the judge calls all answers equally good",
            "draw at a higher `sampling.temperature`, or more prompts",
        )
    write_rows(out, found)
    return out


def _result(name: str, stage: Recipe | Labelling, into: Path) -> Path:
    return into / (f"{name}.jsonl" if isinstance(stage, Labelling) else name)


def _results(stages: Stages, into: Path) -> dict[str, Path]:
    return {name: _result(name, stage, into) for name, stage in stages.items()}


def placed(tree: Any, earlier: Mapping[str, Path]) -> Any:
    """The settings with the results of earlier stages where these are named."""
    if isinstance(tree, Mapping):
        return {placed(key, earlier): placed(value, earlier) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [placed(value, earlier) for value in tree]
    if not isinstance(tree, str) or not tree.startswith(EARLIER):
        return tree
    name = tree.removeprefix(EARLIER)
    if name not in earlier:
        hint = did_you_mean(name, list(earlier)) or "the first stage starts from a model; name stages that stand above this one"
        raise UserError(f"`{tree}` names no stage before this one", hint)
    return str(earlier[name])
