"""Judges of pairs against people: votes and annotators, worked out by hand."""

import math

import numpy as np
import pytest

from tunesmith.data.example import Example
from tunesmith.metrics.votes import annotator_agreement, vote_error
from tunesmith.run import Answer


def judged(said, probability, **meta):
    """A pair of which the chosen answer, `a`, has this probability."""
    example = Example((), "a", "b", choices=("b", "a"), meta=meta)
    return Answer("1", "", said, "a", scores=(math.log(1 - probability), math.log(probability)), labels=("b", "a")), example


def score(metric, *pairs):
    return metric.total(np.array([metric.measure(*pair) for pair in pairs]))


def test_the_error_of_votes_is_squared():
    assert score(vote_error, judged("a", 0.75, share=0.75)) == pytest.approx(0)
    assert score(vote_error, judged("a", 0.9, share=0.5), judged("b", 0.4)) == pytest.approx((0.16 + 0.36) / 2)


def test_every_annotator_counts_once():
    often = [judged("a", 0.9, annotator="eve")] * 3
    seldom = [judged("b", 0.1, annotator="bob"), judged("a", 0.9, annotator="bob")]
    assert score(annotator_agreement, *often, *seldom) == pytest.approx((1 + 0.5) / 2)
    assert score(annotator_agreement, *often) == 1
