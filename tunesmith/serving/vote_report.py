"""What votes tell: of the models, of the people, of how far they agree."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from math import isfinite
from statistics import median
from typing import Any

import numpy as np

from tunesmith.comparison.agreement import (
    binomial_interval,
    cohen_kappa,
    fleiss_kappa,
    krippendorff_alpha,
    measured,
    raw_agreement,
)
from tunesmith.comparison.significance import Array, Interval
from tunesmith.serving.pairs import VERDICTS, Pair
from tunesmith.serving.votes import Event, Votes

HASTY = 1.5  # seconds of the median vote below which nobody can have read two answers
CAREFUL = 0.8  # share of control items that a careful person gets right
SCALE = ("first", "equal", "second")  # in order: a tie and `both bad` lie in the middle


@dataclass(frozen=True, slots=True)
class Person:
    """One annotator. seconds: of the median vote; left: share of preferences for the left; gold: share of controls right."""

    name: str
    votes: int
    skips: int
    seconds: float
    left: Interval
    gold: Interval
    gold_votes: int

    @property
    def flags(self) -> list[str]:
        """What somebody should look at."""
        found = ["hasty"] * (self.votes > 4 and self.seconds < HASTY)
        found += [f"leans {'left' if self.left.value > 0.5 else 'right'}"] * (not self.left.low <= 0.5 <= self.left.high)
        return found + ["controls"] * (self.gold.value < CAREFUL)


@dataclass(frozen=True, slots=True)
class Contest:
    """Two models: votes by outcome, and the share of votes that the first one wins, ties and `both bad` as half a vote.

    rate: with its bootstrap interval over pairs, since votes on one pair are alike.
    """

    model: str
    other: str
    wins: int
    losses: int
    ties: int
    bad: int
    rate: Interval


@dataclass(frozen=True, slots=True)
class Report:
    """All figures. alike: pairs that nobody is asked, since both answers are the same; longer: share of preferences for it."""

    pairs: int
    judged: int
    alike: int
    votes: int
    skips: int
    verdicts: Mapping[str, int]
    left: Interval
    longer: Interval
    people: Sequence[Person]
    contests: Sequence[Contest]
    raw: Interval
    cohen: Mapping[tuple[str, str], Interval]
    fleiss: Interval
    alpha: Interval
    alpha_ordinal: Interval

    def tree(self) -> dict[str, Any]:
        """As JSON: not-a-number is null."""
        tree = asdict(self)
        tree["cohen"] = [{"annotators": list(names), **asdict(found)} for names, found in self.cohen.items()]
        for person, made in zip(tree["people"], self.people, strict=True):
            person["flags"] = made.flags
        found: dict[str, Any] = cleaned(tree)
        return found


def report(votes: Votes) -> Report:
    """What the votes that stand tell. Control items count only for the people who judged them."""
    pairs = {pair.id: pair for pair in votes.pairs()}
    every, skips = votes.standing(), votes.standing("skip")
    asked = [event for event in every if pairs[event.pair].gold is None]
    by_pair: dict[str, dict[str, str]] = defaultdict(dict)
    for event in asked:
        by_pair[event.pair][event.annotator] = str(event.verdict)
    ratings = list(by_pair.values())
    ordered = [{name: value if value in SCALE else "equal" for name, value in item.items()} for item in ratings]
    names = sorted({event.annotator for event in every} | {event.annotator for event in skips})
    both = {(one, other) for item in ratings for one, other in combinations(sorted(item), 2)}
    return Report(
        pairs=sum(pair.gold is None for pair in pairs.values()),
        judged=len(by_pair),
        alike=sum(pair.is_alike for pair in pairs.values()),
        votes=len(every),
        skips=len(skips),
        verdicts={verdict: sum(event.verdict == verdict for event in asked) for verdict in VERDICTS},
        left=_left(every),
        longer=_longer(asked, pairs),
        people=[_person(name, every, skips, pairs) for name in names],
        contests=_contests(asked, pairs),
        raw=raw_agreement(ratings, VERDICTS),
        cohen={names: cohen_kappa(ratings, VERDICTS, *names) for names in sorted(both)},
        fleiss=fleiss_kappa(ratings, VERDICTS),
        alpha=krippendorff_alpha(ratings, VERDICTS),
        alpha_ordinal=krippendorff_alpha(ordered, SCALE, "ordinal"),
    )


def _person(name: str, votes: Sequence[Event], skips: Sequence[Event], pairs: Mapping[str, Pair]) -> Person:
    mine = [event for event in votes if event.annotator == name]
    gold = [event.verdict == pairs[event.pair].gold for event in mine if pairs[event.pair].gold is not None]
    seconds = median(event.seconds for event in mine) if mine else float("nan")
    skipped = sum(event.annotator == name for event in skips)
    return Person(name, len(mine), skipped, seconds, _left(mine), binomial_interval(sum(gold), len(gold)), len(gold))


def _left(votes: Sequence[Event]) -> Interval:
    sides = Counter(event.chosen_side for event in votes)
    return binomial_interval(sides["left"], sides["left"] + sides["right"])


def _longer(votes: Sequence[Event], pairs: Mapping[str, Pair]) -> Interval:
    """Of preferences between answers of unlike length in letters, how many are for the longer one."""
    found = []
    for event in votes:
        first, second = (len(answer or "") for answer in pairs[event.pair].answers)
        if event.verdict in ("first", "second") and first != second:
            found.append((event.verdict == "first") == (first > second))
    return binomial_interval(sum(found), len(found))


def _contests(votes: Sequence[Event], pairs: Mapping[str, Pair]) -> list[Contest]:
    found: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for event in votes:
        models = pairs[event.pair].models
        if models[0] == models[1] or not all(models):
            continue
        one, other = sorted(models)
        outcome = {"first": models[0], "second": models[1]}.get(str(event.verdict), str(event.verdict))
        won = {one: "wins", other: "losses"}.get(outcome, outcome) if event.verdict in ("first", "second") else outcome
        found[one, other][event.pair].append(won)
    return [_contest(*models, list(outcomes.values())) for models, outcomes in sorted(found.items())]


def _contest(model: str, other: str, outcomes: Sequence[Sequence[str]]) -> Contest:
    counts = Counter(outcome for votes in outcomes for outcome in votes)
    worth = {"wins": 1.0, "losses": 0.0}
    stats_NC = np.array([[sum(worth.get(outcome, 0.5) for outcome in votes), len(votes)] for votes in outcomes])

    def total(sums_QC: Array) -> Array:
        shares: Array = sums_QC[:, 0] / sums_QC[:, 1]
        return shares

    rate = measured(stats_NC, total)
    return Contest(model, other, counts["wins"], counts["losses"], counts["tie"], counts["bad"], rate)


def cleaned(value: Any) -> Any:
    """Plain values for JSON: not-a-number is null."""
    if isinstance(value, Mapping):
        return {str(key): cleaned(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [cleaned(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value
