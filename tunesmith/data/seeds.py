"""Seeds from which instruction data grows: rows of people, each as an instruction with instances (input, output).

Read are `seed_tasks.jsonl` of Self-Instruct and Alpaca (`instruction`, a list `instances`, `is_classification`), triplets
(`instruction`, `input`, `output`), and every other row that a built-in wording puts: its prompt is the instruction.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from tunesmith.data.formats import Row, lines, suffix_of
from tunesmith.data.shapes import guess
from tunesmith.data.sources import source_of
from tunesmith.data.template import Template, find_template
from tunesmith.errors import UserError

HINT = (
    "a seed has `instruction` and `output` (and `input`), or a list `instances` of `input` and `output`; or `prompt` and "
    "`completion`, or `messages`"
)


@dataclass(frozen=True, slots=True)
class Instance:
    """An input, empty where the instruction needs none, and the output."""

    input: str
    output: str


@dataclass(frozen=True, slots=True)
class Seed:
    """An instruction with its instances.

    classification: whether the output is one of a few labels; None: not known.
    """

    id: str
    instruction: str
    instances: tuple[Instance, ...]
    classification: bool | None = None


def read_seeds(data: str, template: str | None = None) -> tuple[Seed, ...]:
    """The seeds of a file, a folder or a data set of the hub; rows with one instruction are one seed.

    template: how a row is put, where its columns do not say it.

    Raises:
        UserError: naming the line of a row that is none.
    """
    wording = find_template(template) if template else None
    found: dict[str, Seed] = {}
    ids: set[str] = set()
    for number, (place, row) in enumerate(_placed(data)):
        try:
            seed = _seed(row, wording, str(number))
        except UserError as error:
            raise UserError(f"{place}: {error.problem}", error.hint or HINT) from None
        known = found.get(seed.instruction)
        if known is not None:
            instances = tuple(dict.fromkeys((*known.instances, *seed.instances)))
            found[seed.instruction] = Seed(known.id, known.instruction, instances, known.classification)
            continue
        if seed.id in ids:
            seed = Seed(f"{seed.id}-{number}", seed.instruction, seed.instances, seed.classification)
        ids.add(seed.id)
        found[seed.instruction] = seed
    if not found:
        raise UserError(f"`{data}` has no seeds", HINT)
    return tuple(found.values())


def hash_of(seeds: Sequence[Seed]) -> str:
    """A hash of all that seeds say."""
    whole = hashlib.blake2b(digest_size=16)
    for seed in seeds:
        told = [seed.id, seed.instruction, [[one.input, one.output] for one in seed.instances], seed.classification]
        whole.update(json.dumps(told).encode() + b"\n")
    return whole.hexdigest()


def _placed(data: str) -> Iterator[tuple[str, Row]]:
    """Every row with words for where it stands: of JSON lines the line, which blank lines move."""
    path = Path(data).expanduser()
    placed = source_of(data).placed()
    if not path.is_file() or suffix_of(path) not in (".jsonl", ".ndjson"):
        return placed
    numbers = (number for number, line in enumerate(lines(path), start=1) if line.strip())
    return ((f"`{path}` line {number}", row) for number, (_, row) in zip(numbers, placed, strict=False))


def _seed(row: Mapping[str, Any], wording: Template | None, number: str) -> Seed:
    own = row.get("id")
    id_ = str(own) if isinstance(own, (str, int)) and str(own) else f"seed-{number}"
    told = row.get("is_classification")
    classification = told if isinstance(told, bool) else None
    if wording is None and "instances" in row:
        return Seed(id_, _text(row, "instruction"), _instances(row["instances"]), classification)
    instruction, instance = _put(row, wording or guess(row))
    if not instruction.strip():
        raise UserError("the instruction is empty")
    if not instance.output.strip():
        raise UserError("the output is empty")
    return Seed(id_, instruction.strip(), (instance,), classification)


def _put(row: Mapping[str, Any], wording: Template) -> tuple[str, Instance]:
    """The instruction and the instance of a row under a wording."""
    known = wording.named(row)
    if wording.name == "triplet":
        return _text(known, "instruction"), Instance(str(known["input"] or "").strip(), _text(known, "output"))
    example = wording.apply(row)
    turns = [message for message in example.messages if message.role != "system"]
    if not turns:
        raise UserError("the row has no prompt", HINT)
    asked = turns[0].content
    later = chain((one.content for one in turns[1:] if one.role == "assistant"), (example.target,))
    return asked, Instance("", next(later).strip())


def _instances(value: object) -> tuple[Instance, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(one, Mapping) for one in value):
        raise UserError("`instances` is no list of objects", 'write `"instances": [{"input": "...", "output": "..."}]`')
    found = []
    for place, one in enumerate(value):
        if not isinstance(one.get("input", ""), str) or not isinstance(one.get("output"), str):
            raise UserError(f"`instances[{place}]` lacks an `output` that is text", "`input` may be missing, `output` may not")
        found.append(Instance(one.get("input", "").strip(), one["output"].strip()))
    return tuple(found)


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"`{name}` is {'empty' if value in (None, '') or isinstance(value, str) else 'no text'}")
    return value.strip()
