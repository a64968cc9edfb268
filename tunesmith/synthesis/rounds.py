"""Rounds of growing: requests are made from the pool, answers become instructions and rows, instructions join the pool.

Everything here follows from the seeds, the settings and the answers: which instructions a request shows is drawn by the
request's number. So the same answers make the same rows, whenever and in whatever order they came.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tunesmith.data.seeds import Instance, Seed
from tunesmith.metrics.nearest import Near, Pool
from tunesmith.synthesis import prompts
from tunesmith.synthesis.filters import Refusal, instance_refusals, instruction_refusal, similar
from tunesmith.synthesis.prompts import Read, Wordings
from tunesmith.synthesis.settings import Growing
from tunesmith.synthesis.writer import Request, Said

Ask = Callable[[Sequence[Request]], Sequence[Said]]
Write = Callable[[dict[str, Any]], object]


@dataclass(frozen=True)
class Origin:
    """Where something comes from: what was shown, and the requests behind it with their answers."""

    shown: tuple[str, ...]
    asked: tuple[tuple[Request, Said], ...]

    def then(self, request: Request, said: Said) -> "Origin":
        return Origin(self.shown, (*self.asked, (request, said)))


@dataclass(frozen=True)
class Task:
    """An instruction that joined the pool. `origin`: None of a seed."""

    id: str
    instruction: str
    near: Near
    seed_similarity: float
    origin: Origin
    classification: bool | None = None


@dataclass
class Growth:
    """The pool and what grows from it.

    ask:      requests -> their answers, in their order.
    keep, refuse: get a row that is kept, or refused, in an order that the answers alone decide.
    about:    what every row tells of the model and of the settings.
    """

    seeds: Sequence[Seed]
    settings: Growing
    wordings: Wordings
    ask: Ask
    keep: Write
    refuse: Write
    about: dict[str, Any]
    rows: int = 0
    numbers: int = 0
    rounds: int = 0
    grown: list[Seed] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pool = Pool(seed.instruction for seed in self.seeds)
        self.members = list(self.seeds)

    @property
    def is_full(self) -> bool:
        return self.rows >= self.settings.rows

    def round(self) -> None:
        """Make requests from the pool as it is, and all that follows from their answers."""
        stage = "triplets" if self.settings.way == "alpaca" else "instructions"
        shown = [self._shown(self.numbers + place) for place in range(self.settings.round)]
        requests = self._requests([(stage, self._put(stage, some)) for some in shown])
        origins = [
            Origin(tuple(seed.id for seed in some), ((request, said),))
            for some, request, said in zip(shown, requests, self.ask(requests), strict=True)
        ]
        for origin in origins if stage == "triplets" else ():
            self._triplets(origin)
        if stage == "instructions":
            self._instances(self._sorted([task for origin in origins for task in self._instructions(origin)]))
        self.rounds += 1

    def _shown(self, number: int) -> list[Seed]:
        """What the request of a number shows: some of people, some grown, in any order; too few grown are made up for."""
        dice = random.Random(f"{self.settings.seed} {number}")
        people, grown = self.settings.shown
        some = dice.sample(self.grown, min(grown, len(self.grown)))
        some += dice.sample(list(self.seeds), min(people + grown - len(some), len(self.seeds)))
        dice.shuffle(some)
        return some

    def _put(self, stage: str, shown: Sequence[Seed]) -> str:
        if stage == "triplets":
            return self.wordings.put(stage, shown=prompts.shown_triplets(shown), asked=self.settings.asked)
        return self.wordings.put(stage, shown=[prompts.one_line(seed.instruction) for seed in shown])

    def _requests(self, wanted: Sequence[tuple[str, str]]) -> list[Request]:
        """Numbered requests of (stage, prompt)."""
        copies: Counter[tuple[str, str]] = Counter()
        made = []
        for stage, prompt in wanted:
            chance = random.Random(f"{self.settings.seed} {self.rounds} {stage} {copies[stage, prompt]}")
            copies[stage, prompt] += 1
            speech = getattr(self.settings, stage)
            made.append(Request(self.numbers, stage, prompt, speech, chance.getrandbits(31), self._stop(stage)))
            self.numbers += 1
        return made

    def _stop(self, stage: str) -> tuple[str, ...]:
        """Texts at which an answer has all that is wanted, and those of the settings."""
        own: tuple[str, ...] = getattr(self.settings, stage).stop
        return {
            "instructions": (f"\n{2 * sum(self.settings.shown) + 1}.",),
            "classification": ("\n",),
            "inputs_first": ("\nTask:", f"\nExample {self.settings.instances + 1}"),
            "outputs_first": ("\nTask:",),
            "triplets": (f"\nTask {self.settings.asked + 1}",),
        }[stage] + own

    def _instructions(self, origin: Origin) -> list[Task]:
        """The instructions of one answer that pass the filters; they join the pool."""
        read = self._read(origin, prompts.instructions)
        found = []
        for place, text in enumerate(read.pieces):
            if read.cut and place == len(read.pieces) - 1:
                self._no(Refusal("cut"), origin, text)
            elif (task := self._fresh(text, origin)) is not None:
                self._join(Seed(task.id, text, ()), grown=True)
                found.append(task)
        return found

    def _read(self, origin: Origin, reader: Callable[[str, bool], Read]) -> Read:
        """The pieces of the last answer of an origin; that there are none is a refusal."""
        request, said = origin.asked[-1]
        text = prompts.continued(request.prompt, said.text)
        read = Read(()) if said.finish == "refused" else reader(text, said.finish == "length")
        if not read.pieces:
            self._no(Refusal("refused" if said.finish == "refused" else "unreadable", said.text[:300]), origin)
        return read

    def _fresh(self, text: str, origin: Origin, instance: Instance | None = None) -> Task | None:
        """A task that does not yet stand in the pool; None where a filter refuses the instruction."""
        refusal, near = instruction_refusal(text, self.settings.filters), None
        if refusal is None:
            near = self.pool.nearest(text)
            refusal = Refusal("similar") if similar(near, self.settings.filters) else None
        if refusal is not None:
            self._no(refusal, origin, text, instance, near)
            return None
        assert near is not None
        own = near.similarity if near.place < len(self.seeds) else self.pool.nearest(text, len(self.seeds)).similarity
        return Task(f"grown-{len(self.members) - len(self.seeds)}", text, near, own, origin)

    def _join(self, seed: Seed, grown: bool) -> None:
        self.pool.add(seed.instruction)
        self.members.append(seed)
        if grown:
            self.grown.append(seed)

    def _sorted(self, tasks: Sequence[Task]) -> list[Task]:
        """The tasks, told whether they are classifications."""
        put = [("classification", self.wordings.put("classification", instruction=task.instruction)) for task in tasks]
        requests = self._requests(put)
        told = zip(tasks, requests, self.ask(requests), strict=True)
        return [
            Task(
                task.id,
                task.instruction,
                task.near,
                task.seed_similarity,
                task.origin.then(request, said),
                None if said.finish == "refused" else prompts.is_classification(said.text),
            )
            for task, request, said in told
        ]

    def _instances(self, tasks: Sequence[Task]) -> None:
        """Ask for the instances of tasks, labels first of classifications, and keep what passes the filters."""
        stages = ["outputs_first" if task.classification else "inputs_first" for task in tasks]
        wanted = [
            (stage, self.wordings.put(stage, instruction=task.instruction, instances=self.settings.instances))
            for stage, task in zip(stages, tasks, strict=True)
        ]
        requests = self._requests(wanted)
        for task, request, said in zip(tasks, requests, self.ask(requests), strict=True):
            origin = task.origin.then(request, said)
            reader = prompts.outputs_first if task.classification else prompts.inputs_first
            read = self._read(origin, reader)
            pieces = list(read.pieces)
            if read.cut and pieces:
                self._no(Refusal("cut"), origin, task.instruction, pieces.pop())
            self._rows(task, origin, pieces)

    def _triplets(self, origin: Origin) -> None:
        """The rows of an answer that has whole triplets."""
        read = self._read(origin, prompts.triplets)
        for place, (text, instance) in enumerate(read.pieces):
            [refusal] = instance_refusals(text, [instance], self.settings.filters, 1)
            if read.cut and place == len(read.pieces) - 1:
                refusal = Refusal("cut")
            if refusal is not None:
                self._no(refusal, origin, text, instance)
            elif (task := self._fresh(text, origin, instance)) is not None:
                self._join(Seed(task.id, text, (instance,)), grown=True)
                self._rows(task, origin, [instance])

    def _rows(self, task: Task, origin: Origin, instances: Sequence[Instance]) -> None:
        settings = self.settings
        refusals = instance_refusals(task.instruction, instances, settings.filters, settings.instances)
        for place, (one, refusal) in enumerate(zip(instances, refusals, strict=True)):
            if refusal is not None:
                self._no(refusal, origin, task.instruction, one)
            elif not self.is_full:
                self.rows += 1
                told = {"nearest": self._nearest(task.near), "seed_similarity": round(task.seed_similarity, 4)}
                meta = {"task": task.id, "classification": task.classification, **told, **self._meta(origin)}
                row = {"instruction": task.instruction, "input": one.input, "output": one.output}
                self.keep({"id": f"{task.id}.{place}", **row, "meta": meta})

    def _no(
        self, refusal: Refusal, origin: Origin, text: str = "", instance: Instance | None = None, near: Near | None = None
    ) -> None:
        if self.is_full:
            return
        record: dict[str, Any] = {"filter": refusal.filter, "told": refusal.told, "instruction": text}
        if instance is not None:
            record |= {"input": instance.input, "output": instance.output}
        if near is not None:
            record["nearest"] = {**self._nearest(near), "instruction": self.members[near.place].instruction}
        self.refuse({**record, "meta": self._meta(origin)})

    def _nearest(self, near: Near) -> dict[str, Any]:
        id_ = self.members[near.place].id if near.place >= 0 else ""
        return {"id": id_, "similarity": round(near.similarity, 4)}

    def _meta(self, origin: Origin) -> dict[str, Any]:
        """What every row tells of its origin."""
        _, last = origin.asked[-1]
        model = {**self.about["model"], **({"answered_as": last.model} if last.model else {})}
        return {
            "seeds": list(origin.shown),
            "requests": {request.stage: request.number for request, _ in origin.asked},
            "prompts": {request.stage: request.hash for request, _ in origin.asked},
            "model": model,
            "settings": self.about["settings"],
            "at": last.at,
        }
