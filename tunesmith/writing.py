"""`tunesmith label --write`: a page on which people write rows, their rows as a task, and what they tell."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tunesmith.errors import UserError, did_you_mean
from tunesmith.labelling import HOST, PORT
from tunesmith.serving.exports import write_rows
from tunesmith.serving.form_file import Shape, shape_of
from tunesmith.serving.reviewing import Reviews, names_of
from tunesmith.serving.seeds import read_seeds
from tunesmith.serving.writing import Writing
from tunesmith.serving.writing_export import EXPORTED, rows
from tunesmith.serving.writing_report import Report, report

if TYPE_CHECKING:
    from rich.console import Group

WRITTEN = "writing.sqlite"
SHOWN = 20  # pairs of rows much alike that are printed


def write(
    shape: Sequence[str] = (),
    *,
    guidelines: str | Path | None = None,
    choices: Sequence[str] = (),
    seeds: str | Path | None = None,
    given: Sequence[str] = (),
    overlap: int = 1,
    reviewers: Sequence[str] = (),
    db: str | Path = WRITTEN,
    host: str = HOST,
    port: int = PORT,
    token: str | None = None,
    ready: Callable[[str], None] = print,
) -> None:
    """Serve the page on which people write and review rows, until it is interrupted. What was written before stays in `db`.

    Args:
        shape:      a name (`triplet`, `completion`, `label`, `chat`, `preference`) or a YAML file of a form, and Markdown for
                    its guidelines; empty: what `db` has, and `triplet` in a new file.
        guidelines: Markdown shown beside the form, instead of the form's own.
        choices:    labels of a form's column `label`.
        seeds:      file of rows that give a writer some of the columns; each is written on by `overlap` people.
        given:      the columns that seeds give; empty: all that the form has.
        reviewers:  who may review; empty: everybody, but never their own rows.
        db:         the file of rows and their history.
        host, port: where to listen; port 0 is any. Beyond this machine visitors need the token, which is in the link.
        token:      None: made up where one is needed.
        ready:      called with the page's address when it can be opened.
    """
    from tunesmith.serving import server, writers

    if overlap < 1:
        raise UserError(f"`--overlap` is {overlap}", "one person or more writes on every seed")
    if given and seeds is None:
        raise UserError("`--given` names columns of no seeds", "name the file with `--seeds`")
    goes_on = Path(db).is_file() and not (shape or guidelines or choices)
    found = None if goes_on else shape_of(shape, guidelines, choices)
    writing = _opened(db, found, overlap)
    try:
        if seeds is not None:
            _seed(writing, seeds, given)
        reviews = Reviews(writing, names_of(reviewers))
        listening, token = server.bind(host, port, token)
        ready(server.link(listening, "/write", token))
        app = server.create([writers.router(writing, reviews)], home="/write", token=token)
        server.serve(app, listening)
    finally:
        writing.close()


def export_writing(into: str | Path, *, db: str | Path = WRITTEN, state: str = "accepted", pseudonyms: bool = False) -> int:
    """Write rows of a state (`all`: of every state) as JSON lines, a task like any other; how many rows."""
    if state not in EXPORTED:
        raise UserError(f"`--state` is `{state}`", did_you_mean(state, EXPORTED))
    writing = Writing(db, new=False)
    try:
        found = rows(writing, EXPORTED[state], pseudonyms)
    finally:
        writing.close()
    if not found:
        what = "rows" if state == "all" else f"rows that are {state}"
        raise UserError(
            f"`{db}` has no {what}", "`tunesmith label --write --report` tells what there is; `--state all` takes all"
        )
    write_rows(Path(into), found)
    return len(found)


def report_writing(db: str | Path = WRITTEN) -> Report:
    """What the rows tell: of writers, reviewers, lengths, and rows that are much alike."""
    writing = Writing(db, new=False)
    try:
        return report(writing)
    finally:
        writing.close()


def rendered(made: Report) -> "Group":
    """The report as tables for the terminal."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    told = ", ".join(f"{count} {state}" for state, count in made.rows.items() if count)
    counts = Text(f"{sum(made.rows.values())} rows" + (f": {told}" if told else ""))
    if made.seeds:
        counts.append(f"; {made.done} of {made.seeds} seeds done")
    states = [state for state, count in made.rows.items() if count]
    people = Table("writer", *states, "seconds a row", "accepted, 95 % interval")
    for one in made.writers:
        share = one.accepted
        rate = f"{share.value:.3f}  ({share.low:.3f} to {share.high:.3f}), of {one.verdicts}" if one.verdicts else ""
        seconds = f"{one.seconds:.0f}" if one.seconds == one.seconds else ""
        people.add_row(Text(one.name), *(str(one.states[state]) for state in states), seconds, rate)
    reviewers = Table("reviewer", "accepted", "sent back", "mended")
    for judge in made.reviewers:
        reviewers.add_row(Text(judge.name), *(str(judge.verdicts[kind]) for kind in ("accepted", "sent back", "mended")))
    lengths = Table("words in", "shortest", "median", "longest", "empty")
    for length in made.lengths:
        lengths.add_row(length.column, str(length.shortest), f"{length.median:g}", str(length.longest), str(length.empty))
    twins = Table(f"alike ({made.alike:g} or more)", "column", "seed", "text", "stood before")
    for twin in made.twins[:SHOWN]:
        texts = (Text(" ".join(text.split())[:60]) for text in (twin.text, twin.other_text))
        twins.add_row(f"{twin.score:.2f}", twin.column, "the same" if twin.same_seed else "", *texts)
    tables = [table for table in (people, reviewers, lengths, twins) if table.row_count]
    more = [Text(f"{len(made.twins) - SHOWN} more pairs in `--json`")] if len(made.twins) > SHOWN else []
    return Group(counts, *tables, *more)


def _opened(db: str | Path, shape: Shape | None, overlap: int) -> Writing:
    if shape is None:
        return Writing(db, overlap=overlap)
    return Writing(db, shape.form, shape.guidelines, overlap=overlap)


def _seed(writing: Writing, file: str | Path, columns: Sequence[str]) -> None:
    found = read_seeds(file, writing.form, columns)
    new = writing.add_seeds(found.rows)
    more = f"; the form has no column for {', '.join(found.left_out)}, which are left out" if found.left_out else ""
    print(f"{len(found.rows)} seeds, {new} of them new{more}", file=sys.stderr)
