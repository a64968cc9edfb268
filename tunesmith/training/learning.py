"""Learning as an experiment does it: presets, validation, the best checkpoint, early stopping, saving and resuming.

The loop only makes steps; this pulls them.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import chain
from statistics import mean
from types import MappingProxyType
from typing import Any, Protocol

from tunesmith.data.example import Example
from tunesmith.errors import UserError
from tunesmith.interruption import Heard, patient
from tunesmith.manifest import DamagedError
from tunesmith.methods.method import Method
from tunesmith.models.adapter import Adapter
from tunesmith.models.memory import Memory
from tunesmith.models.model import Model
from tunesmith.models.reference import References
from tunesmith.objectives.objective import Objective
from tunesmith.run import Run, Score
from tunesmith.training.arithmetic import arithmetic
from tunesmith.training.astray import go_back, tell, warn
from tunesmith.training.feed import Look, feeding
from tunesmith.training.guard import Guard
from tunesmith.training.laying import room_of
from tunesmith.training.loop import Step, train, unsound, validate
from tunesmith.training.plan import Plan
from tunesmith.training.progress import Reporter
from tunesmith.training.sharding import belong
from tunesmith.training.space import needed, reserve
from tunesmith.training.state import State, draw_apart
from tunesmith.training.store import Store
from tunesmith.training.watch import DivergedError, Watch
from tunesmith.training.world import World

Scores = Mapping[str, Mapping[str, Score]]  # task -> metric -> score; the first metric is the headline


class Stream(Protocol):
    """`data/mixture.py: Mixture` fits."""

    def __call__(self, place: int) -> Example: ...
    def __len__(self) -> int: ...


@dataclass(frozen=True)
class Learning:
    """One run's learning, with everything it writes."""

    record: Run
    plan: Plan
    seed: int
    reporter: Reporter
    memory: Memory
    guard: Guard = Guard()
    scores: Callable[[], Scores] | None = None  # of each task's validation examples: what `plan.best: score` goes by
    tasks: Sequence[str] = ()  # names of a mixture's tasks, by the numbers of its examples
    where: Callable[[Example], str] | None = None  # words for where the row of an example stands
    world: World = World()
    belongs: Mapping[str, Any] = field(default_factory=dict)  # what a checkpoint must have been made with (`State.belongs`)
    answers: int = 0  # that will be given, for which there must be room on the disk too

    def with_presets(self, method: Method, objective: Objective, model: Model) -> Plan:
        """The plan with the presets of method and objective where it is null. A plan that has them is read as it is."""
        share, told = self.plan.of_preset, self.plan.learning_rate
        rate = (share or 1.0) * objective.of_preset * method.preset / model.width
        if told is None:
            return dataclasses.replace(self.plan, learning_rate=rate)
        if share is not None and told != rate:
            raise UserError("`plan.learning_rate` and `plan.of_preset` are both set", "set one of them to null")
        return self.plan

    def learn(
        self,
        model: Model,
        adapter: Adapter,
        objective: Objective,
        stream: Stream,
        validation: Sequence[Example],
        looks: Sequence[Look] = (),
    ) -> bool:
        """Train to the end or to the last patient validation, and leave the best weights in the model.

        looks: passes over the rows that were put off until training goes on; what they refuse stops it.

        False where `plan.stop_after` stopped it before: a checkpoint is saved, and the best weights are not taken yet.
        Ctrl-C and SIGTERM are obeyed after the step, when a checkpoint is saved.
        """
        plan = self.with_presets(adapter.method, objective, model)
        objective = objective.fresh()
        state = State.new(adapter, plan, objective.remembered())
        state.belongs = self.belongs
        belong(state, self.world)
        if self._learnt(state):
            return True
        self.memory.start()
        steps = plan.total_steps(len(stream))
        self._look(model, objective, chain(map(stream, range(steps * plan.examples)), validation), plan)
        model.checkpointing(plan.recompute)
        model.compiling(plan.compile)
        guarding = self.guard.begin(model, adapter)
        draw_apart(self.seed, self.world.rank)
        self._resume(state)
        room = needed(state, adapter, model.network, plan, steps, self.answers)
        spare = reserve(room, plan, self.record.folder, self.reporter.say) if self.world.first else math.inf
        with patient() as heard:
            interrupted = Agreed(heard, self.world)
            again = objective.repeats and not self.world.sharded
            keep = plan.keep if again else dataclasses.replace(plan.keep, frozen="never")
            keep = dataclasses.replace(keep, gigabytes=min(keep.gigabytes, spare / 1e9))
            sharing = self.world if objective.shared == "examples" else World()
            with model.keeping(keep, self.record.folder) as word:
                if word:
                    self.reporter.say(word)
                if looks:
                    self.reporter.say("training begins while its rows are held against the window in another process")
                stopped = None
                while stopped is None:
                    feed = feeding(stream, objective, model, plan, state.place, self.seed, sharing, looks)
                    try:
                        with feed as take:
                            stopped = self._steps(
                                train(
                                    model,
                                    adapter,
                                    objective,
                                    stream,
                                    plan,
                                    state,
                                    steps,
                                    self.seed,
                                    self.world,
                                    guarding=guarding,
                                    take=take,
                                    tasks=self.tasks,
                                    watch=Watch(plan.divergence, self.record.steps(), self.where),
                                ),
                                steps,
                                state,
                                interrupted,
                                lambda: not validation or self._validate(model, objective, validation, plan, state, steps),
                                objective.rounds,
                            )
                    except DivergedError as error:
                        go_back(self.record, self.store.restore, state, plan, error, self.reporter.say)
                        self._save(state)
            model.eval()
            model.compiling(False)
            if stopped:
                self._tell(state, steps)
                return False
            if "best_step" not in state.facts:  # nothing to validate on, or `plan.best: last`
                self.store.keep_best(state)
            best = state.facts.get("best_step", state.step)
            self.world.wait()
            self.store.take_best(state, best)
            self._tell(state, steps)
            self.record.keep_world(best_step=best, stopped_early=state.step < steps)
        if interrupted():
            raise interrupted.error
        return True

    def _steps(
        self,
        made: Iterator[Step],
        steps: int,
        state: State,
        interrupted: Heard,
        better: Callable[[], bool],
        rounds: int,
    ) -> bool:
        """Pull the steps: log, validate, save, stop. `better` validates and says whether to go on. Did `stop_after` stop it?

        rounds: steps that belong together; between them nothing is saved, so Ctrl-C waits for the last of them.
        """
        every, last = self.plan.validating_every(steps, rounds), self.plan.stop_step(steps, rounds)
        saving = self.plan.saving_every(steps, rounds)
        going_back = self.plan.divergence.then == "back"
        if state.step == 0 and not state.facts:
            better()
            if going_back:
                self.store.save(state)
        if last <= state.step < steps:
            return True
        for step in made:
            self.record.log(logged(step))
            if step.warned or step.skipped:
                left_out = [f"step {step.step} is left out: {step.skipped}"] if step.skipped else []
                warn(self.record, state, [*step.warned, *left_out], self.reporter.say)
            self.reporter.step(step, steps, self.memory.now())
            validated = step.step % every == 0 or step.step == steps
            if validated and not better():
                return False
            stopping, enough = interrupted() and step.step % rounds == 0, step.step == last
            if step.step < steps and (stopping or enough or step.step % saving == 0 or (going_back and validated)):
                self._save(state)
            if stopping:
                self.reporter.say(f"stopped after step {step.step} of {steps}")
                raise interrupted.error
            if enough and step.step < steps:
                self.reporter.say(f"stopped after step {step.step} of {steps}, as `plan.stop_after` says")
                return True
        return False

    def _tell(self, state: State, steps: int) -> None:
        """What learning took, by its steps: those of earlier, interrupted runs too, and without validation."""
        made = self.record.steps()
        seconds, tokens = sum(step["seconds"] for step in made), sum(step["tokens"] for step in made)
        self.record.keep_world(
            steps=state.step,
            planned_steps=steps,
            training_seconds=seconds,
            training_tokens=tokens,
            tokens_per_second=tokens / max(seconds, 1e-9),
            peak_memory_training_bytes=self.memory.peak(),
        )

    def _validate(
        self, model: Model, objective: Objective, validation: Sequence[Example], plan: Plan, state: State, steps: int
    ) -> bool:
        """Measure, keep the best weights, and say whether to go on."""
        room = dataclasses.replace(plan, room=room_of(state, plan))
        loss, count, shown, samples, tasks = validate(model, objective, validation, room, self.seed, self.tasks, self.world)
        if not math.isfinite(loss):
            found = unsound(model, objective, validation, room, self.seed, state.step)
            if plan.divergence.then != "skip":
                raise DivergedError(state.step, *found)
            warn(self.record, state, [found[0]], self.reporter.say)
        told: dict[str, Any] = {"shown": shown} if shown else {}
        worth = [-loss]
        scores: Scores = self.scores() if self.scores is not None and (plan.best == "score" or plan.scores) else {}
        if scores:
            told["score"] = mean(signed(next(iter(one.values()))) for one in scores.values())
        if plan.best == "score" and scores:
            worth.insert(0, told["score"])
        if by_task := task_by_task(tasks, scores if len(self.tasks) > 1 else {}):
            told["tasks"] = by_task
        self.record.log({"step": state.step, "loss": loss, "tokens": count, **told}, "validation")
        for sample in samples:
            self.record.log({"step": state.step, **sample}, "samples")
        facts = state.facts
        if state.step < model.adapter().method.settles(steps):
            facts.setdefault("patience", 0)  # it was validated
        elif worth > facts.get("best", [float("-inf")]):
            facts.update(best=worth, patience=0)
            if plan.best != "last":
                facts.update(best_step=state.step)
                self.store.keep_best(state)
        else:
            facts["patience"] = facts.get("patience", 0) + 1
        return plan.patience is None or facts["patience"] < plan.patience

    def _look(self, model: Model, objective: Objective, coming: Iterable[Example], plan: Plan) -> None:
        """Let the objective look at the model as it starts. What processes compute of a reference, all of them know then."""
        mine = self.world.part_of(coming) if objective.shared == "examples" else coming
        with arithmetic(model, plan):
            if told := objective.begin(model, mine, plan.room, self.record.folder):
                self.reporter.say(told)
        if self.world.size > 1 and isinstance(model.references, References):
            found: dict[str, float] = {}
            for one in self.world.gathered(model.references.known()):
                found = {**one, **found}
            model.references.take(found)

    @cached_property
    def store(self) -> Store:
        return Store(self.record.folder / "state", self.plan.checkpoints, self.reporter.say)

    def _save(self, state: State) -> None:
        self.record.settle()
        self.store.save(state)

    def _learnt(self, state: State) -> bool:
        """Whether all was learnt before, and only the answers are missing: the best weights then stand in the model."""
        best = self.record.world().get("best_step")
        if best is None:
            return False
        try:
            self.store.take_best(state, best)
        except DamagedError as error:
            self.reporter.say(f"{error.problem}: what led there is learnt again")
            self.record.keep_world(best_step=None)
            return False
        self.reporter.say("learnt before; going on with the answers")
        return True

    def _resume(self, state: State) -> None:
        if not self.store.restore(state):
            self.record.cut(-1)
            tell(self.record, state)
            return
        self.record.cut(state.step)
        tell(self.record, state)
        self.reporter.say(f"going on from step {state.step}")


