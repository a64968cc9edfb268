"""What rows tell of the task that they make: a shape, choices, the longest answer, which columns ask and which answer."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tunesmith.data.example import Example
from tunesmith.data.formats import Row
from tunesmith.data.quality.places import places_of
from tunesmith.data.rows import Joined
from tunesmith.data.sources import FileSource
from tunesmith.data.template import Template
from tunesmith.data.usable import is_empty, usable
from tunesmith.errors import UserError

SEEN = 200  # examples that tell the shape of a task
MOST_LABELS = 20  # distinct targets up to which a column of labels is a choice
SKIP = "leave such rows out with `bad_rows.do=skip`"
SHORT = 5  # words of the median target up to which an answer is short


def leading(rows: Sequence[Row]) -> Row:
    """The first row with the columns that most have, of those looked at: the very first one may be a bad one."""
    seen = rows[:: max(1, len(rows) // SEEN)]
    most = Counter(frozenset(row) for row in seen).most_common(1)[0][0]
    return next(row for row in seen if frozenset(row) == most)


def seen_examples(source: FileSource, template: Template) -> list[Example]:
    """Examples from all over the rows, but those that a wording leaves empty.

    Raises:
        UserError: for the first row that cannot be used, named by its place, where bad rows are not left out, or none is good.
    """
    rows = Joined(source.found().values())
    found, wrong = [], None
    for number in range(0, len(rows), max(1, len(rows) // SEEN)):
        try:
            found.append(usable(template.apply(rows[number]), template, rows[number], ()))
        except UserError as error:
            where = places_of(source, rows, "rows")(number)
            wrong = wrong or UserError(f"{where}: {error.problem}", error.hint)
            if source.bad.do == "stop":
                break
    found = [example for example in found if not is_empty(example)]
    if wrong is not None and (source.bad.do == "stop" or not found):
        hint = "" if source.bad.do == "skip" else SKIP
        raise UserError(wrong.problem, "; or ".join(filter(None, (wrong.hint, hint))))
    return found


def left_empty(template: Template, row: Row) -> bool:
    """Whether a wording leaves a row out; a row that it cannot put is none of these, and named when it is asked for."""
    try:
        return is_empty(template.apply(row))
    except UserError:
        return False


def refuse_odd(source: FileSource, wording: Template) -> None:
    """Refuse rows of preference pairs of which one has no difference, or no rejected answer; the error names file and row."""
    for place, row in source.placed():
        try:
            example = wording.apply(row)
        except UserError as error:
            raise UserError(f"{place}: {error.problem}", "; or ".join(filter(None, (error.hint, SKIP)))) from None
        if example.rejected is None and not is_empty(example):
            raise UserError(f"{place} has no `{wording.rejected}`", f"fill it in; or {SKIP}")


DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "choice": ("accuracy",),
    "pair": ("accuracy",),
    "short": ("exact_match", "token_f1"),
    "long": ("rouge1", "rouge2", "rougeL", "rougeLsum"),
    "text": ("cross_entropy", "perplexity", "bits_per_byte"),
}


def shape_of(examples: Sequence[Example]) -> str:
    """`pair`, `choice`, `short`, `long` or `text`, from some examples."""
    if any(example.rejected is not None for example in examples):
        return "pair"
    if not examples or not any(example.messages for example in examples):
        return "text"
    if all(example.choices for example in examples):
        return "choice"
    words = statistics.median(len(example.target.split()) for example in examples)
    return "short" if words <= SHORT else "long"


def tokens_for(examples: Sequence[Example]) -> int:
    """Room for the longest answers: a token holds two characters or more of nearly every text; between 16 and 512."""
    lengths = sorted(len(example.target) for example in examples) or [0]
    return min(512, max(16, lengths[int(0.99 * (len(lengths) - 1))] // 2))


def with_choices(template: Template, rows: Sequence[Row], choices: str | None) -> Template:
    """The template with the choices given, or, for a column of labels, with the labels that stand in the rows."""
    if choices is not None and not template.inverted:
        return replace(template, choices="|||".join(one.strip() for one in choices.split("|||")))
    if not {"classify", "two_texts"} & {template.name, template.group} or template.choices or template.inverted:
        return template
    found = (template.named(row).get("label") for row in rows)
    labels = sorted({str(label).strip() for label in found if label is not None})
    if not 1 < len(labels) <= MOST_LABELS or any("|||" in one or "{" in one or not one for one in labels):
        return template
    return replace(template, choices=" ||| ".join(labels))


def keyed(source: FileSource, template: Template, row: Row) -> FileSource:
    """The source told which columns ask and which answers, so that equal questions (of plain text: texts) fall together."""
    targets = template.in_row(template.target_columns, row)
    key = tuple(sorted(template.in_row(template.prompt_columns, row)))
    if not key and not template.messages:
        key = tuple(sorted(targets))
    several = len(targets) == 1 and template.choices is None
    return replace(source, key=key, target=targets[0] if several else "")
