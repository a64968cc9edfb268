"""Ask the head of a model: labels with their probabilities, numbers, tags; and how sure a head should be.

Dimension key: S sequences, N targets, K outputs of the head.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from tunesmith.data.example import Example
from tunesmith.errors import UserError
from tunesmith.generation.quiet import quiet
from tunesmith.metrics.correlation import read_number
from tunesmith.metrics.spans import labels_of
from tunesmith.models.fitting import fitted
from tunesmith.models.head import Head, HeadPlan
from tunesmith.models.model import Model
from tunesmith.run import Answer
from tunesmith.tokens.packing import Room, check_fits
from tunesmith.tokens.reading import Asked, read, replied
from tunesmith.tokens.sequence import IGNORED, Tokens

Progress = Callable[[int, int], None]
CHOOSING = ("choice", "reward")  # heads that compare the answers which an example has


@dataclass(frozen=True)
class Told:
    """What a head tells of one example.

    said:   in words, as a target is written.
    scores: log-probability of each label or choice, or of each word's tag; of a number or one reward this itself. That of two
            answers by their rewards is log sigmoid of the difference (Bradley and Terry, 1952).
    labels: names of the scores; empty for numbers and tags.
    logprob: of what is said; None for a number.
    """

    said: str
    scores: tuple[float, ...]
    labels: tuple[str, ...] = ()
    logprob: float | None = None


def classify(
    model: Model,
    examples: Sequence[Example],
    room: Room | None = None,
    on_progress: Progress | None = None,
    calibrated: bool = False,
) -> list[Answer]:
    """Let the model's head answer. `calibrated`: its outputs are divided by the temperature that was fitted on validation."""
    plan = head_of(model).plan
    start = time.perf_counter()
    for example in examples:
        if plan.kind == "label" and not set(example.choices) <= set(plan.labels):
            raise UserError(
                f"example `{example.id}` has the choices {', '.join(example.choices)}, and the head the labels "
                f"{', '.join(plan.labels)}",
                "judge the model on the labels that it has learnt",
            )
    rows = [read(plan.kind, model.renderer, example) for example in examples]
    values = head_values(model, rows, room, on_progress)
    seconds = (time.perf_counter() - start) / max(1, len(examples))
    answers = []
    for example, row, values_NK in zip(examples, rows, values, strict=True):
        told = tell(plan, example, values_NK / (plan.temperature if calibrated and plan.kind != "number" else 1.0))
        answers.append(
            Answer(
                example=example.id,
                prompt=seen(example),
                said=told.said,
                target=example.target,
                references=example.references,
                scores=told.scores,
                labels=told.labels,
                how="classify calibrated" if calibrated else "classify",
                prompt_tokens=sum(tokens.size for tokens, _ in row),
                seconds=seconds,
                logprob=told.logprob,
            )
        )
    return answers


def seen(example: Example) -> str:
    """What a head reads, for a report."""
    return "\n".join(example.texts or [message.content for message in example.messages])


def head_of(model: Model) -> Head:
    if model.head is None:
        raise UserError(
            "the model has no head to classify with",
            "train one with `objective: classify`, or let the task `ask: choose`",
        )
    return model.head


def knows(plan: HeadPlan, example: Example) -> bool:
    """Can a head answer such an example: are its labels the example's?"""
    if plan.kind == "label":
        return set(example.choices or [example.target]) <= set(plan.labels)
    if plan.kind in CHOOSING:
        return bool(example.choices)
    if plan.kind == "number":
        return read_number(example.target) is not None
    return set(example.target.split() if plan.kind == "tags" else labels_of(example.target)) <= set(plan.labels)


@torch.no_grad()
def head_values(
    model: Model, rows: Sequence[Sequence[Asked]], room: Room | None = None, on_progress: Progress | None = None
) -> list[Tensor]:
    """Of each example [N, K] float32 on the CPU: what the head says of its row, of each of its rows, or at each place of it."""
    head = head_of(model)
    tagging = head.plan.kind == "tags"
    groups = [[replace(row, targets=marked(places, len(row.inputs))) for row, places in example] for example in rows]
    longest = max((tokens.size for group in groups for tokens in group), default=0)
    with quiet(model):
        found = fitted(
            lambda room: _values(model, groups, room, on_progress), room or Room(), model, f"a row of {longest:,} tokens"
        )
    whole = [torch.cat([values for _, values in sorted(one.items())]) for one in found]
    return [spread(values, example) if tagging else values for values, example in zip(whole, rows, strict=True)]


def _values(
    model: Model, groups: Sequence[Sequence[Tokens]], room: Room, on_progress: Progress | None
) -> list[dict[int, Tensor]]:
    """Of each group the values of its rows, by their numbers among all rows."""
    tagging = head_of(model).plan.kind == "tags"
    owner = [number for number, group in enumerate(groups) for _ in group]
    found: list[dict[int, Tensor]] = [{} for _ in groups]
    done = 0
    for batch in model.pack(groups, room):
        moved = batch.to(model.device)
        reading = model(moved)
        values = reading.token_values() if tagging else reading.values()
        counts = batch.target_seq.bincount(minlength=batch.sequences).tolist() if tagging else [1] * batch.sequences
        for number, one in zip(batch.numbers.tolist(), values.cpu().split(counts), strict=True):
            found[owner[number]][number] = one
        done += len({owner[number] for number in batch.numbers.tolist()})
        if on_progress:
            on_progress(done, len(groups))
    return found


