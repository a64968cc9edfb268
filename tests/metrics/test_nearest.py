"""The most similar of many texts is that of brute force, to the last bit, and is found fast."""

import random
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.metrics.nearest import Near, Pool
from tunesmith.metrics.rouge import rouge_scores

TEXTS = st.lists(st.sampled_from(["a", "b", "c", "d", "the", "A.", "b-c", "é", "x9", "1"]), max_size=9).map(" ".join)


def by_force(text, texts):
    """The first of the most similar, by comparing with all."""
    best = Near()
    for place, other in enumerate(texts):
        score = rouge_scores(text, other, "L")[2]
        if score > best.similarity:
            best = Near(place, score)
    return best


@given(st.lists(TEXTS, max_size=60), TEXTS)
@settings(max_examples=150)
def test_equal_to_brute_force(texts, text):
    pool = Pool(texts)
    assert len(pool) == len(texts)
    assert pool.nearest(text) == by_force(text, texts)
    for first in (0, 1, len(texts) // 2):
        assert pool.nearest(text, first) == by_force(text, texts[:first])


def sentences(count, seed):
    dice = random.Random(seed)
    words = [f"word{n}" for n in range(400)] + ["the", "a", "of", "in"] * 60
    made = []
    for _ in range(count):
        if made and dice.random() < 0.5:  # one that is like another
            made.append(" ".join(word if dice.random() > 0.3 else dice.choice(words) for word in dice.choice(made).split()))
        else:
            made.append(" ".join(dice.choice(words) for _ in range(dice.randrange(4, 40))))
    return made


def test_equal_to_brute_force_among_thousands_and_fast():
    texts = sentences(3000, seed=0)
    pool, spent = Pool(), 0.0
    for place, text in enumerate(texts):
        start = time.process_time()
        found = pool.nearest(text)
        spent += time.process_time() - start
        if place % 300 == 299:
            assert found == by_force(text, texts[:place])
        pool.add(text)
    assert spent < 10  # brute force: minutes
