"""Asking a model as commands do: `answer`, `chat` and `predict`, as Python calls."""

import json
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith import settings
from tunesmith.data.example import Example, Message
from tunesmith.errors import UserError
from tunesmith.run import Answer, Run, write_text

if TYPE_CHECKING:
    from tunesmith.data.template import Template
    from tunesmith.generation.sampling import Sampling
    from tunesmith.models.model import Model


def answer(run: str, prompt: str, *, second: str | None = None, overrides: Sequence[str] = ()) -> str:
    """What a run, or any model, says to a prompt: of a head its labels with their probabilities, the likeliest first.

    second: the other text of a pair, for a head that has learnt pairs; the answer to the prompt, for a reward model.
    """
    sampling, calibrated = asking_of(overrides)
    if not prompt.strip():
        raise UserError("the prompt is empty", "write it behind the run, or `-` to read it from stdin")
    model = loaded(run)
    texts = (prompt, second) if second is not None else ()
    [said] = replied(model, [Example((Message("user", prompt),), "", id="prompt", texts=texts)], sampling, calibrated)
    if not said.labels:
        return said.said
    ordered = sorted(shares(said).items(), key=lambda pair: -pair[1])
    return "\n".join(f"{label} {share:.4f}" for label, share in ordered)


def chat(run: str, *, overrides: Sequence[str] = ()) -> "Chat":
    """A conversation with a run, or any model: `chat(run).say("hello")`."""
    sampling = sampling_of(overrides)
    return Chat(loaded(run), sampling)


class Chat:
    """A conversation: every turn sees those before it."""

    def __init__(self, model: "Model", sampling: "Sampling") -> None:
        self.model = model
        self.sampling = sampling
        self.messages: list[Message] = []

    def say(self, text: str) -> str:
        """The model's reply to one more turn; the oldest turns are forgotten where the window is full."""
        self.messages.append(Message("user", text))
        while len(self.messages) > 1 and self._too_long():
            del self.messages[:2]
        [said] = spoken(self.model, [Example(tuple(self.messages), "", id="chat")], self.sampling)
        self.messages.append(Message("assistant", said))
        return said

    def _too_long(self) -> bool:
        window = self.model.window
        ids = self.model.renderer.prompt(Example(tuple(self.messages), ""))
        return window is not None and len(ids) + self.sampling.tokens > window


def predict(
    run: str, file: str | Path, *, into: str | Path | None = None, template: str | None = None, overrides: Sequence[str] = ()
) -> Path:
    """Answer every row of a file: the rows come back in order, as JSON lines, with a column `answer`.

    Where the rows have an `answer` of their own, the model's stands in `model_answer`. A head's answers come with a column
    `probabilities`, label -> probability.
    """
    from tunesmith.data import standard_input
    from tunesmith.data.sources import read
    from tunesmith.training.progress import Reporter

    if str(file) == standard_input.NAME:
        if into is None:
            raise UserError("rows from standard input have no file beside which answers could lie", "name one with `--into`")
        file = standard_input.kept()
    sampling, calibrated = asking_of(overrides)
    rows = list(read(file))
    if not rows:
        raise UserError(f"`{file}` has no rows", "a row to answer is a line below the header, or a JSON line")
    target = Path(into or Path(file).with_suffix(".answers.jsonl"))
    if target.is_dir() or (target.exists() and target.samefile(file)):
        raise UserError(f"the answers cannot be written to `{target}`", "name another file with `--into`")
    wording = wording_of(run, template)
    prompts = [asked(wording, row, f"`{file}` row {number}") for number, row in enumerate(rows, start=1)]
    model = loaded(run)
    if model.head is not None and model.head.plan.kind == "reward":  # it judges the answers that rows have
        prompts = [asked(wording, row, f"`{file}` row {number}", True) for number, row in enumerate(rows, start=1)]
    refuse_long(model, prompts, str(file))
    with Reporter("predict") as reporter:
        told = partial(reporter.count, "answering")
        answers = replied(model, prompts, sampling, calibrated, told)
    column = "model_answer" if any("answer" in row for row in rows) else "answer"
    lines = []
    for row, said in zip(rows, answers, strict=True):
        beside = {"probabilities": shares(said)} if said.labels else {}
        lines.append(json.dumps({**row, column: said.said, **beside}, ensure_ascii=False, default=str))
    write_text(target, "".join(line + "\n" for line in lines))
    return target


