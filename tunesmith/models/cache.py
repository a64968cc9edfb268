"""Keys and values of the rows that a network is speaking to, under transformers' Cache interface.

Rows stand right-aligned: the newest token of every row is in the same column, and what lies left of a row's first
token is masked. Column differences then equal position differences in every row, so that sliding windows, relative
biases and rotary keys are right for rows of any length, and rows may leave and enter between two steps.

Dimension key: B rows, n rows that enter, H heads, C columns, U columns of the source, E size of a head.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin, EncoderDecoderCache

ROOM = 64  # columns that are free at the right of a fresh buffer
# What keys and values of all rows may take: bytes on a CPU, at least, or as much as the weights; of a GPU, the share of what is
# free. So many rows are spoken in any case: with fewer, weights would be read from memory for hardly any arithmetic.
CACHE, FREE, LEAST = 256_000_000, 0.5, 8


class Columns(CacheLayerMixin):  # type: ignore[misc]
    """One layer's keys and values [B, H, C, E], in a buffer that grows by halves.

    `keys` and `values` are views on the columns in use; `first` and `last` are the bounds of these in the buffer.
    `room` is how many rows are to be expected, `columns` how many columns of them: a buffer that grows makes place for them
    all. What was outgrown would lie in the heap beside it, in pieces that nothing else fits.
    """

    is_compileable = False
    is_croppable = False
    is_sliding = False

    def __init__(self, room: int = 1, columns: int = 0) -> None:
        super().__init__()
        self.room, self.columns = room, columns
        self.first = self.last = self.rows = 0

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Take fresh states as the buffer itself; it grows when the next token comes."""
        self.key_buffer, self.value_buffer = key_states, value_states
        self.rows, self.first, self.last = key_states.shape[0], 0, key_states.shape[2]
        self.is_initialized = True
        self._look()

    def update(self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object) -> tuple[Tensor, Tensor]:
        """Append the states of new tokens to every row; the states of all tokens, [B, H, C, E]."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            return key_states, value_states
        new = key_states.shape[2]
        if self.last + new > self.key_buffer.shape[2]:
            self._grow(self.rows, self.width + new, left=0)
        self.key_buffer[: self.rows, :, self.last : self.last + new] = key_states
        self.value_buffer[: self.rows, :, self.last : self.last + new] = value_states
        self.last += new
        self._look()
        return self.keys, self.values

    def enter(self, fresh: "Columns", index_nC: Tensor | None) -> None:
        """Append rows that were read apart, padded at their right; the column `index_nC` of each goes to column C."""
        keys, values = fresh.keys, fresh.values
        assert keys is not None and values is not None
        if index_nC is not None:
            index = index_nC[:, None, :, None]
            keys = keys.gather(2, index.expand(-1, keys.shape[1], -1, keys.shape[3]))
            values = values.gather(2, index.expand(-1, values.shape[1], -1, values.shape[3]))
        if not self.is_initialized:
            self.lazy_initialization(keys, values)
            return
        entering, wide = keys.shape[0], keys.shape[2]
        rows, left = self.rows + entering, max(0, wide - self.width)
        if rows > self.key_buffer.shape[0] or left > self.first:
            self._grow(rows, self.width, left)
        # What stands left of a row's first token meets a factor of zero in the attention, so it has to be finite.
        for buffer, entered in ((self.key_buffer, keys), (self.value_buffer, values)):
            buffer[: self.rows, :, self.first - left : self.first] = 0
            buffer[self.rows : rows, :, self.first - left : self.last - wide] = 0
            buffer[self.rows : rows, :, self.last - wide : self.last] = entered
        self.first -= left
        self.rows = rows
        self._look()

    def move(self, sources_m: Tensor, places_m: Tensor, rows: int, width: int) -> None:
        """Write some rows over others, keep the first `rows`, and of these the last `width` columns."""
        if len(places_m):
            self.key_buffer[places_m, :, self.first : self.last] = self.key_buffer[sources_m, :, self.first : self.last]
            self.value_buffer[places_m, :, self.first : self.last] = self.value_buffer[sources_m, :, self.first : self.last]
        self.rows = rows
        self.first = self.last - width
        self._look()

    @property
    def width(self) -> int:
        return self.last - self.first

    def _grow(self, rows: int, width: int, left: int) -> None:
        """A larger buffer with the columns in use at its left, behind `left` free ones."""
        rows = max(rows, self.room, self.key_buffer.shape[0])
        columns = max(left + width + max(width // 2, ROOM) if left + width > self.columns else 0, self.columns)
        used = slice(left, left + self.width)
        for name in ("key_buffer", "value_buffer"):
            old = getattr(self, name)
            fresh = old.new_empty(rows, old.shape[1], columns, old.shape[3])  # memory that is not touched costs nothing
            fresh[: self.rows, :, used] = old[: self.rows, :, self.first : self.last]
            setattr(self, name, fresh)
        self.first, self.last = used.start, used.stop

    def _look(self) -> None:
        self.keys = self.key_buffer[: self.rows, :, self.first : self.last]
        self.values = self.value_buffer[: self.rows, :, self.first : self.last]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.width + query_length, 0

    def get_seq_length(self) -> int:
        return self.width

    def get_max_length(self) -> int:
        return -1


class SourceColumns(Columns):
    """One layer's keys and values of the source [B, H, U, E]: left-aligned, read once, never appended to."""

    def enter(self, fresh: Columns, index_nC: Tensor | None) -> None:
        """Append rows; `index_nC` has no meaning here."""
        if not self.is_initialized:
            assert fresh.keys is not None and fresh.values is not None
            self.lazy_initialization(fresh.keys, fresh.values)
            return
        assert fresh.keys is not None and fresh.values is not None
        rows, wide = self.rows + fresh.keys.shape[0], fresh.keys.shape[2]
        if rows > self.key_buffer.shape[0] or wide > self.key_buffer.shape[2]:
            for name in ("key_buffer", "value_buffer"):
                old = getattr(self, name)
                many = max(rows, self.room, old.shape[0])
                larger = old.new_zeros(many, old.shape[1], max(wide, old.shape[2]), old.shape[3])
                larger[: self.rows, :, : self.last] = old[: self.rows, :, : self.last]
                setattr(self, name, larger)
        self.key_buffer[self.rows : rows, :, :wide] = fresh.keys
        self.value_buffer[self.rows : rows, :, :wide] = fresh.values
        self.rows, self.last = rows, max(self.last, wide)
        self._look()

    def move(self, sources_m: Tensor, places_m: Tensor, rows: int, width: int) -> None:
        """Write some rows over others, keep the first `rows`, and of these the first `width` columns."""
        if len(places_m):
            self.key_buffer[places_m] = self.key_buffer[sources_m]
            self.value_buffer[places_m] = self.value_buffer[sources_m]
        self.rows, self.last = rows, width
        self._look()


