"""Span corruption and masking: nothing is lost, shares are as stated, the same place gives the same noise."""

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as some

from tunesmith.data.example import Example, Message
from tunesmith.objectives.objective import Placed
from tunesmith.objectives.pretrain import Pretrain, corrupt, hide, plain_text
from tunesmith.tokens.sequence import IGNORED

SENTINELS = list(range(900, 932))
END = 1


@given(some.integers(1, 200), some.floats(0.05, 0.6), some.floats(1, 6), some.integers(0, 99))
def test_span_corruption_loses_nothing(length: int, noise: float, span: float, seed: int) -> None:
    ids = [*range(10, 10 + length), END]
    tokens = corrupt(ids, SENTINELS, 0, noise, span, random.Random(seed))
    hidden: dict[int, list[int]] = {}
    for id_ in tokens.targets[:-1]:
        if id_ in SENTINELS:
            last = hidden.setdefault(id_, [])
        else:
            last.append(id_)
    assert tokens.targets[-1] == tokens.source[-1] == END
    assert [x for id_ in tokens.source for x in (hidden[id_] if id_ in SENTINELS else [id_])] == ids
    assert list(hidden) == SENTINELS[: len(hidden)], "sentinels in order"
    assert all(hidden.values()), "no empty span"
    assert tokens.inputs == (0, *tokens.targets[:-1])


def test_span_corruption_hides_the_stated_share_in_spans_of_the_stated_length() -> None:
    dice = random.Random(0)
    gone = spans = total = 0
    for _ in range(200):
        tokens = corrupt([*range(10, 110), END], SENTINELS, 0, 0.15, 3.0, dice)
        spans += sum(id_ in SENTINELS for id_ in tokens.targets)
        gone += sum(id_ not in SENTINELS for id_ in tokens.targets) - 1
        total += 100
    assert gone / total == 0.15
    assert gone / spans == 3.0


def test_span_corruption_knows_no_favourite_place() -> None:
    dice, counts = random.Random(0), Counter()
    for _ in range(3000):
        tokens = corrupt([*range(10, 30), END], SENTINELS, 0, 0.15, 3.0, dice)
        counts.update(id_ for id_ in tokens.targets if 10 <= id_ < 30)
    # One span of three among twenty: the ends can be hit by one place of the span only, the middle by all three.
    inner = [counts[id_] for id_ in range(12, 28)]
    assert max(inner) / min(inner) < 1.4


def test_masking_follows_the_paper() -> None:
    dice, fates = random.Random(0), Counter()
    for _ in range(300):
        tokens = hide([2, *range(10, 110), 3], 4, 3000, frozenset({2, 3, 4}), 0.15, dice)
        assert tokens.inputs[0] == 2 and tokens.inputs[-1] == 3
        for shown, target, true in zip(tokens.inputs, tokens.targets, [2, *range(10, 110), 3], strict=True):
            if target == IGNORED:
                assert shown == true
            else:
                assert target == true
                fates["mask" if shown == 4 else "same" if shown == true else "other"] += 1
    assert sum(fates.values()) == 300 * 15
    assert abs(fates["mask"] / 4500 - 0.8) < 0.03
    assert abs(fates["same"] / 4500 - 0.1) < 0.03


def test_the_text_of_an_example_is_all_that_is_said() -> None:
    assert plain_text(Example((), "one")) == "one"
    assert plain_text(Example((Message("user", "ask"),), "say")) == "ask\nsay"


def test_an_encoder_decoder_network_restores_continues_or_fills_in() -> None:
    class Speller:
        family, start, sentinels = "seq2seq", 0, tuple(SENTINELS)

        def text(self, text: str, ended: bool = False) -> list[int]:
            return [*range(10, 10 + len(text.split())), END]

    example = Example((), " ".join("word" for _ in range(30)))
    ids = [*range(10, 40), END]
    [restored] = Pretrain(whole=1.0).render(Placed(example), Speller())  # type: ignore[arg-type]
    assert restored.targets == tuple(ids) and any(id_ in SENTINELS for id_ in restored.source)
    [continued] = Pretrain(prefix=1.0).render(Placed(example), Speller())  # type: ignore[arg-type]
    assert [*continued.source[:-1], *continued.targets] == ids
    [filled] = Pretrain().render(Placed(example), Speller())  # type: ignore[arg-type]
    assert filled.targets[0] == SENTINELS[0]
    again = [Pretrain(whole=0.5, prefix=0.3).render(Placed(example, place, 7), Speller()) for place in range(9)]  # type: ignore[arg-type]
    assert again == [Pretrain(whole=0.5, prefix=0.3).render(Placed(example, place, 7), Speller()) for place in range(9)]  # type: ignore[arg-type]
