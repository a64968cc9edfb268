"""A hundred LoRAs on one loaded network: attached from files, switched between batches, mixed in a batch; beside PEFT.

    python benchmarks/adapter_switching.py [--brief] [--rounds 3] [--device cpu] [--adapters 100]

The network is Llama's shape, 8 layers x 512, with random weights; the LoRAs have rank 8 at queries and values. Both sides read
the same files. PEFT stands twice where it can do without drawing first values (`low_cpu_mem_usage`).

- `attach`: all files, one after the other, onto the network.
- `switch`: from each adapter to the next, nothing else (`Model.active`; PEFT's `set_adapter`).
- `a batch each`: each adapter in turn answers for one token behind a prompt of 32: switch and forward pass.
- `mixed rows`: 16 rows of 32 tokens, each with an adapter of its own, in one pass (`Batch.adapters`; PEFT's `adapter_names`).
  `rows of one adapter` is the same batch with one adapter for all.

Bytes are what the process (or the card) held more with all adapters attached than before. Logits of both sides are compared.
"""

import gc
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import transformers
from causal_training import shape
from record import OURS, arguments, keep, paired
from torch import Tensor

from tunesmith.methods.lora import LoRA
from tunesmith.models.memory import Memory
from tunesmith.models.model import Model
from tunesmith.models.weights import load_adapter, save_adapter
from tunesmith.tokens.batch import Batch, Rows, collate
from tunesmith.tokens.sequence import IGNORED, Tokens

PEER, LEAN = "peft", "peft, low_cpu_mem_usage"
VOCABULARY, PROMPT, ROWS = 32_000, 32, 16


def network(device: str) -> Any:
    torch.manual_seed(0)
    return transformers.AutoModelForCausalLM.from_config(shape(VOCABULARY)).eval().to(device)


def ours(device: str) -> Model:
    renderer: Any = SimpleNamespace(text=lambda text: (1,))
    return Model(network(device), renderer, "causal").eval()


@torch.no_grad()
def make(folder: Path, count: int) -> list[Path]:
    """Files of so many random LoRAs."""
    model, files = ours("cpu"), []
    adapter = model.attach("made", LoRA(rank=8, on=("query", "value")))
    for number in range(count):
        for parameter in adapter.trained().values():
            parameter.normal_(std=0.05)
        files.append(save_adapter(folder / str(number), adapter, model))
    return files


def batch(ids: Tensor, device: str, adapters: tuple[str, ...] | None = None) -> Batch:
    rows = tuple((Tokens(tuple(row), (IGNORED,) * len(row)),) for row in ids.tolist())
    return collate(Rows(rows, tuple((n,) for n in range(len(rows)))), adapters=adapters).to(device)


def clock(work: Callable[[], object], device: str) -> float:
    gc.collect()
    start = time.perf_counter()
    work()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - start


class Ours:
    """A network with all adapters of some files."""

    def __init__(self, files: Sequence[Path], device: str) -> None:
        self.model, self.files, self.device = ours(device), files, device
        self.names = [f"task-{number}" for number in range(len(files))]

    def attach(self) -> None:
        for name, file in zip(self.names, self.files, strict=True):
            load_adapter(file, self.model, name)

    def detach(self) -> None:
        for name in self.names:
            self.model.detach(name)

    def switch(self) -> None:
        for name in self.names:
            self.model.active = name

    def said(self, laid: Batch) -> Tensor:
        return self.model(laid).next_logits()


class Theirs:
    """The same with PEFT."""

    def __init__(self, files: Sequence[Path], device: str) -> None:
        import peft

        self.files, self.device = files, device
        self.names = [f"task-{number}" for number in range(len(files))]
        # PEFT's own model comes with a first adapter; it is none of those that are counted.
        self.model: Any = peft.PeftModel.from_pretrained(network(device), files[0], adapter_name="first").eval()

    def attach(self, lean: bool = False) -> None:
        for name, file in zip(self.names, self.files, strict=True):
            self.model.load_adapter(file, name, low_cpu_mem_usage=lean)

    def detach(self) -> None:
        self.model.set_adapter("first")
        for name in self.names:
            self.model.delete_adapter(name)

    def switch(self) -> None:
        for name in self.names:
            self.model.set_adapter(name)

    def said(self, ids: Tensor, **options: Any) -> Tensor:
        logits: Tensor = self.model(input_ids=ids, logits_to_keep=1, use_cache=False, **options).logits
        return logits[:, -1]


