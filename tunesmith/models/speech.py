"""Rows that a network is speaking: read once, then one token a row and step, with rows entering and leaving in between.

Dimension key: B rows under way, n rows that enter, T tokens a row, C columns of the cache, U source tokens, D hidden
size, V vocabulary.
"""

import inspect
from collections import OrderedDict
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from tunesmith.errors import UserError
from tunesmith.models.behind import ROWS, read, reads_behind
from tunesmith.models.cache import PairCache, RowCache, fitting
from tunesmith.models.direct import TOGETHER, Llama, direct
from tunesmith.models.families import UNBOUNDED, states
from tunesmith.models.model import Model
from tunesmith.models.path import Ids, Path, Step
from tunesmith.models.routing import Routing, calling
from tunesmith.models.spans import SUMMED, Shared
from tunesmith.models.trunks import trunks
from tunesmith.tokens.batch import Batch, Rows, collate
from tunesmith.tokens.sequence import IGNORED, Tokens

ATTENTION = {"full_attention", "sliding_attention", "chunked_attention"}


class Speech:
    """One network's rows between two tokens. Call it without gradients and in eval mode.

    room:  most rows that will be under way at once; the cache grows where there are more.
    columns: most tokens of a row that the cache will hold, where that is known.
    kept:  tokens that rows begin with alike, of which keys and values are kept for rows to come; the latest always is.
    joins: whether rows may enter while others are under way. Networks that count the decoder's positions for the whole
           batch (BART) take in rows only when none is under way.
    """

    def __init__(self, model: Model, room: int = 1, columns: int = 0, kept: int = 0) -> None:
        if model.family == "masked":
            raise UserError(
                "a masked model fills gaps; it cannot speak",
                "ask it to `choose`, give it a head to classify with, or take a causal or an encoder-decoder model",
            )
        self.model, self.room, self.columns = model, room, columns
        self.paired = model.family == "seq2seq"
        config: Any = model.network.config
        strange = set(getattr(config, "layer_types", None) or ()) - ATTENTION
        if strange:
            raise UserError(
                f"`{config.model_type}` keeps a state that is not attention ({', '.join(sorted(strange))})",
                "speaking is built for networks of attention layers; score its answers with `choose` or `weigh`",
            )
        self.joins = not self.paired or config.model_type in UNBOUNDED
        self.numbered = "position_ids" in inspect.signature(model.network.forward).parameters
        self.direct = direct(model.network)
        self.rows = 0
        self.kept = kept
        self._paths: OrderedDict[tuple[str, Ids], Path] = OrderedDict()  # the latest last
        self._kept: tuple[str, Ids, RowCache] | None = None  # what the latest rows begin with, where each has a copy of it
        self._clear()

    def _clear(self) -> None:
        self.cache: RowCache | PairCache = (
            PairCache(self.room, self.columns) if self.paired else RowCache(room=self.room, columns=self.columns)
        )
        self.lengths: list[int] = []
        self.sources: list[int] = []
        self.adapters: list[str] = []
        self.trunks: list[Path | None] = []  # of each row, what it begins with, where that is not in the cache
        self.shared: list[Shared] = []
        self.even = True
        nothing = torch.zeros(0, dtype=torch.long, device=self.model.device)
        self.lengths_B, self.source_mask_BU, self.source_BUD = nothing, nothing, nothing
        self.routing = Routing("")

    def expect(self, rows: int, prompts: Sequence[tuple[int, int, int]]) -> int:
        """How many of so many rows may be under way, by the memory of their keys and values; the cache is made for them.

        prompts: tokens of each prompt, virtual ones too; those that are its trunk; most tokens of its answer.
        """
        apart = isinstance(self.direct, Llama)  # trunks are kept once for all rows behind them
        longest = [said + (0 if self.paired else prompt - (trunk if apart else 0)) for prompt, trunk, said in prompts]
        source = max((prompt for prompt, _, _ in prompts), default=0) if self.paired else 0
        self.columns = max(longest, default=0)
        self.room = fitting(self.model.network, rows, self.columns, source)
        self._clear()
        return self.room

    def virtual_tokens(self, adapter: str) -> int:
        """Virtual tokens at the head of each row of this adapter."""
        return self.model.adapter(adapter).method.virtual_tokens if adapter else 0

    def before_answer(self, adapter: str) -> int:
        """Virtual tokens that stand before what the decoder says. Rows that enter a network which `joins` not have as many."""
        return self.virtual_tokens(adapter) if self._in_decoder(adapter) else 0

    def _in_decoder(self, adapter: str) -> bool:
        """Do virtual tokens of this adapter stand before what the decoder says?"""
        return self.paired and bool(adapter) and self.model.adapter(adapter).method.in_decoder

    @property
    def start(self) -> int:
        """What the decoder reads first."""
        return self.model.renderer.start

    def welcomes(self, tokens: int) -> bool:
        """Would reading these now waste nothing: are they so many that a row more or less makes no difference?"""
        return self.direct is not None and tokens >= TOGETHER // 2

    def trunks_of(self, prompts: Sequence[Sequence[int]], adapters: Sequence[str]) -> list[int]:
        """Tokens that each prompt shares with others, best read once for all of them; virtual ones are not counted."""
        if not (self.shares or reads_behind(self.model)) or len(set(adapters)) != 1:
            return [0] * len(prompts)
        return trunks([tuple(prompt) for prompt in prompts], 2 if self.shares else ROWS)

    @property
    def shares(self) -> bool:
        """Do rows look at what they begin with alike where it lies, without a copy each?"""
        return isinstance(self.direct, Llama) and SUMMED is not None

    @property
    def width(self) -> int:
        """Columns of the cache in use."""
        return max(self.lengths, default=0)

    def enter(self, prompts: Sequence[Sequence[int]], adapters: Sequence[str], trunks: Sequence[int] = ()) -> Tensor:
        """Read prompts as new rows behind those under way; [n, V] float32 logits of what each says first.

        trunks: tokens of each prompt that others begin with too, as `trunks_of` tells them, neighbours side by side; none: no
        row looks at what another has read.
        """
        assert self.joins or not self.rows, "rows of this network enter together"
        if any(trunks):
            return self._enter_behind(prompts, adapters[0], trunks)
        if self.direct and not any(self._in_decoder(name) for name in set(adapters)):
            return self._enter_directly(prompts, adapters)
        firsts, copies = _once(prompts, adapters)
        batch = self._lay([prompts[row] for row in firsts], [adapters[row] for row in firsts])
        fresh: RowCache | PairCache = PairCache() if self.paired else RowCache()
        routing = Routing(_one([adapters[row] for row in firsts]), batch.virtual, batch.source_virtual)
        with calling(routing):
            states_nTD, _ = states(self.model.network, past_key_values=fresh, use_cache=True, **self._inputs(batch))
        self._take_in(fresh, batch, copies)
        self._joined(adapters)
        return self.model.vocabulary.logits(states_nTD[batch.last_rows, batch.last_columns])[copies]

    def step(self, ids_B: Tensor) -> Tensor:
        """Every row has said one more token; [B, V] float32 logits of the next."""
        if self.direct:
            states_BD = self.direct.step(ids_B, self.lengths, self.cache, self.routing, self.sources, self.shared)
            self._longer()
            return self.model.vocabulary.logits(states_BD)
        inputs: dict[str, Any] = {}
        length = self.width + 1
        if not self.even:
            columns_C = torch.arange(length, device=self.model.device)
            inputs["attention_mask"] = (columns_C >= length - 1 - self.lengths_B[:, None]).long()
        if self.paired:
            inputs["decoder_input_ids"] = ids_B[:, None]
            inputs["encoder_outputs"] = (self.source_BUD,)
            if "attention_mask" in inputs:
                inputs["decoder_attention_mask"] = inputs.pop("attention_mask")
            inputs["attention_mask"] = self.source_mask_BU
        else:
            inputs["input_ids"] = ids_B[:, None]
            if self.numbered:
                inputs["position_ids"] = self.lengths_B[:, None]
        with calling(self.routing):
            states_B1D, _ = states(self.model.network, past_key_values=self.cache, use_cache=True, **inputs)
        self._longer()
        return self.model.vocabulary.logits(states_B1D[:, -1])

    def _longer(self) -> None:
        self.lengths_B = self.lengths_B + 1
        self.lengths = [length + 1 for length in self.lengths]

    def leave(self, gone: Sequence[int]) -> list[int]:
        """Drop rows; the last ones take their places. The former number of the row at each place now."""
        left = self.rows - len(gone)
        holes = sorted(row for row in gone if row < left)
        movers = [row for row in range(left, self.rows) if row not in set(gone)]
        order = list(range(left))
        for hole, mover in zip(holes, movers, strict=True):
            order[hole] = mover
        self.lengths = [self.lengths[row] for row in order]
        self.sources = [self.sources[row] for row in order] if self.paired else []
        self.adapters = [self.adapters[row] for row in order]
        self.trunks = [self.trunks[row] for row in order]
        if left:
            if isinstance(self.cache, PairCache):
                self.cache.self_attention_cache.move(movers, holes, left, self.width)
                self.cache.cross_attention_cache.move(movers, holes, left, max(self.sources))
            else:
                self.cache.move(movers, holes, left, self.width)
            self._arrange()
        else:
            self.rows = 0
            self._clear()
        return order

    def _enter_directly(self, prompts: Sequence[Sequence[int]], adapters: Sequence[str]) -> Tensor:
        """Read a few hundred tokens at a time, so that nothing large is ever held but the cache."""
        assert self.direct
        said, done = [], 0
        firsts, copies = _once(prompts, adapters)
        for part in _parts([prompts[row] for row in firsts], TOGETHER):
            own_adapters = [adapters[row] for row in firsts[done : done + len(part)]]
            batch = self._lay(part, own_adapters)
            states_nD, fresh = self.direct.read(batch, own_adapters)
            own = [copy - done for copy in copies if done <= copy < done + len(part)]
            self._take_in(fresh, batch, own, aligned=True)
            said.append(self.model.vocabulary.logits(states_nD)[own])
            done += len(part)
        self._joined(adapters)
        return said[0] if len(said) == 1 else torch.cat(said)

    def _joined(self, adapters: Sequence[str], trunks: Sequence["Path | None"] = ()) -> None:
        self.adapters += adapters
        self.trunks += trunks or [None] * len(adapters)
        self._arrange()

    def _enter_behind(self, prompts: Sequence[Sequence[int]], adapter: str, trunks: Sequence[int]) -> Tensor:
        """Read prompts of which neighbours begin alike: that once, and behind it the rest of each."""
        virtual = tuple(range(-1, -1 - self.virtual_tokens(adapter), -1))
        said: list[Tensor] = []
        begun: list[Path | None] = []
        runs = groupby(zip(prompts, trunks, strict=True), lambda one: tuple(one[0][: one[1]]))
        for trunk, run in runs:
            rests = [tuple(prompt[length:]) for prompt, length in run]
            if not isinstance(self.direct, Llama):
                said.append(self._copied(virtual + trunk, rests, adapter))
                begun += [None] * len(rests)
                continue
            path = self._trunk(virtual + trunk, max(map(len, rests)), adapter)
            for part in _parts(rests, TOGETHER):
                fresh = RowCache()
                steps = [Step(path.root, tuple(ids), (len(ids) - 1,)) for ids in part]
                said.append(self.model.vocabulary.logits(path.read(steps, fresh)))
                self.cache.enter(fresh)
                self.lengths += [len(ids) for ids in part]
            begun += [path] * len(rests)
        self._joined([adapter] * len(prompts), begun)
        return torch.cat(said)

    def _copied(self, trunk: Ids, rests: Sequence[Ids], adapter: str) -> Tensor:
        """[n, V] logits of rows behind a trunk, of which each gets a copy of what is kept of it."""
        cache = RowCache()
        if self._kept is not None and self._kept[:2] == (adapter, trunk):
            cache = self._kept[2]
        elif trunk:
            read(self.model, [trunk], 0, cache, adapter)
            self._kept = (adapter, trunk, cache)
        fresh = cache.copies(len(rests))
        states_nTD = read(self.model, rests, len(trunk), fresh, adapter)
        lengths_n = torch.tensor([len(ids) for ids in rests], device=self.model.device)
        self._right(fresh, lengths_n + len(trunk))
        return self.model.vocabulary.logits(states_nTD[torch.arange(len(rests)), lengths_n - 1])

    def _trunk(self, ids: Ids, more: int, adapter: str) -> Path:
        """What rows begin with: as it was read for others, or read now; with place for as many tokens behind it."""
        known = (path for path in (self._paths.get((adapter, ids)), *self.trunks) if path and path.begun == (adapter, ids))
        path = next(known, None)
        if path is None:
            assert isinstance(self.direct, Llama)
            path = Path(self.direct, len(ids) + more, adapter)
            path.begin(ids)
        path.reach(len(ids) + more)
        self._paths[path.begun] = path
        self._paths.move_to_end(path.begun)
        while len(self._paths) > 1 and sum(path.root for path in self._paths.values()) > self.kept:
            self._paths.popitem(last=False)
        return path

    def _lay(self, prompts: Sequence[Sequence[int]], adapters: Sequence[str]) -> Batch:
        start = (self.start,)
        sequences = [
            Tokens(start, (IGNORED,), source=tuple(ids)) if self.paired else Tokens(tuple(ids), (IGNORED,) * len(ids))
            for ids in prompts
        ]
        origin = Rows(tuple((sequence,) for sequence in sequences), tuple((n,) for n in range(len(sequences))))
        inside = [self._in_decoder(name) for name in adapters]
        virtual = [self.virtual_tokens(name) for name in adapters]
        return collate(origin, virtual, in_decoder=inside).to(self.model.device)

    def _inputs(self, batch: Batch) -> dict[str, Any]:
        """A first reading, padded at the right: no token sees padding, so that a decoder's own needs no mask."""
        if not self.paired:
            return {"input_ids": batch.input_ids, **({"position_ids": batch.positions} if self.numbered else {})}
        return {
            "input_ids": batch.source_ids,
            "attention_mask": batch.source_mask.long(),
            "decoder_input_ids": batch.input_ids,
        }

    def _take_in(self, fresh: RowCache | PairCache, batch: Batch, copies: Sequence[int], aligned: bool = False) -> None:
        """New rows: of each, which of the rows that were read it is."""
        if len(copies) > len(batch.lengths):
            fresh.spread(copies)
        self._right(fresh, batch.lengths[list(copies)], aligned)
        if batch.source_lengths is not None:
            self.sources += batch.source_lengths[list(copies)].tolist()

    def _right(self, fresh: RowCache | PairCache, lengths_n: Tensor, aligned: bool = False) -> None:
        """Rows of these lengths behind those under way, all at the right."""
        lengths = lengths_n.tolist()
        width = max(lengths)
        index_nC = None
        if min(lengths) < width and not aligned:
            columns_C = torch.arange(width, device=self.model.device)
            index_nC = (columns_C - (width - lengths_n[:, None])).clamp(min=0)
        if isinstance(self.cache, PairCache):
            assert isinstance(fresh, PairCache)
            self.cache.enter(fresh, index_nC)
        else:
            assert isinstance(fresh, RowCache)
            self.cache.enter(fresh, index_nC)
        self.lengths += lengths

    def _arrange(self) -> None:
        """What stays the same from step to step while no row enters or leaves."""
        self.rows = len(self.lengths)
        paths = {id(path): path for path in self.trunks if path and path.root}
        self.shared = [
            path.shared(torch.tensor([row for row, own in enumerate(self.trunks) if own is path])) for path in paths.values()
        ]
        device = self.model.device
        self.even = min(self.lengths) == self.width
        self.lengths_B = torch.tensor(self.lengths, device=device)
        self.routing = Routing(_one(self.adapters), torch.full((self.rows, 1), -1, device=device))
        self.routing.spoken = True
        if self.paired:
            sources_B1 = torch.tensor(self.sources, device=device)[:, None]
            widest = max(self.sources)
            self.source_mask_BU = (torch.arange(widest, device=device) < sources_B1).long()
            # Only its shape is read: what the decoder needs of the source is in the cache.
            hidden = self.model.network.get_input_embeddings().weight.shape[1]
            nothing = torch.zeros((), dtype=self.model.dtype, device=device)
            self.source_BUD = nothing.expand(self.rows, widest, hidden)


def _parts(prompts: Sequence[Sequence[int]], most: int) -> list[list[Sequence[int]]]:
    """Prompts in their order, in parts of up to `most` tokens, or of one prompt."""
    parts: list[list[Sequence[int]]] = []
    held = most
    for prompt in prompts:
        if held + len(prompt) > most:
            parts.append([])
            held = 0
        parts[-1].append(prompt)
        held += len(prompt)
    return parts


def _once(prompts: Sequence[Sequence[int]], adapters: Sequence[str]) -> tuple[list[int], list[int]]:
    """The first of each run of equal prompts, which alone is read, and of each prompt which of these it is."""
    firsts: list[int] = []
    copies: list[int] = []
    for row, one in enumerate(zip(prompts, adapters, strict=True)):
        if not firsts or (prompts[firsts[-1]], adapters[firsts[-1]]) != one:
            firsts.append(row)
        copies.append(len(firsts) - 1)
    return firsts, copies


def _one(adapters: Sequence[str]) -> str | Sequence[str]:
    """One name where all rows share it."""
    return adapters[0] if len(set(adapters)) == 1 else tuple(adapters)
