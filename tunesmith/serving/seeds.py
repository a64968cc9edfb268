"""Seeds: rows of a file of which a form's fields take what is there, so that a writer begins with it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from tunesmith.data.sources import read
from tunesmith.errors import UserError, did_you_mean
from tunesmith.serving.form import Form, parts, stripped
from tunesmith.serving.people import RefusedError


@dataclass(frozen=True, slots=True)
class Seeds:
    """(id, given fields) of each row, and the columns that the form does not have."""

    rows: list[tuple[str, dict[str, Any]]]
    left_out: list[str]


def read_seeds(file: str | Path, form: Form, columns: Sequence[str] = ()) -> Seeds:
    """The seeds of a file of rows, of any layout that `data/formats.py` reads.

    columns: those that are given to the writer; empty: all that are fields of the form.
    """
    if not Path(file).is_file():
        raise UserError(f"there is no file `{file}`", "`--seeds` names a file of rows")
    for name in columns:
        if name not in form.names:
            raise UserError(f"`--given` names `{name}`", did_you_mean(name, form.names))
    wanted = [name for name in form.names if not columns or name in columns]
    found: dict[str, dict[str, Any]] = {}
    others: dict[str, None] = {}
    for number, row in enumerate(read(file), start=1):
        place = f"`{file}` row {number}"
        given = dict(_given(place, row, form, wanted))
        _refuse_all_or_none(place, row, form, given)
        others |= dict.fromkeys(name for name in row if name not in (*form.names, "id", "meta"))
        id_ = str(row["id"]) if row.get("id") not in (None, "") else _content_id(given)
        if found.setdefault(id_, given) != given:
            raise UserError(f"{place} has an id that another row has: `{id_}`", "give every row an `id` of its own")
    if not found:
        raise UserError(f"`{file}` has no rows", "a seed is a row with some of the form's columns")
    return Seeds(list(found.items()), list(others))


def _given(place: str, row: dict[str, Any], form: Form, wanted: Sequence[str]) -> Iterator[tuple[str, Any]]:
    for name in wanted:
        if row.get(name) is None:
            continue
        field = form[name]
        try:
            value = field.read(row[name])
        except RefusedError as error:
            raise UserError(f"{place}, column `{name}`: {error}", "mend the row, or the `kind` of the field") from None
        if not any(stripped(part) for part in parts(value)):
            continue
        if field.kind == "choice" and field.fault(value):
            raise UserError(f"{place}, column `{name}`: `{value}` is no choice", did_you_mean(str(value), field.choices))
        yield name, value


def _refuse_all_or_none(place: str, row: dict[str, Any], form: Form, given: dict[str, Any]) -> None:
    if not given:
        have, known = (", ".join(f"`{name}`" for name in names) for names in (row, form.names))
        raise UserError(f"{place} gives no field of the form; it has {have}", f"name a column {known}")
    if all(name in given and form[name].seeded == "fixed" for name in form.names):
        hint = "name the columns that are given: `--given instruction,input`; or let a field have `seeded: start`"
        raise UserError(f"{place} gives every field: nothing is left to write", hint)


def _content_id(given: dict[str, Any]) -> str:
    return blake2b(json.dumps(given, sort_keys=True).encode(), digest_size=8).hexdigest()
