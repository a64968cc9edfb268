"""A form: the columns of a row that people write, and what may stand in each.

A page checks what is typed by the same rules (`pages/write-form.js`); what is submitted is checked here in any case.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from tunesmith.serving.database import whole
from tunesmith.serving.people import RefusedError

Kind = Literal["line", "text", "choice", "number", "references", "turns"]
Unit = Literal["characters", "words"]
Seeded = Literal["fixed", "start"]
KINDS: tuple[Kind, ...] = get_args(Kind)
UNITS: tuple[Unit, ...] = get_args(Unit)
SEEDED: tuple[Seeded, ...] = get_args(Seeded)
ROLES = ("system", "user", "assistant")
TEXTS = ("line", "text", "references", "turns")
LONGEST = 50_000  # characters of a whole row, so that a request stays below the server's limit
BLANK = "\t\n\v\f\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"  # as JavaScript sees it
WORD = re.compile(f"[^{BLANK}]+")
ENDS = re.compile(f"^[{BLANK}]+|[{BLANK}]+$")
NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")
Value = str | list[str] | list[dict[str, str]]
Fields = dict[str, Value]


@dataclass(frozen=True, slots=True)
class Field:
    """A column.

    kind:       `line`, `text`, one of `choices`, a `number`, `references` (a list of texts that are all right) or the `turns`
                of a conversation.
    minimum, maximum: of a text, each reference and each turn in `unit`s; of a number, itself.
    least, most: how many references or turns.
    differs_from: another column that may not say the same.
    seeded:     what a seed gives is `fixed`, or the `start` of what is written.
    """

    name: str
    label: str
    help: str = ""
    kind: Kind = "text"
    required: bool = True
    minimum: float | None = None
    maximum: float | None = None
    unit: Unit = "characters"
    choices: tuple[str, ...] = ()
    least: int = 1
    most: int = 20
    differs_from: str = ""
    seeded: Seeded = "fixed"

    @property
    def empty(self) -> Value:
        """What an untouched field holds."""
        if self.kind == "turns":
            return [{"role": "user", "content": ""}, {"role": "assistant", "content": ""}]
        return [] if self.kind == "references" else ""

    def read(self, value: object) -> Value:
        """What a browser or a file gives, as this field holds it: numbers as they were typed, nothing cut.

        Raises:
            RefusedError: it is something else altogether.
        """
        if value is None:
            return self.empty
        if self.kind == "references" and isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value):
            return [whole(one) for one in value]
        if self.kind == "turns" and isinstance(value, (list, tuple)):
            return [self._turn(turn) for turn in value]
        if isinstance(value, (int, float)) and not isinstance(value, bool) and self.kind not in ("references", "turns"):
            return str(value)
        if isinstance(value, str) and self.kind not in ("references", "turns"):
            return whole(value)
        raise RefusedError(f"`{self.name}` holds no {self.kind}.")

    def plain(self, value: Value) -> str:
        """The field as one text."""
        return stripped("\n\n".join(parts(value)))

    def row(self, value: Value) -> object:
        """The field as the row of a file has it: trimmed; numbers as numbers, None where there is none."""
        if self.kind == "number":
            text = stripped(str(value))
            return None if not text else float(text) if re.search(r"[.eE]", text) else int(text)
        if isinstance(value, str):
            return stripped(value)
        kept = [{**one, "content": stripped(one["content"])} if isinstance(one, dict) else stripped(one) for one in value]
        return [one for one in kept if (one["content"] if isinstance(one, dict) else one)]

    def fault(self, value: Value) -> str:
        """What is wrong with it, as its writer is told; empty where nothing is."""
        said = [text for part in parts(value) if (text := stripped(part))]
        if not said:
            return "This is needed." if self.required else ""
        if self.kind == "choice":
            return "" if said[0] in self.choices else "Choose one of these."
        if self.kind == "number":
            return self._number_fault(said[0])
        found = self._many_fault(value, len(said))
        if not found and self.kind == "line" and any(set(text) & set("\n\r\u2028\u2029") for text in said):
            found = "This is one line."
        return found or next((told for text in said if (told := self._length_fault(text))), "")

    def _many_fault(self, value: Value, count: int) -> str:
        if isinstance(value, str):
            return ""
        if not self.least <= count <= self.most:
            return f"{self._span(self.least, self.most)} of these, please."
        return _order_fault(value) if self.kind == "turns" else ""

    def _length_fault(self, text: str) -> str:
        size = len(WORD.findall(text)) if self.unit == "words" else len(text)
        if self.minimum is not None and size < self.minimum:
            return f"At least {_spelt(self.minimum)} {self.unit}: there are {size}."
        if self.maximum is not None and size > self.maximum:
            return f"At most {_spelt(self.maximum)} {self.unit}: there are {size}."
        return ""

    def _number_fault(self, text: str) -> str:
        if not NUMBER.fullmatch(text):
            return "This is not a number."
        low, high = self.minimum, self.maximum
        if (low is not None and float(text) < low) or (high is not None and float(text) > high):
            return f"{self._span(low, high)}, please."
        return ""

    @staticmethod
    def _span(low: float | None, high: float | None) -> str:
        if low is not None and high is not None:
            return f"{_spelt(low)} to {_spelt(high)}"
        return f"{_spelt(low)} or more" if low is not None else f"{_spelt(high)} or less"

    def _turn(self, turn: object) -> dict[str, str]:
        if isinstance(turn, Mapping):
            role, content = turn.get("role"), turn.get("content")
            if role in ROLES and isinstance(content, str):
                return {"role": str(role), "content": whole(content)}
        raise RefusedError(f"A turn of `{self.name}` has a `role` ({', '.join(ROLES)}) and a `content`.")


@dataclass(frozen=True, slots=True)
class Form:
    """The columns of a row, in order.

    alike: ROUGE-L's F from which a text is told to be much like one that stands.
    """

    name: str
    title: str
    fields: tuple[Field, ...]
    alike: float = 0.7

    def __getitem__(self, name: str) -> Field:
        return next(field for field in self.fields if field.name == name)

    @property
    def names(self) -> list[str]:
        return [field.name for field in self.fields]

    @property
    def columns(self) -> list[tuple[str, str]]:
        """(name, kind): what must stay as it is when there are rows."""
        return [(field.name, field.kind) for field in self.fields]

    def read(self, given: Mapping[str, Any]) -> Fields:
        """All fields; those that are not given are empty, and what is no field is left out."""
        found = {field.name: field.read(given.get(field.name)) for field in self.fields}
        size = sum(len(part) for value in found.values() for part in parts(value))
        if size > LONGEST:
            raise RefusedError(f"A row has at most {LONGEST:,} characters: there are {size:,}.")
        return found

    def faults(self, fields: Fields, fixed: Collection[str] = ()) -> dict[str, str]:
        """What is wrong, by field, but for those that a seed fixed; empty where it can be submitted."""
        own = [field for field in self.fields if field.name not in fixed]
        found = {field.name: told for field in own if (told := field.fault(fields[field.name]))}
        for field in own:
            other = field.differs_from
            said = other and field.plain(fields[field.name])
            if said and field.name not in found and said == self[other].plain(fields[other]):
                found[field.name] = f"This says the same as “{self[other].label}”."
        return found

    def row(self, fields: Fields) -> dict[str, object]:
        """The fields as columns of a file."""
        return {field.name: field.row(fields[field.name]) for field in self.fields}

    def tree(self) -> dict[str, Any]:
        """All of it as plain values, which `form_of` reads."""
        return asdict(self)


def form_of(tree: Mapping[str, Any]) -> Form:
    """The form that `Form.tree` gave."""
    fields = tuple(Field(**{**one, "choices": tuple(one["choices"])}) for one in tree["fields"])
    return Form(**{**tree, "fields": fields})


def parts(value: Value) -> list[str]:
    """The texts of a field."""
    return [value] if isinstance(value, str) else [one["content"] if isinstance(one, dict) else one for one in value]


def stripped(text: str) -> str:
    """The text without the blanks around it."""
    return ENDS.sub("", text)


def _spelt(number: float | None) -> str:
    return "" if number is None else str(int(number)) if number == int(number) else repr(number)


def _order_fault(turns: list[Any]) -> str:
    roles = [turn["role"] for turn in turns if stripped(turn["content"])]
    spoken = roles[1:] if roles[0] == "system" else roles
    if not spoken or spoken[-1] != "assistant":
        return "The assistant has the last word."
    if spoken != ["user", "assistant"] * (len(spoken) // 2):
        return "User and assistant take turns, and the user begins."
    return ""