def asked(wording: "Template", row: Mapping[str, Any], place: str, answered: bool = False) -> Example:
    """The prompt that a row makes, or the prompt with its answer; an error names the place."""
    try:
        return wording.apply(row) if answered else wording.ask(row)
    except UserError as error:
        raise UserError(f"{place}: {error.problem}", error.hint) from None


def refuse_long(model: "Model", prompts: Sequence[Example], file: str) -> None:
    """Refuse a prompt that is longer than the window before any is answered."""
    from tunesmith.tokens.reading import read

    for number, prompt in enumerate(prompts, start=1):
        shown = len(model.renderer.prompt(prompt))
        if model.head is not None:
            shown = max(row.row() for row, _ in read(model.head.plan.kind, model.renderer, prompt))
        length = shown + model.virtual_tokens
        if model.window is not None and length > model.window:
            raise UserError(
                f"`{file}` row {number} makes a prompt of {length} tokens; the network reads at most {model.window}",
                "shorten or leave out the row, or take a model with a longer window",
            )


def wording_of(run: str, template: str | None) -> "Template":
    """The template asked for, or that of the run's first task."""
    from tunesmith.data import standard_input
    from tunesmith.data.template import find_template
    from tunesmith.recipe import own
    from tunesmith.tasks.own import bad_rows_of, lenient, task_from

    if template is not None:
        return find_template(template)
    record = Run(Path(run))
    tree = record.recipe() if record.exists() else {}
    named = [own(name, setting) for name, setting in tree.get("tasks", {}).items()] + list(tree.get("judged_by", ()))
    piped = bool(named) and (named[0] if isinstance(named[0], str) else named[0].get("data")) == standard_input.NAME
    beside = [Path(run) / folder / "template.yaml" for folder in (("adapter", "model") if piped else () if named else ("",))]
    for kept in beside:  # an adapter's own folder; or a run whose rows came from standard input, and are gone
        if kept.is_file():
            return find_template(str(kept))
    if not named:
        raise UserError(f"`{run}` is no run, so it does not know how to put rows to the model", "name a `--template`")
    return task_from(lenient(named[0], bad_rows_of(tree.get("bad_rows")))).templates[0]


def replied(
    model: "Model", prompts: Sequence[Example], sampling: "Sampling", calibrated: bool, told: Any = None
) -> list[Answer]:
    """The answers to prompts, in order: of a model with a head the head's, else what it says."""
    from tunesmith.evaluation.ask import speak
    from tunesmith.evaluation.heads import classify

    if model.head is not None:
        return classify(model, prompts, on_progress=told, calibrated=calibrated)
    if calibrated:
        raise UserError("`calibrated` is for heads, and the model has none", "leave it out")
    return speak(model, prompts, sampling, on_progress=told)


def shares(answer: Answer) -> dict[str, float]:
    """label -> probability."""
    return {label: math.exp(score) for label, score in zip(answer.labels, answer.scores, strict=True)}


def asking_of(overrides: Sequence[str]) -> "tuple[Sampling, bool]":
    """How to speak, and whether a head's probabilities are calibrated: `calibrated=true`."""
    mine = [given for given in overrides if given.partition("=")[0] == "calibrated"]
    tree = settings.override({"calibrated": False}, mine)
    if not isinstance(tree["calibrated"], bool):
        raise UserError(f"`calibrated` is `{tree['calibrated']}`", "`true` or `false`")
    return sampling_of([given for given in overrides if given not in mine]), tree["calibrated"]


def spoken(model: "Model", prompts: Sequence[Example], sampling: "Sampling", told: Any = None) -> list[str]:
    """The answers to prompts, in order."""
    from tunesmith.evaluation.ask import speak

    return [said.said for said in speak(model, prompts, sampling, on_progress=told)]


def loaded(path: str) -> "Model":
    from tunesmith.models.load import ModelSettings, load

    return load(ModelSettings(path=path))


def sampling_of(overrides: Sequence[str]) -> "Sampling":
    """How to speak, as overrides change it."""
    from tunesmith.generation.sampling import Sampling

    return settings.build(Sampling, settings.override({"tokens": 128}, overrides))


__all__ = ["Chat", "answer", "chat", "predict"]
