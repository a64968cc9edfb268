"""Requests a server answers at once, each through an adapter of its own, beside PEFT's `adapter_names` and `generate`.

    pip install -e '.[bench]'
    python benchmarks/serving_speed.py [--brief] [--rounds 3] [--only town llama] [--clients 64]

Networks: `town/llama`, and Llama's shape of 8 layers x 512 with random weights, vocabulary 32,000 (41 million). So many LoRAs
of rank 16 at queries and values, with random weights that say something; request n asks adapter n, from the first on again.
Prompts are random ids of 16 to 96; answers, greedy ones, have at most 128 tokens and end where an id is said that ends them:
every k-th does, so that they have some 40 in the mean. So many clients each send their next request when the last one has
been answered.

Sides: ours, by the thread that a server has (`serving/worker.py`); ours without any adapter, the same requests and as many
tokens of each as with it; PEFT with the same files, one adapter a row, the clients' requests in batches, padded, in the size
that was the fastest on the first requests. Told besides: the time to the first token (in the middle, and what a twentieth
exceed), answers that are alike on both sides, and what a switch costs: from each adapter to the next, nothing else.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any, Protocol

import torch
import transformers
from causal_training import shape
from record import OURS, arguments, keep, paired

from tunesmith.generation.sampling import Sampling
from tunesmith.methods.lora import LoRA
from tunesmith.models.load import ModelSettings, load
from tunesmith.models.model import Model
from tunesmith.models.weights import save_adapter
from tunesmith.serving.worker import Ask, Heard, Worker

BARE, PEER = "tunesmith without adapters", "peft"
TOKENS, MEAN, RANK, SIZES = 128, 40, 16, (16, 32, 64)
KINDS = ("town", "llama")
Make = Callable[[], Any]  # a network that never ends by itself


def network(kind: str) -> Any:
    """It never ends by itself."""
    torch.manual_seed(0)
    if kind == "town":
        place = Path(load(ModelSettings("town/llama")).folder or "")
        made = transformers.AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32)  # as a server computes on a CPU
    else:
        made = transformers.AutoModelForCausalLM.from_config(shape(32_000))
    made.generation_config.eos_token_id = None
    return made.eval()


def ours(make: Make) -> Model:
    renderer: Any = SimpleNamespace(
        text=lambda text: (1,), stops=frozenset(), forced=None, say=lambda ids: "", start=0, key="", prompt=None
    )
    return Model(make(), renderer, "causal").eval()


@torch.no_grad()
def files(make: Make, folder: Path, count: int) -> list[Path]:
    """Adapters' folders."""
    model, made = ours(make), []
    torch.manual_seed(1)
    adapter = model.attach("made", LoRA(rank=RANK, on=("query", "value")))
    for number in range(count):
        for parameter in adapter.trained().values():
            parameter.normal_(std=0.05)
        made.append(save_adapter(folder / f"a{number}", adapter, model))
    return made


def prompts(top: int, count: int) -> list[list[int]]:
    dice = random.Random(2)
    return [[dice.randrange(100, top) for _ in range(dice.randint(16, 96))] for _ in range(count)]


class Hearing:
    """What comes of one request, and when; `ended` gets it then."""

    def __init__(self, ended: "SimpleQueue[Hearing]") -> None:
        self.ids: list[int] = []
        self.began, self.first, self.ended = time.perf_counter(), 0.0, ended
        self.fault = ""

    def __call__(self, heard: Heard) -> None:
        self.first = self.first or time.perf_counter()
        self.ids += heard.ids
        if heard.reason or heard.fault:
            self.fault = heard.fault
            self.ended.put(self)