def attaching(mine: Ours, peer: Theirs, rounds: int) -> dict[str, Any]:
    device = mine.device

    def timed(attach: Callable[[], None], side: Ours | Theirs) -> Callable[[], float]:
        def run() -> float:
            seconds = clock(attach, device)
            side.detach()
            return seconds

        return run

    sides = {
        OURS: timed(mine.attach, mine),
        PEER: timed(peer.attach, peer),
        LEAN: timed(lambda: peer.attach(lean=True), peer),
    }
    made = paired(sides, rounds)
    count = len(mine.names)
    return {**made, "milliseconds_an_adapter": {who: 1000 * s / count for who, s in made["median"].items()}}


def held(side: Ours | Theirs) -> int:
    """Attach all; bytes that this took."""
    memory = Memory(torch.device(side.device))
    gc.collect()
    memory.start()
    before = memory.now()
    side.attach()
    gc.collect()
    memory.start()
    return memory.now() - before


@torch.inference_mode()
def measured(files: Sequence[Path], device: str, rounds: int, only: Sequence[str] | None) -> dict[str, Any]:
    mine, peer = Ours(files, device), Theirs(files, device)
    pairs: dict[str, Any] = {}
    if not only or "attach" in only:
        pairs["attach"] = attaching(mine, peer, rounds)
    kept = {OURS: held(mine), PEER: held(peer)}
    names, dice = mine.names, torch.Generator().manual_seed(1)
    ids = torch.randint(3, VOCABULARY, (max(ROWS, 1), PROMPT), generator=dice)
    one, own = batch(ids[:1], device), tuple(names[n % len(names)] for n in range(ROWS))
    mixed, alike = batch(ids, device, own), batch(ids, device, (names[0],) * ROWS)
    there = ids.to(device)

    def each_ours() -> None:
        for name in names:
            mine.model.active = name
            mine.said(one)

    def each_theirs() -> None:
        for name in names:
            peer.model.set_adapter(name)
            peer.said(there[:1])

    works: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "switch": (mine.switch, peer.switch),
        "a batch each": (each_ours, each_theirs),
        "mixed rows": (lambda: mine.said(mixed), lambda: peer.said(there, adapter_names=list(own))),
        "rows of one adapter": (lambda: mine.said(alike), lambda: peer.said(there)),
    }
    for name, (our, their) in works.items():
        if only and name not in only:
            continue
        peer.model.set_adapter(names[0])
        our(), their()
        both = {OURS: lambda work=our: clock(work, device), PEER: lambda work=their: clock(work, device)}
        pairs[name] = paired(both, rounds if name in ("switch", "a batch each") else 5 * rounds)
    peer.model.set_adapter(names[0])
    apart = [(mine.said(alike) - peer.said(there)).abs().max(), mine.said(alike).abs().max()]
    found = [(mine.said(mixed) - peer.said(there, adapter_names=list(own))).abs().max(), *apart]
    pairs["memory"] = {"bytes_of_all_adapters": kept, "bytes_on_disk": sum(f.stat().st_size for f in files[0].iterdir())}
    pairs["logits"] = dict(zip(("mixed_apart", "alike_apart", "largest"), map(float, found), strict=True))
    return pairs


def main() -> None:
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--adapters", type=int, default=100)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    count, rounds = (3, 2) if given.brief else (given.adapters, given.rounds)
    with tempfile.TemporaryDirectory() as folder:
        pairs = measured(make(Path(folder), count), given.device, rounds, given.only)
    keep("adapter_switching", given, {"adapters": count, "rank": 8, "prompt": PROMPT, "rows": ROWS}, pairs)


if __name__ == "__main__":
    main()
