"""Multiple choice as rows have it: options in a list, nested, or in columns of their own; the answer as number, letter or text.

{"question": ..., "choices": {"text": [...], "label": ["A", "B"]}, "answerKey": "B"}     ARC, OpenBookQA, CommonsenseQA
{"question": {"stem": ..., "choices": [{"text": ..., "label": "A"}]}, "answerKey": "B"}  the same as first published
{"question": ..., "choices": [...], "answer": 1}                                         MMLU
{"ctx": ..., "endings": [...], "label": "1"}                                             HellaSwag
{"sentence": ..., "option1": ..., "option2": ..., "answer": "2"}                         WinoGrande, and others with numbers
{"question": ..., "A": ..., "B": ..., "answer": "B"}                                     tables
{"question": ..., "mc1_targets": {"choices": [...], "labels": [0, 1]}}                   TruthfulQA
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase
from typing import Any, ClassVar

from tunesmith.data.turns import parsed
from tunesmith.errors import UserError

QUESTIONS = ("question", "question_stem", "Question Stem", "stem", "query", "goal", "ctx", "sentence", "premise", "prompt")
PASSAGES = ("passage", "context", "article", "support", "story")
LISTS = ("options", "choices", "Choices", "endings", "answer_choices", "candidates", "mc1_targets")
PREFIXES = ("", "option", "choice", "answer", "sol", "ending", "op", "Option", "Choice")
ANSWERS = (
    *("answer", "answerKey", "answer_key", "Answer Key", "label", "gold", "gold_index", "correct", "correct_option"),
    *("correct_answer", "cop", "answer_idx", "answer_index", "correct_index", "correct_answer_index", "target"),
)
HIDDEN = ("", "-1")  # an answer that a published test keeps to itself
MOST = 26
_LETTERED = re.compile(r"\(([A-Z])\)\s*(.*?)\s*(?=\([A-Z]\)|$)", re.DOTALL)


@dataclass(frozen=True)
class Options:
    """The options of a row, and what it calls them: letters or numbers beside them."""

    texts: tuple[str, ...]
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choices:
    """Rows of multiple choice.

    by: how the answer is told: its `text`, the `label` of an option, a `letter`, or a number `from 0` or `from 1`.
    """

    WAYS: ClassVar[tuple[str, ...]] = ("by text", "by label", "by letter", "from 0", "from 1")
    by: str

    def columns(self, row: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
        return columns(row)

    def read(self, row: Mapping[str, Any]) -> dict[str, Any]:
        found = columns(row)
        if not found:
            return {}
        options = options_of(row)
        made: dict[str, Any] = {"question": question_of(row), "options": list(options.texts)}
        made["passage"] = str(row[found["passage"][0]] or "") if "passage" in found else ""
        if "answer" in found:
            said = row[found["answer"][0]]
            made["answer"] = place(self.by, said, options, found["answer"][0])
        return made


def columns(row: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """`question`, `options`, `answer` and `passage` -> the columns of a row that hold them; none where it is no choice."""
    found = dict(_named(tuple(map(str, row))))
    nested = next((name for name in QUESTIONS if isinstance(row.get(name), Mapping) and "stem" in row[name]), None)
    if nested:
        found |= {"question": (nested,), "options": (nested,)}
    if "mc1_targets" in found.get("options", ()):
        found["answer"] = ("mc1_targets",)
    return found if {"question", "options"} <= found.keys() else {}


@lru_cache(maxsize=1024)
def _named(names: tuple[str, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What names of columns alone tell."""
    found: dict[str, tuple[str, ...]] = {}
    options = next(((name,) for name in LISTS if name in names), None) or next(_numbered(names), None)
    kinds = {"question": QUESTIONS, "passage": PASSAGES, "answer": ANSWERS}
    if options:
        found["options"] = options
    for kind, known in kinds.items():
        name = next((name for name in known if name in names and name not in (options or ())), None)
        if name:
            found[kind] = (name,)
    return tuple(found.items())


