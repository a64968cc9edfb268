"""Verdicts over learning curves whose truth is known."""

import numpy as np
import pytest

from tunesmith.comparison.overfitting import curve, noise, smoothed


def learning(validation, training=None, every=10):
    """Records of a run whose training loss falls from 3 to 1 unless given, validated every tenth step."""
    count = every * len(validation)
    training = np.linspace(3, 1, count) if training is None else training
    steps = [{"step": place + 1, "loss": float(loss)} for place, loss in enumerate(training)]
    return steps, [{"step": every * (place + 1), "loss": float(loss)} for place, loss in enumerate(validation)]


def test_a_rise_while_training_falls_is_overfitting():
    made = curve(*learning([3.0, 2.5, 2.2, 2.1, 2.2, 2.4, 2.6, 2.8]))
    assert made.best_step == 40
    assert (made.verdict, made.since) == ("overfits", 50)
    assert made.in_words() == "overfits from step 50"
    assert made.gap > made.gap_at_best


def test_a_rise_while_training_does_not_fall_is_unstable():
    training = np.concatenate([np.linspace(3, 1, 40), np.linspace(1, 3, 40)])
    made = curve(*learning([3.0, 2.5, 2.2, 2.1, 2.3, 2.6, 2.9, 3.2], training))
    assert made.verdict == "unstable"


def test_one_bad_validation_is_no_sign():
    assert curve(*learning([3.0, 2.5, 2.2, 2.1, 2.4, 2.11, 2.12, 2.105])).verdict == "no sign"


def test_jitter_is_not_overfitting():
    random = np.random.default_rng(0)
    found = [curve(*learning(2.0 + random.normal(0, 0.05, 20))).verdict for _ in range(200)]
    assert found.count("overfits") <= 0.05 * len(found)


def test_still_falling_at_the_end():
    made = curve(*learning([3.0, 2.7, 2.4, 2.1, 1.8]))
    assert (made.verdict, made.best_step) == ("still improving", 50)


def test_nothing_trained_and_nothing_validated():
    assert curve([], []).verdict == "not trained"
    made = curve(learning([1.0])[0], [])
    assert made.verdict == "no sign" and made.best_step is None


def test_noise_of_white_noise_is_its_deviation():
    assert noise(list(2.0 + np.random.default_rng(1).normal(0, 0.1, 400))) == pytest.approx(0.5, rel=0.2)
    assert noise([2.0, 1.9, 2.1]) == pytest.approx(0.0095)


def test_smoothing_keeps_a_constant_and_the_length():
    assert smoothed([2.0] * 50) == pytest.approx([2.0] * 50)
    assert smoothed([]) == ()
    assert min(smoothed([0.1, 0.1, 9.0, 40.0, 60.0] + [50.0] * 45)) >= 0.1, "a loss is never below all that were seen"