def rewards(model: Model, examples: Sequence[Example], answers: Sequence[str], room: Room | None = None) -> list[float]:
    """What a reward model gives each answer to the prompt of each example; it depends on neither batch nor padding.

    Text is what crosses to a reward model: whoever spoke these answers may have another tokenizer, template or family.

    Raises:
        UserError: where the model is no reward model, or a prompt and its answer are longer than its window.
    """
    if head_of(model).plan.kind != "reward":
        raise UserError(
            f"`{model.source}` has a head of the kind `{head_of(model).plan.kind}`", "train one with `objective: reward`"
        )
    rows = [replied(model.renderer, *pair) for pair in zip(examples, answers, strict=True)]
    for example, row in zip(examples, rows, strict=True):
        check_fits(row, model.window, model.virtual_tokens, example.id)
    values = head_values(model, [[(row, (len(row.inputs) - 1,))] for row in rows], room)
    return [float(value[0, 0]) for value in values]


def marked(places: Sequence[int], columns: int) -> tuple[int, ...]:
    """A target wherever the head is asked."""
    asked = set(places)
    return tuple(0 if column in asked else IGNORED for column in range(columns))


def spread(values_NK: Tensor, rows: Sequence[Asked]) -> Tensor:
    """[words, K] from [places, K]: words that share a piece share its values."""
    [(_, places)] = rows
    order = {place: number for number, place in enumerate(sorted(set(places)))}
    return values_NK[[order[place] for place in places]]


def tell(plan: HeadPlan, example: Example, values_NK: Tensor) -> Told:
    """What the values of a head mean."""
    if plan.kind == "number" or (plan.kind == "reward" and not example.choices):
        number = float(values_NK[0, 0])
        return Told(f"{number:.6g}", (number,))
    if plan.kind == "tags":
        best = values_NK.log_softmax(-1).max(-1)
        tags = [plan.labels[k] for k in best.indices.tolist()]
        return Told(" ".join(tags), tuple(best.values.tolist()), (), float(best.values.sum()))
    if plan.kind == "labels":
        scores = F.logsigmoid(values_NK[0]).tolist()
        chosen = [value > 0 for value in values_NK[0].tolist()]
        logprob = float(F.logsigmoid(values_NK[0].abs()).sum())
        said = ", ".join(label for label, yes in zip(plan.labels, chosen, strict=True) if yes)
        return Told(said or "none", tuple(scores), plan.labels, logprob)
    labels, values_K = example.choices or plan.labels, values_NK.flatten()
    if plan.kind == "label" and example.choices:  # of several tasks' labels those of this one
        values_K = values_K[[plan.labels.index(label) for label in labels]]
    logprobs = values_K.log_softmax(0).tolist()
    best_one = max(range(len(logprobs)), key=logprobs.__getitem__)
    return Told(labels[best_one], tuple(logprobs), labels, logprobs[best_one])


def temperature(model: Model, examples: Sequence[Example], room: Room | None = None) -> float:
    """What to divide the head's outputs by so that examples that were not learnt from are likeliest (Guo et al., 2017, 4.2).

    Between 1/20 and 20; 1 for numbers, and where there are no examples.
    """
    plan = head_of(model).plan
    if plan.kind == "number" or not examples:
        return 1.0
    values = head_values(model, [read(plan.kind, model.renderer, example) for example in examples], room)
    pairs = [(values_NK.double(), meant(plan, example)) for values_NK, example in zip(values, examples, strict=True)]
    if plan.kind not in CHOOSING:
        pairs = [(torch.cat([one for one, _ in pairs]), torch.cat([target for _, target in pairs]))]

    def loss(log_temperature: float) -> float:
        scale = math.exp(-log_temperature)
        return sum(float(cost(plan, values_NK * scale, target)) for values_NK, target in pairs)

    return math.exp(lowest(loss, -math.log(20), math.log(20)))


def meant(plan: HeadPlan, example: Example) -> Tensor:
    """[N] numbers of the right outputs; of several labels [1, K], 0 or 1 for each."""
    if plan.kind == "labels":
        names = labels_of(example.target)
        return torch.tensor([[float(label in names) for label in plan.labels]], dtype=torch.float64)
    if plan.kind in CHOOSING:
        return torch.tensor([example.label])
    return torch.tensor(
        [plan.labels.index(label) for label in (example.target.split() if plan.kind == "tags" else [example.target])]
    )


def cost(plan: HeadPlan, values_NK: Tensor, target: Tensor) -> Tensor:
    """The negative log-probability of what is right, in nats."""
    if plan.kind == "labels":
        return F.binary_cross_entropy_with_logits(values_NK, target, reduction="sum")
    rows = values_NK.flatten()[None] if plan.kind in CHOOSING else values_NK
    return F.cross_entropy(rows, target, reduction="sum")


GOLDEN = (math.sqrt(5) - 1) / 2


def lowest(function: Callable[[float], float], low: float, high: float, steps: int = 40) -> float:
    """Where a function with one valley is lowest (golden section; Kiefer, 1953)."""
    one, other = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_one, at_other = function(one), function(other)
    for _ in range(steps):
        if at_one < at_other:
            high, other, at_other = other, one, at_one
            one = high - GOLDEN * (high - low)
            at_one = function(one)
        else:
            low, one, at_one = one, other, at_other
            other = low + GOLDEN * (high - low)
            at_other = function(other)
    return (low + high) / 2
