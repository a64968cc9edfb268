"""Answers drawn for people to judge: two of one model, or one of each of two models, prompt after prompt.

An answer depends on the model, the prompt and the seed alone, and is written down as it comes: after an interruption drawing
goes on, and the answers are those that an uninterrupted run would have drawn.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from tunesmith.data.example import Example, Message
from tunesmith.data.formats import TEXTS, suffix_of
from tunesmith.data.sources import read
from tunesmith.data.template import find_template
from tunesmith.errors import UserError
from tunesmith.generation.engine import generate
from tunesmith.generation.sampling import Sampling
from tunesmith.generation.slots import Spoken
from tunesmith.models.load import ModelSettings, load
from tunesmith.models.model import Model
from tunesmith.serving.pairs import Pair, content_id, prompt_of
from tunesmith.serving.votes import Side, Votes
from tunesmith.tasks.own import is_registered, task_from

CHUNK = 64  # prompts of which one model's two answers are drawn before the next prompts, so that people can begin
Prompt = tuple[Message, ...]
SIDES: tuple[Side, Side] = ("first", "second")


class StoppedError(Exception):
    """Drawing was asked to stop."""


def prompts_from(setting: str, template: str | None = None, limit: int | None = None) -> list[Prompt]:
    """The prompts of a file, or of a task's training rows, each once.

    A file's rows have a prompt as `read_pairs` takes it, or are lines of plain text; a `template` puts other columns.
    """
    found = dict.fromkeys(islice(_all(setting, template), limit))
    if not found:
        raise UserError(f"`{setting}` has no prompts", "a row has a column `prompt`, with text or turns of a conversation")
    return list(found)


def _all(setting: str, template: str | None) -> Iterator[Prompt]:
    path = Path(setting)
    if is_registered(setting) or not path.is_file():
        task = task_from({"data": setting, "template": template} if template else setting)
        yield from (example.messages for example in task.examples(task.source.splits()[0]) if example.messages)
        return
    wording = find_template(template) if template else None
    for number, row in enumerate(read(path, cut="line" if suffix_of(path) in TEXTS else "paragraph"), start=1):
        prompt = wording.ask(row).messages if wording else prompt_of(row)
        if prompt and prompt[-1].role == "assistant":  # a whole conversation: its last answer is what is drawn anew
            prompt = prompt[:-1]
        if not prompt:
            have = ", ".join(f"`{name}`" for name in row)
            raise UserError(
                f"`{setting}` row {number} has no prompt; it has {have}",
                "put it in a column `prompt`, or say how a row is put: `--template '{{question}}'`",
            )
        yield prompt


@dataclass(frozen=True)
class Draw:
    """What is drawn: two answers to each prompt. `models`: one path, or two."""

    models: Sequence[str]
    sampling: Sampling

    def __post_init__(self) -> None:
        if not 0 < len(self.models) <= 2:
            raise UserError(f"{len(self.models)} models are given", "one gives two answers to a prompt, two give one each")
        if self.same and self.sampling.greedy:
            raise UserError("one model at a temperature of 0 gives the same answer twice", "set `temperature=0.7`")

    @property
    def both(self) -> tuple[str, str]:
        return self.models[0], self.models[-1]

    @property
    def same(self) -> bool:
        return self.both[0] == self.both[1]

    def pairs(self, prompts: Sequence[Prompt]) -> list[Pair]:
        """The pairs that are to be, without their answers."""
        return [
            Pair(content_id(prompt, *self.both, repr(self.sampling)), prompt, (None, None), self.both) for prompt in prompts
        ]

    def run(
        self,
        votes: Votes,
        pairs: Sequence[Pair],
        told: Callable[[int, int], None] = lambda done, total: None,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> int:
        """Draw what is missing in the file of votes. How many prompts do not fit a network's window, and are left out.

        Raises:
            StoppedError: `is_stopped` said so.
        """
        kept = {pair.id: pair for pair in votes.pairs()}
        jobs = list(self._jobs([kept[pair.id] for pair in pairs]))
        total, done, model, path = sum(len(waiting) for _, waiting in jobs), 0, None, ""
        left_out: set[str] = set()

        def keep(pair: Pair, side: Side, spoken: Spoken) -> None:
            nonlocal done
            votes.fill(pair.id, side, spoken.text)
            done += 1
            told(done, total)
            if is_stopped():
                raise StoppedError

        for side, waiting in jobs:
            wanted = self.both[SIDES.index(side)]
            if model is None or wanted != path:
                model, path = None, wanted  # one network at a time
                model = load(ModelSettings(path=wanted))
            fitting = [(pair, ids) for pair in waiting if _fits(model, ids := _spelt(model, pair))]
            left_out |= {pair.id for pair in waiting} - {pair.id for pair, _ in fitting}
            # Every answer has a seed of its own, so that both of one model are drawn apart.
            sampling = replace(self.sampling, seed=self.sampling.seed + SIDES.index(side))
            generate(
                model,
                [ids for _, ids in fitting],
                sampling,
                on_done=lambda number, spoken, fit=fitting, at=side: keep(fit[number][0], at, spoken),  # type: ignore[misc]
            )
        return len(left_out)

    def _jobs(self, pairs: Sequence[Pair]) -> Iterator[tuple[Side, list[Pair]]]:
        """What to draw, in order: one model's answers in turn; of two models first all of the one's."""
        size = CHUNK if self.same else max(1, len(pairs))
        for start in range(0, len(pairs), size):
            for place, side in enumerate(SIDES):
                waiting = [pair for pair in pairs[start : start + size] if pair.answers[place] is None]
                if waiting:
                    yield side, waiting


def _spelt(model: Model, pair: Pair) -> Sequence[int]:
    return model.renderer.prompt(Example(pair.prompt, "", id=pair.id))


def _fits(model: Model, ids: Sequence[int]) -> bool:
    return model.window is None or len(ids) + model.virtual_tokens <= model.window
