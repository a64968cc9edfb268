"""What is true on a CPU is true on a GPU, in float32 and in bfloat16: readings, packing, compiling, learning, speaking.

pytest tests/gpu                                      on a machine with a GPU
TUNESMITH_TEST_DEVICE=cpu pytest tests/gpu            elsewhere, to try the tests themselves
"""

import os
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from tests.models.networks import FEW, NETWORKS, V, model, network
from tests.models.rows import laid, packed, sequences
from tests.training.worlds import Count, Everything, stream
from tunesmith.generation.engine import generate
from tunesmith.generation.sampling import Sampling
from tunesmith.methods.full import Full
from tunesmith.methods.lora import LoRA
from tunesmith.methods.method import Method
from tunesmith.methods.prompt import PromptTuning
from tunesmith.models.families import Vocabulary
from tunesmith.models.logprobs import TILE, target_logprobs
from tunesmith.models.model import Model
from tunesmith.models.shared_rows import why_masked
from tunesmith.tokens.batch import Batch
from tunesmith.tokens.packing import Room
from tunesmith.tokens.sequence import causal
from tunesmith.training.loop import train
from tunesmith.training.plan import Plan
from tunesmith.training.state import State, latest

DEVICE = os.environ.get("TUNESMITH_TEST_DEVICE", "cuda")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(DEVICE == "cuda" and not torch.cuda.is_available(), reason="there is no CUDA device here"),
]
NEAR = {torch.float32: {"rtol": 1e-4, "atol": 1e-4}, torch.bfloat16: {"rtol": 0.1, "atol": 0.3}}
dtypes = pytest.mark.parametrize("dtype", NEAR, ids=["float32", "bfloat16"])
half = pytest.mark.skipif(DEVICE != "cuda", reason="it looks at a GPU's kernels or memory")
METHODS = {"lora": LoRA(rank=2), "prompt": PromptTuning(virtual_tokens=3)}
PLAN = Plan(examples=4, learning_rate=3e-3, warmup=0.0, room=Room(layout="padded"))


def there(name: str, dtype: torch.dtype = torch.float32) -> Model:
    return model(name).to(DEVICE, dtype).eval()


@dtypes
@pytest.mark.parametrize("name", NETWORKS)
def test_a_reading_is_that_of_the_cpu(name, dtype):
    batch = laid(sequences(NETWORKS[name][0]))
    found = there(name, dtype)(batch.to(DEVICE)).logprobs()
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.cpu(), model(name)(batch).logprobs(), **NEAR[dtype])


@dtypes
@pytest.mark.parametrize("name", [name for name in NETWORKS if NETWORKS[name][0] == "causal"])
def test_packed_is_alone(name, dtype):
    made, tokens = there(name, dtype), sequences("causal")
    if not made.packs(Room(layout="packed")):
        pytest.skip(f"{name} reads one sequence a row")
    alone, together = (made(batch.to(DEVICE)).logprobs() for batch in (laid(tokens), packed(tokens)))
    torch.testing.assert_close(together, alone, **NEAR[dtype])


