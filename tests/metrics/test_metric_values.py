"""Values worked out by hand, and settings that are refused."""

import math

import numpy as np
import pytest

from tunesmith.data.example import Example
from tunesmith.errors import UserError
from tunesmith.metrics.accuracy import accuracy
from tunesmith.metrics.bleu import Bleu, bleu, bleu_counts, sentence_bleu
from tunesmith.metrics.bleu_variants import Precision, bleu_geo, bleu_whitespace, precision_1, precision_2, value
from tunesmith.metrics.correlation import matthews, pearson, spearman
from tunesmith.metrics.cross_entropy import bits_per_byte, cross_entropy, perplexity
from tunesmith.metrics.edit import ErrorRate, edit_distance, edit_similarity, phoneme_error_rate, word_error_rate
from tunesmith.metrics.exact import exact_match, quasi_exact
from tunesmith.metrics.f1 import f1, macro_f1, token_f1, token_f1_distinct
from tunesmith.metrics.rouge import Rouge, rouge1, rouge_scores, rougeLsum
from tunesmith.metrics.rouge_variants import rouge1_recall


def row(metric, said, *references, choices=(), **facts):
    from tunesmith.run import Answer

    example = Example((), references[0], choices=choices, references=references if len(references) > 1 else ())
    return metric.measure(Answer("e", "", said, references[0], **facts), example)


def total(metric, *rows):
    return metric.total(np.array(rows, dtype=np.float64))


def test_rouge_golden_values():
    """The figures of rouge_score's own tests that need no file."""
    assert rouge_scores("testing", "testing one two", "1") == (1, 1 / 3, 1 / 2)
    assert rouge_scores("testing one", "testing one two", "2") == pytest.approx((1, 1 / 2, 2 / 3))
    assert rouge_scores("testing two", "testing one two", "L") == pytest.approx((1, 2 / 3, 4 / 5))
    said = "w1 w2 w6 w7 w8\nw1 w3 w8 w9 w5"
    assert rouge_scores(said, "w1 w2 w3 w4 w5", "Lsum") == pytest.approx((0.4, 0.8, 0.5333), abs=1e-4)
    assert rouge_scores("Second sentence.\nFirst Sentence.", "First sentence.\nSecond Sentence.", "Lsum")[2] == 1
    assert rouge_scores("Second sentence. First Sentence.", "First sentence. Second Sentence.", "Lsum")[2] == 0.5


def test_rouge_takes_the_reference_with_the_largest_f():
    assert row(rouge1, "a b", "a c d", "a b c") == rouge_scores("a b", "a b c", "1")
    assert total(rouge1, (1, 0, 0.5), (0, 0, 0.0)) == 0.25
    assert total(rouge1_recall, (1, 0.4, 0.5), (0, 0, 0.0)) == 0.2
    assert total(Rouge("1", part="precision"), (1, 0.4, 0.5), (0, 0, 0.0)) == 0.5


def test_rouge_of_nothing_is_nothing():
    for kind in ("1", "2", "L", "Lsum"):
        assert rouge_scores("", "the cat", kind) == rouge_scores("the cat", "", kind) == rouge_scores("", "", kind) == (0, 0, 0)


def test_beta_leans_toward_recall():
    """P = .8, R = 1: (1 + 4) .8 / (1 + 4 x .8)."""
    said, meant = "It is very cold outside", "It is cold outside."
    assert row(Rouge("1", beta=2), said, meant)[2] == pytest.approx(4 / 4.2)


def test_names_follow_from_settings():
    assert [Rouge("L").name, Rouge("1", stem=True, part="recall").name, Rouge("2", beta=2).name] == [
        "rougeL",
        "rouge1_stem_recall",
        "rouge2_beta2",
    ]
    assert Rouge("1", name="mine").name == "mine"
    assert [Bleu().name, Bleu(smooth="floor", smooth_value=0.2).name, Bleu(lowercase=True).name] == [
        "bleu",
        "bleu_floor0.2",
        "bleu_lower",
    ]


@pytest.mark.parametrize(
    ("make", "hint"),
    [
        (lambda: Rouge("l"), "`L`"),
        (lambda: Rouge("1", part="recal"), "`recall`"),
        (lambda: Bleu(smooth="flor"), "`floor`"),
        (lambda: Precision("precision_5", 5), "1, 2, 3, 4"),
        (lambda: ErrorRate("error", unit="word"), "`words`"),
    ],
)
def test_unknown_settings_are_refused_with_the_known_ones(make, hint):
    with pytest.raises(UserError) as refusal:
        make()
    assert hint in refusal.value.hint


def test_split_summaries_without_its_data_says_what_to_do(monkeypatch):
    import nltk

    def fail(text):
        raise LookupError

    monkeypatch.setattr(nltk, "sent_tokenize", fail)
    with pytest.raises(UserError, match="punkt_tab"):
        rouge_scores("One. Two.", "Two. One.", "Lsum", split=True)
    monkeypatch.setattr(nltk, "sent_tokenize", lambda text: text.split(". "))
    assert row(Rouge("Lsum", split_summaries=True), "Two. One", "One. Two")[2] == 1
    assert row(rougeLsum, "Two. One", "One. Two")[2] == 0.5


