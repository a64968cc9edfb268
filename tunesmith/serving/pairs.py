"""What is put before people: a prompt and two answers, read from the layouts that people have."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, get_args

from tunesmith.data.example import Message
from tunesmith.data.preferences import parted
from tunesmith.data.sources import read
from tunesmith.data.turns import join_turns, read_turns, split_last
from tunesmith.errors import UserError, did_you_mean

Verdict = Literal["first", "second", "tie", "bad"]
"""Which answer is better; `tie`: both are equally good, `bad`: neither will do."""
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

BLANKS = " \t\r\n"
ANSWERS = (
    ("first", "second"),
    ("chosen", "rejected"),
    ("answer_a", "answer_b"),
    ("response_a", "response_b"),
    ("response1", "response2"),
    ("response_1", "response_2"),
    ("a", "b"),
)
MODELS = (("first_model", "second_model"), ("chosen_model", "rejected_model"), ("model_a", "model_b"), ("model1", "model2"))
PROMPTS = ("prompt", "messages", "question", "instruction", "request", "text")


@dataclass(frozen=True, slots=True)
class Pair:
    """A prompt with its turns, and two answers.

    answers: None where one is still to be drawn.
    models:  what the answers are from; "" where nobody knows. Never shown before a vote.
    gold:    the right verdict of a control item; None of all others.
    """

    id: str
    prompt: tuple[Message, ...]
    answers: tuple[str | None, str | None]
    models: tuple[str, str] = ("", "")
    gold: Verdict | None = None

    @property
    def is_alike(self) -> bool:
        """Whether both answers are there, and say the same but for blanks around them: nobody need be asked."""
        first, second = self.answers
        return first is not None and second is not None and first.strip(BLANKS) == second.strip(BLANKS)


def read_pairs(file: str | Path, gold: bool = False) -> Iterator[Pair]:
    """The pairs of a file of rows, of any layout that `data/formats.py` reads.

    The prompt stands in `prompt` (text, or turns), `messages`, `question` or `instruction` (with `input`), the answers in
    `first` and `second`, `chosen` and `rejected`, `response1` and `response2` or the like, or in a list `answers`; whole
    conversations as `chosen` and `rejected` have their prompt within them. Models stand in `first_model` and `second_model`
    or the like, or in a list `models`.

    A row that stands there twice is one pair. Of conversations that part earlier, the first answers that differ are compared.

    gold: the rows are control items: their column `gold` says which verdict is right; where `chosen` and `rejected` give the
          answers, the chosen one is right.
    """
    seen: dict[str, tuple[int, Pair]] = {}
    for number, row in enumerate(read(file), start=1):
        try:
            pair = pair_of(row, gold)
        except UserError as error:
            raise UserError(f"`{file}` row {number}: {error.problem}", error.hint) from None
        before, other = seen.setdefault(pair.id, (number, pair))
        if other != pair:
            raise UserError(
                f"`{file}` row {number} has the id of row {before}: `{pair.id}`", "give every pair an `id` of its own"
            )
        if before == number:
            yield pair


def pair_of(row: Mapping[str, Any], gold: bool = False) -> Pair:
    """The pair that a row makes."""
    names, answers = _answers(row)
    asked = _asked(row)
    if asked is None and not all(read_turns(answer) for answer in answers):
        raise UserError("there is no prompt", f"it stands in a column {', '.join(f'`{name}`' for name in PROMPTS)}")
    before = [] if asked is None else [asked]
    one, other = (join_turns([*before, answer]) for answer in answers)
    prompt, first, second = parted(one, other) if one != other else _twice(one)
    models = _models(row)
    verdict = _gold(row, names) if gold else None
    id_ = row.get("id", row.get("idx"))
    found = str(id_) if id_ not in (None, "") else content_id(prompt, first, second, *models)
    return Pair(f"gold {found}" if gold else found, prompt, (first, second), models, verdict)


def _twice(whole: tuple[Message, ...]) -> tuple[tuple[Message, ...], str, str]:
    """A conversation that is both: its prompt, and its last answer twice."""
    prompt, said = split_last(whole)
    return prompt, said.content, said.content


def prompt_of(row: Mapping[str, Any]) -> tuple[Message, ...] | None:
    """The turns of a row's prompt; None where it has no column of one."""
    asked = _asked(row)
    return None if asked is None else join_turns([asked])


def _asked(row: Mapping[str, Any]) -> Any:
    """The prompt as it stands in a row, text or turns."""
    name = next((name for name in PROMPTS if row.get(name)), None)
    if name == "instruction" and str(row.get("input") or "").strip():
        return f"{row[name]}\n\n{row['input']}"
    return None if name is None else row[name]


def content_id(prompt: tuple[Message, ...], *more: str) -> str:
    """A name made of what is in it."""
    spelt = json.dumps([[[turn.role, turn.content] for turn in prompt], *more], ensure_ascii=True)
    return blake2b(spelt.encode(), digest_size=8).hexdigest()


def _answers(row: Mapping[str, Any]) -> tuple[tuple[str, str], tuple[Any, Any]]:
    for names in ANSWERS:
        if all(row.get(name) is not None for name in names):
            return names, (row[names[0]], row[names[1]])
    listed = row.get("answers", row.get("responses"))
    if isinstance(listed, (list, tuple)) and len(listed) == 2:
        return ("answers[0]", "answers[1]"), (listed[0], listed[1])
    known = "; ".join(f"`{one}` and `{other}`" for one, other in ANSWERS)
    have = ", ".join(f"`{name}`" for name in row) or "nothing"
    raise UserError(f"there are no two answers; the row has {have}", f"they stand in {known}, or in a list `answers`")


def _models(row: Mapping[str, Any]) -> tuple[str, str]:
    for one, other in MODELS:
        if one in row or other in row:
            return str(row.get(one) or ""), str(row.get(other) or "")
    listed = row.get("models")
    if isinstance(listed, (list, tuple)) and len(listed) == 2:
        return str(listed[0]), str(listed[1])
    return "", ""


def _gold(row: Mapping[str, Any], names: tuple[str, str]) -> Verdict:
    said = str(row.get("gold") or ("first" if names[0] == "chosen" else "")).strip()
    said = {**dict(zip(names, VERDICTS, strict=False)), "both bad": "bad"}.get(said, said)
    for verdict in VERDICTS:
        if said == verdict:
            return verdict
    raise UserError(f"`gold` is `{said}`", did_you_mean(said, VERDICTS))