def _numbered(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Columns called alike but for a letter or a number, in order, at least two: `A`, `B`; `option_a`; `choice0`; `sol1`."""
    counts = [[str(n) for n in range(first, first + MOST)] for first in (0, 1)]
    for prefix in PREFIXES:
        for apart in ("", "_", " ") if prefix else ("",):
            for marks in (ascii_uppercase, ascii_lowercase, *(counts if prefix else ())):
                found: list[str] = []
                for mark in marks:
                    if (name := f"{prefix}{apart}{mark}") not in names:
                        break
                    found.append(name)
                if len(found) > 1:
                    yield tuple(found)


def question_of(row: Mapping[str, Any]) -> str:
    """The words of the question."""
    value = row[columns(row)["question"][0]]
    return str(value["stem"] if isinstance(value, Mapping) else value)


def options_of(row: Mapping[str, Any]) -> Options:
    """The options of a row.

    Raises:
        UserError: where they cannot be told apart.
    """
    names = columns(row)["options"]
    if len(names) > 1:
        given = [row[name] for name in names]
        while given and given[-1] in (None, ""):  # a question with fewer options than others
            given.pop()
        return Options(tuple(map(str, given)))
    value = row[names[0]]
    if isinstance(value, Mapping) and "stem" in value:
        value = value.get("choices")
    found = _listed(value)
    if not found.texts:
        raise UserError(
            f"the options in `{names[0]}` are `{str(value)[:60]}`",
            'they are a list, `{"text": [...], "label": [...]}`, or one column each: `A`, `B` ...',
        )
    return found


def _listed(value: object) -> Options:
    """Options in one column, in any of the layouts."""
    if isinstance(value, str):
        lettered = _LETTERED.findall(value) if value.lstrip().startswith("(A)") else []
        if lettered:
            return Options(tuple(text for _, text in lettered), tuple(letter for letter, _ in lettered))
        value = _literal(value)
    if isinstance(value, Mapping):
        texts = next((value[name] for name in ("text", "texts", "choices") if isinstance(value.get(name), (list, tuple))), ())
        labels = next((value[name] for name in ("label", "labels") if isinstance(value.get(name), (list, tuple))), ())
        return Options(tuple(map(str, texts)), tuple(map(str, labels)))
    if isinstance(value, (list, tuple)):
        if value and all(isinstance(one, Mapping) and "text" in one for one in value):
            labels = [str(one["label"]) for one in value if "label" in one]
            return Options(tuple(str(one["text"]) for one in value), tuple(labels) if len(labels) == len(value) else ())
        return Options(tuple(map(str, value)))
    return Options(())


def _literal(text: str) -> object:
    """A list as JSON or Python writes it, in a cell of a table."""
    found = parsed(text)
    if found is None and text.lstrip().startswith(("[", "{")):
        try:
            found = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError):
            return None
    return found


def place(by: str, said: object, options: Options, column: str) -> int:
    """Place of the right option, from 0; -1 where the row hides it.

    Raises:
        UserError: where the answer is no option.
    """
    if isinstance(said, Mapping):  # TruthfulQA: the right one has a 1
        said = next((n for n, right in enumerate(said.get("labels", ())) if str(right) == "1"), -1)
        by = "from 0"
    if said is None or str(said).strip() in HIDDEN:
        return -1
    found = placed(by, said, options)
    if found is None:
        shown = ", ".join(f"`{text[:30]}`" for text in (options.labels if by == "by label" else options.texts))
        raise UserError(
            f"the answer in `{column}` is `{str(said)[:60]}`, and is read {by}; the options are {shown}",
            "mend the row, or say how a row is put with `template`",
        )
    return found


def placed(by: str, said: object, options: Options) -> int | None:
    """As `place`; None where the answer is no option."""
    text = str(said).strip()
    if by == "by text":
        return next((n for n, one in enumerate(options.texts) if one.strip() == text), None)
    if by == "by label":
        return options.labels.index(text) if text in options.labels else None
    if by == "by letter":
        bare = text.strip("(). ")
        found = ascii_uppercase.find(bare.upper()) if len(bare) == 1 else -1
    else:
        found = int(text) - int(by[-1]) if text.isdigit() and not isinstance(said, bool) else -1
    return found if 0 <= found < len(options.texts) else None


def ways(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Ways in which the answers of all these rows are options, the likeliest first; hidden answers tell nothing."""
    found = []
    for by in ("by label", "by text", "by letter", "from 0", "from 1"):
        told = [one for row in rows for one in [_told(by, row)] if one is not ...]
        if told and all(one is not None for one in told):
            found.append(by)
    return found


def _told(by: str, row: Mapping[str, Any]) -> Any:
    """Place of a row's answer; ... where it has none."""
    names = columns(row).get("answer")
    said = row[names[0]] if names else None
    if isinstance(said, Mapping):
        return 0 if by == "from 0" else None
    if said is None or str(said).strip() in HIDDEN:
        return ...
    return placed(by, said, options_of(row))


def answers(by: str, rows: Sequence[Mapping[str, Any]]) -> list[object]:
    """Places of the answers of some rows."""
    return [_told(by, row) for row in rows]
