"""Batches against a layout made token by token."""

import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.tokens.batch import Rows, collate
from tunesmith.tokens.sequence import IGNORED, PLACEHOLDER, Tokens, causal, seq2seq


@st.composite
def sequences(draw, paired):
    weights = draw(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=2, max_size=7))
    ids = draw(st.lists(st.integers(1, 50), min_size=len(weights), max_size=len(weights)))
    if paired:
        return seq2seq(draw(st.lists(st.integers(1, 50), min_size=1, max_size=6)), ids, 0, weights)
    return causal(ids, weights)


@st.composite
def layouts(draw, paired=None):
    paired = draw(st.booleans()) if paired is None else paired
    rows = draw(st.lists(st.lists(sequences(paired), min_size=1, max_size=1 if paired else 3), min_size=1, max_size=4))
    numbers, count = [], 0
    for row in rows:
        numbers.append(tuple(range(count, count + len(row))))
        count += len(row)
    return Rows(tuple(map(tuple, rows)), tuple(numbers)), draw(st.one_of(st.integers(0, 3), st.just([2, 0, 1, 3][: len(rows)])))


def by_hand(rows, heads):
    """(row, column) -> (id, position, virtual), token by token."""
    cells, sizes = {}, []
    for b, row in enumerate(rows):
        column = 0
        for ids in row:
            for place, id_ in enumerate([None] * heads[b] + list(ids)):
                cells[b, column] = (PLACEHOLDER if id_ is None else id_, place, place if id_ is None else -1)
                column += 1
        sizes.append(column)
    for b, size in enumerate(sizes):
        for column in range(size, max(sizes)):
            cells[b, column] = (PLACEHOLDER, cells[b, column - 1][1] + 1 if column else 0, -1)
    return cells, sizes


def check(cells, sizes, ids, positions, virtual, lengths):
    assert lengths.tolist() == sizes
    assert ids.shape == (len(sizes), max(sizes))
    for (b, t), cell in cells.items():
        assert (int(ids[b, t]), int(positions[b, t]), int(virtual[b, t])) == cell


@settings(max_examples=150)
@given(layouts())
def test_collate(layout):
    origin, virtual = layout
    heads = [virtual] * len(origin.rows) if isinstance(virtual, int) else virtual
    flat = [tokens for row in origin.rows for tokens in row]
    paired = bool(flat[0].source)
    batch = collate(origin, virtual, shared=not paired)
    inside = [0] * len(heads) if paired else heads
    cells, sizes = by_hand([[t.inputs for t in row] for row in origin.rows], inside)
    check(cells, sizes, batch.input_ids, batch.positions, batch.virtual, batch.lengths)
    if paired:
        cells, sizes = by_hand([[t.source for t in row] for row in origin.rows], heads)
        check(cells, sizes, batch.source_ids, batch.source_positions, batch.source_virtual, batch.source_lengths)
        assert batch.source_mask.sum(1).tolist() == sizes
    found = list(zip(batch.target_seq.tolist(), batch.target_ids.tolist(), batch.weight.tolist(), strict=True))
    assert found == [
        (number, target, weight)
        for number, tokens in enumerate(flat)
        for target, weight in zip(tokens.targets, tokens.weights or [1.0] * len(tokens.targets), strict=True)
        if target != IGNORED
    ]
    for row, column, number in zip(
        batch.target_rows.tolist(), batch.target_columns.tolist(), batch.target_seq.tolist(), strict=True
    ):
        assert batch.virtual[row, column] == -1
        tokens, place = flat[number], int(batch.positions[row, column]) - inside[row]
        assert tokens.inputs[place] == batch.input_ids[row, column]
    ends = [(int(batch.input_ids[r, c])) for r, c in zip(batch.last_rows.tolist(), batch.last_columns.tolist(), strict=True)]
    assert ends == [tokens.inputs[-1] for tokens in flat]
    assert batch.numbers.tolist() == list(range(len(flat)))
    assert batch.mask.sum(1).tolist() == batch.lengths.tolist()
    assert batch.sequences == len(flat)
    assert batch.tokens == int(batch.lengths.sum()) + (int(batch.source_lengths.sum()) if paired else 0)


@settings(max_examples=50)
@given(layouts())
def test_plain_is_the_batch_without_virtual_tokens(layout):
    origin, virtual = layout
    batch = collate(origin, virtual, adapters=("a",) * len(origin.rows)).with_extras(
        label=torch.zeros(sum(map(len, origin.rows)))
    )
    bare, expected = batch.plain(), collate(origin)
    assert bare.adapters == ("",) * len(origin.rows)
    assert "label" in bare.extras
    for name in ("input_ids", "positions", "virtual", "target_ids", "target_columns", "target_seq", "weight", "last_columns"):
        assert torch.equal(getattr(bare, name), getattr(expected, name)), name
    assert bare.target_ids.tolist() == batch.target_ids.tolist()


def test_counts_and_sums():
    origin = Rows(((causal([1, 2, 3], [0, 1, 0.5]),), (causal([1, 4], [0, 1]),)), ((0,), (1,)))
    batch = collate(origin)
    assert (batch.count("target"), batch.count("sequence"), batch.count("pair")) == (2.5, 2, 1)
    assert batch.by_sequence(torch.tensor([1.0, 2.0, 4.0])).tolist() == [3.0, 4.0]


def test_a_batch_with_nothing_to_learn():
    batch = collate(Rows(((causal([1, 2], [0, 0]),),), ((0,),)))
    assert batch.target_ids.shape == batch.weight.shape == (0,)
    assert batch.count("target") == 0


def test_extras_stand_for_every_sequence():
    labelled, bare = Tokens((1, 2), (3, 4), extras={"label": 1.0}), Tokens((1, 2), (3, 4))
    assert collate(Rows(((labelled, labelled),), ((0, 1),))).extras["label"].tolist() == [1.0, 1.0]
    with pytest.raises(AssertionError, match="for every sequence"):
        collate(Rows(((labelled, bare),), ((0, 1),)))


def test_a_batch_of_usual_size_is_laid_out_quickly():
    tokens = causal(list(range(200)), [0.0] * 150 + [1.0] * 50)
    origin = Rows(tuple((tokens,) for _ in range(32)), tuple((n,) for n in range(32)))
    collate(origin)
    start = time.process_time()
    for _ in range(20):
        collate(origin)
    assert (time.process_time() - start) / 20 < 0.01, "about 0.6 ms on an idle core"
