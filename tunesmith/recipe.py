"""Everything that makes a run: the recipe."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from tunesmith.data.example import Example
from tunesmith.data.faults import BadRows
from tunesmith.data.mixture import Mixture, with_replay
from tunesmith.data.rates import Mixing
from tunesmith.errors import UserError
from tunesmith.evaluation.ask import Ask
from tunesmith.evaluation.seven import Seven
from tunesmith.methods.lora import LoRA
from tunesmith.methods.method import Method
from tunesmith.models.load import ModelSettings
from tunesmith.objectives.objective import Objective
from tunesmith.objectives.sft import SFT
from tunesmith.tasks.own import spread
from tunesmith.trackers.tracker import Tracker
from tunesmith.training.guard import Guard
from tunesmith.training.plan import Plan

Named = str | Mapping[str, Any]


@dataclass(frozen=True)
class Limit:
    """Most examples of each split; null: all of them.

    examples: most training examples of all tasks together, drawn by a hash of their words and the seed: of each task a share
              by its size, and a smaller number is always a part of a larger one.
    """

    train: Annotated[int, Field(gt=0)] | None = None
    validation: Annotated[int, Field(gt=0)] | None = 200
    test: Annotated[int, Field(gt=0)] | None = None
    forgetting: Annotated[int, Field(gt=0)] | None = 60
    examples: Annotated[int, Field(gt=0)] | None = None


@dataclass(frozen=True)
class Recipe:
    """Everything that makes a run.

    tasks:      what is learnt from: a name or a file -> its weight, or a mapping (`weight`, `template`, `limit` ...).
    replay:     what is shown again so that it is not forgotten: as `tasks`, but a weight is how many examples come with each
                of the tasks' own (0.2: one with every five). Neither validated nor judged.
    mixture:    how often each of several tasks is shown.
    judged_by:  what the result is asked: names, files or mappings; empty: the test splits of `tasks`.
    forgetting: further tasks that tell what was forgotten; `auto`: the other clusters of the town.
    helm:       take HELM's seven metrics of each task that judges: its questions are asked in other ways too.
    harms:      count bias and toxicity in the answers to the main task and to open prompts, and in what is learnt from.
    bad_rows:   what is done with rows that cannot be used; a task may say otherwise (`bad_rows: skip`).
    method:     `none`, or `{kind: lora, rank: 8}`.
    track:      trackers that get the curves besides: `[tensorboard]`, or mappings with `kind` and settings (docs/tracking.md).
    limit:      most examples of each of: training, validation, test, and each forgetting task.
    """

    name: str = "run"
    model: ModelSettings = ModelSettings()
    method: Method | Literal["none"] = LoRA()
    objective: Objective = SFT()
    tasks: Mapping[str, Any] = field(default_factory=dict)
    replay: Mapping[str, Any] = field(default_factory=dict)
    mixture: Mixing = Mixing()
    judged_by: Sequence[Named] = ()
    forgetting: str | Sequence[Named] = "auto"
    helm: bool = False
    harms: bool = False
    seven: Seven = Seven()
    ask: Ask = Ask()
    plan: Plan = Plan()
    guard: Guard = Guard()
    limit: Limit = Limit()
    bad_rows: BadRows = BadRows()
    track: Sequence[Tracker] = ()
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0

    def __post_init__(self) -> None:
        refuse_name(self.name)
        object.__setattr__(self, "tasks", spread(self.tasks))
        object.__setattr__(self, "replay", spread(self.replay))


RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # names that Windows keeps for itself
LONGEST = 120  # letters: folders and files of a run are called by it


def refuse_name(name: str) -> None:
    """A run's name is that of its folder: one that leaves the place where runs lie, or that some disk cannot have, is none."""
    wrong = (
        "it leaves the folder of runs" if {".", ".."} & set(re.split(r"[/\\]", name)) or name[:1] in ("/", "~") else "",
        next((f"it has `{one}`" for one in name if one in '/\\<>:"|?*'), ""),
        "it has letters that cannot be printed" if not name.isprintable() else "",
        "some systems keep it for themselves" if RESERVED.fullmatch(name) else "",
        "it begins or ends with a blank or ends with a dot" if name != name.strip() or name.endswith(".") else "",
        f"it has more than {LONGEST} letters" if len(name) > LONGEST else "",
    )
    if why := next(filter(None, wrong), ""):
        raise UserError(f"`name` is {name[:40]!r}: {why}", "letters, digits, `-`, `_` and `.` are good everywhere")


def own(name: str, setting: Any) -> Named:
    """A task of the mixture as `task_from` reads it."""
    if isinstance(setting, Mapping):
        rest = {key: value for key, value in setting.items() if key != "weight"}
        return {"data": name, **rest} if rest else name
    return name


def weight_of(name: str, setting: Any, under: str = "tasks") -> float:
    """How often an epoch shows a task's examples; of a replayed task, how many come with each of the tasks' own."""
    weight = setting.get("weight", 1.0) if isinstance(setting, Mapping) else setting
    if isinstance(weight, bool) or not isinstance(weight, (int, float)):
        raise UserError(
            f"`{under}.{name}`: found `{told(weight)}`, expected a number", f"write `{name}: 1.0`, or a mapping with `weight`"
        )
    if not math.isfinite(weight) or weight <= 0:
        raise UserError(f"`{under}.{name}`: found `{weight}`, expected a number above 0", "leave the task out, or write 1.0")
    return float(weight)


def mixed(recipe: Recipe, sources: Sequence[Sequence[Example]], replayed: Sequence[Sequence[Example]]) -> Mixture:
    """The stream of examples of a recipe, from those of each task and of each that is replayed."""
    given = [weight_of(name, setting) for name, setting in recipe.tasks.items()]
    own = Mixture(sources, recipe.mixture.weights([len(source) for source in sources], given), recipe.seed)
    return with_replay(own, replayed, [weight_of(name, setting, "replay") for name, setting in recipe.replay.items()])


def told(value: object) -> str:
    return "null" if value is None else str(value)
