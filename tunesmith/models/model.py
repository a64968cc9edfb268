"""A network with its renderer, its head and its adapters; a batch goes in, a reading comes out.

Dimension key: B rows, T tokens a row, D hidden size, N targets, S sequences, K outputs of the head, V vocabulary.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tunesmith.errors import UserError, did_you_mean
from tunesmith.methods.method import Method
from tunesmith.models import families
from tunesmith.models.adapter import Adapter, freed_by, hook, refuse_unmet, tell_sides
from tunesmith.models.compiled import compile_layers, restore_layers
from tunesmith.models.flat import Which, flatten, stand
from tunesmith.models.head import Head, HeadPlan, Pooling
from tunesmith.models.kept import Keep, Kept, worth_keeping
from tunesmith.models.lean import exact, slim
from tunesmith.models.logprobs import divergences, judged, target_logprobs
from tunesmith.models.looking import look
from tunesmith.models.memory import keep_pages
from tunesmith.models.quantize import refuse_freed
from tunesmith.models.routing import Routing, Stay, calling, checkpointed
from tunesmith.models.sites import beyond_body
from tunesmith.tokens.batch import Batch
from tunesmith.tokens.packing import Group, Room, pack
from tunesmith.tokens.renderer import Renderer


class Model(nn.Module):
    """A network whose logits are computed only where they are asked for.

    Args:
        network: a transformers network with a vocabulary head. Its parameters are frozen until a method frees them.
        renderer: spells examples for it.
        family: `causal`, `seq2seq` or `masked`.
        plan: of a further head (float32, random) for values of sequences and tokens; None for none.

    Attributes:
        wordless: whether the vocabulary head is random, because the network came without one.
        active:   adapter of the batches that name none; "" is the bare network.
        source:   where the network came from: a folder, a hub name, `town/t5`.
        folder:   where its files lie on this disk; None where that is not known.
        revision: the commit of a hub repository, or None.
        starting: adapter that `reference` reads; "" is the bare network.
        references: what `reference` gave answers that were asked for before (`models/reference.py`); None: nothing is kept.
        announce: called before each pass, where other processes go along with it; None: none does.
        fits:     what is read at once without gradients since memory ran out (`models/fitting.py`); None: it has not.
    """

    def __init__(self, network: nn.Module, renderer: Renderer, family: families.Family, plan: HeadPlan | None = None) -> None:
        super().__init__()
        self.network: Any = network
        self.renderer = renderer
        self.family = family
        self.requires_grad_(False)
        keep_pages()
        self.vocabulary = families.vocabulary(network)
        families.take_off_head(self.vocabulary.head)
        tell_sides(network)
        slim(network)
        self._flat = stand(network)
        families.hear_body(network, family)
        self.wordless = False
        self._own_head: Head | None = None
        if plan is not None:
            self.stand(Head(plan.on(network.config, family), self.width, self.device))
        self._heads = nn.ModuleDict()  # of adapters that brought their own
        self.adapters: dict[str, Adapter] = {}
        self._registered = nn.ModuleDict()  # the same, under names that modules may have
        self.active = ""
        self.starting = ""
        self.source = str(getattr(network.config, "_name_or_path", ""))
        self.folder: Path | None = None
        self.revision: str | None = None
        self._hooks: dict[str, list[Stay]] = {}
        self._first: dict[str, Tensor] | None = None
        self._heard: list[Reading] | None = None
        self._compiled = False
        self._kept: Kept | None = None
        self.references: object | None = None
        self.announce: Callable[[], None] | None = None
        self.fits: Room | None = None

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device  # type: ignore[no-any-return]

    @property
    def dtype(self) -> torch.dtype:
        return next(self.network.parameters()).dtype  # type: ignore[no-any-return]

    @property
    def width(self) -> int:
        """D: numbers in a state."""
        return int(self.vocabulary.weight.shape[1])

    @property
    def head(self) -> Head | None:
        """The further head: that of the active adapter, or the model's own."""
        adapter = self.adapters.get(self.active)
        return self._own_head if adapter is None or adapter.head is None else adapter.head

    def stand(self, head: Head | None) -> None:
        """Give the model a head of its own, or none; adapters share it that are attached from now on without one of theirs."""
        self._own_head = head if head is None else head.train(self.training)

    def forget_values(self) -> None:
        """Take off a head whose values only learning needs (`value`), so that neither files nor asking know of it."""
        if self.head is not None and self.head.plan.kind == "value":
            self._own_head = None
            for adapter in self.adapters.values():
                adapter.lose_head()

    @property
    def window(self) -> int | None:
        """Most tokens of a row, virtual tokens included; None: no limit."""
        return families.window(self.network.config)

    @property
    def virtual_tokens(self) -> int:
        """Virtual tokens at the head of each sequence under the active adapter."""
        return self.adapter().method.virtual_tokens if self.active else 0

    def pack(self, groups: Sequence[Group], room: Room, sources_once: bool = False) -> Iterator[Batch]:
        """Batches of the sequences for the active adapter, on the CPU; `sources_once`: neighbours may share a source."""
        in_decoder = self.family == "seq2seq" and bool(self.active) and self.adapter().method.in_decoder
        return pack(groups, room, self.virtual_tokens, self.packs(room), in_decoder, sources_once)

    def packs(self, room: Room) -> bool:
        """May sequences share a row: wanted by the room, and proved exact for this network?"""
        wanted = room.layout == "packed" or (room.layout == "auto" and self.device.type == "cuda")
        return wanted and not families.why_not_packed(self.network, self.family)

    def branches(self) -> bool:
        """Are two answers to a prompt read behind it in one row? On a CPU, where that is exact and padding is not computed."""
        known = self.device.type == "cpu" and not self._compiled and self._kept is None and not self.virtual_tokens
        return known and families.branches(self.network, self.family)

    def adapter(self, name: str | None = None) -> Adapter:
        """An attached adapter, by default the active one."""
        name = self.active if name is None else name
        if name not in self.adapters:
            raise UserError(f"no adapter `{name}` is attached", did_you_mean(name, self.adapters))
        return self.adapters[name]

    def attach(
        self, name: str, method: Method, begin: bool = True, head: Head | None = None, never: Collection[str] = ()
    ) -> Adapter:
        """Put a new adapter on the network and make it the active one. Initial values come from torch's random state.

        begin: let the method look at the network for its first values; not where they are about to be read from a file.
        head: a head of the adapter's own; None: that of the model, if any.
        never: names of weights that are not trained, nor is anything put beside them.
        """
        never = beyond_body(self.network) if self.wordless else never
        if begin:
            refuse_unmet(method, self.network)
        adapter = Adapter(method, self.network, head or self._own_head, self.spell, never).to(self.device)
        refuse_freed(adapter.freed, self.network, type(method).__name__)
        if head is not None:
            self._heads[name.encode().hex()] = head.train(self.training)
        adapter.free()
        self.put(name, adapter)
        if begin:
            method.begin(adapter.deltas, look(self.network, self.family, self.spell, list(adapter.deltas)))
        return adapter

    def frees(self, method: Method) -> list[str]:
        """Names of the network's own weights that a method would train."""
        return freed_by(method, self.network, beyond_body(self.network) if self.wordless else ())

    def put(self, name: str, adapter: Adapter) -> None:
        """Put an adapter that was made for this network on it, and make it the active one."""
        assert name, "an adapter has a name"
        assert name not in self.adapters, f"an adapter `{name}` is attached already"
        adapter.train(self.training)
        self._hooks[name] = hook(name, adapter, self.network)
        self.adapters[name] = self._registered[name.encode().hex()] = adapter
        self.active = name

    def detach(self, name: str) -> None:
        """Take an adapter off. Weights that it set free are frozen again, and stay as they were trained."""
        for handle in self._hooks.pop(name):
            handle.remove()
        self.adapter(name).free(False)
        del self.adapters[name], self._registered[name.encode().hex()]
        if name.encode().hex() in self._heads:
            brought = self._heads.pop(name.encode().hex())
            self._own_head = self._own_head or brought  # type: ignore[assignment]
        self.active = "" if self.active == name else self.active

    def spell(self, text: str) -> Sequence[int]:
        """Token ids of plain words, without special tokens."""
        return self.renderer.spell(text)

    def must_have_words(self) -> None:
        """Refuse to weigh words where the network came without a vocabulary head."""
        if self.wordless:
            raise UserError(
                f"`{self.source}` came without a vocabulary head: it has no words to say or weigh",
                "ask its own head (`ask.how: classify`), set `forgetting: none`, or take a network with words",
            )

    def routing(self, batch: Batch) -> Routing:
        """Which rows of a batch go through which adapter, and where virtual tokens stand."""
        adapters = self.active if batch.adapters is None else batch.adapters
        for name in {adapters} if isinstance(adapters, str) else set(adapters):
            if name:
                self.adapter(name)
        return Routing(adapters, batch.virtual, batch.source_virtual)

    def forward(self, batch: Batch, everywhere: bool = False) -> "Reading":
        """Read a batch; `everywhere`: the states of all tokens are wanted, not only of those that speak of a target or end."""
        if self.announce is not None:
            self.announce()
        which = "all" if everywhere else self.whose()
        routing, places_BT = self._laid(batch, which)
        if self._kept is not None and routing.everywhere in ("", self.active):
            places_BT = self._kept.give(routing, batch, which, places_BT)
        with families.hearing() as heard:
            states = self._said(batch, routing)
        reading = Reading(self, batch, states, heard[-1] if heard else states, places_BT, self.vocabulary)
        if self._heard is not None:
            self._heard.append(reading)
        return reading

    def whose(self) -> Which:
        """Whose states a reading needs beside those that speak of a target."""
        pooling = "last" if self.head is None else self.head.plan.pooling
        return "first" if pooling == "first" else "all" if pooling == "mean" else "last"

    def _laid(self, batch: Batch, which: Which) -> tuple[Routing, Tensor | None]:
        """How a batch is read, and where its tokens' states will stand if rows lie end to end."""
        routing, weight = self.routing(batch), self.vocabulary.weight
        known = self._flat and not self._compiled and routing.everywhere is not None
        if not known or weight.device.type != "cpu" or not exact(weight):
            return routing, None
        routing.flats, places_BT = flatten(batch, "all" if self.family == "seq2seq" else which)
        return routing, places_BT

    def _said(self, batch: Batch, routing: Routing) -> Tensor:
        call = families.body if self.wordless and self.family == "masked" else families.CALLS[self.family]
        with calling(routing):
            return call(self.network, batch)

    @contextmanager
    def keeping(self, settings: Keep, folder: Path) -> Iterator[str]:
        """Within, what is frozen under the active adapter is computed once an example. Yields a word on that, or nothing."""
        end, word = worth_keeping(self.network, list(self.adapter().deltas), settings)
        if end is None or self.virtual_tokens:
            yield word
            return
        self._kept = Kept(end, settings, folder, self._laid, self._said)
        try:
            yield word
        finally:
            self._kept.close()
            self._kept = None

    @contextmanager
    def listening(self) -> Iterator[list["Reading"]]:
        """Every reading that is made within: what an objective has read need not be read again."""
        self._heard = []
        try:
            yield self._heard
        finally:
            self._heard = None

    def remember(self) -> dict[str, Tensor]:
        """Keep a frozen copy of the weights that the active adapter sets free, so that `reference` can read them.

        Only methods that train the network's own weights need it, before their first step.
        """
        self._first = {name: p.detach().clone() for name, p in self.adapter().freed.items()}
        return self._first

    def forget(self) -> None:
        """Let go of that copy: `reference` will not be read again."""
        self._first = None

    @torch.no_grad()
    def reference(self, batch: Batch) -> "Reading":
        """The view of the model that training started from: the starting adapter, or the bare network; no dropout."""
        if self.training:
            self.eval()
            try:
                return self.reference(batch)
            finally:
                self.train()
        first = batch.plain() if not self.starting else replace(batch, adapters=(self.starting,) * len(batch.input_ids))
        if self.active and self.adapter().freed:
            assert self._first is not None, "`remember()` before the first step: the method changes the weights"
            with self._put_back(self._first):
                return self._still(self(first))
        return self._still(self(first))

    def _still(self, reading: "Reading") -> "Reading":
        """A reading asks for its logits later, when a trained head may have moved on."""
        return replace(reading, vocabulary=self.vocabulary.still())

    @contextmanager
    def _put_back(self, first: dict[str, Tensor]) -> Iterator[None]:
        freed = self.adapter().freed
        trained = {name: p.data for name, p in freed.items()}
        for name, p in freed.items():
            p.data = first[name]
        try:
            yield
        finally:
            for name, p in freed.items():
                p.data = trained[name]

    def checkpointing(self, on: bool) -> None:
        """Compute each layer again in the backward pass instead of keeping its activations (in training mode)."""
        self.network._set_gradient_checkpointing(enable=on, gradient_checkpointing_func=checkpointed)
        for module in self.network.modules():
            if (
                type(module).__name__ == "T5Attention"
            ):  # it would mark a tensor for another kind of checkpoint, and break the graph
                module.gradient_checkpointing = False

    def compiling(self, on: bool, backend: str | Callable[..., Any] = "inductor") -> None:
        """Run layers (`models/compiled.py`) and what comes of logits as compiled functions while learning, or no longer."""
        self._compiled = on
        restore_layers(self.network)
        if on:
            compile_layers(self.network, backend)
        self.vocabulary = replace(self.vocabulary, judge=torch.compile(judged, backend=backend) if on else None)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a model made of a batch, seen as whatever an objective needs. Nothing is computed before it is asked for."""

    model: Model
    batch: Batch
    said: Tensor  # [B, T, D], or [1, A, D] of A tokens laid end to end
    body: Tensor  # the same before what a masked network does on the way to its words; a further head reads these
    places_BT: Tensor | None  # where a token stands among these A
    vocabulary: families.Vocabulary

    def states(self, rows: Tensor, columns: Tensor) -> Tensor:
        """[..., D] last states of some tokens."""
        return self._taken(self.said, rows, columns)

    def _taken(self, states: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        return states[rows, columns] if self.places_BT is None else states[0, self.places_BT[rows, columns]]

    def logprobs(self, temperature: float = 1.0) -> Tensor:
        """[N] float32 log p(target | all before it), in nats, of logits divided by `temperature`; weights are not applied."""
        self.model.must_have_words()
        return target_logprobs(self._at_targets(), self.vocabulary.at(temperature), self.batch.target_ids)

    def divergence(self, reference: "Reading") -> Tensor:
        """[N] float32 KL(reference || this) at each target in nats, over the whole vocabulary; weights are not applied."""
        return divergences(self._at_targets(), self.vocabulary, reference._at_targets(), reference.vocabulary)

    def values(self) -> Tensor:
        """[S, K] float32 outputs of the head for each sequence."""
        return self._head()(self.pooled())  # type: ignore[no-any-return]

    def token_values(self) -> Tensor:
        """[N, K] float32 outputs of the head at each target."""
        return self._head()(self.at_targets())  # type: ignore[no-any-return]

    def at_targets(self) -> Tensor:
        """[N, D] what a head reads at each target."""
        return self._taken(self.body, self.batch.target_rows, self.batch.target_columns)

    def pooled(self, pooling: Pooling | None = None) -> Tensor:
        """[S, D] a state of each sequence, as its head reads it (`HeadPlan.pooling`) or as said here, virtual tokens aside."""
        batch, pooling = self.batch, pooling or self._head().plan.pooling
        if pooling == "last":
            return self._taken(self.body, batch.last_rows, batch.last_columns)
        if pooling == "first":
            return self._taken(self.body, batch.last_rows, batch.first_columns)
        rows, columns = (batch.mask & (batch.virtual < 0)).nonzero(as_tuple=True)
        owner = torch.searchsorted(batch.starts, rows * batch.input_ids.shape[1] + columns, right=True) - 1
        states = self._taken(self.body, rows, columns).float()
        sums_SD = states.new_zeros(batch.sequences, states.shape[1]).index_add(0, owner, states)
        return sums_SD / owner.bincount(minlength=batch.sequences)[:, None]

    def next_logits(self) -> Tensor:
        """[S, V] float32 logits of the token that follows each sequence."""
        return self.vocabulary.logits(self._at_ends())

    def logits(self) -> Tensor:
        """[N, V] float32 logits at each target; for a handful of targets only."""
        return self.vocabulary.logits(self._at_targets())

    def _at_targets(self) -> Tensor:
        return self.states(self.batch.target_rows, self.batch.target_columns)

    def _at_ends(self) -> Tensor:
        return self.states(self.batch.last_rows, self.batch.last_columns)

    def _head(self) -> Head:
        """The head of the adapter that all rows go through, or the model's own."""
        names = set(self.batch.adapters or (self.model.active,))
        own = self.model.adapters.get(names.pop()) if len(names) == 1 else None
        head = own.head if own is not None and own.head is not None else self.model.head
        assert head is not None, "a model with a head (`plan`)"
        return head
