"""Rows of one batch through adapters of several kinds on a GPU: each says what it says alone, and faults of memory are mended.

pytest tests/gpu                                      on a machine with a GPU
TUNESMITH_TEST_DEVICE=cpu pytest tests/gpu            elsewhere, to try the tests themselves
"""

import os
import threading
from types import SimpleNamespace

import pytest
import torch

from tests.models.networks import NETWORKS, V, network
from tests.serving.test_worker import Hearing
from tunesmith.generation.engine import generate
from tunesmith.generation.sampling import Sampling
from tunesmith.generation.slots import Told, Wants
from tunesmith.methods.bottleneck import Bottleneck
from tunesmith.methods.ia3 import IA3
from tunesmith.methods.lora import LoRA
from tunesmith.methods.prefix import PrefixTuning
from tunesmith.methods.prompt import PromptTuning
from tunesmith.models.model import Model
from tunesmith.serving.weighing import weighed
from tunesmith.serving.worker import Ask, Worker

DEVICE = os.environ.get("TUNESMITH_TEST_DEVICE", "cuda")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(DEVICE == "cuda" and not torch.cuda.is_available(), reason="there is no CUDA device here"),
]
KINDS = {
    "low": LoRA(rank=2),
    "high": LoRA(rank=4),
    "stretched": IA3(),
    "soft": PromptTuning(virtual_tokens=3),
    "prefixed": PrefixTuning(virtual_tokens=2),
    "narrow": Bottleneck(),
}
NEAR = {torch.float32: 1e-3, torch.bfloat16: 0.25}  # nats between two log-probabilities of a token
dtypes = pytest.mark.parametrize("dtype", NEAR, ids=["float32", "bfloat16"])
names = pytest.mark.parametrize("name", ["llama", "gpt2", "t5"])
TOKENS = Sampling(tokens=12)


def speaker(name: str, dtype: torch.dtype) -> Model:
    made = network(name).to(DEVICE, dtype)
    start = made.generation_config.decoder_start_token_id or 0
    renderer = SimpleNamespace(start=start, forced=None, stops=frozenset(), say=lambda ids: "", text=lambda text: (1,))
    model = Model(made, renderer, NETWORKS[name][0]).eval()
    for seed, (kind, method) in enumerate(KINDS.items()):
        torch.manual_seed(seed)
        adapter = model.attach(kind, method)
        with torch.no_grad():
            for parameter in adapter.trained().values():
                parameter.add_(torch.randn(parameter.shape).to(parameter) * 0.1)
    model.active = ""
    return model


def asks() -> list[tuple[list[int], str]]:
    draw = torch.Generator().manual_seed(1)
    lengths = (3, 9, 1, 17, 5, 12, 8, 2, 4, 30, 6, 11, 7, 10)
    adapters = ["", *KINDS]
    prompts = [torch.randint(12, V, (length,), generator=draw).tolist() for length in lengths]
    return [(prompt, adapters[number % len(adapters)]) for number, prompt in enumerate(prompts)]


class Whole(Hearing):
    """With what is told of each token."""

    def __init__(self) -> None:
        super().__init__()
        self.every: list[Told] = []

    def __call__(self, heard) -> None:
        self.every += heard.told
        super().__call__(heard)


def served(model: Model, rows: int = 5, columns: int | None = None) -> list[Whole]:
    """All at once, by a worker."""
    worker = Worker(model, rows=rows, columns=columns)
    for kind in KINDS:  # as adapters that were put on before
        worker.shelf._standing[kind] = SimpleNamespace(inside=kind)  # type: ignore[assignment]
    hearings = [Whole() for _ in asks()]
    wanted = [
        Ask(prompt, adapter, TOKENS, hearing, Wants(alternatives=2), streams=True)
        for (prompt, adapter), hearing in zip(asks(), hearings, strict=True)
    ]
    worker.start()
    worker.submit(wanted).result(120)
    for hearing in hearings:
        assert hearing.whole().last.reason == "length", hearing.last
    assert worker.close(20)
    return hearings


@dtypes
@names
def test_a_mixed_batch_is_what_each_adapter_says_alone(name, dtype):
    together, model = served(speaker(name, dtype)), speaker(name, dtype)
    for (prompt, adapter), hearing in zip(asks(), together, strict=True):
        alone = generate(model, [prompt], TOKENS, adapters=[adapter])[0]
        if dtype == torch.float32:
            assert tuple(hearing.ids) == alone.ids, adapter
        else:
            near_a_tie(tuple(hearing.ids), alone.ids, hearing.every, NEAR[dtype])


def near_a_tie(ids: tuple[int, ...], others: tuple[int, ...], told: list[Told], near: float) -> None:
    """Where two answers part, the two ids were nearly as likely: sums in another order may turn that."""
    place = next((n for n, (one, other) in enumerate(zip(ids, others, strict=True)) if one != other), None)
    if place is not None:
        likeliest = dict(told[place].likeliest)
        first, second = sorted(likeliest.values(), reverse=True)
        assert others[place] in likeliest and first - second < near, (place, likeliest)


@dtypes
def test_a_batch_weighs_tokens_as_each_prompt_read_alone(dtype):
    """Across the engine's steps and one reading of the whole: the same log-probabilities, within the precision."""
    model = speaker("llama", dtype)
    for (prompt, adapter), hearing in zip(asks(), served(speaker("llama", dtype)), strict=True):
        model.active = adapter
        (read,) = weighed(model, [[*prompt, *hearing.ids]], 1)
        found = torch.tensor([one.logprob for one in hearing.every])
        right = torch.tensor([one.logprob for one in read[len(prompt) - 1 :]])
        torch.testing.assert_close(found, right, atol=NEAR[dtype], rtol=0)


@names
def test_rows_that_had_to_leave_for_want_of_room_go_on(name):
    free, tight = served(speaker(name, torch.float32)), served(speaker(name, torch.float32), columns=110)
    assert [one.ids for one in free] == [one.ids for one in tight]


@pytest.mark.skipif(DEVICE != "cuda", reason="it fills a GPU's memory")
def test_where_the_device_is_full_all_go_on(monkeypatch):
    """A true fault of CUDA's allocator in the middle of a step, and the answers are those of an empty device."""
    from tunesmith.models.speech import Speech

    right = served(speaker("llama", torch.float32))
    whole, times, filled = Speech.step, [0], threading.Event()

    def greedy(own, ids):
        times[0] += 1
        if times[0] in (4, 9) and own.rows > 1:
            filled.set()
            torch.empty(1 << 46, dtype=torch.uint8, device=DEVICE)
        return whole(own, ids)

    monkeypatch.setattr(Speech, "step", greedy)
    assert [one.ids for one in served(speaker("llama", torch.float32))] == [one.ids for one in right]
    assert filled.is_set()
