"""What stands before a question: the task's header, and examples of it (few-shot asking)."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice, zip_longest

from tunesmith.data.example import Example, Message
from tunesmith.errors import UserError
from tunesmith.models.model import Model
from tunesmith.tasks.task import Shots, Task
from tunesmith.tokens.chat import join, plain
from tunesmith.tokens.renderer import Renderer

POOL = 1000  # first examples of a split that shots are drawn from, where they are the same for every question
PLAIN = Shots()


@dataclass(frozen=True)
class Pool:
    """The examples that may be shown before a task's questions.

    count: how many are shown.
    asked: the split of the questions.
    """

    task: Task
    count: int
    seed: int = 0
    asked: str = ""

    def before(self, question: Example | None = None) -> tuple[Example, ...]:
        """The examples shown before a question, without itself.

        Raises:
            UserError: the task has no such split, or too few examples in it.
        """
        own = question.id if question is not None and self.asked == self.task.shots.split else None
        if self.task.shots.pick != "anew" or question is None:
            return tuple(example for example in self._same if own is None or example.id != own)[: self.count]
        if not self.count:
            return ()
        dice = random.Random(f"{self.seed} {self.task.name} {question.id}")
        drawn = dice.sample(self._examples, self.count + (own is not None))
        return tuple(example for example in drawn if example.id != own)[: self.count]

    @cached_property
    def _same(self) -> tuple[Example, ...]:
        """Those for every question; one more where a question may be among them."""
        if not self.count:
            return ()
        more = self.count + (self.asked == self.task.shots.split)
        if self.task.shots.pick == "first":
            return tuple(self._examples[:more])
        dice = random.Random(f"{self.seed} {self.task.name}")
        return tuple(
            by_turns(self._examples, more, dice) if self.task.shots.pick == "turns" else dice.sample(self._examples, more)
        )

    @cached_property
    def _examples(self) -> Sequence[Example]:
        task, split = self.task, self.task.shots.split
        if split not in task.source.splits():
            raise UserError(f"task `{task.name}` has no {split} split to draw {self.count} shots from", "set `ask.shots: 0`")
        most = None if task.shots.pick == "anew" else POOL
        found = [example for example in islice(task.examples(split), most) if example.messages]
        if len(found) < self.count + (self.asked == split):
            raise UserError(
                f"task `{task.name}` has {len(found)} examples to show, and `ask.shots` is {self.count}", "ask for fewer shots"
            )
        return found


def by_turns(examples: Sequence[Example], count: int, dice: random.Random) -> list[Example]:
    """So many examples, of each label one in turn, the commonest label first, as HELM draws them; no more than there are."""
    by_label: dict[str, list[Example]] = {}
    for example in dice.sample(examples, len(examples)):
        by_label.setdefault(example.target, []).append(example)
    labels = sorted(by_label.values(), key=len, reverse=True)
    rounds = (one for each in zip_longest(*labels) for one in each if one is not None)
    return list(islice(rounds, count))


def with_shots(example: Example, shots: Sequence[Example], renderer: Renderer, layout: Shots = PLAIN) -> Example:
    """The example behind header and shots: as `Shots.put` says, without a chat template as text."""
    if not example.messages or not (shots or layout.header):
        return example
    if (renderer.chat is None or layout.put == "text") and shots:
        texts = [said + join(said, shot.target) + shot.target for shot in shots for said in [plain(shot.messages)]]
        content = layout.between.join([*texts, plain(example.messages)])
        return replace(example, messages=(Message("user", layout.header + content),))
    system = [message for message in example.messages if message.role == "system"]
    turns = [
        turn
        for shot in shots
        for turn in (*(m for m in shot.messages if m.role != "system"), Message("assistant", shot.target, shot.extra))
    ]
    first, *others = (*turns, *(message for message in example.messages if message.role != "system"))
    return replace(example, messages=(*system, replace(first, content=layout.header + first.content), *others))


def fitting(
    example: Example, shots: Sequence[Example], model: Model, answer: int, layout: Shots = PLAIN
) -> tuple[Example, int]:
    """The example behind as many shots as leave room for an answer of so many tokens; and how many these are.

    What does not fit is dropped from the last shot on; the header stays.
    """
    window = model.window
    for count in range(len(shots), 0, -1):
        shown = with_shots(example, shots[:count], model.renderer, layout)
        if window is None or len(model.renderer.prompt(shown)) + model.virtual_tokens + _own(model, answer) <= window:
            return shown, count
    return with_shots(example, (), model.renderer, layout), 0


def _own(model: Model, answer: int) -> int:
    """Tokens of the answer that stand in the row of the prompt."""
    return 0 if model.family == "seq2seq" else answer
