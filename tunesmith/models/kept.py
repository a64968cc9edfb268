"""What the frozen part of a network says of an example is computed once, and kept on the disk.

Where nothing below some layer is trained, that layer reads the same states of the same example in every epoch and at each
validation. They are computed when an example is first seen, apart from the others' and without dropout, and whatever stands
behind goes on from there. What stays is an unnamed file in the run's folder: it is gone with the process, however that ends.

Dimension key: B rows, T tokens a row, S sequences, N tokens of all of them that are kept, D hidden size.
"""

import hashlib
import math
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from tunesmith.errors import UserError
from tunesmith.models.compiled import layers
from tunesmith.models.dropout import shares
from tunesmith.models.families import PROVED
from tunesmith.models.flat import Which, asked
from tunesmith.models.routing import Routing, current
from tunesmith.tokens.batch import Batch, Rows, collate


@dataclass(frozen=True)
class Keep:
    """What is kept of what the frozen part of a network says.

    frozen:    `auto`: its states, where training stays the same number by number; `always`: also where the frozen part has
               dropout, which is then left out of it; `never`: nothing, all is computed in every step.
    precision: `full`: as it was computed; `half`: in 16 bits, half the room of float32; numbers change by a two-thousandth.
    gigabytes: most room on the disk of the run's folder. What finds none is computed whenever it is needed.
    """

    frozen: Literal["auto", "always", "never"] = "auto"
    precision: Literal["full", "half"] = "full"
    gigabytes: Annotated[float, Field(gt=0)] = 8.0


@dataclass(frozen=True)
class Boundary:
    """Where the frozen part of a network ends.

    passed: the modules that need not run, in order; the last one says the states.
    inside: every module of the frozen part.
    side:   whose tokens these states are of: of a network's only stack `target`, else `source`.
    last:   does no layer come behind it? Then only the states that are asked for are kept.
    """

    passed: tuple[Any, ...]
    inside: tuple[nn.Module, ...]
    side: str
    last: bool

    @property
    def random(self) -> bool:
        """Is anything dropped in it while learning?"""
        return any(map(shares, self.inside))


def boundary(network: Any, changed: Sequence[str] = ()) -> Boundary | None:
    """The end of all that no training changes; None where that is nothing worth keeping, or where it is not known.

    changed: paths of the modules at which an adapter stands.
    """
    if network.config.model_type not in PROVED:
        return None
    trained = {m for m in network.modules() if any(p.requires_grad for p in m.parameters(recurse=False))}
    trained |= {network.get_submodule(path) for path in changed}
    if getattr(network.config, "is_encoder_decoder", False):
        encoder = network.get_encoder()
        inside = tuple(encoder.modules())
        return None if trained & set(inside) else Boundary((encoder,), inside, "source", last=False)
    stack, modules = layers(network), list(network.modules())
    first = next((n for n, layer in enumerate(stack) if trained & set(layer.modules())), len(stack))
    own = {module for layer in stack for module in layer.modules()}
    before = {module for module in modules[: modules.index(stack[-1])] if module not in own}
    if first == 0 or trained & before:
        return None
    frozen = before | {module for layer in stack[:first] for module in layer.modules()}
    return Boundary(tuple(stack[:first]), tuple(frozen), "target", first == len(stack))


def worth_keeping(network: Any, changed: Sequence[str], settings: Keep) -> tuple[Boundary | None, str]:
    """The boundary whose states the settings let be kept, and what there is to be said of that."""
    end = None if settings.frozen == "never" else boundary(network, changed)
    if end is None:
        return None, ""
    if settings.frozen == "auto" and end.random:
        return None, (
            "the frozen part of the network has dropout, so it is computed in every step; "
            "`plan.keep.frozen=always` computes it once an example, without dropout"
        )
    return end, "what is frozen is computed once an example"


class Reached(Exception):  # noqa: N818 (no error)
    """The end of the frozen part was reached by a call that wants nothing else."""

    def __init__(self, said: Tensor) -> None:
        self.said = said


