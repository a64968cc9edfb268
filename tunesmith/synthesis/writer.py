"""What is asked of a model that writes, and what it says: the contract of `local.py` and `endpoint.py`."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from tunesmith.synthesis.settings import Speech

Finish = Literal["stop", "length", "refused"]


@dataclass(frozen=True, slots=True)
class Request:
    """A prompt that is put once.

    number: of all requests of a file, from 0 on; what is drawn depends on it alone.
    stage:  `instructions`, `classification`, `inputs_first`, `outputs_first` or `triplets`.
    draw:   a number that is the same for requests which may be drawn together, and another for equal prompts.
    stop:   texts that end the answer.
    """

    number: int
    stage: str
    prompt: str
    speech: Speech
    draw: int
    stop: tuple[str, ...] = ()

    @property
    def hash(self) -> str:
        return text_hash(self.prompt)


@dataclass(frozen=True, slots=True)
class Said:
    """An answer.

    finish:   `stop`; `length` where the answer was cut; `refused` where the prompt could not be put, and `text` says why.
    shown, spoken: tokens of the prompt and of the answer; None where the endpoint does not tell.
    model:    which model an endpoint says it was.
    tries:    how often the request was sent.
    at:       when the answer came, in UTC.
    """

    text: str
    finish: Finish
    shown: int | None = None
    spoken: int | None = None
    seconds: float = 0.0
    model: str = ""
    tries: int = 1
    at: str = ""


OnSaid = Callable[[Request, Said], None]


class Writer(Protocol):
    """A model that writes.

    about: what rows tell of it: its name, and the hash of a local one or the address of an endpoint.
    """

    @property
    def about(self) -> dict[str, Any]: ...

    def write(self, requests: Sequence[Request], on_said: OnSaid) -> None:
        """Put some requests; `on_said` gets each answer as soon as it is there, in any order."""

    def close(self) -> None:
        """Give back what it holds."""


def text_hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
