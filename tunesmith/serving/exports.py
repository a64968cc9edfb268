"""Votes as rows to learn from, in the layouts of TRL's trainers.

`dpo` and `conversational` rows are {id, prompt, chosen, rejected, chosen_model, rejected_model, margin, share, annotator,
votes, tie, side, ts, note}; `reward` rows {id, prompt, chosen, rejected, margin, share}; `kto` rows {id, prompt, completion,
label, model, annotator, votes, ts, note}. Control items are never among them, nor pairs of which both answers are bad, except
as KTO's bad ones.

margin: votes for less votes against, of all votes of the pair: 1 where all agree, 0 for a tie.
share:  the votes for the chosen answer, of all votes of the pair; a tie is half a vote for either.
side:   where the chosen answer stood, `left` or `right`, a word a vote.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from tunesmith.data.example import Message
from tunesmith.run import write_text
from tunesmith.serving.pairs import Pair, Verdict
from tunesmith.serving.votes import Event, Side, Votes

Layout = Literal["dpo", "conversational", "kto", "reward"]
Ties = Literal["drop", "both", "margin0"]
Policy = Literal["majority", "all", "agreed"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
TIES: tuple[Ties, ...] = get_args(Ties)
POLICIES: tuple[Policy, ...] = get_args(Policy)
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Judged:
    """What is made of the votes on a pair."""

    pair: Pair
    verdict: Verdict
    margin: float
    events: Sequence[Event]


def judged(votes: Votes, policy: Policy = "majority") -> list[Judged]:
    """What people found of each pair, in the order of the pairs.

    policy: `majority`: the verdict given most often, a tie where no single one is; `all`: every vote for itself; `agreed`:
            pairs that two people or more have judged, all in the same way.
    """
    by_pair: dict[str, list[Event]] = defaultdict(list)
    for event in votes.standing():
        by_pair[event.pair].append(event)
    found: list[Judged] = []
    for pair in votes.pairs():
        events = by_pair[pair.id]
        if pair.gold is not None or not events:
            continue
        if policy == "all":
            found += [_judged(pair, [event]) for event in events]
        elif policy == "majority" or (len(events) > 1 and len({event.verdict for event in events}) == 1):
            found.append(_judged(pair, events))
    return found


def _judged(pair: Pair, events: Sequence[Event]) -> Judged:
    counts = Counter(event.verdict for event in events)
    most = [verdict for verdict, count in counts.items() if count == max(counts.values())]
    verdict: Verdict = most[0] if len(most) == 1 and most[0] is not None else "tie"
    ahead = counts["first"] - counts["second"] if verdict == "first" else counts["second"] - counts["first"]
    return Judged(pair, verdict, ahead / len(events) if verdict in ("first", "second") else 0.0, events)


def rows(votes: Votes, layout: Layout = "dpo", ties: Ties = "drop", policy: Policy = "majority") -> list[Row]:
    """The votes as rows, in the order of the pairs.

    A prompt is text; where any pair of the file has more than one turn of the user, and in the layout `conversational`, all
    prompts and answers are lists of turns.

    ties: `drop` them; `both`: a row each way round (KTO: both answers are good); `margin0`: one row, the first answer chosen.
    """
    found = judged(votes, policy)
    turns = layout == "conversational" or any(_is_conversation(one.pair.prompt) for one in found)
    made = _kto if layout == "kto" else _preferences
    all_rows = (row for one in found for row in made(one, ties, turns))
    if layout == "reward":
        return [{name: row[name] for name in ("id", "prompt", "chosen", "rejected", "margin", "share")} for row in all_rows]
    return list(all_rows)


def write_rows(into: Path, found: Sequence[Row]) -> None:
    """JSON lines, whole or not at all."""
    write_text(into, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found))


def _is_conversation(prompt: Sequence[Message]) -> bool:
    return [turn.role for turn in prompt] != ["user"]


def _preferences(one: Judged, ties: Ties, turns: bool) -> Iterator[Row]:
    orders: dict[Verdict, tuple[Side, ...]] = {"first": ("first",), "second": ("second",)}
    if one.verdict == "tie":
        orders["tie"] = {"drop": (), "both": ("first", "second"), "margin0": ("first",)}[ties]  # type: ignore[assignment]
    for chosen in orders.get(one.verdict, ()):
        best, worst = (0, 1) if chosen == "first" else (1, 0)
        yield {
            "id": one.pair.id,
            "prompt": _prompt(one.pair.prompt, turns),
            "chosen": _answer(one.pair.answers[best], turns),
            "rejected": _answer(one.pair.answers[worst], turns),
            "chosen_model": one.pair.models[best],
            "rejected_model": one.pair.models[worst],
            "margin": one.margin,
            "share": (1 + one.margin) / 2,
            **_origin(one),
            "tie": one.verdict == "tie",
            "side": ", ".join("left" if event.side == chosen else "right" for event in one.events),
        }


def _kto(one: Judged, ties: Ties, turns: bool) -> Iterator[Row]:
    if one.verdict == "tie" and ties == "drop":
        return
    good = {"first": (True, False), "second": (False, True), "tie": (True, True), "bad": (False, False)}[one.verdict]
    for answer, label, model in zip(one.pair.answers, good, one.pair.models, strict=True):
        yield {
            "id": one.pair.id,
            "prompt": _prompt(one.pair.prompt, turns),
            "completion": _answer(answer, turns),
            "label": label,
            "model": model,
            **_origin(one),
        }


def _origin(one: Judged) -> Row:
    return {
        "annotator": ", ".join(event.annotator for event in one.events),
        "votes": len(one.events),
        "ts": max(event.ts for event in one.events),
        "note": "\n".join(event.note for event in one.events if event.note),
    }


def _prompt(prompt: Sequence[Message], turns: bool) -> str | list[dict[str, str]]:
    return [{"role": turn.role, "content": turn.content} for turn in prompt] if turns else prompt[0].content


def _answer(text: str | None, turns: bool) -> str | list[dict[str, str]]:
    assert text is not None, "only pairs with both answers are judged"
    return [{"role": "assistant", "content": text}] if turns else text
