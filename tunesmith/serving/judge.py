"""A rule, or a model that rates texts, standing in for people: it gives every answer a number, and votes for the higher one."""

import secrets
from collections.abc import Callable, Sequence

from tunesmith.data.example import Example
from tunesmith.serving.pairs import Verdict
from tunesmith.serving.votes import Votes

Score = Callable[[Sequence[Example], Sequence[str]], Sequence[float]]
"""Examples and an answer to each -> a number each, the higher the better."""


def judge(votes: Votes, score: Score, annotator: str) -> int:
    """Vote on every pair that this annotator has not judged; how many votes. Equal numbers are a tie.

    annotator: what stands beside the votes, such as `rule of politeness`, so that nobody takes them for a person's.
    """
    done = {event.pair for kind in ("vote", "skip") for event in votes.standing(kind) if event.annotator == annotator}
    pairs = [pair for pair in votes.pairs() if pair.id not in done and None not in pair.answers and not pair.is_alike]
    examples = [Example(pair.prompt, "", id=pair.id) for pair in pairs]
    firsts, seconds = (score(examples, [str(pair.answers[place]) for pair in pairs]) for place in (0, 1))
    for pair, first, second in zip(pairs, firsts, seconds, strict=True):
        verdict: Verdict = "tie" if first == second else "first" if first > second else "second"
        votes.record(secrets.token_hex(16), pair.id, annotator, verdict)
    return len(pairs)
