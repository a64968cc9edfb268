"""What one point of `cost_growth.py` is: something done at one size, with its seconds, its bytes, and what it demands.

Network: a Llama shape of 2 layers x 256 with random weights in float32, unless a size says otherwise. Of each row that is
learnt, the last quarter are targets.
"""

import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import transformers

from tunesmith.comparison.significance import CHUNK, bootstrap_counts, interval
from tunesmith.comparison.totals import Column
from tunesmith.data.example import Example
from tunesmith.data.mixture import Mixture
from tunesmith.generation.engine import generate
from tunesmith.generation.sampling import Sampling
from tunesmith.methods.full import Full
from tunesmith.methods.lora import LoRA
from tunesmith.metrics.rouge import Rouge, rouge1
from tunesmith.metrics.rouge_many import align
from tunesmith.models.direct import TOGETHER
from tunesmith.models.load import ModelSettings, load_renderer
from tunesmith.models.logprobs import TILE
from tunesmith.models.memory import Memory
from tunesmith.models.model import Model
from tunesmith.objectives.objective import Placed
from tunesmith.objectives.sft import SFT
from tunesmith.preparation import learnable
from tunesmith.recipe import Recipe
from tunesmith.run import Answer
from tunesmith.tasks.own import task_from
from tunesmith.tokens.packing import Room
from tunesmith.tokens.renderer import Renderer
from tunesmith.tokens.sequence import Tokens, causal
from tunesmith.training.loop import train
from tunesmith.training.plan import Plan
from tunesmith.training.state import State

LAYERS, WIDTH, VOCABULARY, HEAD = 2, 256, 3072, 64
LORA = LoRA(rank=16, alpha=16, on=("query", "value"))
TOKENS = 8192  # of a step, or of all prompts, where rows grow longer
LEARNT = 4  # one token in so many of a row is a target
SECONDS, GOES = 2.0, 4  # what is timed is done twice at least, and again for so long or so often
PLAN = Plan(examples=16, learning_rate=1e-4, warmup=0.0, schedule="constant")
KINDS = ("1", "2", "L", "Lsum")
DRAWS = 1000


@dataclass(frozen=True)
class Point:
    """What was measured at one size.

    seconds:  of one step, or of one call; the best of a few.
    demanded: billions of multiplications and additions, or rows, steps, answers; `square`: what attention has of them.
    bytes:    most that was held above what the process held when the network and the rows stood.
    must:     bytes that have to be held: states that the backward pass reads, gradients, moments, a tile of logits; keys and
              values, states of the tokens that are read together, logits of the next; statistics.
    tokens:   tokens read and said.
    """

    seconds: float
    demanded: float
    bytes: float
    must: float
    square: float = 0.0
    tokens: int = 0


def inner(width: int) -> int:
    return 43 * width // 16


def network(width: int = WIDTH, vocabulary: int = VOCABULARY) -> Any:
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=inner(width),
        num_hidden_layers=LAYERS,
        num_attention_heads=width // HEAD,
        num_key_value_heads=width // HEAD,
        max_position_embeddings=2 * TOKENS,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=0,
        tie_word_embeddings=False,
    )
    return transformers.AutoModelForCausalLM.from_config(config)


def model_of(made: Any, say: Callable[[Sequence[int]], str] = lambda ids: "") -> Model:
    """A model that never stops by itself."""
    renderer: Any = SimpleNamespace(start=0, forced=None, stops=frozenset(), say=say)
    return Model(made, renderer, "causal")


def measured() -> Callable[[], int]:
    """Says how many bytes were held since now, at most, above those held now."""
    memory = Memory(torch.device("cpu"))
    memory.start()
    held = memory.now()
    return lambda: memory.peak() - held


def enough(took: Sequence[float]) -> bool:
    return len(took) > 1 and (sum(took) > SECONDS or len(took) >= GOES)


def fastest(call: Callable[[], object]) -> float:
    """Seconds of the best of a few calls."""
    took: list[float] = []
    while not enough(took):
        began = time.perf_counter()
        call()
        took.append(time.perf_counter() - began)
    return min(took)