def gradients(made: Model, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """What is said, and the gradient of its sum for all that is trained, as one vector."""
    said = made(batch).logprobs()
    found = torch.autograd.grad(said.sum(), list(made.adapter().trained().values()))
    return said.detach(), torch.cat([gradient.flatten().float() for gradient in found])


def learner(name: str, dtype: torch.dtype, method: Method, **changed: int) -> Model:
    made = model(name, **changed).to(DEVICE, dtype)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in made.attach("a", method).trained().values():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return made.train()


def alike(one: tuple[torch.Tensor, ...], other: tuple[torch.Tensor, ...], dtype: torch.dtype) -> None:
    torch.testing.assert_close(one[0], other[0], **NEAR[dtype])
    near = torch.nn.functional.cosine_similarity(one[1], other[1], dim=0)
    assert near > (0.9999 if dtype == torch.float32 else 0.98)


LONG = {"hidden_size": 128, "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 2**14}


@half
@pytest.mark.parametrize("name", ["llama", "mistral", "gemma3"])
def test_long_packed_rows_without_a_mask_are_alone(name):
    """Grouped heads, windows, sequences longer than a block of the kernel, padding behind the last of a row."""
    changed = LONG | ({} if name == "llama" else {"sliding_window": 50, "head_dim": 32})
    tokens = sequences("causal", 6, longest=700)
    made = learner(name, torch.bfloat16, LoRA(rank=2), **changed)
    assert made.packs(Room(layout="packed")) and why_masked(made.network) == ""
    alone, together = (gradients(made, batch.to(DEVICE)) for batch in (laid(tokens), packed(tokens)))
    alike(together, alone, torch.bfloat16)
    precise = learner(name, torch.float32, LoRA(rank=2), **changed)
    alike(together, gradients(precise, packed(tokens).to(DEVICE)), torch.bfloat16)


@half
def test_packed_rows_make_no_square_of_their_tokens():
    made = learner("llama", torch.bfloat16, LoRA(rank=2), **LONG)
    tokens = [causal([3 + n % 50 for n in range(length)], [1.0] * length) for length in (4000, 4192, 4096, 4096)]
    batch = packed(tokens).to(DEVICE)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    made(batch, everywhere=True).logprobs().sum().backward()
    width = batch.input_ids.shape[1]
    states = 2 * width * LONG["hidden_size"] * 4  # two rows, in float32
    assert torch.cuda.max_memory_allocated() - before < 80 * states < 2 * width**2


@dtypes
@pytest.mark.parametrize("again", [False, True], ids=["kept", "again"])
@pytest.mark.parametrize("name", ["llama", "t5", "bert"])
def test_compiled_is_as_it_was(name, again, dtype):
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    made = learner(name, dtype, LoRA(rank=2))
    made.checkpointing(again)
    batches = [laid(sequences(made.family, count, count, longest)).to(DEVICE) for count, longest in ((7, 11), (5, 20), (3, 17))]
    if made.family == "causal":
        batches += [packed(sequences("causal", count, count, 15)).to(DEVICE) for count in (6, 10, 8)]
    wanted = [gradients(made, batch) for batch in batches]
    made.compiling(True)
    for batch, values in zip(batches, wanted, strict=True):
        alike(gradients(made, batch), values, dtype)
    assert not torch._dynamo.utils.counters["graph_break"]
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] <= 14


@dtypes
@pytest.mark.parametrize("name", FEW)
def test_layers_computed_again_have_the_same_gradients(name, dtype):
    made = learner(name, dtype, LoRA(rank=2))
    batch = laid(sequences(made.family)).to(DEVICE)
    found = []
    for again in (False, True):
        made.checkpointing(again)
        found.append(gradients(made, batch))
    alike(*found, dtype)


@half
@pytest.mark.parametrize("compiled", [False, True], ids=["", "compiled"])
@pytest.mark.parametrize("method", [LoRA(rank=2), Full()], ids=["lora", "full"])
@pytest.mark.parametrize("name", ["llama", "t5", "bert"])
def test_a_few_steps_in_bfloat16_lower_the_loss(name, method, compiled):
    made = model(name).to(DEVICE, torch.bfloat16)
    adapter = made.attach("a", method)
    made.compiling(compiled)
    state = State.new(adapter, PLAN)
    same = [stream(place) for place in range(PLAN.examples)] * 8
    losses = [step.loss for step in train(made, adapter, Count(made.family), same.__getitem__, PLAN, state, 8)]
    assert losses[-1] < losses[0] - 0.05, losses


@half
@pytest.mark.parametrize("trained", [False, True], ids=["frozen", "trained"])
def test_logits_take_no_more_memory_than_a_few_tiles(trained):
    many, wide, words = 8192, 256, 128_256
    head = torch.nn.Linear(wide, words, bias=False, device=DEVICE, dtype=torch.bfloat16).requires_grad_(trained)
    states_ND = torch.randn(many, wide, device=DEVICE, dtype=torch.bfloat16, requires_grad=True)
    target_N = torch.randint(words, (many,), device=DEVICE)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    target_logprobs(states_ND, Vocabulary(head), target_N).sum().backward()
    # A tile as the product, in float32, and as its gradient; for a trained head the float32 sum and one tile's part of it.
    most = (2 + 4 + 2) * TILE["cuda"] + (4 + 2 + 2 + 2) * words * wide * trained
    assert torch.cuda.max_memory_allocated() - before < 1.1 * most + 2**26 < 4 * many * words


@dtypes
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", FEW)
def test_gradients_of_an_adapter_are_those_of_the_cpu(name, method, dtype):
    gradients = []
    for device, kind in (("cpu", torch.float32), (DEVICE, dtype)):
        made = model(name).to(device, kind)
        torch.manual_seed(1)
        adapter = made.attach("a", METHODS[method])
        values = torch.Generator().manual_seed(2)
        with torch.no_grad():
            for parameter in adapter.trained().values():
                parameter.copy_((torch.randn(parameter.shape, generator=values) * 0.1).to(device))
        assert {p.dtype for p in adapter.trained().values()} == {torch.float32}
        batch = laid(sequences(made.family), made.virtual_tokens).to(device)
        (-made(batch).logprobs().mean()).backward()
        gradients.append(torch.cat([p.grad.flatten().cpu() for p in adapter.trained().values()]))
    near = torch.nn.functional.cosine_similarity(*gradients, dim=0)
    assert near > (0.9999 if dtype == torch.float32 else 0.98)


def curve(name: str, device: str, plan: Plan, steps: int = 6) -> list[float]:
    made = model(name).to(device)
    torch.manual_seed(0)
    adapter = made.attach("a", Everything())
    state = State.new(adapter, plan)
    return [step.loss for step in train(made, adapter, Count(made.family), stream, plan, state, steps)]


@pytest.mark.parametrize("name", FEW)
def test_the_curve_is_that_of_the_cpu(name):
    assert curve(name, DEVICE, PLAN) == pytest.approx(curve(name, "cpu", PLAN), rel=1e-3)


@pytest.mark.parametrize("name", ["llama", "t5", "bert"])
def test_bfloat16_and_packing_learn_nearly_the_same(name):
    wanted = curve(name, "cpu", PLAN)
    for changed in (replace(PLAN, precision="bfloat16"), replace(PLAN, room=Room(layout="packed", width=40))):
        assert curve(name, DEVICE, changed) == pytest.approx(wanted, rel=0.03)


@pytest.mark.parametrize("name", ["llama", "t5", "bert"])
def test_a_checkpoint_goes_on_exactly(name, tmp_path):
    def learner():
        made = model(name).to(DEVICE)
        adapter = made.attach("a", Everything())
        return made, adapter, State.new(adapter, PLAN)

    def steps(made, adapter, state, until):
        records = train(made, adapter, Count(made.family), stream, PLAN, state, 6)
        return [next(records).loss for _ in range(state.step, until)]

    whole = steps(*learner(), 6)
    first = learner()
    begun = steps(*first, 3)
    first[2].save(tmp_path)
    second = learner()
    second[2].restore(latest(tmp_path))
    assert begun + steps(*second, 6) == pytest.approx(whole, rel=1e-6)


@dtypes
@pytest.mark.parametrize("name", ["llama", "gpt2", "t5", "bart"])
def test_greedy_answers_do_not_depend_on_the_company(name, dtype):
    made = network(name).to(DEVICE, dtype)
    made.generation_config.forced_eos_token_id = None
    renderer = SimpleNamespace(
        start=made.generation_config.decoder_start_token_id or 0,
        forced=None,
        stops=frozenset({2, 7, 8}),
        say=lambda ids: "",
    )
    spoken = Model(made, renderer, NETWORKS[name][0]).eval()
    draw = torch.Generator().manual_seed(1)
    asked = [torch.randint(12, V, (length,), generator=draw).tolist() for length in (3, 9, 1, 17, 5)]
    together = [said.ids for said in generate(spoken, asked, Sampling(tokens=12), 3)]
    alone = [generate(spoken, [one], Sampling(tokens=12), 1)[0].ids for one in asked]
    if dtype == torch.float32:
        assert together == alone
    else:  # sums in another order may turn a tie
        assert [ids[:1] for ids in together] == [ids[:1] for ids in alone]


@pytest.mark.parametrize("name", ["llama", "t5"])
def test_greedy_answers_in_bfloat16_are_those_of_transformers(name):
    """Where they part, the two best logits are nearly the same."""
    own = network(name).to(DEVICE, torch.bfloat16)
    family, most = NETWORKS[name][0], 12
    renderer = SimpleNamespace(start=0, forced=None, stops=frozenset(), say=lambda ids: "")
    spoken = Model(network(name).to(DEVICE, torch.bfloat16), renderer, family).eval()
    draw = torch.Generator().manual_seed(1)
    for length in (3, 9, 1, 17, 5):
        asked = torch.randint(12, V, (length,), generator=draw).tolist()
        (said,) = generate(spoken, [asked], Sampling(tokens=most), 1)
        ids, answer = torch.tensor([asked], device=DEVICE), [0] if family == "seq2seq" else []
        for id_ in said.ids:
            inputs = {"decoder_input_ids": torch.tensor([answer], device=DEVICE)} if family == "seq2seq" else {}
            read = ids if family == "seq2seq" else torch.cat((ids, ids.new_tensor([answer])), dim=1) if answer else ids
            logits_V = own(input_ids=read, **inputs).logits[0, -1].float()
            assert logits_V.max() - logits_V[id_] <= 0.02 * logits_V.abs().max()
            answer.append(id_)
