"""A local model that writes, through the engine of `generation/`."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tunesmith.data.example import Example, Message
from tunesmith.errors import UserError
from tunesmith.generation.engine import generate
from tunesmith.generation.sampling import Sampling
from tunesmith.generation.slots import Spoken
from tunesmith.models.identity import adapter_hash, network_hash
from tunesmith.models.load import ModelSettings, load
from tunesmith.models.model import Model
from tunesmith.synthesis.settings import Speech
from tunesmith.synthesis.writer import OnSaid, Request, Said, now, text_hash


@dataclass
class Local:
    """A network of our own. `rows`: most prompts at once."""

    path: str
    model: Model
    rows: int

    @classmethod
    def read(cls, path: str, rows: int) -> "Local":
        """The model of a run, a folder or a hub name."""
        model = load(ModelSettings(path=path))
        if model.head is not None or model.renderer.family == "masked":
            raise UserError(f"`{path}` does not speak", "a causal or an encoder-decoder network without a head writes rows")
        return cls(path, model, rows)

    @property
    def about(self) -> dict[str, Any]:
        return {"name": self.path, "hash": text_hash(network_hash(self.model) + adapter_hash(self.model))}

    def write(self, requests: Sequence[Request], on_said: OnSaid) -> None:
        """Answers depend on the request and its `draw`, not on what else is asked."""
        spelt = [(request, self._ids(request)) for request in requests]
        groups: dict[tuple[Any, ...], list[tuple[Request, list[int]]]] = {}
        for request, ids in spelt:
            length = len(ids) + self.model.virtual_tokens
            if self.model.window is not None and length > self.model.window:
                told = f"the prompt has {length} tokens; the network reads at most {self.model.window}"
                on_said(request, Said(told, "refused", shown=0, spoken=0, at=now()))
                continue
            groups.setdefault((request.draw, request.speech, request.stop), []).append((request, ids))
        for (draw, speech, stop), group in groups.items():
            self._speak(group, sampling(speech, draw, stop), on_said)

    def _speak(self, group: Sequence[tuple[Request, list[int]]], how: Sampling, on_said: OnSaid) -> None:
        start = time.perf_counter()

        def done(number: int, spoken: Spoken) -> None:
            request, finish = group[number][0], "stop" if spoken.finished else "length"
            seconds = round(time.perf_counter() - start, 3)
            said = Said(spoken.text, finish, spoken.prompt_tokens, len(spoken.ids), seconds, at=now())  # type: ignore[arg-type]
            on_said(request, said)

        generate(self.model, [ids for _, ids in group], how, self.rows, on_done=done)

    def _ids(self, request: Request) -> list[int]:
        return list(self.model.renderer.prompt(Example((Message("user", request.prompt),), "")))

    def close(self) -> None:
        """Nothing is held but memory."""


def sampling(speech: Speech, draw: int, stop: tuple[str, ...]) -> Sampling:
    """How the engine speaks."""
    return Sampling(
        tokens=speech.tokens,
        temperature=1.0 if speech.temperature is None else speech.temperature,
        top_p=1.0 if speech.top_p is None else speech.top_p,
        top_k=speech.top_k or 0,
        repetition_penalty=1.0 if speech.repetition_penalty is None else speech.repetition_penalty,
        seed=draw,
        stop=stop,
    )
