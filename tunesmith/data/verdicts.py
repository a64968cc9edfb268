"""Preference pairs as rows have them: two answers in columns of their own, and a verdict beside them.

{"prompt": ..., "response_0": ..., "response_1": ..., "better_response_id": 1}           PKU-SafeRLHF
{"history": ..., "human_ref_A": ..., "human_ref_B": ..., "labels": 1}                    SHP: 1 is A
{"prompt": ..., "response1": ..., "response2": ..., "overall_preference": -2}            HelpSteer: below 0 is the first
{"instruction": ..., "output_1": ..., "output_2": ..., "preference": 2}                  AlpacaFarm
{"conversation_a": [...], "conversation_b": [...], "winner": "model_a"}                  Chatbot Arena
{"question": ..., "answer_0": ..., "answer_1": ..., "score_0": 0.5, "score_1": -0.5}     WebGPT
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from tunesmith.errors import UserError

ANSWERS = ("response", "answer", "output", "completion", "conversation", "human_ref", "summary", "text")
ENDINGS = (("_0", "_1"), ("_1", "_2"), ("_a", "_b"), ("_A", "_B"), ("0", "1"), ("1", "2"), ("A", "B"), ("a", "b"))
PROMPTS = ("prompt", "question", "instruction", "query", "history", "post", "input")
VERDICTS = (
    *("better_response_id", "winner", "preference", "preferred", "overall_preference", "preference_strength"),
    *("verdict", "better", "choice", "labels", "label"),
)
SIGNED = ("overall_preference", "preference_strength")
FIRST = ("a", "model_a", "response_a", "answer_a", "first", "model_1", "response_1", "left")
SECOND = ("b", "model_b", "response_b", "answer_b", "second", "model_2", "response_2", "right")


@dataclass(frozen=True)
class Verdicts:
    """Rows of two answers and a verdict.

    by: how the better one is told: a number `from 0` or `from 1`, `words`, a `sign`, `scores`, or 1 for the first (`first`).
    """

    WAYS: ClassVar[tuple[str, ...]] = ("from 0", "from 1", "words", "sign", "scores", "first")
    by: str

    def columns(self, row: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
        found = columns(row)
        if not found:
            return {}
        pair = (*found["answers"], *found["verdict"])
        return {"prompt": found.get("prompt", ()), "chosen": pair, "rejected": pair}

    def read(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """`prompt`, `chosen` and `rejected`; all empty for a tie, which is no example."""
        found = columns(row)
        if not found or any(name not in row for name in found["answers"]):
            return {}
        prompt = row[found["prompt"][0]] if "prompt" in found else ""
        pair = [row[name] for name in found["answers"]]
        better = preferred(self.by, row)
        if better is None:
            return {"prompt": "", "chosen": "", "rejected": ""}
        return {"prompt": prompt, "chosen": pair[better], "rejected": pair[1 - better]}


def columns(row: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """`answers`, `verdict` and `prompt` -> the columns of a row that hold them; none where it has no such pair."""
    return dict(_named(tuple(map(str, row))))


@lru_cache(maxsize=1024)
def _named(names: tuple[str, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    for answer in ANSWERS:
        for ends in ENDINGS:
            pair = tuple(answer + end for end in ends)
            scores = tuple(f"score{end}" for end in ends)
            onehot = tuple(f"winner_model{end}" for end in ends)
            if not set(pair) <= set(names):
                continue
            told = [name for name in VERDICTS if name in names]
            verdict = tuple(told[:1]) or next((both for both in (onehot, scores) if set(both) <= set(names)), ())
            prompt = [name for name in PROMPTS if name in names]
            if verdict and (prompt or answer == "conversation"):
                return (("answers", pair), ("verdict", verdict), *((("prompt", tuple(prompt[:1])),) if prompt else ()))
    return ()


def preferred(by: str, row: Mapping[str, Any]) -> int | None:
    """Place of the better answer, 0 or 1; None for a tie, and for words that are none of those known.

    Raises:
        UserError: where a number is none of those that can be.
    """
    names = columns(row)["verdict"]
    if len(names) == 2:
        one, other = (float(row[name] or 0) for name in names)
        return None if one == other else int(other > one)
    said = row[names[0]]
    if by == "words":
        word = str(said).strip().lower()
        return 0 if word in FIRST else 1 if word in SECOND else None
    try:
        value = float(said)
    except (TypeError, ValueError):
        value = float("nan")
    if by == "sign":
        return None if not value else int(value > 0)
    if by == "first":
        return 1 - int(value)
    found = value - int(by[-1])
    if by == "from 1" and value == 0:
        return None
    if found not in (0, 1):
        raise UserError(
            f"the verdict in `{names[0]}` is `{said}`, and is read {by}", "mend the row, or put rows as `chosen` and `rejected`"
        )
    return int(found)


def ways(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """How the verdicts of some rows may be read; more than one where they do not tell."""
    found = columns(rows[0])
    names = found["verdict"]
    if len(names) == 2:
        return ["scores"]
    said = {str(row.get(names[0])).strip() for row in rows}
    if names[0] in SIGNED:
        return ["sign"]
    if found["answers"][0].startswith("human_ref"):
        return ["first"]
    numbers = {word.removesuffix(".0") for word in said}
    if not all(word.isdigit() for word in numbers):
        return ["words"]
    fitting = [by for by, known in (("from 0", {"0", "1"}), ("from 1", {"0", "1", "2"})) if numbers <= known]
    if "2" in numbers or "0" not in numbers:
        ends = found["answers"][0][-1]
        return fitting if len(fitting) < 2 or ends not in "01" else [f"from {ends}"]
    return fitting[:1] if "0" in numbers else fitting
