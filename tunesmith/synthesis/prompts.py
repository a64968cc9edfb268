"""Requests in words, and what their answers say: lists, yes or no, instances, triplets."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tunesmith.data.seeds import Instance
from tunesmith.data.template import Template, load_templates
from tunesmith.errors import UserError, did_you_mean
from tunesmith.synthesis.settings import STAGES
from tunesmith.synthesis.writer import text_hash

SHIPPED = "grow"
NUMBERED = re.compile(r"(?:^|\n)[ \t>*#]*(\d{1,3})[ \t]?[.)]\**(?=\s|$)")
EXAMPLE = re.compile(r"(?im)^[ \t>*#]*example[ \t]*\d*[ \t]*[:.]?\**[ \t]*$")
TASK = re.compile(r"(?im)^[ \t>*#]*task[ \t]*\d*[ \t]*[:.]?\**[ \t]*$")
LABEL = re.compile(r"(?im)^[ \t>*#]*label\**[ \t]*:\**[ \t]*")
FIELD = re.compile(r"(?im)^[ \t>*#]*(instruction|input|output)\**[ \t]*:\**[ \t]*")
NONE = re.compile(r"(?i)[<(\[]?\s*(?:no\s?input|none|n/?a)\s*[>)\]]?\.?")
YES = re.compile(r"(?i)\W*\b(yes|no)\b")


@dataclass(frozen=True, slots=True)
class Read:
    """Pieces that an answer has; `cut` where the last of them was not ended."""

    pieces: tuple[Any, ...]
    cut: bool = False


@dataclass(frozen=True)
class Wordings:
    """The templates by stage."""

    by_stage: Mapping[str, Template]

    @classmethod
    def read(cls, name: str) -> "Wordings":
        """The templates of a file; those that it lacks are the ones that ship."""
        own = {template.name: template for template in load_templates(name)}
        for unknown in own.keys() - set(STAGES):
            raise UserError(f"`{name}` has a template `{unknown}`, which is of no stage", did_you_mean(unknown, STAGES))
        return cls({template.name: template for template in load_templates(SHIPPED)} | own)

    @property
    def hash(self) -> str:
        return text_hash(repr([(stage, self.by_stage[stage].jinja) for stage in STAGES]))

    def put(self, stage: str, **known: Any) -> str:
        """The prompt of a stage."""
        messages = self.by_stage[stage].ask(known).messages
        if not messages:
            raise UserError(f"the template `{stage}` makes an empty prompt", "look at the file that `templates` names")
        return messages[0].content


def one_line(text: str) -> str:
    """Text as an item of a list is shown and read: without line ends, list marks and a colon at its end."""
    return " ".join(text.split()).strip().rstrip(":").rstrip()


def continued(prompt: str, text: str) -> str:
    """An answer with the field in which its prompt ends (`Input:`, `Output:`), where it does not begin with one itself."""
    field = FIELD.fullmatch(prompt.rpartition("\n")[2])
    return text if field is None or FIELD.match(text.lstrip()) or EXAMPLE.match(text.lstrip()) else f"{field[0]} {text}"


def instructions(text: str, cut: bool) -> Read:
    """The items of a list that goes on from a number; the first may stand without one.

    An item ends at an empty line, one without a number at the line's end: what was cut behind that is not the item.
    """
    first, *rest = NUMBERED.split(text)
    items = rest[1::2]
    before = first.strip()
    if before and not (items and (before.endswith(":") or "\n" in before)):  # else it leads over to the list
        items.insert(0, before.partition("\n")[0])
        cut = cut and not (len(items) == 1 and "\n" in before)
    cut = cut and not (items and "\n\n" in items[-1].strip())
    return Read(tuple(item for item in map(tidy, items) if item), cut)


def tidy(item: str) -> str:
    """An instruction on one line, without Markdown's stars or the quotes around it, with a capital."""
    line = " ".join(item.strip().partition("\n\n")[0].split()).replace("**", "").strip("* ")
    for opening, closing in ('""', "“”"):
        if line.startswith(opening) and line.endswith(closing) and line.count(opening) == 1 + (opening == closing):
            line = line[1:-1].strip()
    return line[:1].upper() + line[1:]


def is_classification(text: str) -> bool | None:
    """Yes or no; None where the answer says neither."""
    found = YES.match(text)
    return found[1].lower() == "yes" if found else None


def inputs_first(text: str, cut: bool) -> Read:
    """`Input: ... Output: ...`, each behind its `Example`."""
    blocks = [block for block in EXAMPLE.split(text) if block.strip()]
    found = [_instance(_fields(block)) for block in blocks]
    return Read(tuple(one for one in found if one is not None), cut)


def outputs_first(text: str, cut: bool) -> Read:
    """`Label: ... Input: ...`, one behind the other; the first label may stand without its mark."""
    blocks = [block for block in LABEL.split(text) if block.strip()]
    found = []
    for block in blocks:
        label, _, rest = block.strip().partition("\n")
        fields = _fields(rest)
        given = fields.get("input", fields[""])
        found.append(Instance(_input(given), label.strip().strip("*")))
    return Read(tuple(found), cut)


def triplets(text: str, cut: bool) -> Read:
    """(instruction, instance) of each `Task`; the first may stand without `Task` and `Instruction:`."""
    found = []
    for number, block in enumerate(block for block in TASK.split(text) if block.strip()):
        fields = _fields(block)
        instance = _instance(fields)
        told = fields.get("instruction") or ("" if number else fields[""])
        if told and instance is not None:
            found.append((tidy(told), instance))
    return Read(tuple(found), cut)


def _fields(block: str) -> dict[str, str]:
    """Field -> text; what stands before all fields is under the empty name. A field that comes again ends the block."""
    before, *rest = FIELD.split(block)
    found = {"": before.strip()}
    for name, text in zip(rest[::2], rest[1::2], strict=True):
        if name.lower() in found:
            break
        found[name.lower()] = text.strip()
    return found


def _instance(fields: Mapping[str, str]) -> Instance | None:
    if "output" not in fields:
        return None
    return Instance(_input(fields.get("input", "")), fields["output"])


def _input(text: str) -> str:
    return "" if NONE.fullmatch(text.strip()) else text.strip()


def shown_triplets(seeds: Sequence[Any]) -> list[dict[str, str]]:
    """Seeds as the template `triplets` shows them: each with its first instance."""
    return [
        {"instruction": one_line(seed.instruction), "input": seed.instances[0].input, "output": seed.instances[0].output}
        for seed in seeds
    ]
