"""From a request to what is asked of the engine: ids, how to speak, what to tell. Called beside the server's
loop, one at a time.
"""

import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from tunesmith.data.example import Example
from tunesmith.data.turns import read_tools, read_turns
from tunesmith.errors import UserError
from tunesmith.generation.sampling import Sampling
from tunesmith.generation.slots import Guide, Wants
from tunesmith.models.model import Model
from tunesmith.serving.guiding import Guides
from tunesmith.serving.refusals import RefusalError
from tunesmith.serving.wire import AnyJson, BySchema, ChatRequest, CompletionRequest, Prompt, Spoken

USUAL = 16  # tokens of a completion whose length nobody told (OpenAI's)
COLD = 1e-4  # temperatures below are greedy, since logits divided by them are no numbers any more


@dataclass(frozen=True)
class Wanted:
    """What a request asks for.

    prompts: ids of each prompt; so many (`n`) answers are wanted to each.
    shown:   their texts, where the answer repeats them (`echo`).
    silent:  nothing is to be said (`max_tokens: 0`).
    tools:   calls of tools are looked for in the answer.
    usage:   a stream ends with its counts.
    """

    model: str
    prompts: tuple[tuple[int, ...], ...]
    sampling: Sampling
    wants: Wants
    n: int = 1
    guide: Callable[[], Guide] | None = None
    shown: tuple[str, ...] | None = None
    silent: bool = False
    tools: bool = False
    user: str = ""
    streams: bool = False
    usage: bool = False

    @property
    def answers(self) -> int:
        return len(self.prompts) * self.n

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
        for name in ("suffix", "best_of"):
            if getattr(body, name) not in (None, "", body.n or 1):
                raise RefusalError(400, f"`{name}` is not supported", None, name)
        silent = body.max_tokens == 0
        if silent and not body.echo:
            raise RefusalError(400, "`max_tokens` is 0: nothing would be said, and `echo` is off", None, "max_tokens")
        prompts = self.ids(body.prompt)
        shown = tuple(self.words(ids) for ids in prompts) if body.echo else None
        tokens = body.max_tokens or (USUAL if body.max_tokens is None else 1)
        return self._wanted(body, prompts, tokens, body.logprobs, shown=shown, silent=silent)

    def chat(self, body: ChatRequest) -> Wanted:
        if body.top_logprobs is not None and not body.logprobs:
            raise RefusalError(400, "`top_logprobs` may be given with `logprobs` alone", None, "top_logprobs")
        tools = [] if body.tool_choice == "none" else [tool.model_dump(exclude_none=True) for tool in body.tools or []]
        turns = read_turns([turn.model_dump(exclude_none=True) for turn in body.messages])
        assert turns is not None
        prompt = tuple(self.model.renderer.prompt(Example(turns, "", tools=read_tools(tools), id="request")))
        window = self.model.window or self.longest
        tokens = body.max_completion_tokens or body.max_tokens or max(1, min(self.longest, window))
        alternatives = (body.top_logprobs or 0) if body.logprobs else None
        return self._wanted(body, (prompt,), tokens, alternatives, tools=bool(tools))

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
        shown: tuple[str, ...] | None = None,
        silent: bool = False,
        tools: bool = False,
    ) -> Wanted:
        n = body.n or 1
        self._refuse_many(prompts, n, tokens)
        guide = self._guide(body)
        options = body.stream_options
        return Wanted(
            model=body.model,
            prompts=prompts,
            sampling=sampling_of(body, tokens),
            wants=self._wants(body, alternatives),
            n=n,
            guide=guide,
            shown=shown,
            silent=silent,
            tools=tools,
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

    def _guide(self, body: Spoken) -> Callable[[], Guide] | None:
        form = body.response_format
        if not isinstance(form, AnyJson | BySchema):
            return None
        if body.min_tokens:
            raise RefusalError(400, "`min_tokens` and `response_format` may forbid all there is to say", None, "min_tokens")
        try:
            return self.guides.of(form.json_schema.tree if isinstance(form, BySchema) else None)
        except UserError as error:
            raise RefusalError(400, str(error), None, "response_format") from None


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
