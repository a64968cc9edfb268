"""Examples shown before a question: few-shot asking."""

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from tunesmith.data.example import Example, Message
from tunesmith.errors import UserError
from tunesmith.models.model import Model
from tunesmith.tasks.task import Task
from tunesmith.tokens.chat import join, plain
from tunesmith.tokens.renderer import Renderer

POOL = 1000  # first examples of the train split that shots are drawn from
BETWEEN = "\n\n"


def draw_shots(task: Task, count: int, seed: int) -> tuple[Example, ...]:
    """The same examples for every question of a task, from its train split, in an order that the seed decides.

    Raises:
        UserError: the task has no train split, or too few examples in it.
    """
    if not count:
        return ()
    if "train" not in task.source.splits():
        raise UserError(f"task `{task.name}` has no train split to draw {count} shots from", "set `ask.shots: 0`")
    pool = [example for example in islice(task.examples("train"), POOL) if example.messages]
    if len(pool) < count:
        raise UserError(
            f"task `{task.name}` has {len(pool)} examples to show, and `ask.shots` is {count}", "ask for fewer shots"
        )
    dice = random.Random(f"{seed} {task.name}")
    return tuple(dice.sample(pool, count))


def with_shots(example: Example, shots: Sequence[Example], renderer: Renderer) -> Example:
    """The example behind its shots: as earlier turns where there is a chat template, as plain text elsewhere."""
    if not shots or not example.messages:
        return example
    if renderer.chat is not None:
        system = [message for message in example.messages if message.role == "system"]
        turns = [
            turn
            for shot in shots
            for turn in (*(m for m in shot.messages if m.role != "system"), Message("assistant", shot.target))
        ]
        own = [message for message in example.messages if message.role != "system"]
        return replace(example, messages=(*system, *turns, *own))
    texts = [said + join(said, shot.target) + shot.target for shot in shots for said in [plain(shot.messages)]]
    content = BETWEEN.join([*(text.strip() for text in texts), plain(example.messages)])
    return replace(example, messages=(Message("user", content),))


def fitting(example: Example, shots: Sequence[Example], model: Model, answer: int) -> tuple[Example, int]:
    """The example behind as many shots as leave room for an answer of so many tokens; and how many these are."""
    window = model.window
    for count in range(len(shots), 0, -1):
        shown = with_shots(example, shots[:count], model.renderer)
        if window is None or len(model.renderer.prompt(shown)) + model.virtual_tokens + _own(model, answer) <= window:
            return shown, count
    return example, 0


def _own(model: Model, answer: int) -> int:
    """Tokens of the answer that stand in the row of the prompt."""
    return 0 if model.family == "seq2seq" else answer
