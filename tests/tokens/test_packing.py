"""Laws of packing: every sequence exactly once, whatever the room; groups stay together; the room is kept."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.errors import UserError
from tunesmith.tokens.packing import Room, check_fits, pack
from tunesmith.tokens.sequence import causal, seq2seq

rooms = st.builds(Room, rows=st.integers(1, 6), tokens=st.integers(1, 60), layout=st.just("auto"), width=st.integers(1, 30))


@st.composite
def groups(draw, paired=False):
    """Groups of one or two sequences; the first id of each tells which it is."""
    found, number = [], 0
    for size in draw(st.lists(st.integers(1, 2), min_size=1, max_size=8)):
        group = []
        for _ in range(size):
            length = draw(st.integers(2, 12))
            ids = [100 + number, *range(1, length)]
            weights = [0.0, *draw(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=length - 1, max_size=length - 1))]
            group.append(seq2seq(ids, ids, 0, weights) if paired else causal(ids, weights))
            number += 1
        found.append(group)
    return found


def targets(groups, room, **options):
    """Multiset of (sequence, target, weight)."""
    found = Counter()
    for batch in pack(groups, room, **options):
        numbers = batch.numbers[batch.target_seq].tolist()
        found.update(zip(numbers, batch.target_ids.tolist(), batch.weight.tolist(), strict=True))
    return found


@settings(max_examples=150)
@given(groups(), rooms, st.integers(0, 3), st.booleans())
def test_every_sequence_once_and_in_its_room(found, room, virtual, packed):
    flat = [tokens for group in found for tokens in group]
    seen = []
    for batch in pack(found, room, virtual, packed):
        seen += batch.numbers.tolist()
        for number, row, column in zip(
            batch.numbers.tolist(), batch.last_rows.tolist(), batch.last_columns.tolist(), strict=True
        ):
            tokens = flat[number]
            ids = batch.input_ids[row, column - len(tokens.inputs) + 1 : column + 1].tolist()
            assert tuple(ids) == tokens.inputs
        groups_here = {number for number, group in enumerate(numbers_of(found)) if set(group) & set(batch.numbers.tolist())}
        assert sum(len(found[number]) for number in groups_here) == batch.sequences, "groups stay together"
        assert batch.shared == packed
        width = batch.input_ids.shape[1]
        if len(groups_here) > 1:
            assert width * len(batch.input_ids) <= room.tokens
            assert len(batch.input_ids) <= room.rows
        if packed and not any(sum(t.size + virtual for t in found[number]) > room.width for number in groups_here):
            assert width <= room.width
    assert sorted(seen) == list(range(len(flat)))


def numbers_of(found):
    count = 0
    for group in found:
        yield range(count, count + len(group))
        count += len(group)


@settings(max_examples=80)
@given(groups(), rooms, rooms, st.integers(0, 3))
def test_the_room_never_changes_what_is_learnt(found, one, other, virtual):
    reference = targets(found, one)
    assert targets(found, other, virtual=virtual) == reference
    assert targets(found, other, virtual=virtual, packed=True) == reference


@settings(max_examples=40)
@given(groups(paired=True), rooms, st.integers(0, 2))
def test_sources_go_with_their_answers(found, room, virtual):
    for batch in pack(found, room, virtual):
        firsts = batch.source_ids[:, virtual].tolist()
        assert firsts == [100 + number for number in batch.numbers.tolist()]


def test_the_largest_batch_comes_first():
    found = [[causal(list(range(n)), [1.0] * n)] for n in (3, 9, 5, 9, 4)]
    widths = [batch.input_ids.shape[1] for batch in pack(found, Room(rows=2, tokens=40))]
    assert widths == sorted(widths, reverse=True)


def test_packed_rows_are_filled():
    found = [[causal(list(range(n + 1)), [1.0] * (n + 1))] for n in (6, 4, 5, 5, 7, 3)]
    batches = list(pack(found, Room(rows=8, tokens=80, width=10), packed=True))
    assert [tuple(batch.input_ids.shape) for batch in batches] == [(3, 10)]
    assert batches[0].lengths.tolist() == [10, 10, 10]


def test_many_groups_are_packed_quickly():
    import time

    found = [[causal(list(range(n % 60 + 3)), [1.0] * (n % 60 + 3))] for n in range(5000)]
    start = time.process_time()
    assert sum(batch.sequences for batch in pack(found, Room(width=1024, tokens=16384), packed=True)) == 5000
    assert time.process_time() - start < 2


def test_a_sequence_longer_than_the_window_is_refused():
    tokens = causal(list(range(10)), [1.0] * 10)
    check_fits(tokens, 9, 0, "a")
    check_fits(tokens, None, 5, "a")
    with pytest.raises(UserError, match="example `a` has 10 tokens; the network reads at most 9"):
        check_fits(tokens, 9, 1, "a")
