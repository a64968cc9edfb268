"""A model against a task: answers, each with the statistics of every metric, and the totals."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from statistics import median

import numpy as np

from tunesmith.data.example import Example
from tunesmith.errors import UserError
from tunesmith.evaluation.ask import Ask, Way, choose, speak, weigh
from tunesmith.evaluation.choices import Progress
from tunesmith.evaluation.heads import classify, head_of, knows
from tunesmith.evaluation.kept_answers import KeptAnswers
from tunesmith.evaluation.others import PIECE, Others, pieces, together
from tunesmith.evaluation.protocol import protocol, shots_of
from tunesmith.evaluation.shots import Pool, fitting, with_shots
from tunesmith.generation.sampling import Sampling
from tunesmith.metrics.metric import Metric
from tunesmith.models.model import Model
from tunesmith.run import Answer, Run, Score
from tunesmith.tasks.task import Task
from tunesmith.tokens.reading import read


class NothingFitsError(UserError):
    """No example of a task fits the network's window, though those that do not may be left out."""


@dataclass(frozen=True)
class Judged:
    """What a model made of a task.

    answers:        in the order of the examples, with the statistics of every metric of the task.
    scores:         metric -> its total over all answers.
    seconds:        wall-clock time of asking; measuring is not counted.
    context_tokens: median tokens that the shots spend of the context window.
    left_out:       ids of the examples that do not fit the network's window.
    notes:          what a reader of the scores should know, a sentence each.
    kept:           answers that were not asked for now, but kept from before, with the time that they took then.
    """

    answers: list[Answer]
    scores: dict[str, Score]
    seconds: float = 0.0
    context_tokens: float = 0.0
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())
    kept: int = 0


def judge(
    model: Model,
    task: Task,
    split: str = "test",
    ask: Ask | None = None,
    *,
    limit: int | None = None,
    on_progress: Progress | None = None,
    head: bool = True,
    kept: KeptAnswers | None = None,
    others: Others | None = None,
) -> Judged:
    """Ask a model the examples of a split and measure its answers.

    Modes and random states are afterwards what they were, so that judging never changes a training run.

    Args:
        ask: how to ask; by default as the task says, without shots.
        limit: most examples, the first ones.
        on_progress: called with examples done and in all.
        head: let the model's own head answer what it knows; what was forgotten is asked in words, though labels be the same.
        kept: where answers are kept as they come, and found again; of several processes the first one's counts.
        others: processes that ask the same model the same examples now; each asks its share, and has all answers.
    """
    ask = ask or Ask()
    examples = list(islice(task.examples(split), limit))
    if not examples:
        raise UserError(f"task `{task.name}` has no examples in its split `{split}`", "choose another split")
    way = way_of(model, task, ask, examples[0], head)
    tokens, layout = ask.tokens or task.tokens, task.shots
    headed = examples if way == "classify" else [with_shots(one, (), model.renderer, layout) for one in examples]
    fits = [fits_window(model, example, way) for example in headed]
    left_out = tuple(example.id for example, fit in zip(examples, fits, strict=True) if not fit)
    if left_out and (ask.too_long == "refuse" or len(left_out) == len(examples)):
        refusal = UserError if ask.too_long == "refuse" else NothingFitsError
        raise refusal(
            f"{len(left_out)} of {len(examples)} examples of `{task.name}` do not fit the network's window of {model.window} "
            f"tokens; the first one is `{left_out[0]}`",
            "set `ask.too_long: leave_out`, or take a model with a longer window",
        )
    examples = [example for example, fit in zip(examples, fits, strict=True) if fit]
    headed = [example for example, fit in zip(headed, fits, strict=True) if fit]
    shots = 0 if way == "classify" else shots_of(task, ask)
    behind = behind_shots(model, task, examples, way, ask, split)
    shown, how = [example for example, _ in behind], replace(ask, tokens=tokens, norm=ask.norm or task.norm)
    asked, again = _answers(model, shown, way, how, on_progress, kept, task.stop, others)
    spent = [
        answer.prompt_tokens - len(model.renderer.prompt(example)) if count else 0
        for answer, example, (_, count) in zip(asked, headed, behind, strict=True)
    ]
    if shots:
        asked = [replace(answer, how=f"{answer.how} shots={n}") for answer, (_, n) in zip(asked, behind, strict=True)]
    heard = [replace(answer, said=task.read(answer.said)) for answer in asked] if way == "speak" else asked
    counted = measured(heard, examples, task.metrics)
    answers = [replace(one, said=answer.said) for one, answer in zip(counted, asked, strict=True)]
    counts = [count for _, count in behind]
    told = protocol(model, task, ask, way, split, limit, sum(count < shots for count in counts), len(left_out))
    return Judged(
        answers,
        {name: replace(score, protocol=told) for name, score in totals(answers, task.metrics).items()},
        sum(answer.seconds for answer in answers),
        float(median(spent)),
        left_out,
        (*notes(task, shots, counts, left_out, answers), *_again(task, again, len(answers))),
        again,
    )


