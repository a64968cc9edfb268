"""Whether the example that a row makes can be used; where it cannot, what is wrong with the row.

A wording puts whatever a row holds: null becomes the word "None", a list its brackets, an empty column nothing. Learnt in
silence, such rows teach just that; so they are named instead.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from math import isfinite
from typing import Any

import numpy as np

from tunesmith.data.example import Example
from tunesmith.data.faults import Fault, refuse_many
from tunesmith.data.jinja import halves
from tunesmith.data.passes import MANY, Arrays, passed
from tunesmith.data.sources import FileSource, Part
from tunesmith.data.template import Template
from tunesmith.data.turns import read_turns
from tunesmith.errors import UserError, did_you_mean

Row = Mapping[str, Any]


def is_empty(example: Example) -> bool:
    """Promptsource's way to leave a row out: `{% if label != -1 %} ... {% endif %}`."""
    return not example.messages and not example.target


def needs_of(examples: Sequence[Example], template: Template, choices: bool = False) -> frozenset[str]:
    """What every example of a task has to have, told by some of them: `prompt`, `answer`, `choices`, `rejected`.

    Rows of which none has an answer are prompts alone, that a model will answer; of which none has a prompt, texts to continue.
    choices: somebody said what there is to choose from.
    """
    seen = [example for example in examples if not is_empty(example)]
    split = halves(template.jinja)
    found = {"choices"} if choices or sum(bool(one.choices) for one in seen) * 2 > len(seen) else set()
    if any(one.messages for one in seen) and (split is None or split[0].strip()):
        found.add("prompt")
    if any(one.target.strip() for one in seen):
        found.add("answer")
    if any(one.rejected is not None for one in seen):
        found = {"rejected"}  # both answers are its choices, and silence may be the better one
    return frozenset(found)


def usable(example: Example, template: Template, row: Row, needs: Collection[str]) -> Example:
    """The example as it is.

    Raises:
        UserError: where a column is no text though it is put as one, or what the example has to have is not there.
    """
    if is_empty(example):
        return example
    for columns in template.printed:
        for column in columns:
            value = row.get(column)
            if type(value) is str:
                break
            if column in row:
                refuse_no_text(column, value, column in template.turn_columns)
                break
    if "answer" in needs and len(template.messages) == 1 and not example.target.strip() and halves(template.jinja) is None:
        column = next((name for name in template.turn_columns if name in row), template.messages[0])
        if read_turns(row.get(column)) is None:
            raise UserError(
                f"the column `{column}` holds no turns", 'a list of turns: `[{"role": "user", "content": "..."}, ...]`'
            )
        raise UserError("the conversation has no turn of the assistant, or an empty one", "mend it")
    if "answer" in needs and not example.target.strip() and not (example.references and any(example.references)):
        raise UserError("the answer is empty" + _of(template.target_columns, template, row), "fill it in")
    if "prompt" in needs and not example.messages:
        raise UserError("the prompt is empty" + _of(template.prompt_columns, template, row), "fill it in")
    if "rejected" in needs and example.rejected is None and not template.inverted:
        raise UserError(f"there is no `{template.rejected}`", "fill it in")
    if "choices" in needs and template.choices and not example.choices and not template.inverted:
        known = template.ask(row).choices
        said = example.target if len(example.target) <= 60 else example.target[:57] + "..."
        what = f"is none of the choices {', '.join(f'`{one}`' for one in known)}" if known else "has no choices to be one of"
        raise UserError(f"the answer `{said}` {what}", did_you_mean(said, known) or "mend the answer, or name it in `choices`")
    return example


def refuse_no_text(column: str, value: object, turns: bool) -> None:
    """An error for a value that a wording would put as no person writes it. turns: a conversation may stand there."""
    if value is None:
        raise UserError(f"the column `{column}` is null, where the wording puts a text", "fill it in")
    if isinstance(value, float) and not isfinite(value):
        raise UserError(f"the column `{column}` is {value}, which is no text", "fill it in")
    if isinstance(value, (Mapping, list, tuple, set, bytes, np.ndarray)) and not (turns and read_turns(value) is not None):
        kind = "an object" if isinstance(value, Mapping) else "bytes" if isinstance(value, bytes) else "a list"
        raise UserError(
            f"the column `{column}` is {kind}, where the wording puts a text",
            f"say what of it is meant: `{{{{{column} | join(', ')}}}}`, `{{{{{column}[0]}}}}`, `{{{{{column} | tojson}}}}` ...",
        )


def _of(names: Collection[str], template: Template, row: Row) -> str:
    columns = template.in_row(names, row)
    return f" (column `{columns[0]}`)" if len(columns) == 1 else ""


def usable_at_all(row: Row, templates: Sequence[Template], needs: Collection[str]) -> None:
    """An error where one of the wordings makes nothing that can be used of a row."""
    for template in templates:
        usable(template.apply(row), template, row, needs)


def sifted(
    source: FileSource, templates: Sequence[Template], needs: Collection[str], name: str
) -> tuple[FileSource, tuple[Fault, ...]]:
    """The source without the rows that cannot be used, and what is wrong with these; those that cannot be read are among them.

    Raises:
        UserError: where they are more than may be.
    """
    parts = [part for found in source.parts().values() for part in found]
    rows = sum(len(part.rows) for part in parts)
    origin = source.origin() if rows >= MANY else ()
    key = origin and (*origin, "sifted", repr(tuple(templates)), sorted(needs))

    def made() -> Arrays:
        faulty = [(place, number) for place, part in enumerate(parts) for number in _faulty(part, templates, needs)]
        return {"faulty": np.array(faulty, np.int64).reshape(-1, 2)}

    pairs = passed(key, rows, made)["faulty"].tolist()
    faults = [fault for part in parts for fault in part.faults]
    faults += [fault_of(source, parts[place], number, templates, needs) for place, number in pairs]
    refuse_many(faults, rows + sum(len(part.faults) for part in parts), source.bad, name)
    aside: dict[str, list[int]] = {}
    for place, number in pairs:
        aside.setdefault(parts[place].name, []).append(number)
    return replace(source, left_out={name: tuple(numbers) for name, numbers in aside.items()}), tuple(faults)


def _faulty(part: Part, templates: Sequence[Template], needs: Collection[str]) -> Iterator[int]:
    """The numbers of the rows that cannot be used."""
    for number, row in enumerate(part.rows):
        try:
            usable_at_all(row, templates, needs)
        except UserError:
            yield number


def fault_of(source: FileSource, part: Part, number: int, templates: Sequence[Template], needs: Collection[str]) -> Fault:
    """What is wrong with a row of a part."""
    place, line = source.told(part, number), part.line(number)
    try:
        usable_at_all(part.rows[number], templates, needs)
    except UserError as error:
        return Fault(part.name, f"{place}: {error.problem}", error.hint, line, number + 1)
    return Fault(part.name, f"{place} was changed while it was in use", "", line, number + 1)
