"""From a request to what is asked of the engine: ids, how to speak, what to tell. Called beside the server's
loop, one at a time.
"""

import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from tunesmith.data.example import Example
from tunesmith.data.turns import read_tools, read_turns
from tunesmith.errors import UserError
from tunesmith.generation.sampling import Sampling
from tunesmith.generation.slots import Guide, Told, Wants
from tunesmith.models.model import Model
from tunesmith.serving.calling import by_schema
from tunesmith.serving.guiding import Guides
from tunesmith.serving.refusals import RefusalError
from tunesmith.serving.wire import AnyJson, BySchema, ChatRequest, CompletionRequest, Prompt, Spoken, ToBeCalled

Must = Literal["", "required", "named"]
USUAL = 16  # tokens of a completion whose length nobody told (OpenAI's)
COLD = 1e-4  # temperatures below are greedy, since logits divided by them are no numbers any more


@dataclass(frozen=True)
class Wanted:
    """What a request asks for.

    prompts: ids of each prompt; so many (`n`) answers are wanted to each.
    best:    so many of them are told, those of the highest log-probability a token (`best_of`); None: all.
    told:    log-probabilities of tokens are told.
    shown:   their texts, where the answer repeats them (`echo`).
    weighed: of each prompt what its tokens but the first weigh, once that is known (`echo` with `logprobs`).
    silent:  nothing is to be said (`max_tokens: 0`).
    tools:   calls of tools are looked for in the answer.
    must:    the answer has to be a call of any tool (`required`) or of the one that was `named`; "": it may be words.
    usage:   a stream ends with its counts.
    """

    model: str
    prompts: tuple[tuple[int, ...], ...]
    sampling: Sampling
    wants: Wants
    n: int = 1
    best: int | None = None
    told: bool = False
    guide: Callable[[], Guide] | None = None
    shown: tuple[str, ...] | None = None
    weighed: tuple[tuple[Told, ...], ...] | None = None
    silent: bool = False
    tools: bool = False
    must: Must = ""
    user: str = ""
    streams: bool = False
    usage: bool = False

    @property
    def answers(self) -> int:
        return len(self.prompts) * self.n

    def kept(self, means: Sequence[float]) -> list[int]:
        """Which answers are told, best first where there is a choice; `means`: log-probability a token of each."""
        if self.best is None or not means:
            return [place * self.n + one for place in range(len(self.prompts)) for one in range(self.best or self.n)]
        every = [range(place * self.n, (place + 1) * self.n) for place in range(len(self.prompts))]
        return [number for one in every for number in sorted(one, key=lambda n: -means[n])[: self.best]]

    @property
    def weighs(self) -> bool:
        """Whether the prompts' own tokens are to be weighed."""
        return self.shown is not None and self.told

    @property
    def rows(self) -> list[tuple[tuple[int, ...], int]]:
        """(prompt, number of earlier equal prompts) of each answer, in the order of `choices`."""
        seen: Counter[tuple[int, ...]] = Counter()
        rows = []
        for prompt in self.prompts:
            for _ in range(self.n):
                rows.append((prompt, seen[prompt]))
                seen[prompt] += 1
        return rows


