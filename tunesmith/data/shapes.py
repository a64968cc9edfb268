"""What shape rows have, told by their columns, which wording follows, and what is not read: never guessed in silence.

The first shape that fits is taken; where another one fits too, and would learn other answers, that is an error with its remedy.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tunesmith.data import choices, verdicts
from tunesmith.data.jinja import BAR, variables
from tunesmith.data.natural_instructions import WORDINGS
from tunesmith.data.template import Template, load_templates
from tunesmith.data.turns import parsed, read_turns
from tunesmith.errors import UserError

Row = Mapping[str, Any]
SEEN = 50  # rows that tell how an answer is written
ASIDE = ("id", "idx", "index", "meta", "references", "references_of", "split")  # what no wording has to read

# Wording -> shape. Their order decides where several fit.
SHAPES: Mapping[str, str] = {
    "definition_and_2": "a task with definition and examples",
    "preferences": "preference pairs",
    "transcripts": "preference pairs, the prompt within them",
    "verdicts": "preference pairs",
    "chat": "conversations",
    "triplet": "instruction, input and output",
    "seeds": "instruction, input and output",
    "pairs": "prompt and completion",
    "choices": "question and choices",
    "options": "question and choices",
    "numbered_options": "question and choices",
    "summarize": "text and summary",
    "question": "question and answer",
    "several_answers": "question and answer",
    "two_texts": "two texts and a label",
    "classify": "text and label",
    "text": "raw text",
}
PREFERENCES = ("preferences", "transcripts", "verdicts")
CHOICES = ("choices", "options", "numbered_options")


@dataclass(frozen=True)
class Shape:
    """What rows were recognised as.

    name:     in words.
    columns:  what is read, in the order of the row.
    answers:  of these, what is learnt.
    unread:   the other columns; ids and the like are not among them.
    template: the wording.
    how:      what else had to be told from the rows, e.g. how an answer names its option.
    """

    name: str
    columns: tuple[str, ...]
    answers: tuple[str, ...]
    unread: tuple[str, ...]
    template: Template
    how: str = ""

    def told(self, data: str) -> str:
        """One line for a person: what it is, by which columns, which wording follows, what is left, how to say otherwise."""
        unread = f"; not read: {_quoted(self.unread)}" if self.unread else ""
        how = f", {self.how}" if self.how else ""
        wording = f"put by the wording `{self.template.name}`"
        return f"{data}: {self.name} (columns {_quoted(self.columns)}{how}), {wording}{unread}. Otherwise: set `template`"

    def tree(self) -> dict[str, Any]:
        """As plain values, for `world.json`."""
        lists = {"columns": list(self.columns), "answers": list(self.answers), "unread": list(self.unread)}
        return {"shape": self.name, **lists, "wording": self.template.name, **({"how": self.how} if self.how else {})}


def recognise(rows: Sequence[Row]) -> Shape:
    """The shape of rows that have the columns of the first one.

    Raises:
        UserError: where no shape fits, or two fit that would learn other answers; the hint says how to put the rows.
    """
    seen = rows[:: max(1, len(rows) // SEEN)]
    found = [one for name in SHAPES for one in [_fitting(name, seen)] if one is not None]
    if not found:
        raise _unknown(seen[0])
    (best, shape), *others = found
    for name, other in others:
        if _rivals(best, shape, name, other):
            raise UserError(
                f"rows with the columns {_quoted(seen[0])} are {shape.name} ({_quoted(shape.answers)} would be learnt), "
                f"and as well {other.name} ({_quoted(other.answers)})",
                f"say which: set `template` to `{shape.template.name}` or `{other.template.name}`, or leave columns out",
            )
    return shape


def guess(columns: Iterable[str]) -> Template:
    """The built-in wording for a row, or for rows with these columns; a `UserError` lists them where none fits."""
    return recognise([columns if isinstance(columns, Mapping) else dict.fromkeys(columns)]).template


def _rivals(best: str, shape: Shape, name: str, other: Shape) -> bool:
    """Whether another shape that fits would learn something else. A pair holds a prompt and an answer; all hold text."""
    if {best, name} <= {"verdicts", *CHOICES} and "verdicts" in (best, name):
        return True
    if best in PREFERENCES or name == "text" or other.name == shape.name:
        return False
    return not set(other.answers) <= set(shape.columns)


def _fitting(name: str, rows: Sequence[Row]) -> tuple[str, Shape] | None:
    special = SPECIAL.get(name)
    if special is not None:
        made = special(rows)
        return None if made is None else (name, made)
    template = _wording(name)
    row = rows[0]
    if not template.fits(row) or not _plain(name, template, row):
        return None
    return name, _shape(name, template, row)


def _shape(name: str, template: Template, row: Row, how: str = "") -> Shape:
    named = [*template.columns, *template.optional, *template.meta, template.system, template.history, template.tools]
    given = [template.rejected, template.references]
    named += [one for expression in given if expression for one in variables("{{" + expression + "}}")]
    read = set(template.in_row(filter(None, named), row))
    learnt = template.messages[-1:] or template.target_columns
    return Shape(
        name=SHAPES[name],
        columns=tuple(str(column) for column in row if column in read),
        answers=tuple(template.in_row(learnt, row)),
        unread=tuple(str(column) for column in row if column not in read and column not in ASIDE),
        template=template,
        how=how,
    )


def _plain(name: str, template: Template, row: Row) -> bool:
    """Whether the values are of the kinds that a wording needs; where only names are known, they may be."""
    value = row.get(next(iter(template.in_row(template.messages[:1], row)), ""))
    if name == "chat":
        return value is None or _turns(value)
    if name == "options":
        value = row[template.in_row(["options"], row)[0]]
        return value is None or (isinstance(value, (list, tuple)) and all(isinstance(one, (str, int, float)) for one in value))
    if name == "seeds":
        return row["instances"] is None or isinstance(row["instances"], (list, tuple))
    if name == "several_answers":
        answers = row["answers"]
        return answers is None or isinstance(answers, (list, tuple)) or (isinstance(answers, Mapping) and "text" in answers)
    return True


def _turns(value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return all(isinstance(turn, Mapping) and ("role" in turn or "from" in turn) for turn in value)
    return read_turns(value) is not None or (isinstance(value, str) and isinstance(parsed(value), list))


def _choices(rows: Sequence[Row]) -> Shape | None:
    """Multiple choice, where the rows say in one way only which option is right."""
    if "answer" not in choices.columns(rows[0]):
        return None
    alike = [row for row in rows if choices.columns(row)]
    try:
        ways = choices.ways(alike)
    except UserError:
        return None
    if not ways:
        return None
    chosen = ways[0]
    if chosen != "by label":
        if {"from 0", "from 1"} <= set(ways):
            ways.remove("from 0" if _counted_from_1(choices.columns(rows[0])["options"]) else "from 1")
            chosen = ways[0]
        other = next((way for way in ways[1:] if choices.answers(way, alike) != choices.answers(chosen, alike)), None)
        if other is not None:
            names = [f"`choices_{way.replace(' ', '_')}`" for way in (chosen, other)]
            raise UserError(
                f"the answers in {_quoted(choices.columns(rows[0])['answer'])} can be read {chosen} and {other}",
                f"say which: set `template` to {names[0]} or {names[1]}",
            )
    return _layout_shape("choices", chosen, rows[0], f"the answer read {chosen}")


def _counted_from_1(names: Sequence[str]) -> bool:
    return len(names) > 1 and names[0].endswith("1")


def _verdicts(rows: Sequence[Row]) -> Shape | None:
    """Two answers and a verdict, where the rows say in one way only which is better."""
    found = verdicts.columns(rows[0])
    if (
        not found
        or len(choices.columns(rows[0]).get("options", ())) > len(found["answers"])
        or rows[0][found["verdict"][0]] is None
    ):
        return None
    ways = verdicts.ways(rows)
    if len(ways) != 1:
        names = [f"`verdicts_{way.replace(' ', '_')}`" for way in ways or ("from 0", "from 1")]
        raise UserError(
            f"the verdicts in {_quoted(found['verdict'])} do not tell whether they count from 0 or from 1",
            f"say which: set `template` to {' or '.join(names)}",
        )
    if ways == ["words"] and all(verdicts.preferred("words", row) is None for row in rows):
        return None
    told = f"the better one told by `{found['verdict'][0]}` {ways[0]}"
    return _layout_shape("verdicts", ways[0], rows[0], told)


def _layout_shape(name: str, way: str, row: Row, how: str) -> Shape:
    template = _wording(f"{name}_{way.replace(' ', '_')}")
    return _shape(name, template, row, how)


def _natural(rows: Sequence[Row]) -> Shape | None:
    template = load_templates(WORDINGS)[0]
    if not {"definition", "positive", "input", "output"} <= set(rows[0]):
        return None
    return _shape("definition_and_2", template, rows[0], f"2 of {len(rows[0]['positive'] or ())} examples shown")


SPECIAL: Mapping[str, Callable[[Sequence[Row]], Shape | None]] = {
    "choices": _choices,
    "verdicts": _verdicts,
    "definition_and_2": _natural,
}


def _wording(name: str) -> Template:
    return next(template for template in load_templates("generic") if template.name == name)


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def _unknown(row: Row) -> UserError:
    known = "; ".join(
        f"{template.name}: {', '.join(sorted(template.columns))}"
        for template in load_templates("generic")
        if template.name in SHAPES
    )
    return UserError(
        f"no wording fits rows with the columns {_quoted(row)}",
        f"say how a row is put: `--template '{{{{question}}}} {BAR} {{{{answer}}}}'`. Known columns are ({known})",
    )
