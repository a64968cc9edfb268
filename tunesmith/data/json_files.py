"""Rows of JSON: an object a line, or one document. What is no JSON, or not what a row can be, is told with line and column."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tunesmith.data import natural_instructions
from tunesmith.data.faults import Faults
from tunesmith.data.text_files import Line, lines, placed_lines
from tunesmith.errors import UserError

Row = dict[str, Any]
HALF = re.compile(r"\\u[dD][89a-fA-F]")  # how a letter begins that is written in two halves
EXPECTED = 'a row is an object a line: {"question": "...", "answer": "..."}'


class WrongRowError(Exception):
    """A text that is no row. problem: to stand behind the place of it; hint: what to do."""

    def __init__(self, problem: str, hint: str = EXPECTED) -> None:
        super().__init__(problem)
        self.problem, self.hint = problem, hint


def _refuse_constant(name: str) -> object:
    raise WrongRowError(f" holds {name}, which is no JSON and no text", "write null or a number, or leave the column out")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def row_of(text: str) -> Row:
    """The row that a line holds."""
    tree = document(text)
    if not isinstance(tree, dict):
        raise WrongRowError(f" is {type(tree).__name__}, expected an object", EXPECTED)
    if HALF.search(text):
        refuse_half(tree)
    return tree


def document(text: str) -> Any:
    """What JSON text holds."""
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if error.lineno > 1 else ""
        raise WrongRowError(f", {line}column {error.colno} is not JSON: {error.msg}") from None
    except RecursionError:
        raise WrongRowError(" nests too deep", "a row holds texts, numbers, and short lists of them") from None
    except ValueError as error:  # a number of thousands of digits
        raise WrongRowError(f" holds a number that cannot be read: {error}", "write it between quotes") from None


def refuse_half(row: Row) -> None:
    """An error for a row with half a letter, which no tokenizer can read and no file can keep."""
    for name, value in row.items():
        try:
            json.dumps([name, value], ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            code = ord(error.object[error.start])
            called = name.encode("utf-8", "replace").decode()
            raise WrongRowError(
                f": the column `{called}` holds half a letter (\\u{code:04x})",
                "a text was cut inside a letter such as an emoji: mend it, or leave it out",
            ) from None


def json_lines(path: Path, faults: Faults | None = None) -> Iterator[tuple[Line, Row]]:
    """(line, row) of each line that is not blank."""
    faults = faults or Faults(path)
    for line in placed_lines(path, faults):
        text = line.text.strip()
        if not text:
            continue
        try:
            row = row_of(text)
        except WrongRowError as error:
            faults.add(f"`{path}` line {line.number}{error.problem}", error.hint, line.number)
            continue
        yield line, row


def json_document(path: Path, faults: Faults) -> Iterator[tuple[int, Row]]:
    """(line, or 0 where rows are no lines; row) of each row of a document."""
    text = "".join(lines(path, whole=True))
    if not text.strip():
        raise UserError(f"`{path}` is empty", "name a file with rows in it")
    try:
        tree = document(text)
    except WrongRowError as error:
        if "Extra data" in error.problem and text.lstrip()[:1] == "{":
            yield from ((line.number, row) for line, row in json_lines(path, faults))  # JSON lines under another name
            return
        place = error.problem.removeprefix(",") if ", line " in error.problem else error.problem.replace(",", " line 1,", 1)
        raise UserError(f"`{path}`{place}", error.hint if error.hint != EXPECTED else "one list of objects") from None
    halved = HALF.search(text) is not None
    for number, row in enumerate(_rows_in(path, tree, faults), start=1):
        try:
            if halved:
                refuse_half(row)
        except WrongRowError as error:
            faults.add(f"`{path}` row {number}{error.problem}", error.hint, row=number)
            continue
        yield 0, row


def _rows_in(path: Path, tree: object, faults: Faults) -> list[Row]:
    """Rows of a JSON document: a list of objects, an object with one such list, an object of columns, or of key and value."""
    if isinstance(tree, list):
        return _listed(path, tree, faults)
    if not isinstance(tree, dict):
        raise UserError(f"`{path}` holds {type(tree).__name__}, expected a list of objects", '[{"question": "..."}, ...]')
    if natural_instructions.is_task(tree):
        return list(natural_instructions.rows_of(tree, str(path)))
    tables = [name for name, one in tree.items() if isinstance(one, list) and one and all(isinstance(row, dict) for row in one)]
    named = [name for name in ("examples", "data", "rows", "instances") if name in tables] or tables
    if len(named) > 1:
        raise UserError(f"`{path}` holds several lists of objects: {', '.join(named)}", "keep one to a file")
    if named:
        return list(tree[named[0]])
    sizes = {len(one) if isinstance(one, list) else -1 for one in tree.values()}
    if len(sizes) == 1 and -1 not in sizes:
        return [dict(zip(tree, cells, strict=True)) for cells in zip(*tree.values(), strict=True)]
    return [{"key": key, "value": value} for key, value in tree.items()]


def _listed(path: Path, tree: list[Any], faults: Faults) -> list[Row]:
    wrong = [number for number, row in enumerate(tree) if not isinstance(row, dict)]
    if not wrong:
        return tree
    if all(isinstance(one, str) for one in tree):
        return [{"text": one} for one in tree]
    for number in wrong:
        problem = f"`{path}`: item {number} of the list is {type(tree[number]).__name__}, expected an object"
        faults.add(problem, EXPECTED.replace(" a line", ""), row=number + 1)
    return [row for row in tree if isinstance(row, dict)]