class Asking:
    """Reads requests for one model.

    Args:
        longest: most tokens of an answer that may be asked for.
        most:    most answers that one request may ask for.
    """

    def __init__(self, model: Model, longest: int, most: int) -> None:
        self.model, self.longest, self.most = model, longest, most
        self.guides = Guides(model)
        self.vocabulary = int(model.vocabulary.weight.shape[0])

    def completion(self, body: CompletionRequest) -> Wanted:
        if body.suffix:
            raise RefusalError(400, "`suffix` is not supported", None, "suffix")
        many = self._candidates(body)
        if body.echo and body.logprobs is not None and self.model.family != "causal":
            told = "Only a causal model has log-probabilities of its prompt: leave `echo` or `logprobs` out"
            raise RefusalError(400, told, None, "echo")
        silent = body.max_tokens == 0
        if silent and not body.echo:
            raise RefusalError(400, "`max_tokens` is 0: nothing would be said, and `echo` is off", None, "max_tokens")
        prompts = self.ids(body.prompt)
        shown = tuple(self.words(ids) for ids in prompts) if body.echo else None
        tokens = body.max_tokens or (USUAL if body.max_tokens is None else 1)
        return self._wanted(body, prompts, tokens, body.logprobs, n=many, shown=shown, silent=silent)

    def _candidates(self, body: CompletionRequest) -> int:
        """Answers that are spoken to a prompt, of which the best `n` are told."""
        n = body.n or 1
        if body.best_of is None or body.best_of == n:
            return n
        if body.best_of < n:
            raise RefusalError(400, f"`best_of` is {body.best_of}, below `n`, which is {n}", None, "best_of")
        if body.stream:
            raise RefusalError(400, "`best_of` is known at the end only: take it without `stream`", None, "best_of")
        return body.best_of

    def chat(self, body: ChatRequest) -> Wanted:
        if body.top_logprobs is not None and not body.logprobs:
            raise RefusalError(400, "`top_logprobs` may be given with `logprobs` alone", None, "top_logprobs")
        tools = [] if body.tool_choice == "none" else [tool.model_dump(exclude_none=True) for tool in body.tools or []]
        must, wanted = _must(body, tools)
        turns = read_turns([turn.model_dump(exclude_none=True) for turn in body.messages])
        assert turns is not None
        prompt = tuple(self.model.renderer.prompt(Example(turns, "", tools=read_tools(tools), id="request")))
        window = self.model.window or self.longest
        tokens = body.max_completion_tokens or body.max_tokens or max(1, min(self.longest, window))
        alternatives = (body.top_logprobs or 0) if body.logprobs else None
        guide = self._guide(body, by_schema(wanted)) if must else None
        return self._wanted(body, (prompt,), tokens, alternatives, guide=guide, tools=bool(tools), must=must)

    def ids(self, given: Prompt) -> tuple[tuple[int, ...], ...]:
        """The prompts of a request, which may be one or several, texts or ids."""
        one = isinstance(given, str) or isinstance(given[0], int)
        several = cast("Sequence[str | Sequence[int]]", [given] if one else given)
        found = tuple(tuple(self.model.renderer.text(one) if isinstance(one, str) else one) for one in several)
        for ids in found:
            if any(id_ >= self.vocabulary for id_ in ids):
                raise RefusalError(400, f"an id of the prompt is {max(ids)}; the model has {self.vocabulary}", None, "prompt")
        return found

    def words(self, ids: Sequence[int]) -> str:
        """A prompt as it is repeated."""
        return str(self.model.renderer.tokenizer.decode(list(ids), skip_special_tokens=True))

    def _wanted(
        self,
        body: Spoken,
        prompts: tuple[tuple[int, ...], ...],
        tokens: int,
        alternatives: int | None,
        n: int | None = None,
        guide: Callable[[], Guide] | None = None,
        shown: tuple[str, ...] | None = None,
        silent: bool = False,
        tools: bool = False,
        must: Must = "",
    ) -> Wanted:
        kept = body.n or 1
        n = n or kept
        self._refuse_many(prompts, n, tokens)
        guide = guide or self._guide(body)
        options = body.stream_options
        return Wanted(
            model=body.model,
            prompts=prompts,
            sampling=sampling_of(body, tokens),
            wants=self._wants(body, 0 if alternatives is None and n > kept else alternatives),
            n=n,
            best=kept if n > kept else None,
            told=alternatives is not None,
            guide=guide,
            shown=shown,
            silent=silent,
            tools=tools,
            must=must,
            user=body.user or "",
            streams=bool(body.stream),
            usage=bool(options and options.include_usage),
        )

    def _refuse_many(self, prompts: tuple[tuple[int, ...], ...], n: int, tokens: int) -> None:
        if tokens > self.longest:
            raise RefusalError(400, f"{tokens} tokens are asked for; an answer has at most {self.longest}", None, "max_tokens")
        if len(prompts) * n > self.most:
            raise RefusalError(400, f"{len(prompts) * n} answers are asked for at once; at most {self.most} may be", None, "n")
        window, longest = self.model.window, max(map(len, prompts))
        if window is not None and longest > window:
            told = f"The prompt has {longest} tokens; the network reads at most {window}"
            raise RefusalError(400, told, "context_length_exceeded", "prompt")

    def _wants(self, body: Spoken, alternatives: int | None) -> Wants:
        bias = {int(key): value for key, value in (body.logit_bias or {}).items()}
        if bias and max(bias) >= self.vocabulary:
            raise RefusalError(400, f"`logit_bias` has the id {max(bias)}; the model has {self.vocabulary}", None, "logit_bias")
        return Wants(
            presence=body.presence_penalty or 0.0,
            frequency=body.frequency_penalty or 0.0,
            bias=bias,
            alternatives=alternatives,
            least=body.min_tokens or 0,
        )

    def _guide(self, body: Spoken, call: dict[str, Any] | None = None) -> Callable[[], Guide] | None:
        """What an answer has to be: of the form that was asked for, or a call by this schema."""
        form, name = body.response_format, "response_format" if call is None else "tool_choice"
        shaped = isinstance(form, AnyJson | BySchema)
        if call is None and not shaped:
            return None
        if call is not None and shaped:
            raise RefusalError(400, "an answer cannot be a call of a tool and of a `response_format`", None, name)
        if body.min_tokens:
            raise RefusalError(400, f"`min_tokens` and `{name}` may forbid all there is to say", None, "min_tokens")
        try:
            return self.guides.of(form.json_schema.tree if isinstance(form, BySchema) else call)
        except UserError as error:
            raise RefusalError(400, str(error), None, name) from None


def _must(body: ChatRequest, tools: Sequence[dict[str, Any]]) -> tuple[Must, Sequence[dict[str, Any]]]:
    """Whether the answer has to be a call, and of which tools."""
    choice = body.tool_choice
    if choice in (None, "none", "auto"):
        return "", ()
    if not isinstance(choice, ToBeCalled):
        if not tools:
            raise RefusalError(400, "`tool_choice` is `required`, and there are no `tools`", None, "tool_choice")
        return "required", tools
    found = [tool for tool in tools if tool["function"]["name"] == choice.function.name]
    if not found:
        raise RefusalError(400, f"`tool_choice` names `{choice.function.name}`, which is none of `tools`", None, "tool_choice")
    return "named", found[:1]


def sampling_of(body: Spoken, tokens: int) -> Sampling:
    """OpenAI's defaults: temperature 1; another seed each time, where none is given."""
    temperature = 1.0 if body.temperature is None else body.temperature
    stop = (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ())
    return Sampling(
        tokens=tokens,
        temperature=temperature if temperature >= COLD else 0.0,
        top_p=1.0 if body.top_p is None else max(body.top_p, 1e-6),
        top_k=max(0, body.top_k or 0),
        repetition_penalty=body.repetition_penalty or 1.0,
        seed=secrets.randbits(62) if body.seed is None else body.seed,
        stop=stop,
    )
