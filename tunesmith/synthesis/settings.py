"""What may be set of growing; everything that decides a row is kept beside the rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any, Literal

from pydantic import Field

from tunesmith.errors import UserError

Way = Literal["self-instruct", "alpaca"]
Positive = Annotated[int, Field(gt=0)]
Counted = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class Filters:
    """What a row is refused for.

    similarity:   an instruction whose ROUGE-L (F) with any of the pool is this or more.
    fewest_words, most_words: of an instruction.
    most_output_words: of an output, and of an input.
    distinct:     of an instruction, an input or an output of twenty words or more, least share of different ones among its
                  runs of three words: a model that turns in circles repeats itself.
    words:        list of words that an instruction may not have: a list that ships (`unusable`), or a file, a word a line.
    """

    similarity: Annotated[float, Field(gt=0, le=1)] = 0.7
    fewest_words: Counted = 4
    most_words: Positive = 150
    most_output_words: Positive = 500
    distinct: Annotated[float, Field(ge=0, le=1)] = 0.5
    words: str = "unusable"


@dataclass(frozen=True)
class Speech:
    """How the model speaks at one stage; null: the endpoint's own default, and of a local model plain sampling.

    tokens:             longest answer, in tokens.
    temperature:        0 is greedy.
    top_p:              draw from the smallest set of tokens that holds this probability.
    presence_penalty, frequency_penalty: of an endpoint.
    top_k, repetition_penalty: of a local model.
    stop:               texts that end an answer, beside those of the stage; they are cut from it.
    """

    tokens: Positive = 1024
    temperature: Annotated[float, Field(ge=0)] | None = 0.7
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    top_k: Annotated[int, Field(ge=0)] | None = None
    repetition_penalty: Annotated[float, Field(gt=0)] | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Endpoint:
    """How an OpenAI-compatible endpoint is spoken to.

    api:         `chat` is `/chat/completions`, `completions` is `/completions`.
    key:         name of the environment variable with the key. The key itself is sent, and never written down.
    concurrency: requests under way at once.
    per_minute:  most requests a minute; null: no limit.
    timeout:     seconds to wait for an answer.
    retries:     how often a request is sent again after 429, 5xx, a timeout or a broken connection.
    pause:       seconds before the first retry, twice as long before each further one, with chance; `Retry-After` goes first.
    longest_pause: seconds; of a `Retry-After`, too: a longer one ends the command.
    tokens_as:   how the endpoint calls the longest answer.
    seed:        send a seed with each request, for endpoints that take one.
    """

    api: Literal["chat", "completions"] = "chat"
    key: str = "OPENAI_API_KEY"
    concurrency: Positive = 8
    per_minute: Annotated[float, Field(gt=0)] | None = None
    timeout: Annotated[float, Field(gt=0)] = 120.0
    retries: Counted = 8
    pause: Annotated[float, Field(ge=0)] = 0.5
    longest_pause: Annotated[float, Field(gt=0)] = 300.0
    tokens_as: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    seed: bool = True


@dataclass(frozen=True)
class Growing:
    """How instruction data grows.

    way:         `self-instruct` asks for instructions, whether each is a classification, and for its instances; `alpaca` asks
                 for several whole triplets at once.
    rows:        how many rows are wanted.
    seed:        of what is shown, and of what a model draws.
    round:       requests for instructions that are made from one pool, before what they brought joins it.
    seeds_shown, grown_shown: instructions of people and of the model in a request; null: 6 and 2, of `alpaca` 3 and 0.
    asked:       of `alpaca`, how many triplets the list has, those shown included.
    instances:   most rows of one instruction.
    templates:   the requests' wordings: `grow`, `grow-brief` for small windows, or a YAML file with some of their names.
    template:    how a seed's row is put, where its columns do not say it.
    patience:    rounds in a row without a row after which it ends.
    budget:      most tokens, shown and said; null: no limit.
    batch:       of a local model, most prompts at once: speed and memory, never results.
    instructions, classification, inputs_first, outputs_first, triplets: how the model speaks at each stage.
    """

    way: Way = "self-instruct"
    rows: Positive = 100
    seed: int = 0
    round: Positive = 8
    seeds_shown: Counted | None = None
    grown_shown: Counted | None = None
    asked: Annotated[int, Field(gt=1)] = 20
    instances: Positive = 5
    templates: str = "grow"
    template: str | None = None
    patience: Positive = 5
    budget: Positive | None = None
    batch: Positive = 16
    filters: Filters = field(default_factory=Filters)
    endpoint: Endpoint = field(default_factory=Endpoint)
    instructions: Speech = field(default_factory=lambda: Speech(tokens=1024, temperature=0.7))
    classification: Speech = field(default_factory=lambda: Speech(tokens=8, temperature=0.0))
    inputs_first: Speech = field(default_factory=lambda: Speech(tokens=1024, temperature=0.0))
    outputs_first: Speech = field(default_factory=lambda: Speech(tokens=1024, temperature=0.0))
    triplets: Speech = field(default_factory=lambda: Speech(tokens=3072, temperature=1.0))

    def __post_init__(self) -> None:
        if self.filters.fewest_words > self.filters.most_words:
            raise UserError("`filters.fewest_words` is above `filters.most_words`", "no instruction would be left")
        if sum(self.shown) == 0:
            raise UserError("`seeds_shown` and `grown_shown` are 0", "a request shows at least one instruction")
        if self.way == "alpaca" and self.asked <= sum(self.shown):
            raise UserError(
                f"`asked` is {self.asked}, and {sum(self.shown)} of these are shown", "the list must be longer than that"
            )

    @property
    def shown(self) -> tuple[int, int]:
        """Instructions of people, and grown ones, in a request."""
        people, grown = (3, 0) if self.way == "alpaca" else (6, 2)
        return (
            people if self.seeds_shown is None else self.seeds_shown,
            grown if self.grown_shown is None else self.grown_shown,
        )


STAGES = ("instructions", "classification", "inputs_first", "outputs_first", "triplets")
FREE = ("rows", "patience", "budget", "batch")  # may change between two commands on one file: no row depends on them
DECIDING = ("api", "seed")  # of the endpoint's settings


def deciding(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Of a tree of settings what decides the rows, and so may not change between two commands on one file."""
    kept = {name: value for name, value in tree.items() if name not in FREE}
    return {**kept, "endpoint": {name: tree["endpoint"][name] for name in DECIDING}}


def refuse_unheard(settings: Growing, local: bool) -> None:
    """Refuse settings of speech that the kind of model at hand would not hear."""
    unheard = ("presence_penalty", "frequency_penalty") if local else ("top_k", "repetition_penalty")
    for stage in STAGES:
        for name in unheard:
            if getattr(getattr(settings, stage), name) is not None:
                other = "an endpoint" if local else "a local model"
                raise UserError(f"`{stage}.{name}` is of {other}", "leave it out: it would not be heard")
    if local and settings.endpoint != Endpoint():
        changed = next(
            one.name for one in fields(Endpoint) if getattr(settings.endpoint, one.name) != getattr(Endpoint(), one.name)
        )
        raise UserError(f"`endpoint.{changed}` is given, and the model is a local one", "leave it out, or name an `--endpoint`")


__all__ = ["FREE", "STAGES", "Endpoint", "Filters", "Growing", "Speech", "Way", "deciding", "refuse_unheard", "replace"]
