"""Entities, sets of labels and calibration, by cases worked out by hand and by definitions written down once more."""

import math
import random

import numpy as np
import pytest

from tunesmith.data.example import Example
from tunesmith.metrics.calibration import brier, calibration_error
from tunesmith.metrics.spans import entities, labels_f1, span_f1
from tunesmith.run import Answer


def score(metric, pairs):
    rows = [metric.measure(Answer("", "", said, meant), Example((), meant)) for meant, said in pairs]
    return metric.total(np.array(rows))


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ("O O O", set()),
        ("B-PER I-PER O B-LOC", {("PER", 0, 1), ("LOC", 3, 3)}),
        ("B-PER B-PER", {("PER", 0, 0), ("PER", 1, 1)}),
        ("I-PER I-PER O I-PER", {("PER", 0, 1), ("PER", 3, 3)}),  # IOB1
        ("B-PER I-LOC", {("PER", 0, 0), ("LOC", 1, 1)}),
        ("S-PER B-LOC E-LOC I-LOC", {("PER", 0, 0), ("LOC", 1, 2), ("LOC", 3, 3)}),
    ],
)
def test_entities_are_those_of_conlleval(tags, found):
    assert entities(tags) == found


def starts(before, tag):
    """conlleval's rule of where a chunk begins, as its script says it."""
    (mark_before, kind_before), (mark, kind) = ((one.split("-") if "-" in one else [one, ""]) for one in (before, tag))
    begin = mark == "B" or (mark_before == "O" and mark == "I")
    return begin or (mark != "O" and kind_before != kind)


def ends(before, tag):
    (mark_before, kind_before), (mark, kind) = ((one.split("-") if "-" in one else [one, ""]) for one in (before, tag))
    end = mark_before in ("B", "I") and mark in ("B", "O")
    return end or (mark_before != "O" and kind_before != kind)


def conlleval(pairs):
    """F1 as conlleval's loop counts it: token by token, over all sentences with a gap between them."""
    right = said_all = meant_all = 0
    for meant, said in pairs:
        open_ = False
        before = ("O", "O")
        for now in [*zip(meant.split(), said.split(), strict=True), ("O", "O")]:
            ended, begun = ([rule(b, n) for b, n in zip(before, now, strict=True)] for rule in (ends, starts))
            if open_ and all(ended):
                right, open_ = right + 1, False
            elif open_ and (any(ended) or now[0].partition("-")[2] != now[1].partition("-")[2]):
                open_ = False
            if all(begun) and now[0].partition("-")[2] == now[1].partition("-")[2]:
                open_ = True
            meant_all, said_all = meant_all + begun[0], said_all + begun[1]
            before = now
    return 2 * right / (said_all + meant_all)


def test_span_f1_is_conllevals():
    dice = random.Random(0)
    tags = ["O", "O", "B-A", "I-A", "I-B", "B-B"]
    for _ in range(50):
        pairs = []
        for _ in range(8):
            meant = [dice.choice(tags) for _ in range(dice.randint(1, 9))]
            said = [tag if dice.random() < 0.7 else dice.choice(tags) for tag in meant]
            pairs.append((" ".join(meant), " ".join(said)))
        assert score(span_f1, pairs) == pytest.approx(conlleval(pairs))


def test_sets_of_labels():
    pairs = [("sad, angry", "angry, sad"), ("none", "sad"), ("angry", "none")]
    assert score(labels_f1, pairs) == pytest.approx(2 * 2 / (3 + 3))
    assert score(labels_f1, [("none", "none")]) == 1.0


def told(right, share):
    """An answer that gives `yes` this share."""
    return Answer("", "", "yes", "yes" if right else "no", scores=(math.log(share), math.log(1 - share)), labels=("yes", "no"))


def test_calibration_by_hand():
    answers = [told(True, 0.9)] * 5 + [told(False, 0.9)] * 5 + [told(True, 0.6)] * 6 + [told(False, 0.6)] * 4
    examples = [Example((), answer.target) for answer in answers]
    rows = np.array([calibration_error.measure(*pair) for pair in zip(answers, examples, strict=True)])
    two = type(calibration_error)(bins=2)
    assert two.total(rows) == pytest.approx((abs(0.9 - 0.5) + abs(0.6 - 0.6)) / 2)
    rows = np.array([brier.measure(*pair) for pair in zip(answers, examples, strict=True)])
    wanted = (5 * 2 * 0.1**2 + 5 * 2 * 0.9**2 + 6 * 2 * 0.4**2 + 4 * 2 * 0.6**2) / 20
    assert brier.total(rows) == pytest.approx(wanted)
