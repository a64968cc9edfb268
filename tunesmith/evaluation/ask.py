"""Three ways to ask a model: let it speak, let it choose, weigh what it should say. Heads are asked in `heads.py`."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field

from tunesmith.data.example import Example
from tunesmith.errors import UserError
from tunesmith.evaluation.choices import Progress, must_fit, score_choices
from tunesmith.evaluation.scoring import Scored
from tunesmith.evaluation.texts import sequences
from tunesmith.generation.engine import generate
from tunesmith.generation.quiet import quiet
from tunesmith.generation.sampling import Sampling
from tunesmith.generation.slots import Spoken
from tunesmith.models.fitting import fitted
from tunesmith.models.model import Model
from tunesmith.run import Answer
from tunesmith.tokens.chat import plain
from tunesmith.tokens.packing import Room
from tunesmith.tokens.sequence import Tokens

Norm = Literal["none", "tokens", "bytes"]
Way = Literal["speak", "choose", "weigh", "classify"]


@dataclass(frozen=True)
class Ask:
    """How a model is asked when it is judged.

    shots:    examples shown before each question, of the split that the task says, mostly `train`; null: as the task says.
    seed:     of the shots, and of sampling.
    how:      `speak`, `choose`, `weigh` or `classify`; null: as the task says.
    tokens:   longest answer in tokens; null: as the task says.
    norm:     a choice's log-probability is divided by nothing (`none`), its tokens or its bytes, before choices are compared;
              null: as the task says, mostly by nothing.
    temperature, top_p: of spoken answers; a temperature of 0 is greedy.
    too_long: what happens to examples that do not fit the network's window: `refuse` to judge, or `leave_out` and say how many.
    overlap:  of plain text that is weighed, tokens of the window before that each further window reads again. Each token is
              counted once, with at least so many before it (0: one window behind the other, the fastest); the sliding windows
              of transformers' page on perplexity, whose stride is the window less the overlap.
    one_by_one: of plain text and masked networks, hide each token alone (pseudo-log-likelihood: Salazar et al., 2020, exactly)
              and not every seventh at once: a pass of the network a token.
    calibrated: of a head: probabilities by the temperature that was fitted on validation rows.
    rows:     most rows at once; in speaking fewer, where what is kept of so many would take more memory than the weights (or
              256 MB), or half of what a GPU has free. A matter of speed and memory, never of results.
    """

    shots: Annotated[int, Field(ge=0)] | None = None
    seed: int = 0
    how: Way | None = None
    tokens: Annotated[int, Field(gt=0)] | None = None
    norm: Norm | None = None
    temperature: Annotated[float, Field(ge=0)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    too_long: Literal["refuse", "leave_out"] = "refuse"
    overlap: Annotated[int, Field(ge=0)] = 0
    one_by_one: bool = False
    calibrated: bool = False
    rows: Annotated[int, Field(gt=0)] = 32

    @property
    def room(self) -> Room:
        """The same limit for asking without speaking."""
        return Room(rows=self.rows)


def speak(
    model: Model,
    examples: Sequence[Example],
    sampling: Sampling | None = None,
    rows: int = 32,
    *,
    adapters: Sequence[str] | None = None,
    on_progress: Progress | None = None,
    on_answer: Callable[[int, Answer], None] | None = None,
) -> list[Answer]:
    """Let the model answer in its own words. `adapters` names the adapter of each example; None: the active one.

    on_answer: called with an example's place and its answer, as soon as that is there.
    """
    prompts = [model.renderer.prompt(example) for example in examples]
    found: dict[int, Answer] = {}

    def told(number: int, said: Spoken) -> None:
        found[number] = _spoken(examples[number], said)
        if on_answer:
            on_answer(number, found[number])
        if on_progress:
            on_progress(len(found), len(examples))

    generate(model, prompts, sampling, rows, adapters=adapters, on_done=told)
    return [found[number] for number in range(len(examples))]


def _spoken(example: Example, said: Spoken) -> Answer:
    how = "speak" if said.finished else "speak cut"
    found = _answer(example, said.text, how, said.prompt_tokens, said.seconds)
    return replace(found, tokens=len(said.ids), logprob=said.logprob)


def choose(
    model: Model,
    examples: Sequence[Example],
    norm: Norm = "none",
    room: Room | None = None,
    on_progress: Progress | None = None,
) -> list[Answer]:
    """Let the model choose: the choice with the highest log-probability, or with the highest per token or per byte.

    Summed log-probabilities favour short choices; so `norm` is a setting, and stands in the answers. Of equally likely
    choices the first one is taken. Masked models fill in as many masks as the choice has tokens.
    """
    for example in examples:
        if not example.choices:
            raise UserError(f"example `{example.id}` has no choices", "let the task `ask: speak`, or give its template choices")
    start = time.perf_counter()
    with quiet(model):
        found = score_choices(model, examples, room or Room(), on_progress)
    seconds = (time.perf_counter() - start) / max(1, len(examples))
    answers = []
    for example, choices in zip(examples, found, strict=True):
        scores = [_normed(scored, choice, norm) for scored, choice in zip(choices, example.choices, strict=True)]
        best = max(range(len(scores)), key=scores.__getitem__)
        shown = len(model.renderer.prompt(example))
        answer = _answer(example, example.choices[best], f"choose norm={norm}", shown, seconds)
        answers.append(replace(answer, scores=tuple(scores), tokens=choices[best].tokens, logprob=choices[best].logprob))
    return answers


def _normed(scored: Scored, choice: str, norm: Norm) -> float:
    by = {"none": 1, "tokens": scored.tokens, "bytes": len(choice.encode())}[norm]
    return scored.logprob / max(1, by)


def weigh(
    model: Model,
    examples: Sequence[Example],
    room: Room | None = None,
    on_progress: Progress | None = None,
    overlap: int = 0,
    one_by_one: bool = False,
) -> list[Answer]:
    """How likely the model finds each target, in nats: `Answer.logprob` is a sum over `Answer.tokens` tokens.

    The end of an answer counts, as it does in learning. An example without messages is plain text: see `texts.sequences`, for
    `overlap` and `one_by_one` too.
    """
    if one_by_one and len(examples) > 1:  # the rows of one text fill batches; those of all would fill the memory
        found: list[Answer] = []
        for number, example in enumerate(examples, start=1):
            found += weigh(model, [example], room, None, overlap, one_by_one)
            if on_progress:
                on_progress(number, len(examples))
        return found
    groups = [_weighed(model, example, overlap, one_by_one) for example in examples]
    start = time.perf_counter()
    longest = max((tokens.size for group in groups for tokens in group), default=0)
    with quiet(model):
        sums = fitted(
            lambda room: _sums(model, groups, room, on_progress), room or Room(), model, f"a row of {longest:,} tokens"
        )
    seconds = (time.perf_counter() - start) / max(1, len(examples))
    how = " ".join(["weigh", *[f"overlap={overlap}"] * (overlap > 0), *["one_by_one"] * one_by_one])
    answers = []
    for example, group, logprob in zip(examples, groups, sums, strict=True):
        shown = len(model.renderer.prompt(example)) if example.messages else 0
        counted = sum(tokens.learnt for tokens in group)
        answer = _answer(example, _text(model, example, group), "weigh" if example.messages else how, shown, seconds)
        answers.append(replace(answer, tokens=counted, logprob=logprob))
    return answers


def _sums(model: Model, groups: Sequence[Sequence[Tokens]], room: Room, on_progress: Progress | None) -> list[float]:
    """The summed log-probability of each group. Windows of one text need not stand in one batch."""
    sums, done = [0.0] * len(groups), 0
    owner = [number for number, group in enumerate(groups) for _ in group]
    for batch in model.pack([[tokens] for group in groups for tokens in group], room):
        moved = batch.to(model.device)
        logprobs_S = moved.by_sequence(model(moved).logprobs()).double()
        for number, logprob in zip(batch.numbers.tolist(), logprobs_S.tolist(), strict=True):
            sums[owner[number]] += logprob
        done += batch.sequences
        if on_progress:
            on_progress(done, len(owner))
    return sums


def _text(model: Model, example: Example, group: Sequence[Tokens]) -> str:
    """What was weighed: the target; of plain text what an encoder-decoder network says, or what stands behind a first token
    that nothing predicts.
    """
    renderer = model.renderer
    if example.messages or renderer.family == "masked" or (renderer.family == "causal" and renderer.head):
        return example.target
    if renderer.family == "seq2seq":
        return "".join(renderer.say(tokens.targets) for tokens in group)
    first = renderer.say(group[0].inputs[:1])
    return example.target[example.target.find(first) + len(first) :]


def _weighed(model: Model, example: Example, overlap: int, one_by_one: bool) -> list[Tokens]:
    if not example.messages:
        return sequences(model.renderer, example.target, model.window, model.virtual_tokens, overlap, one_by_one)
    tokens = model.renderer.render(example, example.target)
    must_fit(tokens, model, example)
    return [tokens]


def _answer(example: Example, said: str, how: str, prompt_tokens: int, seconds: float) -> Answer:
    return Answer(
        example=example.id,
        prompt=plain(example.messages),
        said=said,
        target=example.target,
        references=example.references,
        how=how,
        prompt_tokens=prompt_tokens,
        seconds=seconds,
    )
