"""Answers kept on the disk as they come, by content: whoever asks the same again has them, and a killed evaluation goes on.

A file holds the answers of one model as it is: its name hashes every tensor of the network and of the active adapter, the
adapter's settings, the head, the config, how texts are spelled, and the code that asks. A line's key hashes what was asked
(turns, choices, target, texts) and how. So two adapters, templates, norms or numbers of shots never share a line, and whoever
changes any of these finds nothing. Statistics of metrics are not kept: they are made anew.

    ANSWERS/MODEL.jsonl    one line an answer: {"key", "said", "scores", "how", "prompt_tokens", "tokens", "seconds", ...}

`tunesmith eval` keeps them for others, in the folder that `TUNESMITH_CACHE` names (`~/.cache/tunesmith`), unless that is `off`;
a run that measures what answering costs keeps them for itself alone, in `state/answers`, until it has ended.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import IO, Any

from tunesmith.data.example import Example
from tunesmith.data.passes import cache_home
from tunesmith.errors import UserError
from tunesmith.evaluation.ask import Ask
from tunesmith.models.identity import adapter_hash, network_hash
from tunesmith.models.model import Model
from tunesmith.run import Answer
from tunesmith.tokens.chat import plain

LIMIT = 1_000_000_000  # bytes of all files together; the longest unused go first
FIELDS = ("said", "scores", "how", "prompt_tokens", "tokens", "seconds", "logprob", "labels")
WITHOUT_EFFECT = ("rows", "shots", "too_long", "how")  # of `Ask`: speed; what the turns tell; the way, which is told beside
PACKAGE = Path(__file__).parents[1]
ASKING = ("evaluation", "generation", "methods", "models", "tokens")  # rooms whose code decides an answer


def cache_folder() -> Path | None:
    """Where answers are kept for other runs; None where that is switched off."""
    home = cache_home()
    return home and home / "answers"


class KeptAnswers:
    """The answers of a network that is not learning while they are kept.

    Args:
        folder: of the files.
        model: its network is hashed now, once; its active adapter whenever it is asked.
    """

    def __init__(self, folder: Path, model: Model, limit: int = LIMIT) -> None:
        self.folder, self.limit = folder, limit
        self._network = network_hash(model) + code_hash()
        self._shelf: tuple[str, dict[str, Mapping[str, Any]]] = "", {}

    def find(self, model: Model, examples: Sequence[Example], ask: Ask, stop: Sequence[str] = ()) -> "Found":
        """What is kept of these questions, put by a resolved way of asking (`ask.how`, `ask.tokens`)."""
        name = hashlib.blake2b(f"{self._network} {adapter_hash(model)}".encode(), digest_size=16).hexdigest()
        file = self.folder / f"{name}.jsonl"
        if self._shelf[0] != name:
            make_room(self.folder, file, self.limit)
            self._shelf = name, read(file)
        keys = keys_of(examples, ask, stop)
        return Found(file, self._shelf[1], keys, examples, ask.temperature > 0)


class Found:
    """The answers to some questions: those that are known, and what is added."""

    def __init__(
        self, file: Path, known: dict[str, Mapping[str, Any]], keys: Sequence[str], examples: Sequence[Example], drawn: bool
    ) -> None:
        self._file, self._known, self._keys, self._examples = file, known, keys, examples
        missing = {key for key in keys if key not in known}
        # What is drawn for a prompt depends on how often it was drawn before: all of its answers are drawn together.
        again = {key.partition(" ")[0] for key in missing} if drawn else set()
        self.missing = [place for place, key in enumerate(keys) if key in missing or key.partition(" ")[0] in again]
        self._stream: IO[str] | None = None

    def add(self, place: int, answer: Answer) -> None:
        """Keep an answer: a whole line, on the disk when this returns."""
        told = asdict(answer)
        record = {"key": self._keys[place], **{name: told[name] for name in FIELDS}}
        try:
            self._write(json.dumps(record, ensure_ascii=False) + "\n")
        except OSError as error:
            home = cache_folder()
            if home is None or not self._file.is_relative_to(home):
                raise  # of the run's own folder
            raise UserError(
                f"answers cannot be kept in `{self._file.parent}`: {error.strerror}",
                "make room there, or set the environment variable TUNESMITH_CACHE to another folder, or to `off`",
            ) from error
        self._known[self._keys[place]] = record

    def _write(self, line: str) -> None:
        if self._stream is None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._stream = self._file.open("a", encoding="utf-8")
        self._stream.write(line)
        self._stream.flush()

    def all(self) -> list[Answer]:
        """Every answer, in the order of the examples; to be asked for when nothing is missing any more."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        return [_answer(self._known[key], example) for key, example in zip(self._keys, self._examples, strict=True)]


def _answer(record: Mapping[str, Any], example: Example) -> Answer:
    own = {"example": example.id, "prompt": plain(example.messages), "target": example.target}
    return replace(Answer.from_json({**record, **own}), references=example.references)


def keys_of(examples: Sequence[Example], ask: Ask, stop: Sequence[str] = ()) -> list[str]:
    """A key a question; of equal ones that are drawn at random, each has its number behind the key."""
    how = {name: value for name, value in asdict(ask).items() if name not in WITHOUT_EFFECT}
    if not ask.temperature:
        del how["seed"]
    start = f"{ask.how} {sorted(how.items())} {list(stop)}"
    keys = [_key(start, example) for example in examples]
    if not ask.temperature:
        return keys
    copies = Counter[str]()
    numbered = []
    for key in keys:
        numbered.append(f"{key} {copies[key]}")
        copies[key] += 1
    return numbered


def _key(start: str, example: Example) -> str:
    turns = [(message.role, message.content, *([message.extra] if message.extra else [])) for message in example.messages]
    calling = [(example.extra, example.tools)] if example.extra or example.tools else []
    asked = start, turns, example.target, example.rejected, example.choices, example.texts, *calling
    return hashlib.blake2b(repr(asked).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


@cache
def code_hash() -> str:
    """Of everything that decides an answer beside weights and words: our code, and the libraries' versions."""
    from importlib.metadata import version

    digest = hashlib.blake2b(" ".join(version(name) for name in ("torch", "transformers")).encode(), digest_size=16)
    for room in ASKING:
        for file in sorted((PACKAGE / room).rglob("*.py")):
            digest.update(str(file.relative_to(PACKAGE)).encode() + file.read_bytes())
    return digest.hexdigest()


def read(file: Path) -> dict[str, Mapping[str, Any]]:
    """key -> what is kept. A line that was cut short is skipped, and ended, so that the next one stands alone."""
    if not file.is_file():
        return {}
    os.utime(file)  # it is in use
    text = file.read_bytes()
    if text and not text.endswith(b"\n"):
        with file.open("ab") as stream:
            stream.write(b"\n")
    found: dict[str, Mapping[str, Any]] = {}
    for line in text.splitlines():
        try:
            record = json.loads(line)
            found[record["key"]] = record
        except (ValueError, KeyError, TypeError):
            continue
    return found


def make_room(folder: Path, wanted: Path, limit: int) -> None:
    """Remove the files that were longest unused until all together are within the limit; one that is too large goes, too."""
    files = [(file.stat(), file) for file in folder.glob("*.jsonl")]
    files.sort(key=lambda pair: (pair[1] != wanted, -pair[0].st_mtime))
    total = 0
    for told, file in files:
        total += told.st_size
        if total > limit:
            file.unlink(missing_ok=True)
