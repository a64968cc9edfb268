"""Verbs and objects without a parser, and lengths."""

import pytest

from tunesmith.synthesis.report import Lengths, verb_and_object


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("Write a short poem about the sea.", ("write", "poem")),
        ("Please suggest three names for a cat", ("suggest", "names")),
        ("Could you translate this sentence into French?", ("translate", "sentence")),
        ("Give me a list of animals", ("give", "list")),
        ("Summarize the following paragraph", ("summarize", "paragraph")),
        ("Rewrite it.", None),
        ("What is the capital of France?", None),
        ("", None),
    ],
)
def test_verb_and_object(text, pair):
    assert verb_and_object(text) == pair


def test_real_instructions_have_verbs(shared):
    from tunesmith.data.seeds import read_seeds

    seeds = read_seeds(str(shared("data/alpaca_seed/seed_tasks.jsonl")))
    pairs = {seed.instruction: verb_and_object(seed.instruction) for seed in seeds}
    found = [pair for pair in pairs.values() if pair]
    assert len(found) > 0.55 * len(seeds)
    assert {("write", "program"), ("write", "story")} & set(found)


def test_lengths():
    assert Lengths.of([]) == Lengths(0, 0.0, 0.0, 0, 0)
    assert Lengths.of(["a", "a b", "a b c d"]) == Lengths(3, 2.33, 2, 4, 4)