class RowCache(Cache):  # type: ignore[misc]
    """A layer of `Columns` for each layer of the network, made when the network first asks for it."""

    def __init__(self, kind: type[Columns] = Columns, room: int = 1, columns: int = 0) -> None:
        self.kind, self.room, self.columns = kind, room, columns
        super().__init__(layer_class_to_replicate=kind)

    def enter(self, fresh: "RowCache", index_nC: Tensor | None = None) -> None:
        """Append the rows of a cache that was filled apart."""
        while len(self.layers) < len(fresh.layers):
            self.layers.append(self.kind(self.room, self.columns))
        for layer, entering in zip(self.layers, fresh.layers, strict=True):
            layer.enter(entering, index_nC)

    def copies(self, rows: int) -> "RowCache":
        """A cache of as many rows, each with what the only row of this one has."""
        made = RowCache()
        for layer in self.layers:
            made.layers.append(Columns())
            made.layers[-1].lazy_initialization(layer.keys.expand(rows, -1, -1, -1), layer.values.expand(rows, -1, -1, -1))
        return made

    def spread(self, copies: Sequence[int]) -> None:
        """Instead of its rows, those of these numbers: one may be there several times."""
        for layer in self.layers:
            layer.keys, layer.values = layer.keys[list(copies)], layer.values[list(copies)]

    def move(self, sources: Sequence[int], places: Sequence[int], rows: int, width: int) -> None:
        """Write the rows `sources` over the rows `places`, then keep the first `rows`, `width` columns wide."""
        device = next((layer.key_buffer.device for layer in self.layers), torch.device("cpu"))
        sources_m, places_m = torch.tensor(sources, device=device), torch.tensor(places, device=device)
        for layer in self.layers:
            layer.move(sources_m, places_m, rows, width)


class PairCache(EncoderDecoderCache):  # type: ignore[misc]
    """The decoder's own columns, and those of the source, read once."""

    self_attention_cache: RowCache
    cross_attention_cache: RowCache

    def __init__(self, room: int = 1, columns: int = 0) -> None:
        super().__init__(RowCache(room=room, columns=columns), RowCache(SourceColumns, room))

    def spread(self, copies: Sequence[int]) -> None:
        """As of `RowCache`."""
        self.self_attention_cache.spread(copies)
        self.cross_attention_cache.spread(copies)

    def enter(self, fresh: "PairCache", index_nC: Tensor | None = None) -> None:
        self.self_attention_cache.enter(fresh.self_attention_cache, index_nC)
        self.cross_attention_cache.enter(fresh.cross_attention_cache)
        self.is_updated = dict.fromkeys(range(len(self.cross_attention_cache)), True)


def fitting(network: Any, rows: int, columns: int, source: int = 0) -> int:
    """How many of these rows may be under way at once, so that their keys and values stay within what they may take.

    columns: tokens of the longest row; `source`: of the longest source of an encoder-decoder network.
    """
    first = next(network.parameters())
    room: int = max(CACHE, sum(p.numel() * p.element_size() for p in network.parameters()))
    if first.device.type == "cuda":
        room = int(FREE * torch.cuda.mem_get_info(first.device)[0])
    a_row = (columns + source) * column_bytes(network.config, first.element_size())
    return min(rows, max(LEAST, room // max(a_row, 1)))


def column_bytes(config: Any, itemsize: int) -> int:
    """Bytes of the keys and values that all layers keep of one token."""
    paired = getattr(config, "is_encoder_decoder", False)
    text = config if paired or not hasattr(config, "get_text_config") else config.get_text_config()
    found = (getattr(text, name, None) for name in ("num_decoder_layers", "decoder_layers", "num_hidden_layers"))
    layers = next((count for count in found if count), 1)
    heads = getattr(text, "decoder_attention_heads", None) or text.num_attention_heads
    size = getattr(text, "head_dim", None) or getattr(text, "d_kv", None) or text.hidden_size // heads
    return int(2 * layers * (getattr(text, "num_key_value_heads", None) or heads) * size * itemsize)
