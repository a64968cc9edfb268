"""What clients send: OpenAI's requests, with further settings as vLLM has them.

A field that nobody knows is refused, as OpenAI does; those that OpenAI knows and that change nothing here (`Idle`) are heard
and ignored. Within the messages of a conversation unknown fields are ignored, since clients send back whole answers.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

MOST = 128  # answers to a prompt, and prompts of a request
INT64 = 1 << 63
Name = Annotated[str, Field(min_length=1, max_length=256)]
Stop = Annotated[str, Field(min_length=1, max_length=256)]
Penalty = Annotated[float, Field(ge=-2, le=2)]
Ids = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
Texts = Annotated[list[str], Field(min_length=1, max_length=2048)]
Prompt = str | Texts | Ids | Annotated[list[Ids], Field(min_length=1, max_length=2048)]


class Sent(BaseModel):
    """A body of a request; types are taken as JSON has them."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def is_unicode(cls, value: Any) -> Any:
        """Half of a pair of surrogates is no letter, and no tokenizer takes it."""
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except (UnicodeEncodeError, TypeError):
            raise ValueError("a text is no Unicode: it has half of a pair of surrogates") from None
        return value


class Part(BaseModel):
    """A piece of a message; only text can be read."""

    model_config = ConfigDict(strict=True)
    type: Literal["text"]
    text: str


class Function(BaseModel):
    model_config = ConfigDict(strict=True)
    name: Name
    arguments: str = "{}"


class Call(BaseModel):
    """A call of a tool that an assistant made."""

    model_config = ConfigDict(strict=True)
    id: str = ""
    type: Literal["function"] = "function"
    function: Function


class Turn(BaseModel):
    """One message of a conversation."""

    model_config = ConfigDict(strict=True)
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None
    name: str | None = None
    tool_calls: list[Call] | None = None
    tool_call_id: str | None = None


class Signature(BaseModel):
    model_config = ConfigDict(strict=True)
    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(BaseModel):
    """What a model may call."""

    model_config = ConfigDict(strict=True)
    type: Literal["function"]
    function: Signature


class Called(Sent):
    name: Name


class ToBeCalled(Sent):
    """The tool that the answer has to call."""

    type: Literal["function"]
    function: Called


class PlainText(Sent):
    type: Literal["text"]


class AnyJson(Sent):
    type: Literal["json_object"]


class Schema(Sent):
    """A JSON schema (of the drafts and keywords that llguidance knows)."""

    name: Name = "answer"
    description: str | None = None
    tree: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None


class BySchema(Sent):
    type: Literal["json_schema"]
    json_schema: Schema


Form = Annotated[PlainText | AnyJson | BySchema, Field(discriminator="type")]


class StreamOptions(Sent):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class Idle(Sent):
    """What OpenAI's clients may send and what changes nothing here; `user` parts those who wait for their turn."""

    user: Annotated[str, Field(max_length=256)] | None = None
    metadata: dict[str, Any] | None = None
    service_tier: str | None = None
    store: bool | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None


class Spoken(Idle):
    """How an answer is spoken.

    top_k, repetition_penalty, min_tokens are vLLM's; of `generation.sampling.Sampling` the first two.
    """

    model: Name
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    logit_bias: Annotated[dict[str, Annotated[float, Field(ge=-100, le=100)]], Field(max_length=1024)] | None = None
    n: Annotated[int, Field(ge=1, le=MOST)] | None = None
    seed: Annotated[int, Field(ge=-INT64, lt=INT64)] | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=16)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=-1, lt=INT64)] | None = None
    repetition_penalty: Annotated[float, Field(ge=0.01, le=100)] | None = None
    min_tokens: Annotated[int, Field(ge=0, lt=INT64)] | None = None
    max_tokens: Annotated[int, Field(ge=0, lt=INT64)] | None = None
    response_format: Form | None = None

    @field_validator("logit_bias")
    @classmethod
    def of_ids(cls, bias: dict[str, float] | None) -> dict[str, float] | None:
        wrong = [key for key in bias or {} if not (key.isascii() and key.isdigit() and len(key) < 10)]
        if wrong:
            raise ValueError(f"`{wrong[0]}` is no id of a token")
        return bias

    @model_validator(mode="after")
    def is_streamed(self) -> "Spoken":
        if self.stream_options is not None and not self.stream:
            raise ValueError("`stream_options` may be given with `stream` alone")
        return self


class CompletionRequest(Spoken):
    """`POST /v1/completions`. Ids are taken as they are; texts are put in tokens with the special ones around them."""

    prompt: Prompt
    best_of: Annotated[int, Field(ge=1, le=MOST)] | None = None
    echo: bool | None = None
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    suffix: str | None = None


class ChatRequest(Spoken):
    """`POST /v1/chat/completions`."""

    messages: Annotated[list[Turn], Field(min_length=1, max_length=2048)]
    max_completion_tokens: Annotated[int, Field(ge=1, lt=INT64)] | None = None
    max_tokens: Annotated[int, Field(ge=1, lt=INT64)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    tools: Annotated[list[Tool], Field(max_length=128)] | None = None
    tool_choice: Literal["none", "auto", "required"] | ToBeCalled | None = None
    parallel_tool_calls: bool | None = None
    modalities: list[Literal["text"]] | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None


class EmbeddingRequest(Idle):
    """`POST /v1/embeddings`."""

    model: Name
    input: Prompt
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None


class ClassifyRequest(Idle):
    """`POST /v1/classify`, as vLLM has it; a pair of texts is a list of two.

    calibrated: divide what the head says by the temperature that was fitted on validation.
    """

    model: Name
    input: (
        str
        | Annotated[list[str | Annotated[list[str], Field(min_length=2, max_length=2)]], Field(min_length=1, max_length=2048)]
    )
    calibrated: bool | None = None


class LoadRequest(Sent):
    """`POST /v1/load_lora_adapter`, as vLLM has it; any kind of adapter.

    lora_path:    the name of a folder inside the server's folder of adapters; never a path.
    load_inplace: replace what stands under the name.
    """

    lora_name: Name
    lora_path: Name
    load_inplace: bool | None = None


class UnloadRequest(Sent):
    """`POST /v1/unload_lora_adapter`, as vLLM has it."""

    lora_name: Name
    lora_int_id: int | None = None
