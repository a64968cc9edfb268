"""Log-probabilities of answers under the reference, computed once and kept by content.

A key hashes the tokens, all weights of the network and those of the starting adapter: whoever goes on with a run, or learns for
another epoch, computes nothing again, and other weights find nothing that was kept for these.

    reference.jsonl    one line an answer: {"key", "logprob"}, the sum over its tokens in nats
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from torch import Tensor

from tunesmith.models.fitting import fitted
from tunesmith.models.identity import tensors_hash
from tunesmith.models.model import Model
from tunesmith.tokens.packing import Group, Room
from tunesmith.tokens.sequence import Tokens, forked

FILE = "reference.jsonl"


class References:
    """The sums that are known of a model as it is now, before its first step.

    folder: of the run, where they are kept; None: in memory only.
    """

    def __init__(self, model: Model, folder: Path | None = None) -> None:
        self._start = fingerprint(model)
        self._file = folder / FILE if folder else None
        self._known = dict(_read(self._file)) if self._file and self._file.is_file() else {}

    def of(self, model: Model, sequences: Sequence[Tokens], room: Room) -> list[float]:
        """The sum of each sequence; what is not known is computed."""
        keys = [self._key(tokens) for tokens in sequences]
        unknown = {key: tokens for key, tokens in zip(keys, sequences, strict=True) if key not in self._known}
        if unknown:
            self._add(zip(unknown, sums(model, list(unknown.values()), room), strict=True))
        return [self._known[key] for key in keys]

    def missing(self, sequences: Sequence[Tokens]) -> list[Tokens]:
        """Those that are not known, each once."""
        return list({key: tokens for tokens in sequences if (key := self._key(tokens)) not in self._known}.values())

    def known(self) -> dict[str, float]:
        """All sums that are known, by key."""
        return dict(self._known)

    def take(self, found: Mapping[str, float]) -> None:
        """Know what others have computed too; where both did, theirs counts."""
        more = {key: value for key, value in found.items() if key not in self._known}
        self._add(more.items())
        self._known |= found

    def _key(self, tokens: Tokens) -> str:
        read = (tokens.inputs, tokens.targets, tokens.source)
        return hashlib.blake2b(repr(read).encode() + self._start, digest_size=16).hexdigest()

    def _add(self, found: Iterable[tuple[str, float]]) -> None:
        more = dict(found)
        self._known |= more
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as stream:
                stream.writelines(json.dumps({"key": key, "logprob": value}) + "\n" for key, value in more.items())


def sums(model: Model, sequences: Sequence[Tokens], room: Room) -> list[float]:
    """What the reference gives each whole answer now."""
    groups: list[Group] = [[tokens] for tokens in sequences]
    if model.branches():
        groups = branched(sequences)
    return fitted(lambda room: _sums(model, groups, len(sequences), room), room, model, "an answer that a reference weighs")


def _sums(model: Model, groups: Sequence[Group], count: int, room: Room) -> list[float]:
    found = [0.0] * count
    for batch in model.pack(groups, room):
        moved = batch.to(model.device)
        values_S = moved.by_sequence(model.reference(moved).logprobs()).tolist()
        for number, value in zip(batch.numbers.tolist(), values_S, strict=True):
            found[number] = value
    return found


def branched(sequences: Sequence[Tokens]) -> list[Group]:
    """Neighbours that answer the same prompt as groups of two, of which the second is a branch of the first."""
    groups: list[Group] = []
    for tokens in sequences:
        branch = forked(groups[-1][0], tokens) if groups and len(groups[-1]) == 1 else None
        if branch is None:
            groups.append([tokens])
        else:
            groups[-1] = [groups[-1][0], branch]
    return groups


def fingerprint(model: Model) -> bytes:
    """A hash of all weights that the reference reads."""
    named: dict[str, Tensor] = dict(model.network.state_dict())
    if model.starting:
        started = model.adapter(model.starting)
        named |= {f"start {name}": value for name, value in (*started.trained().items(), *started.remembered().items())}
    return tensors_hash({name: whole(value) for name, value in named.items()})


def whole(value: Tensor) -> Tensor:
    """All of a tensor, also where processes hold it in parts; all of them ask for it."""
    gather = getattr(value, "full_tensor", None)
    return value if gather is None else gather().cpu()


def _read(file: Path) -> Iterable[tuple[str, float]]:
    """The lines of a file whose last one may have been cut short; that one is taken off."""
    whole = file.read_bytes()
    end = whole.rfind(b"\n") + 1
    if end < len(whole):
        with file.open("r+b") as stream:
            stream.truncate(end)
    for line in whole[:end].splitlines():
        record = json.loads(line)
        yield record["key"], record["logprob"]
