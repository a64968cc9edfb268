"""Sequences by hand."""

import pytest

from tunesmith.tokens.sequence import IGNORED, Tokens, causal, masked, seq2seq


def test_causal_predicts_each_token_from_those_before():
    tokens = causal([1, 5, 6, 7, 2], [0, 0, 0, 1, 1])
    assert tokens.inputs == (1, 5, 6, 7)
    assert tokens.targets == (IGNORED, IGNORED, 7, 2)
    assert tokens.weights == ()
    assert (tokens.size, tokens.learnt) == (4, 2)


def test_weights_are_kept_where_they_are_not_all_one():
    tokens = causal([1, 5, 6, 2], [0, 0.25, 0, 1])
    assert tokens.targets == (5, IGNORED, 2)
    assert tokens.weights == (0.25, 0.0, 1.0)
    assert tokens.learnt == 2


def test_decoder_reads_the_answer_shifted_right():
    tokens = seq2seq([8, 9, 1], [5, 6, 1], start=0)
    assert (tokens.source, tokens.inputs, tokens.targets) == ((8, 9, 1), (0, 5, 6), (5, 6, 1))
    assert tokens.size == 6
    weighted = seq2seq([8], [5, 6, 1], 0, [2.0, 0.0, 1.0])
    assert (weighted.targets, weighted.weights) == ((5, IGNORED, 1), (2.0, 0.0, 1.0))


def test_masked():
    assert masked([2, 4, 4, 3], [IGNORED, 7, 8, IGNORED]).learnt == 2


def test_lengths_must_agree():
    with pytest.raises(AssertionError, match="a target for every input"):
        Tokens((1, 2), (1,))
    with pytest.raises(AssertionError, match="a weight for every target"):
        Tokens((1, 2), (1, 2), (1.0,))
