"""Preference pairs in rows: two answers to one prompt, of which one was preferred, and what a row says of that beside them.

{"prompt": ..., "chosen": ..., "rejected": ..., "margin": 1.5, "share": 0.75}    texts, or lists of turns
{"chosen": whole dialogue, "rejected": whole dialogue}                          the prompt is what they share
{"prompt": ..., "completion": ..., "label": true}                               one answer, found good or bad (KTO)
"""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from tunesmith.data.example import Example, Message
from tunesmith.errors import UserError

COLUMNS = ("margin", "share", "annotator")  # of a row, kept in `Example.meta`
YES, NO = ("true", "yes", "1", "1.0"), ("false", "no", "0", "0.0")


def parted(chosen: tuple[Message, ...], rejected: tuple[Message, ...]) -> tuple[tuple[Message, ...], str, str]:
    """(prompt, chosen answer, rejected answer) of two dialogues that begin alike.

    Where they go on for several turns, the first turns in which they differ are compared: only these answer the same prompt.

    Raises:
        UserError: where they do not differ, or what differs is not the assistant's.
    """
    pairs = zip(chosen, rejected, strict=False)
    shared = next((n for n, (one, other) in enumerate(pairs) if one != other), min(len(chosen), len(rejected)))
    rest = [turns[shared] for turns in (chosen, rejected) if len(turns) > shared]
    if not rest:
        raise _alike()
    if len(rest) < 2 or any(turn.role != "assistant" for turn in rest):
        raise UserError(
            f"`chosen` and `rejected` first differ in turn {shared + 1}, and not both have an answer of the assistant there",
            "both must answer the same prompt: put what they share into `prompt`, or leave the row out",
        )
    return chosen[:shared], rest[0].content, rest[1].content


def parted_text(chosen: str, rejected: str) -> tuple[str, str, str]:
    """(prompt, chosen answer, rejected answer) of two texts: the prompt is all whole words with which both begin."""
    shared = next((n for n, (one, other) in enumerate(zip(chosen, rejected, strict=False)) if one != other), None)
    shared = min(len(chosen), len(rejected)) if shared is None else shared
    while shared and not chosen[shared - 1].isspace():
        shared -= 1
    return chosen[:shared], chosen[shared:], rejected[shared:]


def compared(example: Example) -> Example:
    """The example with both answers as its choices, in an order that tells nothing; an example without a pair as it is.

    Raises:
        UserError: where the answers do not differ, or what stands beside them cannot be read.
    """
    for name in ("margin", "share"):
        number(example.meta, name)
    if example.rejected is None:
        return example
    if example.target.strip() == example.rejected.strip():
        raise _alike()
    if example.choices:
        return example
    first, second = sorted((example.target, example.rejected), key=lambda text: blake2b(text.encode(errors="replace")).digest())
    return replace(example, choices=(first, second))


def number(meta: Mapping[str, Any], name: str) -> float | None:
    """The margin of a pair, or the share of its annotators that the chosen answer has; None where a row has none."""
    value = meta.get(name)
    if value is None or value == "":
        return None
    try:
        found = float(value) if not isinstance(value, bool) else float("nan")
    except (TypeError, ValueError):
        found = float("nan")
    if name == "share" and not 0 <= found <= 1:
        raise UserError(f"`share` is `{value}`", "it is the share of annotators who chose `chosen`: a number from 0 to 1")
    if found - found != 0:
        raise UserError(f"`{name}` is `{value}`", "write a number, or leave the column out")
    return found


def desirable(example: Example) -> bool:
    """Whether the one answer of an example was found good.

    Raises:
        UserError: where no column `label` says it.
    """
    label = str(example.meta.get("label", "")).strip().lower()
    if label not in YES + NO:
        raise UserError(
            f"example `{example.id}` has the label `{label}`" if label else f"example `{example.id}` has no `label`",
            "a row needs `prompt`, `completion` and `label` (true or false), or `prompt`, `chosen` and `rejected`",
        )
    return label in YES


def _alike() -> UserError:
    return UserError("`chosen` and `rejected` are the same", "a pair needs two different answers: leave the row out")
