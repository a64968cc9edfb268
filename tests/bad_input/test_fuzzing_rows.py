"""Mutants of valid files, rows of any types, and mutants of valid templates: rows, or an error for a person, within bounds."""

from typing import Any

from hypothesis import given, settings

from tests.bad_input.fuzzing import QUIET, put_odd, put_row, read_file
from tests.bad_input.mutations import ODD_ROWS, mutants, wordings


@settings(QUIET, max_examples=120)
@given(mutants())
def test_any_file_gives_rows_or_an_error_that_names_it(mutant: tuple[str, bytes]) -> None:
    read_file(*mutant)


@settings(QUIET, max_examples=80)
@given(ODD_ROWS)
def test_rows_of_any_types_make_examples_or_an_error(rows: list[dict[str, Any]]) -> None:
    put_odd(rows)


@settings(QUIET, max_examples=60)
@given(wordings())
def test_any_template_puts_a_row_or_says_what_is_wrong(wording: str) -> None:
    put_row(wording)