def behind_shots(
    model: Model, task: Task, examples: Sequence[Example], way: Way, ask: Ask, split: str
) -> list[tuple[Example, int]]:
    """The examples of a split as they are asked, behind the task's header and the shots that fit; and how many these are."""
    if way == "classify":
        return [(example, 0) for example in examples]
    pool = Pool(task, shots_of(task, ask), ask.seed, split)
    if not pool.count:
        return [(with_shots(example, (), model.renderer, task.shots), 0) for example in examples]
    free = [answer_tokens(model, example, way, ask.tokens or task.tokens) for example in examples]
    return [fitting(one, pool.before(one), model, room, task.shots) for one, room in zip(examples, free, strict=True)]


def judge_run(
    run: Run,
    model: Model,
    tasks: Sequence[Task],
    ask: Ask | None = None,
    *,
    split: str = "test",
    limit: int | None = None,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Judged]:
    """Judge a model on tasks and keep answers and scores in the run's folder. `on_progress` gets the task's name too."""
    found = {}
    for task in tasks:
        told = (lambda done, total, name=task.name: on_progress(name, done, total)) if on_progress else None
        found[task.name] = judge(model, task, split, ask, limit=limit, on_progress=told)
        run.keep(task.name, found[task.name].answers)
        run.keep_scores(task.name, found[task.name].scores)
    return found


def way_of(model: Model, task: Task, ask: Ask, example: Example, head: bool = True) -> Way:
    """How this model is asked: as `ask` says; by its head, where that knows such answers; as the task says."""
    if ask.how is not None:
        return ask.how
    if head and model.head is not None and knows(model.head.plan, example):
        return "classify"
    for way in ("speak", "choose", "weigh", "classify"):
        if task.ask == way:
            return way
    raise UserError(f"task `{task.name}` has `ask: {task.ask}`", "`speak`, `choose`, `weigh` and `classify` are known")


def fits_window(model: Model, example: Example, way: Way) -> bool:
    """Do prompt and answer fit the network's window? Shots are not counted, and plain text is weighed in windows."""
    window = model.window
    if window is None or (way == "weigh" and not example.messages):
        return True
    if way == "classify":
        asked = read(head_of(model).plan.kind, model.renderer, example)
        return all(row.row(model.virtual_tokens) <= window for row, _ in asked)
    answers = example.choices if way == "choose" else (example.target,)
    if not any(answers):
        return len(model.renderer.prompt(example)) + model.virtual_tokens <= window
    rendered = [model.renderer.render(example, answer) for answer in answers if answer]
    return all(max(len(tokens.source), len(tokens.inputs)) + model.virtual_tokens <= window for tokens in rendered)


def answer_tokens(model: Model, example: Example, way: Way, tokens: int) -> int:
    """Tokens that have to stay free behind the prompt."""
    if way == "speak":
        return tokens
    answers = example.choices if way == "choose" else (example.target,) if way == "weigh" else ()
    prompt = len(model.renderer.prompt(example)) if answers else 0
    return max((model.renderer.render(example, answer).size - prompt for answer in answers if answer), default=0)


