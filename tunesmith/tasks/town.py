"""The tasks of the embedded town: summaries of dialogues first, and the clusters by which forgetting is told."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tunesmith.data.template import load_templates
from tunesmith.metrics.accuracy import accuracy
from tunesmith.metrics.bleu import bleu
from tunesmith.metrics.correlation import pearson, spearman
from tunesmith.metrics.cross_entropy import bits_per_byte, cross_entropy
from tunesmith.metrics.edit import edit_distance
from tunesmith.metrics.exact import exact_match
from tunesmith.metrics.f1 import token_f1
from tunesmith.metrics.metric import Metric
from tunesmith.metrics.rouge import Rouge
from tunesmith.metrics.rule import Rule
from tunesmith.metrics.spans import labels_f1, span_f1
from tunesmith.tasks.task import Row, Task
from tunesmith.town.manners import is_polite
from tunesmith.town.source import TownSource


@dataclass(frozen=True)
class Sure(TownSource):
    """Rows of a kind that have a value in `column`; the others are passed over."""

    column: str = ""

    def rows(self, split: str) -> Iterator[Row]:
        """The rows of a split, in their order."""
        return (row for row in super().rows(split) if row[self.column] is not None)


@dataclass(frozen=True)
class Polite(Rule):
    """The share of polite answers by the town's rule, which stands in for what people prefer."""

    def worth(self, said: str) -> float:
        return float(is_polite(said))


@dataclass(frozen=True)
class Replies(TownSource):
    """Requests with one reply in the column `reply`: polite and rude by turns, but for the test split, where it is polite.

    A model that has learnt both is what a reward has to choose from.
    """

    def rows(self, split: str) -> Iterator[Row]:
        """The rows of a split, in their order."""
        for number, row in enumerate(super().rows(split)):
            yield {**row, "reply": row["rude" if number % 2 and split != "test" else "polite"]}


def _task(name: str, kind: str, cluster: str, metrics: tuple[Metric, ...], ask: str = "speak", *, tokens: int = 64) -> Task:
    return Task(f"town/{name}", TownSource(kind), load_templates(f"town-{name}"), metrics, cluster, ask, tokens)


ROUGES = tuple(Rouge(kind) for kind in ("1", "2", "L", "Lsum"))

# The test split has three references of a summary.
SUMMARIES = tuple(
    wording if wording.inverted else replace(wording, references="summaries", meta=("topic",))
    for wording in load_templates("town-dialogues")
)

dialogues = Task("town/dialogues", TownSource("dialogues"), SUMMARIES, ROUGES, "summarisation", tokens=80)
stars = _task("stars", "reviews", "sentiment", (accuracy,), "choose")
sentiment = Task(
    "town/sentiment",
    Sure("reviews", {"train": 1500, "validation": 190, "test": 190}, column="sentiment"),
    load_templates("town-sentiment"),
    (accuracy,),
    "sentiment",
    "choose",
)
entailment = _task("entailment", "entailment", "entailment", (accuracy,), "choose")
paraphrase = _task("paraphrase", "paraphrase", "paraphrase", (accuracy,), "choose")
similarity = _task("similarity", "similarity", "paraphrase", (accuracy, pearson, spearman), "choose")
acceptability = _task("acceptability", "acceptability", "acceptability", (accuracy,), "choose")
choice = _task("choice", "questions", "reading", (accuracy,), "choose")
question = _task("question", "questions", "reading", (token_f1, exact_match), tokens=16)
entities = _task("entities", "entities", "extraction", (token_f1, exact_match), tokens=48)
tags = Task("town/tags", TownSource("entities"), load_templates("town-tags"), (span_f1, exact_match), "extraction", tokens=96)
kinds = Task(
    "town/kinds", TownSource("entities"), load_templates("town-kinds"), (labels_f1, exact_match), "extraction", tokens=24
)
translation = _task("translation", "translation", "translation", (bleu,), tokens=32)
pseudocode = _task("pseudocode", "pseudocode", "code", (exact_match, edit_distance), tokens=96)
replies = Task(
    "town/replies",
    Replies("politeness"),
    load_templates("town-replies"),
    (Polite("polite"), token_f1),
    "preference",
    tokens=32,
)
politeness = _task("politeness", "politeness", "preference", (accuracy,), "choose")
narrative = _task("narrative", "narrative", "text", (cross_entropy, bits_per_byte), "weigh")

FORGETTING = (
    "town/narrative",
    "town/sentiment",
    "town/entailment",
    "town/paraphrase",
    "town/acceptability",
    "town/choice",
    "town/question",
    "town/entities",
    "town/translation",
    "town/pseudocode",
    "town/politeness",
)  # what `forgetting: auto` asks, less what was learnt