@dataclass(frozen=True)
class Given:
    """What the frozen part of a network does in a call: stop at its end, or say states that are known.

    states: [N, D] in the order of tokens; None: they are to be computed.
    at:     [N] where each stands in the padded rows, counted through; None where rows lie end to end.
    shape:  of these rows.
    """

    states: Tensor | None = None
    at: Tensor | None = None
    shape: tuple[int, ...] = ()

    def laid(self, like: Tensor | None) -> Tensor:
        """[1, N, D]; or [B, T, D] as what the frozen part reads, with nothing at tokens that are not kept."""
        assert self.states is not None
        if self.at is None:
            return self.states[None]
        shape = self.shape if like is None else like.shape[:2]
        line = self.states.new_zeros(math.prod(shape), self.states.shape[1])
        return line.index_copy(0, self.at, self.states).view(*shape, -1)


class Kept:
    """The states of a boundary, by what was read. From now on until `close`, calls may go past what is frozen.

    folder: the file lies on its disk.
    laid:   how a batch is read, and where its tokens' states will stand (`Model`).
    said:   what the network says of a batch so read.
    """

    def __init__(
        self,
        boundary: Boundary,
        settings: Keep,
        folder: Path,
        laid: Callable[[Batch, Which], tuple[Routing, Tensor | None]],
        said: Callable[[Batch, Routing], Tensor],
    ) -> None:
        self.boundary, self.settings = boundary, settings
        self._laid, self._said = laid, said
        self.computed = 0  # sequences whose states were computed
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 (`close`)
        self._places: dict[bytes, int] = {}
        self._end = 0
        self._dtype = torch.float32
        self._width = 0
        self._before: list[Any] = [module._compiled_call_impl for module in boundary.passed]
        for module, before in zip(boundary.passed, self._before, strict=True):
            run = before or module._call_impl
            module._compiled_call_impl = self._passing(run, module is boundary.passed[-1])

    def close(self) -> None:
        for module, before in zip(self.boundary.passed, self._before, strict=True):
            module._compiled_call_impl = before
        self._file.close()

    def _passing(self, run: Callable[..., Any], last: bool) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            given = getattr(current(), "kept", None)
            if given is None or given.states is None:
                said = run(*args, **kwargs)
                if last and given is not None:
                    raise Reached(said[0] if self.boundary.side == "source" else said)
                return said
            if self.boundary.side == "source":
                from transformers.modeling_outputs import BaseModelOutput

                return BaseModelOutput(last_hidden_state=given.laid(None))
            return given.laid(args[0]) if last else args[0]

        return call

    def give(self, routing: Routing, batch: Batch, which: Which, places_BT: Tensor | None) -> Tensor | None:
        """Let a call begin with the states of what is frozen. Where its tokens' states stand then."""
        wanted_BT = self._wanted(batch, which)
        states = self._states(batch, which, wanted_BT)
        padded = routing.flats is None
        routing.kept = Given(states, wanted_BT.flatten().nonzero()[:, 0] if padded else None, tuple(wanted_BT.shape))
        if padded or not self.boundary.last:
            return places_BT
        return (wanted_BT.flatten().cumsum(0) - 1).view(wanted_BT.shape)

    def _wanted(self, batch: Batch, which: Which) -> Tensor:
        """[B, T] whose states are kept, of the side of the boundary."""
        if self.boundary.side == "source":
            return batch.source_mask
        return asked(batch, which if self.boundary.last else "all")

    @torch.no_grad()
    def _computed(self, batch: Batch, which: Which) -> Tensor:
        """[N, D] what the frozen part says of the wanted tokens, without dropout."""
        wanted_BT = self._wanted(batch, which)
        routing, places_BT = self._laid(batch, which)
        routing.kept, modes = Given(), [module for module in self.boundary.inside if module.training]
        for module in modes:
            module.training = False
        try:
            self._said(batch, routing)
            raise AssertionError("the frozen part was not reached")
        except Reached as reached:
            said = reached.said
        finally:
            for module in modes:
                module.training = True
        if routing.flats is None:
            return said.flatten(0, 1)[wanted_BT.flatten()]
        if places_BT is None or said.shape[1] == int(wanted_BT.sum()):
            return said[0]
        return said[0, places_BT[wanted_BT]]

    def _states(self, batch: Batch, which: Which, wanted_BT: Tensor) -> Tensor:
        """[N, D] the states of the wanted tokens of a batch, in order."""
        keys, counts = self._keys(batch, wanted_BT)
        unknown: dict[bytes, int] = {}
        for number, key in enumerate(keys):
            if key not in self._places:
                unknown.setdefault(key, number)
        known: dict[bytes, Tensor] = {}
        if unknown:
            part = batch if len(unknown) == len(keys) else _part(batch, set(unknown.values()))
            said = self._rounded(self._computed(part, which)).cpu()
            known = dict(zip(unknown, said.split_with_sizes([counts[number] for number in unknown.values()]), strict=True))
            self.computed += len(known)
            for key, states in known.items():
                self._put(key, states)
        found = torch.empty(sum(counts), self._width, dtype=self._stored)
        for key, states in zip(keys, found.split_with_sizes(counts), strict=True):
            if key in known:
                states.copy_(known[key])
            else:
                self._file.seek(self._places[key])
                self._file.readinto(states.view(torch.uint8).numpy().data)
        return found.to(batch.input_ids.device, self._dtype)

    @property
    def _stored(self) -> torch.dtype:
        return torch.float16 if self.settings.precision == "half" and self._dtype == torch.float32 else self._dtype

    def _rounded(self, states_ND: Tensor) -> Tensor:
        """As they are kept, whether they find room or not: no number depends on that."""
        self._width, self._dtype = states_ND.shape[1], states_ND.dtype
        rounded = states_ND.to(self._stored)
        if rounded.dtype == torch.float16 and not bool(rounded.isfinite().all()):
            raise UserError(
                "`plan.keep.precision` is `half`, and some states are beyond its largest number", "set it to `full`"
            )
        return rounded

    def _put(self, key: bytes, states: Tensor) -> None:
        values = states.contiguous().view(torch.uint8).numpy().data
        if self._end + values.nbytes > self.settings.gigabytes * 1e9:
            return
        with suppress(OSError):  # a full disk keeps what it has
            self._file.seek(self._end)
            if self._file.write(values) == values.nbytes:
                self._places[key] = self._end
                self._end += values.nbytes

    def _keys(self, batch: Batch, wanted_BT: Tensor) -> tuple[list[bytes], list[int]]:
        """Of each sequence, what its states depend on as a digest, and how many they are."""
        sequences = [tokens for row in batch.origin.rows for tokens in row]
        if self.boundary.side == "source":
            return [_digest(tokens.source) for tokens in sequences], [len(tokens.source) for tokens in sequences]
        at_N = wanted_BT.flatten().nonzero()[:, 0]
        counts = torch.searchsorted(batch.starts, at_N.int(), right=True).bincount(minlength=len(sequences) + 1)[1:].tolist()
        if not self.boundary.last:
            return [_digest(tokens.inputs, tokens.second) for tokens in sequences], counts
        places = batch.positions.flatten()[at_N].split_with_sizes(counts)
        return [
            _digest(tokens.inputs, tokens.second, at.tolist()) for tokens, at in zip(sequences, places, strict=True)
        ], counts


def _digest(*read: object) -> bytes:
    return hashlib.blake2b(repr(read).encode(), digest_size=16).digest()


def _part(batch: Batch, chosen: set[int]) -> Batch:
    """Some of the sequences of a batch."""
    number, rows = 0, []
    for row in batch.origin.rows:
        kept = tuple(tokens for place, tokens in enumerate(row, start=number) if place in chosen)
        rows += [kept] if kept else []
        number += len(row)
    numbers = tuple(tuple(range(len(row))) for row in rows)
    adapters = batch.adapters and batch.adapters[:1] * len(rows)
    return collate(Rows(tuple(rows), numbers), adapters=adapters, shared=batch.shared).to(batch.input_ids.device)
