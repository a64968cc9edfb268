"""What is true on a CPU is true on a GPU, in float32 and in bfloat16: readings, packing, learning, speaking.

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
from tunesmith.methods.lora import LoRA
from tunesmith.methods.prompt import PromptTuning
from tunesmith.models.model import Model
from tunesmith.tokens.packing import Room
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
    state = State.new(adapter.trained(), plan)
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
        return made, adapter, State.new(adapter.trained(), PLAN)

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