def test_bleu_is_a_figure_of_the_corpus():
    """Counts are summed before they are divided; the mean of sentence scores is another number."""
    rows = [row(bleu, "the cat sat on the mat", "the cat sat on the mat"), row(bleu, "a dog ran by me", "no dog went by us")]
    assert rows[1] == (5, 5, 2, 0, 0, 0, 5, 4, 3, 2)
    expected = 100 * (8 / 11 * 5 / 9 * 4 / 7 * 3 / 5) ** 0.25
    assert total(bleu, *rows) == pytest.approx(expected)


def test_bleu_without_any_match_is_0_and_short_answers_need_effective_order():
    assert total(bleu, row(bleu, "dog", "cat")) == total(bleu, row(bleu, "", "cat")) == 0
    assert total(bleu, row(bleu, "cat", "cat")) == 0
    assert sentence_bleu("cat", ["cat"]) == pytest.approx(100)


def test_bleu_takes_the_nearest_length_and_the_largest_count():
    counts = bleu_counts(tuple("aab"), (tuple("a"), tuple("aaxxx"), tuple("b")))
    assert counts[:3] == (3, 1, 3)  # lengths 1 and 5 are equally near: the shorter; a twice from one reference, b from another


def test_bleu_variants():
    said, meant = "the cat the cat", "the cat sat"
    assert (value(precision_1, said, meant), value(precision_2, said, meant)) == (2 / 4, 1 / 3)
    assert value(bleu_geo, said, meant) == 0
    said, meant = "a b c d", "a b c d e f"
    assert value(bleu_geo, said, meant) == 1
    assert value(bleu_whitespace, said, meant) == pytest.approx(math.exp(1 - 6 / 4))


def test_exact_match_and_accuracy():
    assert row(exact_match, " yes\n", "yes") == (1,) and row(exact_match, "Yes", "yes") == (0,)
    assert row(exact_match, "two", "one", "two") == (1,)
    assert row(quasi_exact, "The Cat!", "a cat") == (1,) and row(quasi_exact, "cats", "a cat") == (0,)
    assert row(accuracy, "B ", "B") == (1,) and row(accuracy, "", "B") == (0,)


def test_f1_of_words():
    assert row(token_f1, "cat cat dog", "the cat cat cat") == (pytest.approx(2 * 2 / 6),)
    assert row(token_f1_distinct, "cat cat dog", "the cat cat cat") == (pytest.approx(2 * 1 / 3),)
    assert row(token_f1, "the", "a") == (1,) and row(token_f1, "", "cat") == (0,)
    assert row(token_f1, "dog", "cat", "dog") == (1,)


def test_f1_of_labels():
    choices = ("no", "yes")
    rows = [
        row(f1, said, meant, choices=choices) for said, meant in [("yes", "yes"), ("yes", "no"), ("?", "yes"), ("no", "no")]
    ]
    assert rows == [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 0)]
    assert total(f1, *rows) == 0.5
    rows = [row(macro_f1, said, meant, choices=("a", "b", "c")) for said, meant in [("a", "a"), ("a", "b")]]
    assert total(macro_f1, *rows) == pytest.approx((2 / 3 + 0) / 2)  # c was neither said nor meant


def test_matthews_counts_nonsense_as_the_wrong_choice():
    choices = ("no", "yes")
    pairs = [("yes", "yes"), ("no", "no"), ("maybe", "no"), ("", "yes")]
    rows = [row(matthews, said, meant, choices=choices) for said, meant in pairs]
    assert rows == [(1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)]
    assert total(matthews, *rows) == 0
    with pytest.raises(UserError, match="needs two choices"):
        row(matthews, "a", "a", choices=("a", "b", "c"))


def test_correlations():
    pairs = [("1", "1.0"), ("2", "2.0"), ("3", "10.0")]
    assert total(spearman, *(row(spearman, *pair) for pair in pairs)) == pytest.approx(1)
    assert total(pearson, *(row(pearson, *pair) for pair in pairs)) == pytest.approx(9 / math.sqrt(2 * 146 / 3))
    assert row(pearson, "I think 3", "2.5") == (-1, 2.5)
    assert total(pearson, (1, 2), (1, 3)) == 0
    assert total(pearson, (1e200, 1e-200), (2e200, 2e-200)) == 1
    with pytest.raises(UserError, match="needs numbers"):
        row(pearson, "3", "three")


def test_edit_rates():
    assert row(edit_distance, "kitten ", "sitting") == (3,)
    assert row(edit_distance, "kitten", "sitting", "mitten") == (1,)
    assert row(edit_similarity, "", "") == (1,) and row(edit_similarity, "", "abc") == (0,)
    assert total(word_error_rate, row(word_error_rate, "a b", "a b c d"), row(word_error_rate, "x y", "z")) == 4 / 5
    assert row(phoneme_error_rate, "K AE1 T", "K AE0 T S") == (2, 4)
    assert row(word_error_rate, "a b c", "a", "a b x") == (1, 3)


def test_cross_entropy():
    facts = {"logprob": -6.0, "tokens": 3, "how": "weigh"}
    rows = [row(cross_entropy, "", "käse", **facts), row(cross_entropy, "", "brot", logprob=-2.0, tokens=1, how="weigh")]
    assert total(cross_entropy, *rows) == 2 and total(perplexity, *rows) == pytest.approx(math.exp(2))
    assert row(bits_per_byte, "käse", "käse", **facts) == (pytest.approx(6 / math.log(2)), 5)
    assert total(perplexity, (1e6, 1)) == math.inf
    with pytest.raises(UserError, match="ask: weigh"):
        row(cross_entropy, "a", "a")
