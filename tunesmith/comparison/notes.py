"""How a comparison was made, in words: what was asked, how intervals and tests are computed, where it ran."""

import shlex
from collections.abc import Mapping
from typing import Any

from tunesmith.comparison import words
from tunesmith.comparison.crowded import crowded
from tunesmith.comparison.significance import PERMUTATIONS
from tunesmith.comparison.table import Comparison

WORLD = (
    ("seed", "Seed"),
    ("device", "Device"),
    ("threads", "Threads"),
    ("python", "Python"),
    ("torch", "torch"),
    ("transformers", "transformers"),
    ("tunesmith", "tunesmith"),
    ("commit", "Commit"),
    ("steps", "Steps"),
    ("best_step", "Best step"),
)


TESTS = {
    "McNemar": "For {}, right or wrong answer by answer, McNemar's exact test: would a fair coin split the answers on which "
    "two systems differ so unevenly?",
    "signs": "For {}, means over answers, the signs of the paired differences (of clusters, of their sums) are flipped: every "
    f"pattern where there are few, else {PERMUTATIONS:,} random ones.",
    "sides": "For {}, which total over all answers at once, answers change sides between two systems in {:,} random patterns.",
}


def _drawn(made: Comparison) -> str:
    if not made.clusters:
        return "the examples"
    return f"whole clusters: the {len(made.rows):,} examples stand in {made.clusters:,}, and those of one are not independent"


def _left_out(made: Comparison) -> str:
    if not made.left_out:
        return ""
    return f"Another {made.left_out:,} do not fit the window of every system, whose context differs, and are left out for all. "


def _protocols(made: Comparison) -> list[tuple[str, str]]:
    """How the scores came about: one sentence for the systems that were asked alike."""
    told: dict[str, list[str]] = {}
    for system, protocol in made.protocols.items():
        if protocol:
            told.setdefault(protocol, []).append(system)
    alike = len(told) == 1 and sum(map(len, told.values())) == len(made.systems)
    texts = [f"{'Every system' if alike else ', '.join(systems)}: {protocol}." for protocol, systems in told.items()]
    return [("How the scores came about", " ".join(texts))] if texts else []


def _times(made: Comparison) -> list[tuple[str, str]]:
    told = crowded(system.world for system in made.systems)
    return [("Times", told)] if told else []


def notes(made: Comparison) -> list[tuple[str, str]]:
    """Headings and paragraphs."""
    used = {test: dict.fromkeys(words.label(d.metric) for d in made.differences if d.test == test) for test in TESTS}
    tests = [text.format(", ".join(used[test]), made.draws) for test, text in TESTS.items() if used[test]]
    astray = [f"{system.name}: {text}" for system in made.systems for text in system.world.get("warnings") or ()]
    headline, tested = words.label(made.headline.name), len(made.differences)
    return [
        (
            "What was asked",
            f"Every system answered the same {len(made.rows):,} examples of {made.main}, paired by their ids. {_left_out(made)}"
            "Cost is what each run measured of itself; time per answer is the median over answers.",
        ),
        *_protocols(made),
        *([("While learning", ". ".join(astray) + ".")] if astray else []),
        *_times(made),
        (
            "Intervals",
            f"95 % percentile intervals from {made.draws:,} bootstrap resamples of {_drawn(made)} (seed {made.seed}), "
            "the same for every system, so that differences are paired. They speak of other examples like these, not of "
            "another training seed.",
        ),
        ("Tests", f"Paired and two-sided. {' '.join(tests)}"),
        (
            "Correction",
            f"Holm's step-down over all {tested} comparisons: every system against {made.baseline} under every metric, "
            f"and every other pair under {headline}. Bold means a corrected p below .05.",
        ),
        (
            "What could be seen",
            "The smallest true difference that the test finds 8 times in 10 at its strictest corrected level, from the "
            "spread of the paired differences.",
        ),
        (
            "Answers side by side",
            "Words outside the longest common subsequence with the nearest reference are marked, without regard to case "
            "and punctuation.",
        ),
    ]


def world(made: Comparison) -> Mapping[str, Any]:
    """What runs say of seed, device and versions; a column that no run fills is left out."""
    facts = [{**system.world, **dict(system.world.get("versions") or {})} for system in made.systems]
    shown = [(key, name) for key, name in WORLD if any(fact.get(key) not in (None, "") for fact in facts)]
    rows = [
        {"folder": system.folder, "facts": [words.MISSING if fact.get(key) is None else str(fact[key]) for key, _ in shown]}
        for system, fact in zip(made.systems, facts, strict=True)
    ]
    return {"columns": [name for _, name in shown], "rows": rows}


def command(made: Comparison) -> str:
    """What to type to make the page from the runs again."""
    return " ".join(["tunesmith", "compare", *(shlex.quote(system.folder) for system in made.systems)])