class Ours:
    """A worker with all adapters."""

    def __init__(self, make: Make, folders: Sequence[Path], rows: int) -> None:
        self.worker = Worker(ours(make), rows=rows).start()
        self.names = [f"a{number}" for number in range(len(folders))]
        for name, folder in zip(self.names, folders, strict=True):
            self.worker.call(lambda name=name, folder=folder: self.worker.shelf.put(name, folder)).result()

    def speak(
        self, asked: Sequence[Sequence[int]], names: Sequence[str], most: Sequence[int], clients: int
    ) -> tuple[float, list[tuple[int, ...]], list[float]]:
        """Seconds, answers, and how long each waited for its first token. most: longest answer to each."""
        ended: SimpleQueue[Hearing] = SimpleQueue()
        hearings: list[Hearing] = []
        began = time.perf_counter()

        def ask() -> None:
            number = len(hearings)
            hearings.append(Hearing(ended))
            sampling = Sampling(tokens=most[number])
            request = Ask(asked[number], names[number], sampling, hearings[-1], client=str(number % clients), streams=True)
            self.worker.submit([request])

        for _ in range(min(clients, len(asked))):
            ask()
        for _ in asked:
            done = ended.get()
            assert not done.fault, done.fault
            if len(hearings) < len(asked):
                ask()
        seconds = time.perf_counter() - began
        return seconds, [tuple(one.ids) for one in hearings], [one.first - one.began for one in hearings]

    def switch(self) -> float:
        """Seconds from one adapter to the next."""

        def through() -> float:
            insides = [self.worker.shelf.version(name).inside for name in self.names]
            began = time.perf_counter()
            for inside in insides:
                self.worker.model.active = inside
            self.worker.model.active = ""
            return (time.perf_counter() - began) / len(insides)

        return self.worker.call(through).result()


class Theirs:
    """PEFT with the same files."""

    def __init__(self, make: Make, folders: Sequence[Path]) -> None:
        import peft

        self.model: Any = peft.PeftModel.from_pretrained(make(), folders[0], adapter_name="a0").eval()
        for number, folder in enumerate(folders[1:], start=1):
            self.model.load_adapter(folder, f"a{number}")
        self.stops: list[int] = []

    @torch.no_grad()
    def speak(
        self, asked: Sequence[Sequence[int]], names: Sequence[str], rows: int
    ) -> tuple[float, list[tuple[int, ...]], list[float]]:
        """Seconds, answers, and how long each waited (no token is told before its batch is done)."""
        answers: list[tuple[int, ...]] = []
        waited: list[float] = []
        began, device = time.perf_counter(), self.model.device
        for start in range(0, len(asked), rows):
            batch, here = asked[start : start + rows], time.perf_counter()
            wide = max(map(len, batch))
            said = self.model.generate(
                input_ids=torch.tensor([[0] * (wide - len(one)) + list(one) for one in batch], device=device),
                attention_mask=torch.tensor([[0] * (wide - len(one)) + [1] * len(one) for one in batch], device=device),
                adapter_names=list(names[start : start + rows]),
                max_new_tokens=TOKENS,
                max_length=None,
                do_sample=False,
                eos_token_id=self.stops or None,
                pad_token_id=0,
            )
            waited += [time.perf_counter() - here] * len(batch)
            answers += [self._ended(row) for row in said[:, wide:].tolist()]
        return time.perf_counter() - began, answers, waited

    def _ended(self, row: list[int]) -> tuple[int, ...]:
        end = next((place + 1 for place, id_ in enumerate(row) if id_ in self.stops), len(row))
        return tuple(row[:end])

    def best(self, asked: Sequence[Sequence[int]], names: Sequence[str], clients: int) -> tuple[int, dict[int, float]]:
        """The fastest size of a batch, by seconds a request."""
        sizes = [rows for rows in SIZES if rows <= clients] or [clients]
        found = {rows: self.speak(asked[:rows], names[:rows], rows)[0] / rows for rows in sizes}
        return min(found, key=lambda rows: found[rows]), found


def every(answers: Sequence[Sequence[int]]) -> int:
    """k, so that answers which end at every k-th id have `MEAN` tokens in the mean."""

    def off(k: int) -> float:
        ends = [next((n + 1 for n, id_ in enumerate(answer) if id_ % k == 0), len(answer)) for answer in answers]
        return abs(sum(ends) / len(ends) - MEAN)

    return min(range(2, 200), key=off)


class Beside(Protocol):
    """Another side: seconds, answers, and how long each waited for its first token, where that is known."""

    def speak(
        self, asked: Sequence[Sequence[int]], names: Sequence[str], stops: Sequence[int]
    ) -> tuple[float, list[tuple[int, ...]], list[float]]: ...

    def close(self) -> None:
        """Give its memory back."""
        ...