def _answers(
    model: Model,
    examples: Sequence[Example],
    way: Way,
    ask: Ask,
    on_progress: Progress | None,
    kept: KeptAnswers | None,
    stop: tuple[str, ...],
    others: Others | None = None,
) -> tuple[list[Answer], int]:
    """All answers, and how many of them were kept from before. Spoken ones are kept one by one, others piece by piece."""
    if others is not None and others.size > 1:
        asked = partial(_parted, model, examples, way, ask, on_progress, stop)
        return together(model, examples, replace(ask, how=way), stop, kept, others, asked)
    if kept is None:
        return _ask(model, examples, way, ask, on_progress, stop), 0
    found = kept.find(model, examples, replace(ask, how=way), stop)
    missing = found.missing
    done = again = len(examples) - len(missing)
    for places in pieces(missing, len(examples) if way == "speak" else PIECE):
        told = partial(_onward, on_progress, done, len(places), len(examples)) if on_progress else None
        add = (lambda number, answer, places=places: found.add(places[number], answer)) if way == "speak" else None
        for place, answer in zip(places, _ask(model, [examples[p] for p in places], way, ask, told, stop, add), strict=True):
            if add is None:
                found.add(place, answer)
        done += len(places)
    return found.all(), again


def _parted(
    model: Model,
    examples: Sequence[Example],
    way: Way,
    ask: Ask,
    on_progress: Progress | None,
    stop: tuple[str, ...],
    places: Sequence[int],
    before: int,
    among: int,
) -> list[Answer]:
    """Answers to some of the examples, when so many are known `before` and these are asked `among` others."""
    told = partial(_onward, on_progress, before, among, len(examples)) if on_progress else None
    return _ask(model, [examples[place] for place in places], way, ask, told, stop)


def _again(task: Task, again: int, total: int) -> Iterator[str]:
    if again:
        yield f"{again} of {total} answers to `{task.name}` were kept from before, with the time that they took then"


def _onward(on_progress: Progress, before: int, asked: int, total: int, done: int, of: int) -> None:
    on_progress(before + done * asked // max(of, 1), total)


def _ask(
    model: Model,
    examples: Sequence[Example],
    way: Way,
    ask: Ask,
    on_progress: Progress | None,
    stop: tuple[str, ...],
    on_answer: Callable[[int, Answer], None] | None = None,
) -> list[Answer]:
    if way == "speak":
        sampling = Sampling(ask.tokens or 64, ask.temperature, ask.top_p, seed=ask.seed, stop=stop)
        return speak(model, examples, sampling, ask.rows, on_progress=on_progress, on_answer=on_answer)
    if way == "choose":
        return choose(model, examples, ask.norm or "none", ask.room, on_progress)
    if way == "weigh":
        return weigh(model, examples, ask.room, on_progress, ask.overlap, ask.one_by_one)
    return classify(model, examples, ask.room, on_progress, ask.calibrated)


def measured(answers: Sequence[Answer], examples: Sequence[Example], metrics: Sequence[Metric]) -> list[Answer]:
    """The answers with the statistics of every metric, and the clusters of their examples."""
    columns = {metric.name: metric.measure_all(answers, examples) for metric in metrics}
    return [
        replace(
            answer,
            stats={name: tuple(column[place]) for name, column in columns.items()},
            cluster=str(example.meta.get("cluster", "")),
        )
        for place, (answer, example) in enumerate(zip(answers, examples, strict=True))
    ]


def totals(answers: Sequence[Answer], metrics: Sequence[Metric]) -> dict[str, Score]:
    """metric -> its total over the answers."""
    scores = {}
    for metric in metrics:
        stats_NK = np.array([answer.stats[metric.name] for answer in answers], dtype=np.float64)
        scores[metric.name] = Score(metric.total(stats_NK), len(answers), metric.higher_is_better)
    return scores


def notes(task: Task, shots: int, counts: Sequence[int], left_out: Sequence[str], answers: Sequence[Answer]) -> tuple[str, ...]:
    """What happened on the way that a reader should know."""
    found = []
    if left_out:
        total = len(left_out) + len(answers)
        found.append(f"{len(left_out)} of {total} examples of `{task.name}` do not fit the window and were left out")
    fewer = sum(count < shots for count in counts)
    if fewer:
        found.append(
            f"{fewer} of {len(counts)} prompts of `{task.name}` hold fewer than {shots} shots; "
            f"{sum(count == 0 for count in counts)} of them none"
        )
    cut = sum(answer.how.startswith("speak cut") for answer in answers)
    if cut:
        found.append(f"{cut} of {len(answers)} answers to `{task.name}` were cut at their longest length")
    return tuple(found)