class Agreed(Heard):
    """What any of several processes has heard, at a moment when all of them ask."""

    def __init__(self, own: Heard, world: World) -> None:
        super().__init__()
        self.own, self.world = own, world

    def __call__(self) -> bool:
        number = self.world.most(self.own.numbers[0] if self.own.numbers else 0)
        self.numbers = [number] if number else []
        return bool(self.numbers)


def logged(step: Step) -> dict[str, Any]:
    """A step as a line of `steps.jsonl`; sums and counts of tasks stand there where several are learnt, and warnings if any."""
    tree = asdict(step)
    more = {"tasks": task_by_task(tree.pop("tasks")), "skipped": tree.pop("skipped"), "warned": list(tree.pop("warned"))}
    if step.skipped:  # what is no number stands as null, which every reader of JSON knows
        tree["shown"] = {name: value for name, value in step.shown.items() if math.isfinite(value)}
        tree |= {name: None for name in ("loss", "gradient_norm") if not math.isfinite(tree[name])}
        more["tasks"] = {}
    return {**tree, **{name: told for name, told in more.items() if told}}


def task_by_task(sums: Mapping[str, tuple[float, float]], scores: Scores = MappingProxyType({})) -> dict[str, dict[str, Any]]:
    """Task -> sum of its losses, what they count, and its scores by metric where it was asked."""
    found: dict[str, dict[str, Any]] = {name: {"sum": total, "count": count} for name, (total, count) in sums.items()}
    for name, told in scores.items():
        found.setdefault(name, {})["scores"] = {metric: score.value for metric, score in told.items()}
    return found


def signed(score: Score) -> float:
    """Higher is better."""
    return score.value if score.higher_is_better else -score.value