def compared(
    make: Make,
    given: argparse.Namespace,
    folder: Path,
    others: Mapping[str, Callable[[Sequence[Path]], Beside]] | None = None,
) -> dict[str, Any]:
    """given: of `adapters`, `requests`, `clients`, `rows` and `rounds`; others: what makes further sides of the same files."""
    folders = files(make, folder, given.adapters)
    mine = Ours(make, folders, given.rows)

    def in_turn(work: Callable[[], Any]) -> Any:
        """By the worker's thread: were both to compute in threads of their own, each would have a pool, on the same cores."""
        return mine.worker.call(work).result()

    peer = in_turn(lambda: Theirs(make, folders))
    beside = {name: begin(folders) for name, begin in (others or {}).items()}
    model = mine.worker.model
    asked = prompts(model.network.config.vocab_size, given.requests)
    names = [f"a{number % given.adapters}" for number in range(len(asked))]
    most = [TOKENS] * len(asked)
    endless = mine.speak(asked[:16], names, most, 16)[1]
    peer.stops = list(range(0, model.network.config.vocab_size, every(endless)))
    model.renderer.stops = frozenset(peer.stops)
    in_turn(mine.worker.renew)
    rows, tried = in_turn(lambda: peer.best(asked, names, given.clients))
    said = {OURS: mine.speak(asked, names, most, given.clients)[1]}
    late: dict[str, list[float]] = {}

    def run(side: str) -> float:
        if side in beside:
            seconds, said[side], late[side] = beside[side].speak(asked, names, peer.stops)
        elif side == PEER:
            seconds, said[side], late[side] = in_turn(lambda: peer.speak(asked, names, rows))
        elif side == OURS:
            seconds, said[side], late[side] = mine.speak(asked, names, most, given.clients)
        else:
            model.renderer.stops = frozenset()
            in_turn(mine.worker.renew)
            lengths = [len(one) for one in said[OURS]]
            seconds, said[side], late[side] = mine.speak(asked, [""] * len(asked), lengths, given.clients)
            model.renderer.stops = frozenset(peer.stops)
            in_turn(mine.worker.renew)
        return seconds

    timed = paired({side: lambda side=side: run(side) for side in (OURS, BARE, PEER, *beside)}, given.rounds)
    alike = {side: sum(one == other for one, other in zip(said[OURS], said[side], strict=True)) for side in (PEER, *beside)}
    tokens = {side: sum(map(len, answers)) for side, answers in said.items()}
    made = {
        **timed,
        "tokens_per_second": {side: round(tokens[side] / seconds, 1) for side, seconds in timed["median"].items()},
        "share_of_the_base_alone": round(timed["median"][BARE] / timed["median"][OURS], 3),
        "milliseconds_to_first_token": {side: quantiles(found) for side, found in late.items() if found},
        "mean_tokens_of_an_answer": round(tokens[OURS] / len(asked), 1),
        "answers_alike": {side: f"{count} of {len(asked)}" for side, count in alike.items()},
        "microseconds_a_switch": round(1e6 * statistics.median(mine.switch() for _ in range(5)), 3),
        "peer_batch": rows,
        "peer_seconds_a_request_by_batch": {str(size): round(seconds, 4) for size, seconds in tried.items()},
    }
    mine.worker.close(1)
    for one in beside.values():
        one.close()
    return made


def quantiles(seconds: Sequence[float]) -> dict[str, float]:
    found = sorted(1000 * one for one in seconds)
    return {"p50": round(statistics.median(found), 1), "p95": round(found[int(0.95 * (len(found) - 1))], 1)}


def main() -> None:
    parser = arguments(__doc__, rounds=3, device=False)
    parser.add_argument("--only", nargs="*", choices=KINDS)
    parser.add_argument("--adapters", type=int, default=32)
    parser.add_argument("--requests", type=int, default=192)
    parser.add_argument("--clients", type=int, default=64, help="requests that are there at once")
    parser.add_argument("--rows", type=int, default=64, help="answers under way at once, of ours")
    given = parser.parse_args()
    if given.brief:
        given.adapters, given.requests, given.clients, given.rounds = 4, 12, 8, 1
    transformers.logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as folder:
        wanted = [kind for kind in KINDS if not given.only or kind in given.only]
        pairs = {kind: compared(partial(network, kind), given, Path(folder) / kind) for kind in wanted}
    settings = {
        "rank": RANK,
        "tokens": TOKENS,
        **{name: getattr(given, name) for name in ("adapters", "requests", "clients", "rows")},
    }
    keep("serving_speed", given, settings, pairs)


if __name__ == "__main__":
    main()