def of_reading(length: int, asked: int, width: int, vocabulary: int) -> tuple[float, float]:
    """(of the matrix products, of attention): arithmetic that reads a row of which the `asked` last tokens have logits."""
    mlp, half = 3 * width * inner(width), 2 * width * width  # keys and values are half of attention's maps
    weights = length * ((LAYERS - 1) * (2 * half + mlp) + half) + asked * (half + mlp + vocabulary * width)
    pairs = (LAYERS - 1) * length * (length + 1) / 2 + asked * (length - (asked - 1) / 2)
    return 2.0 * weights, 4.0 * pairs * width


@dataclass(frozen=True)
class MadeUp(SFT):
    """Rows of random ids."""

    length: int = 8
    vocabulary: int = VOCABULARY

    def render(self, placed: Placed, renderer: Renderer) -> tuple[Tokens]:
        ids = random.Random(placed.place).choices(range(1, self.vocabulary), k=self.length + 1)
        shown = len(ids) - self.length // LEARNT
        return (causal(ids, [float(place >= shown) for place in range(len(ids))]),)


def trained(
    method: str, rows: int, length: int, width: int = WIDTH, vocabulary: int = VOCABULARY, room: Room = Room()
) -> Point:
    """Steps over `rows` rows each."""
    model = model_of(network(width, vocabulary))
    adapter = model.attach("a", LORA if method == "lora" else Full())

    def steps(objective: MadeUp, examples: int) -> Iterator[float]:
        plan = Plan(examples=examples, learning_rate=1e-4, warmup=0.0, schedule="constant", room=room)
        state = State.new(adapter, plan)
        made = train(model, adapter, objective, lambda place: Example((), ""), plan, state, GOES + 1)
        return (step.seconds for step in made)

    next(steps(MadeUp(vocabulary=vocabulary), 1))  # what libraries hold for themselves
    peak = measured()
    took: list[float] = []
    for seconds in steps(MadeUp(length=length, vocabulary=vocabulary), rows):
        took.append(seconds)
        if enough(took[1:]):
            break
    asked, numbers = length // LEARNT, adapter.count()
    products, square = of_reading(length, asked, width, vocabulary)
    passes, low_rank = (2, 6.0 * length * numbers) if method == "lora" else (3, 0.0)
    update = 15 * numbers  # AdamW
    work = rows * (passes * products + low_rank + 3 * square) + update
    together = min(rows, room.rows, max(1, room.tokens // length))  # rows of a batch
    states = together * (length * LAYERS * (8 * width + 3 * inner(width)) + asked * 2 * width)
    must = 4 * (states + 3 * numbers + min(TILE["cpu"], together * asked * vocabulary))
    return Point(min(took[1:]), work / 1e9, peak(), must, 3 * rows * square / 1e9, rows * length)


def training_length(length: int, method: str) -> Point:
    return trained(method, TOKENS // length, length, room=Room(rows=TOKENS, tokens=TOKENS))


def training_batch(rows: int, method: str) -> Point:
    return trained(method, rows, 256)


def training_width(width: int, method: str) -> Point:
    return trained(method, 8, 256, width=width)


def training_vocabulary(vocabulary: int, method: str) -> Point:
    return trained(method, 8, 256, vocabulary=vocabulary)


def training_rows(rows: int, _: str) -> dict[str, Point]:
    """From a file of so many rows to the end of the first step, as a run goes there, and a step thereafter."""
    made = network()
    tokenizer = load_renderer(ModelSettings("town/llama"))[0].tokenizer
    model = Model(made, Renderer.of(tokenizer, "causal", made.config, chat="none"), "causal")
    adapter = model.attach("a", LORA)
    recipe = Recipe(plan=PLAN)

    def begun(folder: Path, steps: int) -> list[float]:
        """Seconds to the end of the first step, and of each thereafter."""
        began = time.perf_counter()
        task = task_from(str(folder))
        examples, _ = (learnable(task, split, recipe, model) for split in ("train", "validation"))
        made = train(model, adapter, recipe.objective, Mixture([examples], [1.0]), PLAN, State.new(adapter, PLAN), steps)
        next(made)
        return [time.perf_counter() - began, *(step.seconds for step in made)]

    with tempfile.TemporaryDirectory() as place:
        begun(written(Path(place) / "few", 40), 2)
        folder = written(Path(place) / "all", rows)
        peak = measured()
        first, *others = begun(folder, 100)
    must = 4 * (3 * adapter.count() + PLAN.examples * 32 * LAYERS * (8 * WIDTH + 3 * inner(WIDTH)))
    return {
        "to the first step": Point(first, rows, peak(), must),
        "a step": Point(statistics.median(others), 1, peak(), must),
    }


def written(folder: Path, rows: int) -> Path:
    """A folder with so many rows to train on, and a few of the other splits."""
    folder.mkdir()
    for split, count in (("train", rows), ("validation", 100), ("test", 100)):
        with (folder / f"{split}.jsonl").open("w", encoding="utf-8") as file:
            for n in range(count):
                row = {"prompt": f"In {split}, what do {n} and {n % 977} make?", "completion": f" {n + n % 977}"}
                file.write(json.dumps(row) + "\n")
    return folder


def answered(prompts: int, length: int, tokens: int, width: int = WIDTH, vocabulary: int = VOCABULARY, stop: str = "") -> Point:
    """All prompts at once, answers of so many tokens; where there is a stop text, it is looked for and never found."""
    made = network(width, vocabulary)
    model = model_of(made, load_renderer(ModelSettings("town/llama"))[0].say) if stop else model_of(made)
    dice = random.Random(0)
    asked = [dice.choices(range(1, vocabulary), k=length) for _ in range(prompts)]
    sampling = Sampling(tokens=tokens, stop=(stop,) if stop else ())
    generate(model, [[1] * 8], Sampling(tokens=4), 1)  # what libraries hold for themselves
    peak = measured()
    seconds = fastest(lambda: generate(model, asked, sampling, prompts))
    products, square = of_reading(length, 1, width, vocabulary)
    weights = LAYERS * (4 * width * width + 3 * width * inner(width)) + vocabulary * width
    later, columns = 2 * weights * (tokens - 1), 4 * LAYERS * width * (tokens - 1) * (length + tokens / 2)
    cached = 2 * LAYERS * width * prompts * (length + tokens)
    together = min(prompts * length, TOGETHER) * (6 * width + 2 * inner(width))
    return Point(
        seconds,
        prompts * (products + square + later + columns) / 1e9,
        peak(),
        4 * (cached + together + 2 * prompts * vocabulary),
        prompts * (square + columns) / 1e9,
        prompts * (length + tokens - 1),
    )


def answering_prompt(length: int, _: str) -> Point:
    return answered(TOKENS // length, length, 1)


def answering_length(tokens: int, stop: str) -> Point:
    return answered(4, 16, tokens, stop=stop)


def answering_requests(requests: int, _: str) -> Point:
    return answered(requests, 64, 64)


def answering_width(width: int, _: str) -> Point:
    return answered(8, 64, 64, width=width)


def answering_vocabulary(vocabulary: int, _: str) -> Point:
    return answered(8, 64, 64, vocabulary=vocabulary)


def scoring_rouge(answers: int, _: str) -> Point:
    """Answers of 10 to 40 words, under four kinds of ROUGE."""
    dice = random.Random(0)
    words = [f"word{number}" for number in range(2000)]
    metrics = [Rouge(kind) for kind in KINDS]

    def scored(rows: Sequence[tuple[Answer, Example]]) -> None:
        align.cache_clear()
        for metric in metrics:
            metric.measure_all(*map(list, zip(*rows, strict=True)))

    def row() -> tuple[Answer, Example]:
        meant = dice.choices(words, k=dice.randrange(10, 40))
        said = [word if dice.random() < 0.6 else dice.choice(words) for word in meant]
        return Answer("", "", " ".join(said), ""), Example((), " ".join(meant))

    rows = [row() for _ in range(answers)]
    scored(rows[:50])
    peak = measured()
    seconds = fastest(lambda: scored(rows))
    return Point(seconds, answers, peak(), 8.0 * answers * (2 * 25 + 3 * len(KINDS)))


def scoring_bootstrap(answers: int, _: str) -> Point:
    """The interval of a mean."""
    rows = np.random.default_rng(0).beta(2, 4, (answers, 3))

    def drawn(stats: Any) -> None:
        bootstrap_counts.cache_clear()
        column = Column(stats, rouge1.total)
        interval(column.value, column.resampled(bootstrap_counts(len(stats), DRAWS, 0)))

    drawn(rows[:50])
    peak = measured()
    seconds = fastest(lambda: drawn(rows))
    return Point(seconds, answers, peak(), 8.0 * (min(DRAWS * answers, CHUNK) + 3 * answers + DRAWS))
