"""The cache: rows that leave and enter, and a buffer that grows without copying every step."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.models.cache import Columns, RowCache, SourceColumns

H, E = 2, 3


def states(rows: int, columns: int) -> torch.Tensor:
    return torch.randn(rows, H, columns, E)


@settings(max_examples=60)
@given(st.lists(st.integers(0, 2**16), min_size=1, max_size=25))
def test_any_play_of_entering_leaving_and_stepping_keeps_every_row(moves):
    """Against a plain list of rows, each [H, its own length, E]."""
    torch.manual_seed(moves[0])
    cache = RowCache()
    rows: list[torch.Tensor] = []
    for move in moves:
        if move % 3 == 0 or not rows:
            lengths = [1 + (move >> shift) % 9 for shift in range(1 + move % 4)]
            wide = max(lengths)
            fresh = RowCache()
            entering = states(len(lengths), wide)
            fresh.update(entering, entering + 1, 0)
            index = (torch.arange(wide) - (wide - torch.tensor(lengths)[:, None])).clamp(min=0)
            cache.enter(fresh, index)
            rows += [row[:, :length] for row, length in zip(entering, lengths, strict=True)]
        elif move % 3 == 1:
            new = states(len(rows), 1)
            cache.update(new, new + 1, 0)
            rows = [torch.cat([row, one], dim=1) for row, one in zip(rows, new, strict=True)]
        elif len(rows) > 1:
            gone = move % len(rows)
            movers, holes = ([len(rows) - 1], [gone]) if gone < len(rows) - 1 else ([], [])
            rows[gone] = rows[-1]
            rows.pop()
            cache.move(movers, holes, len(rows), max(row.shape[1] for row in rows))
        [layer] = cache.layers
        assert layer.keys.shape[0] == len(rows)
        assert cache.get_seq_length() == layer.keys.shape[2] == max(row.shape[1] for row in rows) or move % 3 != 2
        for keys, values, row in zip(layer.keys, layer.values, rows, strict=True):
            assert torch.equal(keys[:, -row.shape[1] :], row)
            assert torch.equal(values[:, -row.shape[1] :], row + 1)
            assert keys.isfinite().all()


def test_a_buffer_is_copied_seldom():
    layer, copies, before = Columns(), 0, 0
    for step in range(2000):
        one = states(2, 1)
        layer.update(one, one)
        copies += layer.key_buffer.data_ptr() != before
        before = layer.key_buffer.data_ptr()
        assert layer.get_seq_length() == step + 1
    assert copies < 12


def test_source_rows_stand_at_the_left():
    cache = RowCache(SourceColumns)
    first, second = states(2, 5), states(1, 8)
    for entering in (first, second):
        fresh = RowCache(SourceColumns)
        fresh.update(entering, entering, 0)
        cache.enter(fresh)
    [layer] = cache.layers
    assert torch.equal(layer.keys[:2, :, :5], first)
    assert torch.equal(layer.keys[2], second[0])
    cache.move([2], [0], 2, 8)
    assert torch.equal(layer.keys[0], second[0])
    assert torch.equal(layer.keys[1, :, :5], first[1])
    cache.move([], [], 2, 5)
    assert layer.keys.shape == (2, H, 5, E)
