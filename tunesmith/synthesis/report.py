"""What has grown, from its files alone: kept, refused by each filter, lengths, verbs and objects, likeness to the seeds."""

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.data.words import listed
from tunesmith.errors import UserError
from tunesmith.metrics.rouge import split_words
from tunesmith.synthesis.filters import MEANING
from tunesmith.synthesis.journal import records, rejected_path, requests_path

if TYPE_CHECKING:
    from rich.console import Group

BINS = 10
SHOWN = 8  # pairs of verb and object


@dataclass(frozen=True)
class Lengths:
    """Words of texts: how many texts, and mean, median, 95th of a hundred and most of their words."""

    texts: int
    mean: float
    median: float
    p95: int
    most: int

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Lengths":
        sizes = sorted(len(text.split()) for text in texts)
        if not sizes:
            return cls(0, 0.0, 0.0, 0, 0)
        late = sizes[min(len(sizes) - 1, int(0.95 * len(sizes)))]
        return cls(len(sizes), round(statistics.mean(sizes), 2), statistics.median(sizes), late, sizes[-1])


@dataclass(frozen=True)
class Report:
    """What stands in the files of one growing.

    ended:        why the last command ended; empty where it was not told.
    rows, tasks:  rows, and instructions that have rows.
    rejected:     filter -> how many pieces it refused.
    lengths:      of instructions, inputs (those that there are) and outputs.
    classification: instructions by what they are: `yes`, `no`, `not told`.
    similarity:   how many instructions have a nearest seed with ROUGE-L in [0, .1), [.1, .2) ...
    verbs, pairs: different verbs, and verbs with objects, of `found` instructions in which both were found.
    often:        the most frequent pairs.
    cost:         requests, how often they were sent, tokens shown and said, answers whose tokens were not told, seconds of
                  answering.
    """

    out: str
    ended: str
    rows: int
    tasks: int
    rejected: dict[str, int]
    lengths: dict[str, Lengths]
    classification: dict[str, int]
    similarity: tuple[int, ...]
    verbs: int
    pairs: int
    found: int
    often: tuple[tuple[str, int], ...]
    cost: dict[str, float]
    model: dict[str, Any]

    def tree(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


def report(out: str | Path, ended: str = "") -> Report:
    """What stands in the files of `out`; it may still be growing."""
    path = Path(out)
    if not requests_path(path).is_file():
        raise UserError(f"nothing has grown into `{path}`: there is no `{requests_path(path).name}`", "name the file of rows")
    lines = records(requests_path(path))
    head = next(lines, {})
    cost: Counter[str] = Counter()
    for line in lines:
        cost.update(requests=1, sent=line["tries"], shown=line["shown"] or 0, said=line["spoken"] or 0)
        cost.update(untold=line["shown"] is None or line["spoken"] is None, seconds=line["seconds"])
    rows = list(records(path))
    rejected = Counter(record["filter"] for record in records(rejected_path(path)))
    first = {row["meta"]["task"]: row for row in rows}
    labels = Counter({True: "yes", False: "no"}.get(row["meta"]["classification"], "not told") for row in first.values())
    bins = Counter(min(BINS - 1, int(row["meta"]["seed_similarity"] * BINS)) for row in first.values())
    pairs = Counter(pair for row in first.values() if (pair := verb_and_object(row["instruction"])) is not None)
    return Report(
        out=str(path),
        ended=ended,
        rows=len(rows),
        tasks=len(first),
        rejected={name: rejected[name] for name in MEANING if rejected[name]},
        lengths={
            "instruction": Lengths.of([row["instruction"] for row in first.values()]),
            "input": Lengths.of([row["input"] for row in rows if row["input"]]),
            "output": Lengths.of([row["output"] for row in rows]),
        },
        classification={name: labels[name] for name in ("yes", "no", "not told") if labels[name]},
        similarity=tuple(bins[place] for place in range(BINS)),
        verbs=len({verb for verb, _ in pairs}),
        pairs=len(pairs),
        found=pairs.total(),
        often=tuple((" ".join(pair), count) for pair, count in pairs.most_common(SHOWN)),
        cost={name: round(cost[name], 1) for name in ("requests", "sent", "shown", "said", "untold", "seconds")},
        model=head.get("model", {}),
    )


def verb_and_object(instruction: str) -> tuple[str, str] | None:
    """The verb with which a request opens, and its object, without a parser; None where the request has no such form.

    The verb is the first word that is no article, pronoun or politeness (`data/words/opening.txt`); the object is the last word
    before the first preposition, conjunction or mark behind it (`data/words/closing.txt`), where there is one. Right for nearly
    all imperatives, and wrong for many questions, so it is a measure of variety and not of grammar.

    >>> verb_and_object("Please write a short story about a dog.")
    ('write', 'story')
    """
    opening, closing = set(listed("opening")), set(listed("closing"))
    head = instruction.partition("\n")[0]
    for mark in ".,;:?!(\"'":
        head = head.partition(mark)[0]
    words = list(split_words(head))
    while words and words[0] in opening:
        words.pop(0)
    if not words or words[0] in closing:
        return None
    verb, *rest = words
    behind = []
    for word in rest:
        if word in closing:
            break
        if word not in opening:
            behind.append(word)
    return (verb, behind[-1]) if behind else None


def rendered(made: Report) -> "Group":
    """The report as tables for the terminal."""
    from rich.console import Group
    from rich.table import Table

    counts = Table("kept and refused", "", "", title_justify="left")
    counts.add_row("rows", f"{made.rows:,}", f"of {made.tasks:,} instructions")
    for name, count in sorted(made.rejected.items(), key=lambda pair: -pair[1]):
        counts.add_row(name, f"{count:,}", MEANING[name])
    lengths = Table("words", "texts", "mean", "median", "95 of 100", "most")
    for name, one in made.lengths.items():
        lengths.add_row(name, f"{one.texts:,}", f"{one.mean:.1f}", f"{one.median:g}", str(one.p95), str(one.most))
    kinds = Table("of the instructions", "")
    for name, count in made.classification.items():
        kinds.add_row(f"classification: {name}", f"{count:,} ({count / made.tasks:.0%})")
    if made.found:
        kinds.add_row("verbs with objects", f"{made.pairs:,} of {made.found:,} different, {made.verbs:,} verbs")
        kinds.add_row("most often", ", ".join(f"{pair} {count}" for pair, count in made.often))
    likeness = Table("ROUGE-L with the nearest seed", "instructions")
    for place, count in enumerate(made.similarity):
        if count:
            likeness.add_row(
                f"{place / BINS:.1f} to {(place + 1) / BINS:.1f}", f"{count:,} {'▇' * round(30 * count / made.tasks)}"
            )
    cost = Table("cost", "")
    cost.add_row("requests", f"{made.cost['requests']:,.0f}, sent {made.cost['sent']:,.0f} times")
    untold = f"; of {made.cost['untold']:,.0f} answers not told" if made.cost["untold"] else ""
    cost.add_row("tokens", f"{made.cost['shown']:,.0f} shown, {made.cost['said']:,.0f} said{untold}")
    return Group(counts, lengths, kinds, likeness, cost) if made.rows else Group(counts, cost)
