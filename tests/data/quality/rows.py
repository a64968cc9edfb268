"""Records written for tests."""

from tunesmith.data.quality.examine import Kept, examine
from tunesmith.data.quality.findings.finding import Evaluation
from tunesmith.data.quality.record import Record


def records(*pairs, **more):
    """Records of (question, answer)."""
    return Kept([Record(number, *pair, **more) for number, pair in enumerate(pairs)])


def found(finding, kept, *evaluations, drop=()):
    """What one finding finds."""
    made = [Evaluation(name, list(judged.passing())) for name, judged in evaluations]
    return examine(kept, {"it": finding}, made, drop)[0]


def numbers(found):
    return [hit.number for hit in found.hits]
